// SPDX-License-Identifier: Apache-2.0
/* artifact.c - hands one file from a tree that a step wrote to another, if it still is what the
 * record says.
 *
 * Runs in the supervisor. The bytes that are hashed are the bytes that are written, so a file that
 * changes meanwhile is refused, never half believed.
 */
#include "base/digest.h"
#include "dir_stack.h"
#include "drydock/fd.h"
#include "tree_walk.h"
#include "workspace.h"

#include <fcntl.h>
#include <limits.h>

struct job {
	int from_fd;
	const char *path;
	struct tree_owner owner;
	struct dd_err *err;
};

static int check_path(const struct job *j)
{
	const char *p = j->path;
	if (strlen(p) >= PATH_MAX)
		return dd_err_set(j->err, ENAMETOOLONG, "check the path");
	do {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return dd_err_say(
				j->err, EINVAL,
				"a path of an artifact is relative and has no empty, . or .. part");
		p += n;
	} while (*p++ == '/');
	return 0;
}

/* O_PATH first: looking at a device or a FIFO must not open it. */
static int open_source(const struct job *j, struct stat *ret_st, int *ret_fd)
{
	struct stat looked, opened;
	dd_auto_fd int look = open_beneath(j->from_fd, j->path, O_PATH, 0);
	if (look < 0)
		return dd_err_set(j->err, -look, "find it");
	if (fstat(look, &looked) < 0)
		return dd_err_set(j->err, errno, "look at it");
	if (!S_ISREG(looked.st_mode))
		return dd_err_say(j->err, EINVAL, "only a regular file can be an artifact");
	dd_auto_fd int fd = open_beneath(j->from_fd, j->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return dd_err_set(j->err, -fd, "open it");
	if (fstat(fd, &opened) < 0)
		return dd_err_set(j->err, errno, "look at it");
	if (opened.st_ino != looked.st_ino || opened.st_dev != looked.st_dev ||
	    !S_ISREG(opened.st_mode))
		return dd_err_say(j->err, EBADMSG, "it was exchanged while it was opened");
	*ret_st = opened;
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int give(const struct job *j, int fd, mode_t mode)
{
	if (j->owner.change && fchown(fd, j->owner.uid, j->owner.gid) < 0)
		return dd_err_set(j->err, errno, "give the copy to uid %u", j->owner.uid);
	return fchmod(fd, mode) < 0 ? dd_err_set(j->err, errno, "set the mode of the copy") : 0;
}

/* The directory that will hold the copy, made as far as it is missing. */
static int make_parents(const struct job *j, int to_fd, int *ret_fd)
{
	char name[NAME_MAX + 1];
	const char *p = j->path, *slash;
	dd_auto_fd int dir = open_beneath(to_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dd_err_set(j->err, -dir, "open the destination");
	for (; (slash = strchr(p, '/')); p = slash + 1) {
		size_t n = (size_t)(slash - p);
		if (n > NAME_MAX)
			return dd_err_set(j->err, ENAMETOOLONG, "make a directory");
		memcpy(name, p, n);
		name[n] = '\0';
		bool made = mkdirat(dir, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return dd_err_set(j->err, errno, "make a directory");
		int next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return dd_err_set(j->err, -next, "enter a directory of the destination");
		dd_close(dir);
		dir = next;
		int r = made ? give(j, dir, 0755) : 0;
		if (r < 0)
			return r;
	}
	*ret_fd = dd_take_fd(&dir);
	return 0;
}

static int write_all(const struct job *j, int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);
		if (n < 0 && errno != EINTR)
			return dd_err_set(j->err, errno, "write the copy");
		buf += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy_hashed(const struct job *j, struct digest *digest, int in, int out, uint64_t size,
                       char hex[DIGEST_HEX])
{
	char buf[12288];
	int r = digest_start(digest, j->err);
	while (r == 0) {
		ssize_t n = read(in, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(j->err, errno, "read it");
		if (n == 0)
			break;
		if ((uint64_t)n > size)
			return dd_err_say(j->err, EBADMSG, "it grows while it is copied");
		size -= (uint64_t)n;
		r = digest_update(digest, buf, (size_t)n, j->err);
		if (r == 0)
			r = write_all(j, out, buf, (size_t)n);
	}
	return r < 0 ? r : digest_hex(digest, hex, j->err);
}

static int fill(const struct job *j, int in, const struct stat *st, int out, const char *expected)
{
	struct digest *digest = NULL;
	char hex[DIGEST_HEX];
	int r = digest_new(&digest, j->err);
	if (r == 0)
		r = copy_hashed(j, digest, in, out, (uint64_t)st->st_size, hex);
	digest_free(digest);
	if (r == 0 && strcmp(hex, expected) != 0)
		r = dd_err_say(
			j->err, EBADMSG,
			"its sha256 is %s, recorded was %.64s: it changed since the step ended",
			hex, expected);
	/* Writable for its owner only: what comes out is published, or lies in a directory of the
	 * caller's. */
	return r < 0 ? r : give(j, out, st->st_mode & 0755);
}

static int copy_one(const struct job *j, int to_fd, const char *expected)
{
	struct stat st = { .st_size = 0 };
	dd_auto_fd int in = -1;
	dd_auto_fd int dir = -1;
	int r = check_path(j);
	if (r == 0)
		r = open_source(j, &st, &in);
	if (r == 0)
		r = make_parents(j, to_fd, &dir);
	if (r < 0)
		return r;
	const char *slash = strrchr(j->path, '/');
	const char *name = slash ? slash + 1 : j->path;
	/* Of the run before, when it is the caller's --out. Anything but a file stays, and is an
	 * error. */
	struct stat old;
	if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old.st_mode) &&
	    unlinkat(dir, name, 0) < 0)
		return dd_err_set(j->err, errno, "replace the file that is there");
	dd_auto_fd int out = open_beneath(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (out < 0)
		return dd_err_set(j->err, -out, "create the copy");
	r = fill(j, in, &st, out, expected);
	if (r < 0 && unlinkat(dir, name, 0) < 0)
		return dd_err_ctx(j->err, r, "(and the refused copy could not be removed)");
	return r;
}

int artifact_copy(int from_fd, int to_fd, const char *path, const char *sha256_hex,
                  struct tree_owner owner, struct dd_err *err)
{
	struct job j = { .from_fd = from_fd, .path = path, .owner = owner, .err = err };
	int r = copy_one(&j, to_fd, sha256_hex);
	return r < 0 ? tree_err_ctx(err, r, "artifact", path) : 0;
}
