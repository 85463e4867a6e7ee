// SPDX-License-Identifier: Apache-2.0
/* tree_walk.c - the walk: a stack of directories, each with a batch of names that were read from
 * it.
 *
 * Runs in the supervisor, on hostile trees. Memory follows the names of the directories on the way
 * down (a batch each when removing), never the depth times a stack frame.
 */
#include "tree_walk.h"

#include "dir_stack.h"
#include "drydock/fd.h"
#include "base/interrupt.h"
#include "base/text_escape.h"

#include <dirent.h>
#include <fcntl.h>

enum {
	/* names read before they are removed: a directory of millions needs little memory */
	REMOVE_BATCH = 4096,
	INTERRUPT_EVERY = 64, /* entries */
	/* listings of one directory that were not a full batch: more means somebody keeps creating
	 */
	REMOVE_ROUNDS = 64,
};

struct frame {
	char *names; /* one after the other, each with its NUL */
	size_t len, cap, at;
	size_t count; /* names read in this batch */
	unsigned rounds;
	bool listed_all; /* the last listing reached the end */
	struct stat st;
};

struct walk {
	struct dir_stack dirs;
	struct frame *frames; /* as many as dirs has levels */
	size_t cap;
	unsigned flags;
	unsigned visited;
	tree_visit_fn visit;
	void *arg;
	struct dd_err *err;
	char *path; /* of the entry at hand */
	size_t path_cap;
};

int tree_err_ctx(struct dd_err *err, int r, const char *doing, const char *path)
{
	char text[120 * TEXT_ESCAPE_MAX + 1];
	size_t len = strlen(path), shown = len > 120 ? 120 : len;
	(void)text_escape(text, path + (len - shown), shown);
	return dd_err_ctx(err, r, "%s %s%s", doing, shown < len ? "..." : "", text);
}

static int add_name(struct frame *f, const char *name)
{
	size_t len = strlen(name) + 1;
	if (f->len + len > f->cap) {
		size_t cap = (f->len + len) * 2;
		char *names = realloc(f->names, cap);
		if (!names)
			return -ENOMEM;
		f->names = names;
		f->cap = cap;
	}
	memcpy(f->names + f->len, name, len);
	f->len += len;
	f->count++;
	return 0;
}

static int add_names(struct frame *f, const char *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + at);
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    add_name(f, d->d_name) < 0)
			return -ENOMEM;
		at += d->d_reclen;
	}
	return 0;
}

/* Read the names of the top directory, from its start. */
static int list_top(struct walk *w, struct frame *f)
{
	_Alignas(struct dirent64) char buf[32768 / 4];
	int fd;
	int r = dir_stack_top(&w->dirs, &fd, w->err);
	if (r < 0)
		return r;
	f->len = f->at = f->count = 0;
	f->listed_all = false;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return dd_err_set(w->err, errno, "list again");
	while (!(w->flags & TREE_UNTIL_EMPTY) || f->count < REMOVE_BATCH) {
		ssize_t n = getdents64(fd, buf, sizeof(buf));
		/* ENOENT: somebody removed the directory that we hold open. Two runs that start at
		 * once may both clear away what a third one left. */
		if (n < 0 && errno == ENOENT && (w->flags & TREE_MAY_CHANGE))
			n = 0;
		if (n < 0)
			return dd_err_set(w->err, errno, "list");
		if (n == 0) {
			f->listed_all = true;
			break;
		}
		if (add_names(f, buf, (size_t)n) < 0)
			return dd_err_set(w->err, ENOMEM, "list");
	}
	return 0;
}

static int push_frame(struct walk *w, const struct stat *st)
{
	size_t i = w->dirs.n - 1;
	if (i >= w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 32;
		struct frame *frames = realloc(w->frames, cap * sizeof(*frames));
		if (!frames)
			return dd_err_set(w->err, ENOMEM, "walk a tree");
		memset(frames + w->cap, 0, (cap - w->cap) * sizeof(*frames));
		w->frames = frames;
		w->cap = cap;
	}
	w->frames[i] = (struct frame){ .names = NULL };
	if (st)
		w->frames[i].st = *st;
	return list_top(w, &w->frames[i]);
}

static int entry_path(struct walk *w, const char *name)
{
	/* without the directories' part when nobody asked for it */
	size_t dir = w->flags & TREE_NAMES ? 0 : w->dirs.levels[w->dirs.n - 1].path_end;
	size_t len = strlen(name);
	size_t need = dir + len + 2;
	if (need > w->path_cap) {
		char *path = realloc(w->path, need * 2);
		if (!path)
			return dd_err_set(w->err, ENOMEM, "walk a tree");
		w->path = path;
		w->path_cap = need * 2;
	}
	memcpy(w->path, w->dirs.path, dir);
	if (dir > 0)
		w->path[dir++] = '/';
	memcpy(w->path + dir, name, len + 1);
	return 0;
}

static int tell(struct walk *w, enum tree_event what, struct tree_entry *e, const char *path)
{
	e->path = path;
	return w->visit(w->arg, what, e, w->err);
}

/* What is listed may be gone or something else by now: told, looked at again in the next round, or
 * an error. */
static int changed_under_us(struct walk *w, int r, struct tree_entry *e)
{
	int named = entry_path(w, e->name);
	if (named < 0)
		return named;
	if ((r == -EACCES || r == -EPERM) && (w->flags & TREE_TELL_CLOSED))
		return tell(w, TREE_CLOSED, e, w->path);
	if (r != -ENOENT && r != -ELOOP && r != -ENOTDIR)
		return tree_err_ctx(w->err, r, "walk", w->path);
	if (w->flags & TREE_MAY_CHANGE)
		return tell(w, TREE_GONE, e, w->path);
	return dd_err_say(w->err, EBUSY,
	                  "the tree changes while it is read: something still writes to it");
}

