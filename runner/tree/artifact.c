// SPDX-License-Identifier: Apache-2.0
/* artifact.c - hands one file from a tree that a step wrote to another, if it still is what the
 * record says.
 *
 * Runs in the supervisor. The bytes that are hashed are the bytes that are written, so a file that
 * changes meanwhile is refused, never half believed.
 */
#include "base/digest.h"
#include "base/interrupt.h"
#include "dir_stack.h"
#include "drydock/fd.h"
#include "holes.h"
#include "tree_walk.h"
#include "workspace.h"

#include <fcntl.h>
#include <limits.h>

enum { CHECK_EVERY = 1024 * 1024 };

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
		return tree_err_reach(j->err, dd_err_set(j->err, ENAMETOOLONG, "check the path"));
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
		return tree_err_reach(j->err, dd_err_set(j->err, -look, "find it"));
	if (fstat(look, &looked) < 0)
		return dd_err_set(j->err, errno, "look at it");
	if (!S_ISREG(looked.st_mode))
		return dd_err_blame(
			j->err, DD_BLAME_STEP,
			dd_err_say(j->err, EINVAL, "only a regular file can be an artifact"));
	dd_auto_fd int fd = open_beneath(j->from_fd, j->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return tree_err_reach(j->err, dd_err_set(j->err, -fd, "open it"));
	if (fstat(fd, &opened) < 0)
		return dd_err_set(j->err, errno, "look at it");
	if (opened.st_ino != looked.st_ino || opened.st_dev != looked.st_dev ||
	    !S_ISREG(opened.st_mode))
		return dd_err_blame(
			j->err, DD_BLAME_STEP,
			dd_err_say(j->err, EBADMSG, "it was exchanged while it was opened"));
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
			return tree_err_reach(j->err,
			                      dd_err_set(j->err, ENAMETOOLONG, "make a directory"));
		memcpy(name, p, n);
		name[n] = '\0';
		bool made = mkdirat(dir, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return tree_err_reach(j->err,
			                      dd_err_set(j->err, errno, "make a directory"));
		int next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return tree_err_reach(
				j->err,
				dd_err_set(j->err, -next, "enter a directory of the destination"));
		dd_close(dir);
		dir = next;
		int r = made ? give(j, dir, 0755) : 0;
		if (r < 0)
			return r;
	}
	*ret_fd = dd_take_fd(&dir);
	return 0;
}

/* One copy: what is read is what is hashed and what is written. */
struct artifact_pipe {
	const struct job *j;
	struct digest *digest;
	int in, out;
	uint64_t at, size; /* size: when it was opened */
	char buf[65536];
};

static int write_all(struct artifact_pipe *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(p->out, p->buf + done, len - done, (off_t)(p->at + done));
		if (n < 0 && errno != EINTR)
			return dd_err_set(p->j->err, errno, "write the copy");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A hole is hashed as the zeros that it reads as, and stays a hole: otherwise a step could have the
 * supervisor write what it never wrote itself. */
static int pass_hole(struct artifact_pipe *p, uint64_t until)
{
	int r = 0;
	memset(p->buf, 0, sizeof(p->buf));
	for (uint64_t n = 0; r == 0 && p->at < until; p->at += n) {
		n = until - p->at < sizeof(p->buf) ? until - p->at : sizeof(p->buf);
		if (p->at % CHECK_EVERY < sizeof(p->buf) && (r = interrupt_check(p->j->err)) < 0)
			return r;
		r = digest_update(p->digest, p->buf, (size_t)n, p->j->err);
	}
	return r;
}

static int pass_data(struct artifact_pipe *p, uint64_t until)
{
	int r = 0;
	while (r == 0 && p->at < until) {
		if (p->at % CHECK_EVERY < sizeof(p->buf) && (r = interrupt_check(p->j->err)) < 0)
			return r;
		uint64_t want = until - p->at < sizeof(p->buf) ? until - p->at : sizeof(p->buf);
		ssize_t n = pread(p->in, p->buf, (size_t)want, (off_t)p->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(p->j->err, errno, "read it");
		if (n == 0)
			return dd_err_blame(
				p->j->err, DD_BLAME_STEP,
				dd_err_say(p->j->err, EBADMSG, "it shrinks while it is copied"));
		r = digest_update(p->digest, p->buf, (size_t)n, p->j->err);
		if (r == 0)
			r = write_all(p, (size_t)n);
		p->at += (uint64_t)n;
	}
	return r;
}

static int copy_hashed(struct artifact_pipe *p, bool sparse, char hex[DIGEST_HEX])
{
	char more;
	int r = interrupt_check(p->j->err);
	if (r == 0)
		r = digest_start(p->digest, p->j->err);
	while (r == 0 && p->at < p->size) {
		uint64_t data, end;
		file_next_data(p->in, sparse, p->at, p->size, &data, &end);
		r = pass_hole(p, data);
		if (r == 0)
			r = pass_data(p, end);
	}
	if (r < 0)
		return r;
	if (pread(p->in, &more, 1, (off_t)p->size) > 0)
		return dd_err_blame(p->j->err, DD_BLAME_STEP,
		                    dd_err_say(p->j->err, EBADMSG, "it grows while it is copied"));
	if (ftruncate(p->out, (off_t)p->size) < 0) /* ends in a hole */
		return dd_err_set(p->j->err, errno, "write the copy");
	return digest_hex(p->digest, hex, p->j->err);
}

static int fill(const struct job *j, int in, const struct stat *st, int out, const char *expected)
{
	dd_auto_free struct artifact_pipe *pipe = calloc(1, sizeof(*pipe));
	char hex[DIGEST_HEX];
	if (!pipe)
		return dd_err_set(j->err, ENOMEM, "copy it");
	*pipe = (struct artifact_pipe){
		.j = j, .in = in, .out = out, .size = (uint64_t)st->st_size
	};
	int r = digest_new(&pipe->digest, j->err);
	if (r == 0)
		r = copy_hashed(pipe, file_is_sparse(st), hex);
	digest_free(pipe->digest);
	if (r == 0 && strcmp(hex, expected) != 0)
		r = dd_err_blame(j->err, DD_BLAME_STEP,
		                 dd_err_say(j->err, EBADMSG,
		                            "its sha256 is %s, recorded was %.64s: it changed "
		                            "since the step ended",
		                            hex, expected));
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
		return tree_err_reach(j->err, dd_err_set(j->err, -out, "create the copy"));
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
