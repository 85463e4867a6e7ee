// SPDX-License-Identifier: Apache-2.0
/* egress_spent.h - what has been used of the budgets of an allowlist, by account.
 *
 * A workflow chooses how many steps it has, and a repository how many names it lists; so budgets
 * and caps belong to the operator's entry (struct egress_entry, account) and live as long as the
 * job. The supervisor keeps one of these for each phase of a job and adds what each gate reports; a
 * gate works on the copy that its fork gave it, and on a second one for its own step. Pure but for
 * memory.
 */
#ifndef DRYDOCK_EGRESS_SPENT_H
#define DRYDOCK_EGRESS_SPENT_H

#include "egress.h"

enum { EGRESS_SPENT_NAMES_MAX = 65536 }; /* of all accounts together; more are refused */

struct egress_spent;

/* NULL without memory. */
struct egress_spent *egress_spent_new(const struct egress_list *list);
void egress_spent_free(struct egress_spent *spent); /* NULL is fine */

/* An account that the list does not have has used everything: UINT64_MAX, UINT_MAX. */
uint64_t egress_spent_bytes(const struct egress_spent *spent, unsigned account);
unsigned egress_spent_names(const struct egress_spent *spent, unsigned account);
/* Has @name (a canonical host, or an address as text) been counted there? */
bool egress_spent_has(const struct egress_spent *spent, unsigned account, const char *name);

void egress_spent_add(struct egress_spent *spent, unsigned account, uint64_t bytes);
/* Count @name; once is enough. -ENOSPC: EGRESS_SPENT_NAMES_MAX or no memory; -EINVAL: no such
 * account. */
int egress_spent_count(struct egress_spent *spent, unsigned account, const char *name);

#endif
