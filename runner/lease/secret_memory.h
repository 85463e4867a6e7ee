// SPDX-License-Identifier: Apache-2.0
/* secret_memory.h - memory for secrets and for what is derived from them (C-16).
 *
 * Locked (never swapped), left out of core dumps, zero in every forked child (Linux 4.14,
 * MADV_WIPEONFORK), overwritten before it goes back. It grows by what is asked of it; blocks live
 * as long as all of it. A child that must hand a secret to a step therefore gets it by pipe or
 * memfd, never by inheritance.
 */
#ifndef RUNNER_SECRET_MEMORY_H
#define RUNNER_SECRET_MEMORY_H

#include "drydock/err.h"

#include <stddef.h>

struct secret_memory;

/* @size bytes to begin with, rounded up to pages. -ENOMEM or -EPERM with the remedy when the memory
 * cannot be locked: there is no unlocked kind. */
int secret_memory_new(size_t size, struct secret_memory **ret, struct dd_err *err);
/* @len zeroed bytes, aligned for any type; NULL where no more can be locked. */
void *secret_alloc(struct secret_memory *sm, size_t len);
/* Of the block at @at only @len bytes are needed; of another than the last one nothing is saved. */
void secret_shrink(struct secret_memory *sm, const void *at, size_t len);
/* Why secret_alloc() returned NULL, with the remedy; returns its code. */
int secret_memory_full(const struct secret_memory *sm, struct dd_err *err);
void secret_memory_free(struct secret_memory *sm); /* wipes; NULL is allowed */

#endif
