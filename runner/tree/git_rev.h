// SPDX-License-Identifier: Apache-2.0
/* git_rev.h - which commit somebody means by a branch, a tag or the beginning of a name.
 *
 * Command line. Runs no git. Names are looked up in git's order: HEAD, refs/..., tags, branches,
 * remote branches, then as the name of an object. No expressions (HEAD~1, main@{1}): git itself
 * says which commit such a thing is.
 */
#ifndef RUNNER_GIT_REV_H
#define RUNNER_GIT_REV_H

#include "git_place.h"

#include <stddef.h>

enum { GIT_STORES_MAX = 8 };

/* Object directories: the repository's own, then those that it borrows from, and they. */
struct git_stores {
	size_t n;
	int fd[GIT_STORES_MAX];
	char path[GIT_STORES_MAX]
		 [80]; /* as it is named, shortened for people; "" for the own one */
};
int git_stores_open(const struct git_place *place, struct git_stores *ret, struct dd_err *err);
void git_stores_close(struct git_stores *stores);

struct git_rev {
	char sha[65];
	/* refs/heads/..., refs/tags/...: what a forge would call it; "": a commit and no name */
	char ref[256];
};
/* -EINVAL, -ENOENT, -ENOTUNIQ; @err says what was looked for. */
int git_rev_find(const struct git_place *place, const struct git_stores *stores, const char *rev,
                 struct git_rev *ret, struct dd_err *err);

#endif
