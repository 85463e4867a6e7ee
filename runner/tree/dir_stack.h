// SPDX-License-Identifier: Apache-2.0
/* dir_stack.h - where a walk stands in a tree: the open directories from its root down, for trees
 * of any depth.
 *
 * Every directory is opened from its parent's descriptor, one name at a time, with
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV), so a name that turned into a
 * link or a mount is an error and never a way out (F-03, F-04). Only the last DIR_STACK_OPEN levels
 * stay open; a level further up is opened again from the root when the walk comes back, and must be
 * the same directory (device and inode) as before: -EBUSY if not. ".." is never used: it would
 * follow a directory that was moved elsewhere.
 */
#ifndef RUNNER_DIR_STACK_H
#define RUNNER_DIR_STACK_H

#include "drydock/err.h"

#include <stddef.h>
#include <sys/types.h>

enum { DIR_STACK_OPEN = 128 };

struct dir_level {
	int fd; /* -1: closed for the time being; the root's is borrowed */
	dev_t dev;
	ino_t ino;
	size_t path_end; /* of this directory in path */
};

struct dir_stack {
	struct dir_level *levels;
	size_t n, cap; /* levels[0] is the root */
	char *path;    /* of the top, from the root; "" for the root; NUL-terminated */
	size_t path_cap;
};

/* @root_fd stays the caller's. */
int dir_stack_init(struct dir_stack *s, int root_fd, struct dd_err *err);
void dir_stack_done(struct dir_stack *s);
/* Enter @name (no slash) of the top. -ELOOP or -ENOTDIR: not a directory (any more); -EXDEV: a
 * mount. */
int dir_stack_push(struct dir_stack *s, const char *name, struct dd_err *err);
void dir_stack_pop(struct dir_stack *s);
/* The top's descriptor, borrowed until the next push or pop. */
int dir_stack_top(struct dir_stack *s, int *ret_fd, struct dd_err *err);

/* openat2(2) with the three RESOLVE flags. Linux 5.6. Returns the descriptor or -errno. */
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

#endif
