// SPDX-License-Identifier: Apache-2.0
/* named_path.h - opens what a command line names: the place is the operator's, what stands there
 * can be a stranger's.
 *
 * A checkout can contain a link where the operator expects a file: `run .github/workflows/ci.yml`,
 * `--out out`, `--record ci.jsonl`. So a link is followed only where the directory that holds it is
 * the operator's. It is a stranger's when it lies at or below a fence (named_fence(): the
 * workspace), or in the work tree of a git repository (there is a .git in it or above it). Each
 * name of a path is entered on its own, so links that lead into a checkout, out of it and through
 * it are all judged where they lie (F-15).
 *
 * Order of use: named_fence() as soon as the workspace is known, then the others, in any role.
 */
#ifndef RUNNER_NAMED_PATH_H
#define RUNNER_NAMED_PATH_H

#include "drydock/err.h"

#include <limits.h>
#include <sys/types.h>

/* The first link that was followed, as the path names it; "" for none. What was reached through a
 * link is not quoted in messages. */
struct named_link {
	char path[PATH_MAX];
};

/* From now on nothing at or below @dir is followed. @dir itself is opened like any named path.
 * -ENOSPC: more than eight. */
int named_fence(const char *dir, struct dd_err *err);

/* open(2) with @flags (and @mode, with O_CREAT), close on exec. @link may be NULL. -ELOOP: a link
 * of a stranger, or more of them than anybody needs; @err says which. */
int named_open(const char *path, int flags, mode_t mode, int *ret_fd, struct named_link *link,
               struct dd_err *err);

/* The directory @path, made with mode 0755 where only its last name is missing. */
int named_make_dir(const char *path, int *ret_fd, struct dd_err *err);

#endif
