// SPDX-License-Identifier: Apache-2.0
/* named_path.c - walks a path name by name and follows links only where the operator put them.
 *
 * Runs in: command line and supervisor. openat2(2) alone cannot say it: its RESOLVE flags hold for
 * a whole path, while the same path may go through the operator's link to a disk and then meet a
 * stranger's. The kernel's protected_symlinks does not see links that are read here, so its rule is
 * kept by hand.
 */
#include "named_path.h"

#include "base/text_escape.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { FENCES_MAX = 8, LINKS_MAX = 40, REST_MAX = 2 * PATH_MAX, DEPTH_MAX = PATH_MAX };

static struct fence {
	dev_t dev;
	ino_t ino;
} fences[FENCES_MAX];
static size_t n_fences;

struct named_walk {
	const char *path; /* as it was named */
	int dir;          /* where the walk stands */
	char rest[REST_MAX];
	size_t at;      /* in rest */
	unsigned links; /* followed so far */
	struct named_link *link;
	struct dd_err *err;
};

/* A directory of our own descriptor, for a message: as the kernel names it. */
static void show_place(int dir, const char *name, char *ret, size_t size)
{
	char proc[64], raw[300], text[TEXT_ESCAPE_MAX * sizeof(raw) + 1];
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir);
	ssize_t n = readlink(proc, raw, sizeof(raw));
	(void)text_escape(text, raw, n > 0 ? (size_t)n : 0);
	(void)snprintf(ret, size, "%.240s%s", text, name[0] ? "/" : "");
	size_t len = strlen(ret);
	(void)text_escape(text, name, strnlen(name, 100));
	(void)snprintf(ret + len, size - len, "%.200s", text);
}

static bool is_fence(const struct stat *st)
{
	for (size_t i = 0; i < n_fences; i++)
		if (fences[i].dev == st->st_dev && fences[i].ino == st->st_ino)
			return true;
	return false;
}

/* Is @dir at or below a fence, or in a work tree? 1 with its top in @ret_top (which the caller
 * closes), 0, or -errno: where nobody can tell. */
static int find_stranger(int dir, int *ret_top)
{
	dd_auto_fd int at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above, git;

	if (at < 0 || fstat(at, &here) < 0)
		return -errno;
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		if (is_fence(&here) || fstatat(at, ".git", &git, AT_SYMLINK_NOFOLLOW) == 0) {
			*ret_top = dd_take_fd(&at);
			return 1;
		}
		if (errno != ENOENT)
			return -errno;
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		dd_close(at);
		at = up;
		if (fstat(at, &above) < 0)
			return -errno;
		if (above.st_dev == here.st_dev && above.st_ino == here.st_ino)
			return 0;
		here = above;
	}
	return -ELOOP;
}

/* A link in a directory where everybody may make one (/tmp) is followed for its owner and the
 * directory's only, as the kernel does with fs.protected_symlinks. */
static bool is_planted(int dir, const struct stat *link)
{
	struct stat holder;
	if (fstat(dir, &holder) < 0)
		return true;
	return (holder.st_mode & S_ISVTX) && (holder.st_mode & S_IWOTH) &&
	       link->st_uid != geteuid() && link->st_uid != holder.st_uid;
}

static int may_follow(const struct named_walk *w, const char *name, const struct stat *st)
{
	char shown[700], top[300];
	dd_auto_fd int checkout = -1;
	int r = find_stranger(w->dir, &checkout);

	show_place(w->dir, name, shown, sizeof(shown));
	if (r < 0)
		return dd_err_set(w->err, -r, "look who may have made the link %.400s", shown);
	if (r == 1) {
		show_place(checkout, "", top, sizeof(top));
		return dd_err_blame(
			w->err, DD_BLAME_CALLER,
			dd_err_say(w->err, ELOOP,
		                   "%.200s is a link, and lies in the checkout %.100s: what a "
		                   "checkout "
		                   "contains leads nowhere else; name the file that is meant",
		                   shown, top));
	}
	if (is_planted(w->dir, st))
		return dd_err_say(w->err, EACCES,
		                  "%.300s is a link that another user made in a directory that is "
		                  "open to all; name the file that is meant",
		                  shown);
	return 0;
}

/* Put the target of a link before what is left of the path. */
static int expand(struct named_walk *w, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(w->dir, name, target, sizeof(target));
	size_t left = strlen(w->rest + w->at);

	if (n < 0)
		return dd_err_set(w->err, errno, "open %s: read a link", w->path);
	if (n == 0 || (size_t)n == sizeof(target) || (size_t)n + left + 1 > sizeof(w->rest))
		return dd_err_set(w->err, ENAMETOOLONG, "open %s", w->path);
	memmove(w->rest + n, w->rest + w->at, left + 1);
	memcpy(w->rest, target, (size_t)n);
	w->at = 0;
	if (target[0] != '/')
		return 0;
	dd_close(w->dir);
	w->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->dir < 0 ? dd_err_set(w->err, errno, "open %s", w->path) : 0;
}

static int follow(struct named_walk *w, const char *name, const struct stat *st)
{
	int r = may_follow(w, name, st);
	if (r < 0)
		return r;
	if (++w->links > LINKS_MAX)
		return dd_err_blame(w->err, DD_BLAME_CALLER,
		                    dd_err_set(w->err, ELOOP, "open %s", w->path));
	if (w->link && !w->link->path[0]) {
		/* The first link stands in the path as it was named. */
		int shown = (int)w->at;
		(void)snprintf(w->link->path, sizeof(w->link->path), "%.*s", shown, w->path);
	}
	return expand(w, name);
}

