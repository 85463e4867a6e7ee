// SPDX-License-Identifier: Apache-2.0
/* escrow.h - where the keeper finds what takes a lease back, should the supervisor die: some tokens
 * end only by themselves.
 *
 * Memory that keeper and supervisor share: locked, left out of core dumps, mapped in no other
 * process (MADV_DONTFORK in both). Made before the fork; each side calls escrow_hold() behind it.
 */
#ifndef RUNNER_LEASE_ESCROW_H
#define RUNNER_LEASE_ESCROW_H

#include "drydock/err.h"

struct escrow;

int escrow_new(struct escrow **ret, struct dd_err *err);
/* From here on no child of this process has it. */
int escrow_hold(struct escrow *e, struct dd_err *err);
/* -ENOSPC: as many leases are open as one step can have. */
int escrow_put(struct escrow *e, unsigned id, const char *key, size_t len, struct dd_err *err);
void escrow_drop(struct escrow *e, unsigned id);
/* NULL: it has none. Borrowed. */
const char *escrow_get(const struct escrow *e, unsigned id, size_t *ret_len);
void escrow_free(struct escrow *e); /* wipes */

#endif
