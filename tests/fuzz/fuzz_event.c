// SPDX-License-Identifier: Apache-2.0
/* fuzz_event.c - any bytes as an event: an error, or facts; and trust only where the bytes say that
 * the ref is protected. */
#include "runner/model/event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct event_facts ev = { 0 };
	struct dd_err err = { 0 };
	int r = event_parse((const char *)data, size, &ev, &err);
	if (r < 0 && err.code == 0)
		abort();
	if (r == 0 && event_is_trusted(&ev, NULL) && !memmem(data, size, "protected", 9) &&
	    !memmem(data, size, "\\u", 2))
		abort();
	return 0;
}
