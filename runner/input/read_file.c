// SPDX-License-Identifier: Apache-2.0
/* read_file.c - reads one regular file, bounded. Runs in: command line and supervisor. */
#include "read_file.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <sys/stat.h>

static int read_all(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t at = 0;
	while (at < size) {
		ssize_t got = read(fd, buf + at, size - at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		at += (size_t)got;
	}
	*ret_len = at;
	return 0;
}

int read_fd_bounded(int fd, const char *name, size_t max, char **ret, size_t *ret_len,
                    struct dd_err *err)
{
	struct stat st;
	size_t len = 0;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return dd_err_say(err, EINVAL, "%s is not a regular file", name);
	if (st.st_size > 0 && (uint64_t)st.st_size > max)
		return dd_err_say(err, EFBIG, "%s is larger than %zu bytes", name, max);

	size_t room = (size_t)st.st_size + 4096 < max + 1 ? (size_t)st.st_size + 4096 : max + 1;
	dd_auto_free char *buf = malloc(room + 1);
	if (!buf)
		return dd_err_set(err, ENOMEM, "read %s", name);
	int r = read_all(fd, buf, room, &len);
	if (r < 0)
		return dd_err_set(err, -r, "read %s", name);
	if (len > max || len == room)
		return dd_err_say(err, EFBIG,
		                  "%s is larger than %zu bytes, or grew while it was read", name,
		                  max);
	buf[len] = '\0';
	*ret = buf;
	buf = NULL;
	*ret_len = len;
	return 0;
}

int read_file_bounded(const char *path, size_t max, char **ret, size_t *ret_len, struct dd_err *err)
{
	/* O_NONBLOCK: opening a FIFO that nobody writes must not hang; fstat() then refuses it. */
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	return read_fd_bounded(fd, path, max, ret, ret_len, err);
}

int read_named_file(const char *path, size_t max, char **ret, size_t *ret_len,
                    struct named_link *link, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, link, err);
	return r < 0 ? r : read_fd_bounded(fd, path, max, ret, ret_len, err);
}
