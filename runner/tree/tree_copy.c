// SPDX-License-Identifier: Apache-2.0
/* tree_copy.c - copies a tree into an empty directory: what is read is copied, links stay links,
 * nothing special travels.
 *
 * Runs in the supervisor. The source may be a user's directory that changes meanwhile: a name that
 * vanishes or changes its kind is skipped and counted, a file is copied up to the size it had when
 * it was opened, so that one that grows for ever ends.
 */
#include "tree_copy.h"

#include "base/interrupt.h"
#include "drydock/fd.h"
#include "holes.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

enum { KERNEL_CHUNK = 64 * 1024 * 1024, HAND_CHUNK = 8192, CHECK_EVERY = 1024 * 1024 };

static bool cannot(int code)
{
	return code == EOPNOTSUPP || code == ENOTTY || code == EXDEV || code == EINVAL ||
	       code == ENOSYS;
}

/* A stretch of a file that is copied to the same place in another. */
struct stretch {
	int in, out;
	uint64_t at, left;
};

static void advance(struct stretch *s, ssize_t n)
{
	s->at += (uint64_t)n;
	s->left -= (uint64_t)n;
}

static int copy_by_hand(struct stretch *s)
{
	char buf[HAND_CHUNK];
	while (s->left > 0) {
		int r = s->at % CHECK_EVERY < HAND_CHUNK ? interrupt_check(NULL) : 0;
		if (r < 0)
			return r;
		ssize_t n = pread(s->in, buf, s->left < sizeof(buf) ? (size_t)s->left : sizeof(buf),
		                  (off_t)s->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t put = pwrite(s->out, buf + done, (size_t)(n - done),
			                     (off_t)s->at + done);
			if (put < 0 && errno != EINTR)
				return -errno;
			done += put > 0 ? put : 0;
		}
		advance(s, n);
	}
	return 0;
}

