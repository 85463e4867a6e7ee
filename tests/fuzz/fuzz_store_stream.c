// SPDX-License-Identifier: Apache-2.0
/* fuzz_store_stream.c - any bytes as what the process says that takes an archive apart. Nothing may
 * appear beside the directory that it is written into, and no link in it may lead out. */
#include "runner/store/store_stream.h"

#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only the directory itself lies in the one above it. */
static void look_around(int above)
{
	int fd = openat(above, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	unsigned n = 0;
	while (dir && readdir(dir))
		n++;
	if (!dir || n != 3)
		abort();
	(void)closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char top[] = "/dev/shm/drydock-fuzz-XXXXXX";
	static int above = -1;
	struct store_took took = { .bytes_max = 1 << 20 };
	struct dd_err err = { 0 };

	if (above < 0 &&
	    (!mkdtemp(top) || (above = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
		abort();
	if (size > 65536)
		return 0;
	(void)mkdirat(above, "to", 0700);
	int to = openat(above, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int from = memfd_create("said", MFD_CLOEXEC);
	if (to < 0 || from < 0 || write(from, data, size) != (ssize_t)size ||
	    lseek(from, 0, SEEK_SET) < 0)
		abort();
	(void)store_write(from, to, &took, &err);
	dd_close(from);
	look_around(above);
	if (tree_remove(to, &err) < 0)
		abort();
	dd_close(to);
	return 0;
}
