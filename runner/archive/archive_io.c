// SPDX-License-Identifier: Apache-2.0
/* archive_io.c - see archive_io.h. Runs in: step. */
#include "archive_io.h"

#include <unistd.h>

static voidpf io_open(voidpf opaque, const void *name, int mode)
{
	(void)name;
	(void)mode;
	return opaque;
}

static uLong io_read(voidpf opaque, voidpf stream, void *buf, uLong size)
{
	struct archive_io *io = stream;
	uint64_t left = io->pos < io->len ? io->len - io->pos : 0;
	size_t want = size < left ? size : (size_t)left, done = 0;
	(void)opaque;
	while (done < want) {
		ssize_t n = pread(io->fd, (char *)buf + done, want - done,
		                  (off_t)(io->at + io->pos + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	io->pos += done;
	return done;
}

static uLong io_write(voidpf opaque, voidpf stream, const void *buf, uLong size)
{
	struct archive_io *io = stream;
	size_t done = 0;
	(void)opaque;
	if (io->pos > io->max || size > io->max - io->pos) {
		io->full = true;
		return 0;
	}
	while (done < size) {
		ssize_t n = pwrite(io->fd, (const char *)buf + done, size - done,
		                   (off_t)(io->at + io->pos + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	io->pos += done;
	if (io->pos > io->len)
		io->len = io->pos;
	return done;
}

static ZPOS64_T io_tell(voidpf opaque, voidpf stream)
{
	(void)opaque;
	return ((struct archive_io *)stream)->pos;
}

static long io_seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin)
{
	struct archive_io *io = stream;
	uint64_t from = origin == ZLIB_FILEFUNC_SEEK_SET   ? 0
	                : origin == ZLIB_FILEFUNC_SEEK_CUR ? io->pos
	                                                   : io->len;
	/* minizip goes back by an offset that wraps */
	uint64_t to = from + offset;
	(void)opaque;
	if (to > io->len)
		return -1;
	io->pos = to;
	return 0;
}

static int io_nothing(voidpf opaque, voidpf stream)
{
	(void)opaque;
	(void)stream;
	return 0;
}

void archive_io_calls(struct archive_io *io, zlib_filefunc64_def *ret)
{
	*ret = (zlib_filefunc64_def){ .zopen64_file = io_open,
		                      .zread_file = io_read,
		                      .zwrite_file = io_write,
		                      .ztell64_file = io_tell,
		                      .zseek64_file = io_seek,
		                      .zclose_file = io_nothing,
		                      .zerror_file = io_nothing,
		                      .opaque = io };
}