/* Removing as the owner without CAP_DAC_OVERRIDE: a directory without rwx for us would keep its
 * content. Through /proc, because chmod by name would follow a link; O_PATH needs no permission on
 * the directory itself. A failure shows in the open that follows. */
static void make_enterable(int dir_fd, const struct tree_entry *e)
{
	char proc[64];
	dd_auto_fd int fd = open_beneath(dir_fd, e->name, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, 0700) < 0)
		return;
}

static int enter(struct walk *w, struct tree_entry *e)
{
	if ((w->flags & TREE_UNTIL_EMPTY) && (e->st.st_mode & 0700) != 0700)
		make_enterable(e->dir_fd, e);
	int r = dir_stack_push(&w->dirs, e->name, w->err);
	if (r == -EXDEV) {
		r = entry_path(w, e->name);
		return r < 0 ? r : tell(w, TREE_MOUNT, e, w->path);
	}
	if (r < 0)
		return changed_under_us(w, r, e);
	/* The parent's descriptor may just have been closed to keep the number of open ones
	 * bounded; TREE_ENTER offers the new one only. */
	e->dir_fd = -1;
	r = dir_stack_top(&w->dirs, &e->fd, w->err);
	if (r == 0 && fstat(e->fd, &e->st) < 0)
		r = tree_err_reach(w->err, dd_err_set(w->err, errno, "look at a directory"));
	if (r == 0)
		r = tell(w, TREE_ENTER, e, w->dirs.path);
	if (r == TREE_SKIP) {
		dir_stack_pop(&w->dirs);
		return 0;
	}
	return r ? r : push_frame(w, &e->st);
}

static int visit_name(struct walk *w, const char *name)
{
	struct tree_entry e = { .fd = -1, .name = name };
	int r = (w->flags & TREE_INTERRUPT) && ++w->visited % INTERRUPT_EVERY == 0
	                ? interrupt_check(w->err)
	                : 0;
	if (r == 0)
		r = dir_stack_top(&w->dirs, &e.dir_fd, w->err);
	if (r < 0)
		return r;
	if (fstatat(e.dir_fd, name, &e.st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = tree_err_reach(w->err, dd_err_set(w->err, errno, "look"));
		return changed_under_us(w, r, &e);
	}
	if (S_ISDIR(e.st.st_mode))
		return enter(w, &e);
	r = entry_path(w, name);
	return r < 0 ? r : tell(w, TREE_ENTRY, &e, w->path);
}

static int leave(struct walk *w)
{
	struct frame *f = &w->frames[w->dirs.n - 1];
	struct tree_entry e = { .fd = -1, .st = f->st };
	free(f->names);
	f->names = NULL;
	size_t parent_end = w->dirs.n > 1 ? w->dirs.levels[w->dirs.n - 2].path_end : 0;
	char name[256];
	(void)snprintf(name, sizeof(name), "%s", w->dirs.path + parent_end + (parent_end > 0));
	dir_stack_pop(&w->dirs);
	int r = dir_stack_top(&w->dirs, &e.dir_fd, w->err);
	e.name = name;
	return r < 0 ? r : tell(w, TREE_LEAVE, &e, name);
}

/* The batch is used up. Returns 1 if there is another one to work on. */
static int next_batch(struct walk *w, struct frame *f)
{
	if (!(w->flags & TREE_UNTIL_EMPTY) || f->count == 0)
		return 0;
	if (f->listed_all && ++f->rounds > REMOVE_ROUNDS)
		return dd_err_say(w->err, EBUSY,
		                  "entries keep appearing in a directory that is being removed: "
		                  "something still writes to it");
	int r = list_top(w, f);
	return r < 0 ? r : f->count > 0;
}

static int run_walk(struct walk *w)
{
	int r = push_frame(w, NULL);
	while (r == 0) {
		struct frame *f = &w->frames[w->dirs.n - 1];
		if (f->at < f->len) {
			const char *name = f->names + f->at;
			f->at += strlen(name) + 1;
			r = visit_name(w, name);
			continue;
		}
		r = next_batch(w, f);
		if (r > 0)
			r = 0;
		else if (r == 0 && w->dirs.n == 1)
			break;
		else if (r == 0)
			r = leave(w);
	}
	return r;
}

int tree_walk(int root_fd, unsigned flags, tree_visit_fn visit, void *arg, struct dd_err *err)
{
	/* A directory descriptor's position belongs to the open file, so the caller's is not used
	 * for listing. */
	dd_auto_fd int own = open_beneath(root_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (own < 0)
		return tree_err_reach(err, dd_err_set(err, -own, "open the root of a tree"));
	struct walk w = { .flags = flags, .visit = visit, .arg = arg, .err = err };
	int r = dir_stack_init(&w.dirs, own, err);
	if (r < 0)
		return r;
	r = run_walk(&w);
	if (r < 0 && (flags & TREE_NAMES) && w.dirs.path[0])
		r = tree_err_ctx(err, r, "in", w.dirs.path);
	for (size_t i = 0; i < w.dirs.n && i < w.cap; i++)
		free(w.frames[i].names);
	free(w.frames);
	free(w.path);
	dir_stack_done(&w.dirs);
	return r;
}