static int copy_in_kernel(struct stretch *s)
{
	while (s->left > 0) {
		off_t from = (off_t)s->at, to = from;
		int r = s->at > 0 ? interrupt_check(NULL) : 0; /* the walk has asked before */
		if (r < 0)
			return r;
		ssize_t n = copy_file_range(s->in, &from, s->out, &to,
		                            s->left < KERNEL_CHUNK ? (size_t)s->left : KERNEL_CHUNK,
		                            0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		advance(s, n);
	}
	return 0;
}

static int copy_range(struct copy *c, int in, int out, uint64_t at, uint64_t len)
{
	struct stretch s = { in, out, at, len };
	if (!c->no_range) {
		int r = copy_in_kernel(&s);
		if (r < 0 && cannot(-r))
			c->no_range = true;
		else if (r < 0)
			return r;
	}
	/* Also when the kernel copied less than there is: some file systems answer 0 (procfs, and
	 * fuse in places). A slower way continues where a faster one stopped. */
	int r = copy_by_hand(&s);
	c->counts.bytes += len - s.left;
	return r;
}

/* Sparse files stay sparse: only what is data is written, and the end is set. */
static int copy_sparse(struct copy *c, int in, int out, uint64_t size)
{
	for (uint64_t at = 0, data, end; at < size; at = end) {
		file_next_data(in, true, at, size, &data, &end);
		int r = data < end ? copy_range(c, in, out, data, end - data) : 0;
		if (r < 0)
			return r;
	}
	return ftruncate(out, (off_t)size) < 0 ? -errno : 0;
}

/* The best way that these file systems offer. */
static int copy_data(struct copy *c, int in, int out, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;
	if (!c->no_clone && size > 0) {
		if (ioctl(out, FICLONE, in) == 0) {
			c->counts.bytes += size;
			return 0;
		}
		if (!cannot(errno) && errno != EPERM)
			return -errno;
		c->no_clone = true;
	}
	return file_is_sparse(st) ? copy_sparse(c, in, out, size) : copy_range(c, in, out, 0, size);
}

/* Owner before mode: chown clears bits. The order also means that a file is never open to its new
 * owner with a wider mode than it gets. */
int copy_attributes(const struct copy *c, int fd, const struct stat *st, struct dd_err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (c->owner.change && fchown(fd, c->owner.uid, c->owner.gid) < 0)
		return dd_err_set(err, errno, "give the copy to uid %u", c->owner.uid);
	mode_t mode = st->st_mode & 0777;
	if (c->for_owner)
		mode = (mode & 0700) | (S_ISDIR(st->st_mode) ? 0700 : 0600);
	if (fchmod(fd, mode) < 0)
		return dd_err_set(err, errno, "set the mode of the copy");
	if (futimens(fd, times) < 0)
		return dd_err_set(err, errno, "set the times of the copy");
	return 0;
}

/* Bytes that a copy of it takes, where nothing is shared with it. */
static uint64_t cost_of(const struct stat *st)
{
	uint64_t held = (uint64_t)st->st_blocks * 512, size = (uint64_t)st->st_size;
	return held < size ? held : size;
}

int copy_file(struct copy *c, int from_fd, const char *name, int to_fd, struct dd_err *err)
{
	/* O_NONBLOCK: if it became a FIFO since it was looked at, this returns at once. */
	dd_auto_fd int in = open_beneath(from_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
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
	if (c->bytes_max && c->counts.bytes + cost_of(&st) > c->bytes_max) {
		c->too_large++;
		return 0;
	}
	dd_auto_fd int out = open_beneath(to_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (out < 0)
		return dd_err_set(err, -out, "create the copy");
	int r = copy_data(c, in, out, &st);
	if (r == -ECANCELED)
		return dd_err_say(err, ECANCELED, "cancelled");
	if (r < 0)
		return dd_err_set(err, -r, "copy the bytes");
	c->counts.files++;
	return copy_attributes(c, out, &st, err);
}

int copy_link(struct copy *c, int from_fd, const char *name, const struct stat *st, int to_fd,
              struct dd_err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(from_fd, name, target, sizeof(target));
	if (n < 0 && (errno == ENOENT || errno == EINVAL)) {
		c->counts.skipped++;
		return 0;
	}
	if (n < 0 || n == (ssize_t)sizeof(target))
		return tree_err_reach(
			err, dd_err_set(err, n < 0 ? errno : ENAMETOOLONG, "read the link"));
	target[n] = '\0';
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (symlinkat(target, to_fd, name) < 0)
		return dd_err_set(err, errno, "create the link");
	if (c->owner.change &&
	    fchownat(to_fd, name, c->owner.uid, c->owner.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return dd_err_set(err, errno, "give the link to uid %u", c->owner.uid);
	if (utimensat(to_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return dd_err_set(err, errno, "set the times of the link");
	c->counts.links++;
	return 0;
}

int copy_text(struct copy *c, int to_fd, const char *name, const char *text, size_t len,
              struct dd_err *err)
{
	dd_auto_fd int out = open_beneath(to_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (out < 0)
		return dd_err_set(err, -out, "create %s", name);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(out, text + at, len - at);
		if (n < 0 && errno != EINTR)
			return dd_err_set(err, errno, "write %s", name);
		at += n > 0 ? (size_t)n : 0;
	}
	if (c->owner.change && fchown(out, c->owner.uid, c->owner.gid) < 0)
		return dd_err_set(err, errno, "give %s to uid %u", name, c->owner.uid);
	if (fchmod(out, 0644) < 0)
		return dd_err_set(err, errno, "set the mode of %s", name);
	c->counts.files++;
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
	int r = copy_attributes(c, to_fd, &e->st, err);
	if (r == 0)
		dir_stack_pop(&c->to);
	return r;
}

bool copy_is_without(const struct copy *c, const struct stat *st)
{
	for (size_t i = 0; i < c->n_without; i++)
		if (c->without[i].dev == st->st_dev && c->without[i].ino == st->st_ino)
			return true;
	return false;
}

static int copy_entry(struct copy *c, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	if (S_ISREG(e->st.st_mode))
		return copy_file(c, e->dir_fd, e->name, to_fd, err);
	if (S_ISLNK(e->st.st_mode))
		return copy_link(c, e->dir_fd, e->name, &e->st, to_fd, err);
	c->counts.skipped++; /* FIFO, socket, device */
	return 0;
}

static int copy_git(struct copy *c, enum tree_event what, const struct tree_entry *e, int to_fd,
                    struct dd_err *err)
{
	int r = c->git(c->arg, e, to_fd, err);
	return r < 0 ? r : what == TREE_ENTER ? TREE_SKIP : 0;
}

static int copy_visit(void *arg, enum tree_event what, const struct tree_entry *e,
                      struct dd_err *err)
{
	struct copy *c = arg;
	int to_fd;
	bool begins = what == TREE_ENTER || what == TREE_ENTRY;
	if (begins && copy_is_without(c, &e->st)) {
		c->hidden++;
		return what == TREE_ENTER ? TREE_SKIP : 0;
	}
	int r = dir_stack_top(&c->to, &to_fd, err);
	if (r < 0)
		return tree_err_ctx(err, r, "copy", e->path);
	if (begins && c->git && strcmp(e->name, ".git") == 0)
		r = copy_git(c, what, e, to_fd, err);
	else if (what == TREE_ENTER)
		r = make_dir(c, e, to_fd, err);
	else if (what == TREE_LEAVE)
		r = finish_dir(c, e, to_fd, err);
	else if (what == TREE_ENTRY)
		r = copy_entry(c, e, to_fd, err);
	else
		c->counts.skipped++; /* a mount, or gone meanwhile */
	return r < 0 ? tree_err_ctx(err, r, "copy", e->path) : r;
}

int copy_tree(struct copy *c, int from_fd, int to_fd, struct dd_err *err)
{
	int r = dir_stack_init(&c->to, to_fd, err);
	if (r < 0)
		return r;
	r = tree_walk(from_fd, TREE_MAY_CHANGE | TREE_INTERRUPT, copy_visit, c, err);
	dir_stack_done(&c->to);
	return r;
}

int tree_copy(int from_fd, int to_fd, struct tree_owner owner, struct tree_counts *ret,
              struct dd_err *err)
{
	struct copy c = { .owner = owner };
	int r = copy_tree(&c, from_fd, to_fd, err);
	if (r == 0 && ret)
		*ret = c.counts;
	return r;
}
