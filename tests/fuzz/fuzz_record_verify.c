// SPDX-License-Identifier: Apache-2.0
/* fuzz_record_verify.c - any bytes as a record. */
#include "runner/record/record.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_state state;
	struct dd_err err;
	int fd = memfd_create("record", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (record_scan(fd, &state, NULL, NULL, &err) == 0 &&
	    state.good_bytes + state.torn_bytes != size)
		abort();
	(void)close(fd);
	return 0;
}
