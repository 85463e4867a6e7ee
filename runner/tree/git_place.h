// SPDX-License-Identifier: Apache-2.0
/* git_place.h - where the repository of a work tree is: a .git directory, or one that a .git file
 * names.
 *
 * Runs in the supervisor and the command line, without running git. A .git file can name any
 * directory of the operator's, and whoever made the work tree wrote it: so what it names must point
 * back, as git makes it for worktrees and submodules. Anything else is no repository for drydock.
 */
#ifndef RUNNER_GIT_PLACE_H
#define RUNNER_GIT_PLACE_H

#include "drydock/err.h"

#include <limits.h>

enum git_kind {
	GIT_NONE = 0,
	GIT_DIR,       /* a .git directory: the usual case */
	GIT_WORKTREE,  /* of another repository (git worktree) */
	GIT_SUBMODULE, /* of another repository */
};

struct git_place {
	enum git_kind kind;
	/* HEAD and index; and what worktrees of one repository share: objects, refs, config. Owned;
	 * -1 with GIT_NONE */
	int git_fd, common_fd;
	/* GIT_NONE, though there is a .git: why it counts for nothing; else "" */
	char why_not[300];
};

#define GIT_PLACE_NONE                                                                             \
	{                                                                                          \
		.git_fd = -1, .common_fd = -1                                                      \
	}

/* The repository of the work tree @root_fd. Never fails: what cannot be read is none, with a
 * reason. */
void git_place_open(int root_fd, struct git_place *ret);
void git_place_close(struct git_place *place);

/* The nearest directory at or above @dir_fd that is a work tree with a repository of this user's
 * (or
 * @dir_fd itself, whoever owns it). 1: *ret_root_fd is it, and @ret_prefix the way from there to
 * @dir_fd ("" or "sub/dir/"); 0: there is none; -errno. @ret_why_not: the .git that was passed
 * over, and why; or "". */
int git_root_find(int dir_fd, int *ret_root_fd, char ret_prefix[PATH_MAX], char ret_why_not[300],
                  struct dd_err *err);

#endif
