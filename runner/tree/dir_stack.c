// SPDX-License-Identifier: Apache-2.0
/* dir_stack.c - keeps a walk's directories open, and opens them again safely. Runs in the
 * supervisor, on hostile trees. */
#include "dir_stack.h"

#include "tree_walk.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
		           RESOLVE_NO_MAGICLINKS,
	};
	long fd;
	do /* EAGAIN: a rename raced with the lookup, openat2(2) asks to try again */
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

static int add_level(struct dir_stack *s, struct dir_level level)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 32;
		struct dir_level *levels = realloc(s->levels, cap * sizeof(*levels));
		if (!levels)
			return -ENOMEM;
		s->levels = levels;
		s->cap = cap;
	}
	s->levels[s->n++] = level;
	return 0;
}

int dir_stack_init(struct dir_stack *s, int root_fd, struct dd_err *err)
{
	struct stat st;
	memset(s, 0, sizeof(*s));
	if (fstat(root_fd, &st) < 0)
		return dd_err_set(err, errno, "look at the root of a tree");
	if (!S_ISDIR(st.st_mode))
		return dd_err_set(err, ENOTDIR, "walk a tree");
	s->path_cap = 4096;
	s->path = calloc(1, s->path_cap);
	if (!s->path ||
	    add_level(s, (struct dir_level){ .fd = root_fd, .dev = st.st_dev, .ino = st.st_ino }) <
	            0) {
		dir_stack_done(s);
		return dd_err_set(err, ENOMEM, "walk a tree");
	}
	return 0;
}

void dir_stack_done(struct dir_stack *s)
{
	for (size_t i = 1; i < s->n; i++)
		dd_close(s->levels[i].fd);
	free(s->levels);
	free(s->path);
	memset(s, 0, sizeof(*s));
}

static int append_name(struct dir_stack *s, const char *name, size_t *ret_end)
{
	size_t end = s->levels[s->n - 1].path_end, len = strlen(name);
	if (end + len + 2 > s->path_cap) {
		size_t cap = (end + len + 2) * 2;
		char *path = realloc(s->path, cap);
		if (!path)
			return -ENOMEM;
		s->path = path;
		s->path_cap = cap;
	}
	if (end > 0)
		s->path[end++] = '/';
	memcpy(s->path + end, name, len + 1);
	*ret_end = end + len;
	return 0;
}

int dir_stack_push(struct dir_stack *s, const char *name, struct dd_err *err)
{
	int top;
	int r = dir_stack_top(s, &top, err);
	if (r < 0)
		return r;
	dd_auto_fd int fd = open_beneath(top, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return tree_err_reach(err, dd_err_set(err, -fd, "enter a directory"));
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at a directory");
	size_t end;
	if (append_name(s, name, &end) < 0 ||
	    add_level(s,
	              (struct dir_level){
			      .fd = fd, .dev = st.st_dev, .ino = st.st_ino, .path_end = end }) <
	            0) {
		s->path[s->levels[s->n - 1].path_end] = '\0';
		return dd_err_set(err, ENOMEM, "enter a directory");
	}
	(void)dd_take_fd(&fd);
	if (s->n > DIR_STACK_OPEN + 1)
		dd_close_p(&s->levels[s->n - 1 - DIR_STACK_OPEN].fd);
	return 0;
}

/* The way back up from a deep directory, if nobody moved it meanwhile: ".." must be the very
 * directory we came through. */
static void reopen_parent(struct dir_stack *s)
{
	struct dir_level *top = &s->levels[s->n - 1], *parent = top - 1;
	struct stat st;

	if (parent->fd >= 0 || top->fd < 0)
		return;
	dd_auto_fd int fd = openat(top->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == parent->dev && st.st_ino == parent->ino)
		parent->fd = dd_take_fd(&fd);
}

void dir_stack_pop(struct dir_stack *s)
{
	reopen_parent(s);
	dd_close_p(&s->levels[--s->n].fd);
	s->path[s->levels[s->n - 1].path_end] = '\0';
}

/* Open level @i again from its parent's descriptor @parent. */
static int reopen_level(struct dir_stack *s, size_t i, int parent, struct dd_err *err)
{
	char name[256];
	size_t from = s->levels[i - 1].path_end;
	from += from > 0;
	size_t len = s->levels[i].path_end - from;
	if (len >= sizeof(name))
		return tree_err_reach(err, dd_err_set(err, ENAMETOOLONG, "return to a directory"));
	memcpy(name, s->path + from, len);
	name[len] = '\0';
	dd_auto_fd int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return tree_err_reach(err, dd_err_set(err, -fd, "return to a directory"));
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at a directory again");
	if (st.st_dev != s->levels[i].dev || st.st_ino != s->levels[i].ino)
		return dd_err_say(err, EBUSY,
		                  "a directory was exchanged while the tree was walked");
	s->levels[i].fd = dd_take_fd(&fd);
	return 0;
}

/* From the nearest open level down to the top; only the last DIR_STACK_OPEN stay open. Needed only
 * when reopen_parent() found somebody else's directory above, or one that cannot be read. */
static int reopen(struct dir_stack *s, struct dd_err *err)
{
	size_t i = s->n - 1;
	while (s->levels[i].fd < 0)
		i--;
	for (i++; i < s->n; i++) {
		int r = reopen_level(s, i, s->levels[i - 1].fd, err);
		if (r < 0)
			return r;
		if (i > 1 && i - 1 + DIR_STACK_OPEN < s->n)
			dd_close_p(&s->levels[i - 1].fd);
	}
	return 0;
}

int dir_stack_top(struct dir_stack *s, int *ret_fd, struct dd_err *err)
{
	if (s->levels[s->n - 1].fd < 0) {
		int r = reopen(s, err);
		if (r < 0)
			return r;
	}
	*ret_fd = s->levels[s->n - 1].fd;
	return 0;
}
