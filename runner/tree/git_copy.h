// SPDX-License-Identifier: Apache-2.0
/* git_copy.h - a repository of the caller's as a .git directory that works on its own and lends
 * nothing.
 *
 * Supervisor, before the first step. What travels is a list: objects, names of commits, the index,
 * a cleaned configuration. Hooks, logs (they hold URLs), credentials and whatever an extension
 * keeps there stay behind. A worktree and a submodule arrive as repositories of their own.
 */
#ifndef RUNNER_GIT_COPY_H
#define RUNNER_GIT_COPY_H

#include "git_config.h"
#include "git_place.h"
#include "tree_copy.h"

struct git_copied {
	char left_out[sizeof(((struct git_config_copy *)0)->left_out)]; /* as there; "" */
	char config_bad[200]; /* the configuration could not be read and is not there; "" */
	char alternates[300]; /* where objects are that are not in the copy; "" */
};

/* Make @to_fd/.git. @ret is added to: it may be of several repositories. */
int git_copy(struct copy *c, const struct git_place *place, int to_fd, struct git_copied *ret,
             struct dd_err *err);

/* The first line of objects/info/alternates, escaped, or "". */
void git_alternates(const struct git_place *place, char ret[300]);

#endif
