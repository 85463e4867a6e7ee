// SPDX-License-Identifier: Apache-2.0
/* tree_copy.c - copies a tree into an empty directory: what is read is copied, links stay links,
 * nothing special travels.
 *
 * Runs in the supervisor. The source may be a user's directory that changes meanwhile: a name that
 * vanishes or changes its kind is skipped and counted, a file is copied up to the size it had when
 * it was opened, so that one that grows for ever ends.
 */
#include "dir_stack.h"
#include "drydock/fd.h"
#include "base/interrupt.h"
#include "tree_walk.h"
#include "workspace.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

enum { KERNEL_CHUNK = 64 * 1024 * 1024, HAND_CHUNK = 8192, CHECK_EVERY = 1024 * 1024 };

struct copy {
	struct dir_stack to;
	struct tree_owner owner;
	const struct tree_place *without;
	size_t n_without;
	struct tree_counts counts;
	bool no_clone, no_range; /* tried once: this pair of file systems cannot */
};

static bool cannot(int code)
{
	return code == EOPNOTSUPP || code == ENOTTY || code == EXDEV || code == EINVAL ||
	       code == ENOSYS;
}

static int copy_by_hand(int in, int out, uint64_t left, uint64_t *done)
{
	char buf[HAND_CHUNK];
	while (left > 0) {
		int r = *done % CHECK_EVERY < HAND_CHUNK ? interrupt_check(NULL) : 0;
		if (r < 0)
			return r;
		ssize_t n = read(in, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			ssize_t put = write(out, buf + at, (size_t)(n - at));
			if (put < 0 && errno != EINTR)
				return -errno;
			at += put > 0 ? put : 0;
		}
		left -= (uint64_t)n;
		*done += (uint64_t)n;
	}
	return 0;
}