static bool is_magic(int dir)
{
	struct statfs fs;
	return fstatfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* The next name of the rest into @name; false at its end. *ret_last: nothing comes behind it but
 * slashes. *ret_long: no file system has such a name. */
static bool next_name(struct named_walk *w, char name[NAME_MAX + 1], bool *ret_last, bool *ret_long)
{
	const char *p = w->rest + w->at;
	p += strspn(p, "/");
	size_t n = strcspn(p, "/");
	if (n == 0)
		return false;
	*ret_long = n > NAME_MAX;
	(void)snprintf(name, NAME_MAX + 1, "%.*s", (int)(n > NAME_MAX ? NAME_MAX : n), p);
	w->at = (size_t)(p - w->rest) + n;
	*ret_last = p[n + strspn(p + n, "/")] == '\0';
	return true;
}

static int enter(struct named_walk *w, const char *name, int flags)
{
	int next = openat(w->dir, name, flags);
	if (next < 0)
		return dd_err_set(w->err, errno, "open %s", w->path);
	dd_close(w->dir);
	w->dir = next;
	return 0;
}

/* One name. 1: *ret_fd is what the path names. */
static int step(struct named_walk *w, int flags, mode_t mode, const char *name, bool last,
                int *ret_fd)
{
	const int walk = O_PATH | O_DIRECTORY | O_CLOEXEC;
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	bool slash = last && w->rest[w->at] == '/';
	struct stat st = { .st_mode = 0 };

	if (!dots && fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    !(errno == ENOENT && last && (flags & O_CREAT)))
		return dd_err_set(w->err, errno, "open %s", w->path);
	bool magic = S_ISLNK(st.st_mode) && is_magic(w->dir);
	if (S_ISLNK(st.st_mode) && !magic) {
		if (last && !slash && (flags & O_NOFOLLOW))
			return dd_err_blame(w->err, DD_BLAME_CALLER,
			                    dd_err_say(w->err, ELOOP,
			                               "%s is a link, and is not followed",
			                               w->path));
		if (last && (flags & O_CREAT) && (flags & O_EXCL))
			return dd_err_set(w->err, EEXIST, "make %s", w->path);
		return follow(w, name, &st);
	}
	if (dots || !last || slash)
		return enter(w, name, magic || dots ? walk : walk | O_NOFOLLOW);
	int fd = openat(w->dir, name, flags | O_CLOEXEC | (magic ? 0 : O_NOFOLLOW), mode);
	if (fd < 0)
		return dd_err_set(w->err, errno, "open %s", w->path);
	*ret_fd = fd;
	return 1;
}

static int walk_all(struct named_walk *w, int flags, mode_t mode, int *ret_fd)
{
	char name[NAME_MAX + 1];
	bool last = false, too_long = false;
	int r = 0;

	while (r == 0 && next_name(w, name, &last, &too_long))
		r = too_long ? dd_err_set(w->err, ENAMETOOLONG, "open %s", w->path)
		             : step(w, flags, mode, name, last, ret_fd);
	if (r != 0)
		return r < 0 ? r : 0;
	/* The path ends in "/", "." or "..": the walk stands on it. */
	int fd = openat(w->dir, ".", (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC);
	if (fd < 0)
		return dd_err_set(w->err, errno, "open %s", w->path);
	*ret_fd = fd;
	return 0;
}

int named_open(const char *path, int flags, mode_t mode, int *ret_fd, struct named_link *link,
               struct dd_err *err)
{
	dd_auto_free struct named_walk *w = calloc(1, sizeof(*w));
	if (link)
		link->path[0] = '\0';
	if (!w)
		return dd_err_set(err, ENOMEM, "open %s", path);
	if (path[0] == '\0' || strlen(path) >= PATH_MAX)
		return dd_err_set(err, path[0] ? ENAMETOOLONG : ENOENT, "open %.200s", path);
	*w = (struct named_walk){ .path = path, .link = link, .err = err };
	memcpy(w->rest, path, strlen(path) + 1);
	w->dir = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->dir < 0)
		return dd_err_set(err, errno, "open %s", path);
	int r = walk_all(w, flags, mode, ret_fd);
	dd_close(w->dir);
	return r;
}

int named_make_dir(const char *path, int *ret_fd, struct dd_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY;
	struct dd_err why = { 0 };
	int r = named_open(path, flags, 0, ret_fd, NULL, &why);

	if (r != -ENOENT) {
		if (err && r < 0)
			*err = why;
		return r;
	}
	/* Its holder, through the same door; the name itself is not there, or is a link to nowhere.
	 */
	char holder[PATH_MAX];
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	size_t name = len;
	while (name > 0 && path[name - 1] != '/')
		name--;
	(void)snprintf(holder, sizeof(holder), "%.*s", (int)name, path);
	dd_auto_fd int dir = -1;
	r = named_open(name ? holder : ".", O_PATH | O_DIRECTORY, 0, &dir, NULL, err);
	if (r < 0)
		return r;
	(void)snprintf(holder, sizeof(holder), "%.*s", (int)(len - name), path + name);
	if (mkdirat(dir, holder, 0755) < 0)
		return dd_err_set(err, errno, "make directory %s", path);
	dd_auto_fd int fd = openat(dir, holder, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

int named_fence(const char *dir, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	struct stat st;
	int r = named_open(dir, O_PATH | O_DIRECTORY, 0, &fd, NULL, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at %s", dir);
	if (is_fence(&st))
		return 0;
	if (n_fences == FENCES_MAX)
		return dd_err_say(err, ENOSPC, "more than %d fenced directories", FENCES_MAX);
	fences[n_fences++] = (struct fence){ st.st_dev, st.st_ino };
	return 0;
}
