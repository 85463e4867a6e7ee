// SPDX-License-Identifier: Apache-2.0
/* fuzz_unpack.c - an archive that strangers made: nothing of it may lie outside of its directory,
 * come through a link, or be more than it may be.
 *
 * Each case unpacks into a directory of its own below /dev/shm, with a link in the way that leads
 * to a canary beside it. */
#include "archive/archive.h"
#include "drydock/fd.h"
#include "tree/workspace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int base = -1;
	struct archive_counts counts = { 0 };
	struct dd_err err = { 0 };
	struct stat st;
	if (base < 0) {
		char path[] = "/dev/shm/fuzz-unpack-XXXXXX";
		if (!mkdtemp(path) || (base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
			abort();
	}
	if (mkdirat(base, "in", 0755) < 0 || mkdirat(base, "out", 0755) < 0)
		abort();
	dd_auto_fd int in = openat(base, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dd_auto_fd int out = openat(base, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dd_auto_fd int file = memfd_create("archive", MFD_CLOEXEC);
	if (in < 0 || out < 0 || file < 0 || write(file, data, size) != (ssize_t)size ||
	    symlinkat("../out", in, "l") < 0)
		abort();
	const struct archive_region all = { .fd = file, .at = 0, .len = size };
	int r = archive_unpack(&all, in, BYTES_MAX, &counts, &err);
	if ((r < 0) != (err.code != 0) || counts.bytes > BYTES_MAX)
		abort();
	if (fstat(out, &st) < 0 || st.st_size != 40) /* an empty directory of tmpfs */
		abort();
	/* directories may have come out closed */
	if (tree_remove(in, NULL) < 0 && geteuid() == 0)
		abort();
	if (unlinkat(base, "in", AT_REMOVEDIR) < 0 || unlinkat(base, "out", AT_REMOVEDIR) < 0)
		abort();
	return 0;
}
