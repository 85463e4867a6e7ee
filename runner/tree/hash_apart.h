// SPDX-License-Identifier: Apache-2.0
/* hash_apart.h - hash_files.h in a process of its own: a tree that hostile steps laid out costs
 * whoever asks the time that it grants, and nothing else.
 *
 * Called in the supervisor. The reader is forked, sees that tree alone, cannot write, start or
 * reach anything, and is killed when its time or the job is over (interrupt.h). What it answers has
 * one size and is looked at again.
 */
#ifndef RUNNER_HASH_APART_H
#define RUNNER_HASH_APART_H

#include "hash_files.h"

enum { HASH_APART_BYTES_MAX = 1024 * 1024 * 1024 }; /* of its memory, with what a fork shares */

/* As tree_hash_files(). @ms: how long it may take. */
int tree_hash_apart(int root_fd, const struct hash_files *what, unsigned ms, char ret_hex[65],
                    struct dd_err *err);

#endif
