// SPDX-License-Identifier: Apache-2.0
/* tree_remove.c - removes what is below a directory.
 *
 * Runs in the supervisor, on a tree that hostile steps filled (F-12) and may still fight over
 * (F-04). unlinkat(2) never follows a link, and the directory it works in is always one that the
 * walk entered safely; losing a race only costs another round.
 */
#include "tree_walk.h"
#include "workspace.h"

#include <fcntl.h>
#include <unistd.h>

static bool lost_a_race(int code)
{
	return code == ENOENT || code == EISDIR || code == ENOTDIR || code == ENOTEMPTY ||
	       code == EEXIST;
}

static int remove_visit(void *arg, enum tree_event what, const struct tree_entry *e,
                        struct dd_err *err)
{
	(void)arg;
	if (what == TREE_ENTER || what == TREE_GONE)
		return 0;
	if (what == TREE_MOUNT)
		return tree_err_ctx(err,
		                    dd_err_say(err, EBUSY, "a mount covers it: unmount it first"),
		                    "remove", e->path);
	if (unlinkat(e->dir_fd, e->name, what == TREE_LEAVE ? AT_REMOVEDIR : 0) == 0 ||
	    lost_a_race(errno))
		return 0;
	return tree_err_ctx(err, dd_err_set(err, errno, "unlink"), "remove", e->path);
}

int tree_remove(int dir_fd, struct dd_err *err)
{
	return tree_walk(dir_fd, TREE_MAY_CHANGE | TREE_UNTIL_EMPTY | TREE_NAMES, remove_visit,
	                 NULL, err);
}
