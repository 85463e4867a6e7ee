// SPDX-License-Identifier: Apache-2.0
/* store_refs.h - the branches and tags of a repository, read without running git. */
#ifndef RUNNER_STORE_REFS_H
#define RUNNER_STORE_REFS_H

#include "base/arena.h"

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

struct store_refs {
	struct store_ref {
		const char *name; /* "refs/tags/v1" */
		char oid[65];
	} * refs;
	size_t n;
};

/* Those of the repository's own: heads, tags, and what a clone has of its origin. What forges keep
 * beside them (refs/pull) is anybody's. */
int store_refs_read(int git_fd, struct plan_arena *arena, struct store_refs *ret,
                    struct dd_err *err);
const struct store_ref *store_refs_find(const struct store_refs *refs, const char *name);

#endif
