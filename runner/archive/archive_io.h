// SPDX-License-Identifier: Apache-2.0
/* archive_io.h - how minizip reads and writes a region of an open file; seen by archive_*.c only.
 */
#ifndef RUNNER_ARCHIVE_IO_H
#define RUNNER_ARCHIVE_IO_H

#include "archive.h"

#include <minizip/ioapi.h>

/* A file in the middle of another. Of one that is written @len grows, and @max bounds it. */
struct archive_io {
	int fd;
	uint64_t at, len, pos, max;
	bool full; /* something did not fit any more */
};

void archive_io_calls(struct archive_io *io, zlib_filefunc64_def *ret);

#endif
