// SPDX-License-Identifier: Apache-2.0
/* tree_walk.h - visits everything below a directory, however deep or strangely named, without
 * recursion and without leaving it.
 *
 * Runs in the supervisor on trees that hostile steps wrote. See dir_stack.h for how directories are
 * entered.
 */
#ifndef RUNNER_TREE_WALK_H
#define RUNNER_TREE_WALK_H

#include "drydock/err.h"

#include <stddef.h>
#include <sys/stat.h>

enum tree_event {
	TREE_ENTRY = 1, /* anything but a directory; st says what. Never opened by the walk */
	TREE_ENTER,     /* a directory was opened: fd. The root has no events */
	TREE_LEAVE,     /* everything below it was visited; fd is closed by now (-1) */
	TREE_MOUNT,     /* a directory that another file system covers: not entered */
	/* only with TREE_MAY_CHANGE: vanished, or became something else, between listing and
	   entering */
	TREE_GONE,
	TREE_CLOSED, /* only with TREE_TELL_CLOSED: its mode lets us not in (identity single) */
};

struct tree_entry {
	int dir_fd;       /* the directory that holds it; borrowed */
	int fd;           /* TREE_ENTER: the directory itself; borrowed */
	const char *name; /* any byte but '/' and NUL */
	/* from the root; borrowed, gone after the visit. TREE_LEAVE: the name only, or a walk would
	 * cost the square of the depth */
	const char *path;
	struct stat st; /* of the entry, links not followed; not set for TREE_GONE and
	                TREE_CLOSED */
};

/* bits */
enum tree_flags {
	/* the tree is alive: entries that vanish are told as TREE_GONE. Otherwise they are an
	   error, -EBUSY */
	TREE_MAY_CHANGE = 1,
	/* the visitor removes: list each directory again until nothing is left; -EBUSY if that does
	   not come to an end */
	TREE_UNTIL_EMPTY = 2,
	TREE_INTERRUPT = 4, /* -ECANCELED, -ETIME when the work is to end (interrupt.h) */
	/* entries are told by their name only: putting the path of each together costs the depth */
	TREE_NAMES = 8,
	/* what may not be looked at is told as TREE_CLOSED, and the walk goes on */
	TREE_TELL_CLOSED = 16,
};

enum {
	TREE_SKIP = 1
}; /* the visitor's answer to TREE_ENTER: neither look inside nor tell TREE_LEAVE */

/* Any other non-zero answer stops the walk and is returned. */
typedef int (*tree_visit_fn)(void *arg, enum tree_event what, const struct tree_entry *entry,
                             struct dd_err *err);

int tree_walk(int root_fd, unsigned flags, tree_visit_fn visit, void *arg, struct dd_err *err);

/* Put the path, escaped, in front of an error. Returns @r. */
int tree_err_ctx(struct dd_err *err, int r, const char *doing, const char *path);

/* A call that reaches into a tree failed, and @r and @err say how: is it what somebody left there
 * (a mode, a link, a name that is too long), or the host (no memory, a disk that fails)? The
 * kernel's numbers mean that for such calls, and only here are they asked. Returns @r unchanged. */
int tree_err_reach(struct dd_err *err, int r);

#endif
