// SPDX-License-Identifier: Apache-2.0
/* actions_lock.h - the actions that a repository has agreed to: `.drydock.lock` in its root, the
 * digest and the commit of each by the name that its workflows use.
 *
 * Commit content: it can only refuse. What `run --locked` finds must be what stands there. */
#ifndef RUNNER_ACTIONS_LOCK_H
#define RUNNER_ACTIONS_LOCK_H

#include "forges/actions/world.h"

#define ACTIONS_LOCK_FILE ".drydock.lock"

struct actions_lock;

/* Of the checkout @dir_fd. -ENOENT: there is none; -EINVAL: it is none. */
int actions_lock_read(int dir_fd, struct actions_lock **ret, struct dd_err *err);
void actions_lock_free(struct actions_lock *lock); /* NULL is fine */

/* Why @found may not run, a sentence in @ret, or "": it is what the lock says. */
void actions_lock_judge(const struct actions_lock *lock, const struct actions_found *found,
                        char ret[300]);

/* The commit that it says for the repository and ref of @found, borrowed; NULL: none. */
const char *actions_lock_commit(const struct actions_lock *lock, const struct actions_found *found);

/* All of @found into the checkout @dir_fd, whole or not at all. */
int actions_lock_write(int dir_fd, const struct actions_found *found, size_t n, struct dd_err *err);

#endif