static int copy_in_kernel(int in, int out, uint64_t left, uint64_t *done)
{
	while (left > 0) {
		int r = interrupt_check(NULL);
		if (r < 0)
			return r;
		ssize_t n = copy_file_range(in, NULL, out, NULL,
		                            left < KERNEL_CHUNK ? (size_t)left : KERNEL_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		left -= (uint64_t)n;
		*done += (uint64_t)n;
	}
	return 0;
}

/* The best way that these file systems offer; the offsets move along, so a slower way continues
 * where a faster one stopped. */
static int copy_data(struct copy *c, int in, int out, uint64_t size)
{
	uint64_t done = 0;
	if (!c->no_clone && size > 0) {
		if (ioctl(out, FICLONE, in) == 0) {
			c->counts.bytes += size;
			return 0;
		}
		if (!cannot(errno) && errno != EPERM)
			return -errno;
		c->no_clone = true;
	}
	int r = 0;
	if (!c->no_range) {
		r = copy_in_kernel(in, out, size, &done);
		if (r < 0 && cannot(-r))
			c->no_range = true;
		else if (r < 0)
			return r;
	}
	/* Also when the kernel copied less than there is: some file systems answer 0 (procfs, and
	 * fuse in places). */
	r = copy_by_hand(in, out, size - done, &done);
	c->counts.bytes += done;
	return r;
}

/* Owner before mode: chown clears bits. The order also means that a file is never open to its new
 * owner with a wider mode than it gets. */
static int set_attributes(const struct copy *c, int fd, const struct stat *st, struct dd_err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (c->owner.change && fchown(fd, c->owner.uid, c->owner.gid) < 0)
		return dd_err_set(err, errno, "give the copy to uid %u", c->owner.uid);
	if (fchmod(fd, st->st_mode & 0777) < 0)
		return dd_err_set(err, errno, "set the mode of the copy");
	if (futimens(fd, times) < 0)
		return dd_err_set(err, errno, "set the times of the copy");
	return 0;
}

static int copy_file(struct copy *c, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	/* O_NONBLOCK: if it became a FIFO since it was looked at, this returns at once. */
	dd_auto_fd int in = open_beneath(e->dir_fd, e->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (in == -ENOENT || in == -ELOOP || in == -ENXIO || in == -EXDEV) {
		c->counts.skipped++;
		return 0;
	}
	if (in < 0)
		return tree_err_reach(err, dd_err_set(err, -in, "open"));
	struct stat st;
	if (fstat(in, &st) < 0)
		return dd_err_set(err, errno, "look at");
	if (!S_ISREG(st.st_mode)) {
		c->counts.skipped++;
		return 0;
	}
	dd_auto_fd int out = open_beneath(to_fd, e->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (out < 0)
		return dd_err_set(err, -out, "create the copy");
	int r = copy_data(c, in, out, (uint64_t)st.st_size);
	if (r < 0)
		return dd_err_set(err, -r, "copy the bytes");
	c->counts.files++;
	return set_attributes(c, out, &st, err);
}

static int copy_link(struct copy *c, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(e->dir_fd, e->name, target, sizeof(target));
	if (n < 0 && (errno == ENOENT || errno == EINVAL)) {
		c->counts.skipped++;
		return 0;
	}
	if (n < 0 || n == (ssize_t)sizeof(target))
		return tree_err_reach(
			err, dd_err_set(err, n < 0 ? errno : ENAMETOOLONG, "read the link"));
	target[n] = '\0';
	const struct timespec times[2] = { e->st.st_atim, e->st.st_mtim };
	if (symlinkat(target, to_fd, e->name) < 0)
		return dd_err_set(err, errno, "create the link");
	if (c->owner.change &&
	    fchownat(to_fd, e->name, c->owner.uid, c->owner.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return dd_err_set(err, errno, "give the link to uid %u", c->owner.uid);
	if (utimensat(to_fd, e->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return dd_err_set(err, errno, "set the times of the link");
	c->counts.links++;
	return 0;
}

static int make_dir(struct copy *c, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	if (mkdirat(to_fd, e->name, 0700) < 0)
		return dd_err_set(err, errno, "create the directory");
	c->counts.dirs++;
	return dir_stack_push(&c->to, e->name, err);
}

static int finish_dir(struct copy *c, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	int r = set_attributes(c, to_fd, &e->st, err);
	if (r == 0)
		dir_stack_pop(&c->to);
	return r;
}

static bool is_without(const struct copy *c, const struct stat *st)
{
	for (size_t i = 0; i < c->n_without; i++)
		if (c->without[i].dev == st->st_dev && c->without[i].ino == st->st_ino)
			return true;
	return false;
}

static int copy_visit(void *arg, enum tree_event what, const struct tree_entry *e,
                      struct dd_err *err)
{
	struct copy *c = arg;
	int to_fd;
	if (what == TREE_ENTER && is_without(c, &e->st))
		return TREE_SKIP;
	int r = dir_stack_top(&c->to, &to_fd, err);
	if (r < 0)
		return tree_err_ctx(err, r, "copy", e->path);
	if (what == TREE_ENTER)
		r = make_dir(c, e, to_fd, err);
	else if (what == TREE_LEAVE)
		r = finish_dir(c, e, to_fd, err);
	else if (what == TREE_ENTRY && S_ISREG(e->st.st_mode))
		r = copy_file(c, e, to_fd, err);
	else if (what == TREE_ENTRY && S_ISLNK(e->st.st_mode))
		r = copy_link(c, e, to_fd, err);
	else
		c->counts.skipped++; /* FIFO, socket, device, mount, or gone meanwhile */
	return r < 0 ? tree_err_ctx(err, r, "copy", e->path) : r;
}

int tree_copy(int from_fd, int to_fd, struct tree_owner owner, struct tree_counts *ret,
              struct dd_err *err)
{
	return tree_copy_without(from_fd, to_fd, owner, NULL, 0, ret, err);
}

int tree_copy_without(int from_fd, int to_fd, struct tree_owner owner,
                      const struct tree_place *without, size_t n_without, struct tree_counts *ret,
                      struct dd_err *err)
{
	struct copy c = { .owner = owner, .without = without, .n_without = n_without };
	int r = dir_stack_init(&c.to, to_fd, err);
	if (r < 0)
		return r;
	r = tree_walk(from_fd, TREE_MAY_CHANGE | TREE_INTERRUPT, copy_visit, &c, err);
	dir_stack_done(&c.to);
	if (r == 0 && ret)
		*ret = c.counts;
	return r;
}
