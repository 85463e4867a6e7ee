// SPDX-License-Identifier: Apache-2.0
/* egress_spent.c - counters by account, and the set of names that were counted.
 *
 * Runs in: supervisor, gate. Pure. The set is an open table of a power of two, at most half full.
 * Which names come is the choice of hostile code, so their number is bounded before a lookup can
 * become slow.
 */
#include "drydock/egress_spent.h"

#include <limits.h>
#include <stdlib.h>

struct account {
	uint64_t bytes;
	unsigned names;
};

struct counted {
	unsigned account;
	char *name; /* NULL: free */
};

struct egress_spent {
	unsigned n_accounts;
	struct account *accounts;
	struct counted *set;
	size_t n_set, cap_set;
};

unsigned egress_accounts(const struct egress_list *list)
{
	unsigned n = 0;
	for (size_t i = 0; i < list->n; i++)
		if (list->entries[i].account >= n && list->entries[i].account < EGRESS_ENTRIES_MAX)
			n = list->entries[i].account + 1;
	return n;
}

struct egress_spent *egress_spent_new(const struct egress_list *list)
{
	struct egress_spent *spent = calloc(1, sizeof(*spent));
	if (!spent)
		return NULL;
	spent->n_accounts = egress_accounts(list);
	spent->accounts = calloc(spent->n_accounts + 1, sizeof(*spent->accounts));
	if (spent->accounts)
		return spent;
	free(spent);
	return NULL;
}

void egress_spent_free(struct egress_spent *spent)
{
	if (!spent)
		return;
	for (size_t i = 0; i < spent->cap_set; i++)
		free(spent->set[i].name);
	free(spent->set);
	free(spent->accounts);
	free(spent);
}

uint64_t egress_spent_bytes(const struct egress_spent *spent, unsigned account)
{
	return account < spent->n_accounts ? spent->accounts[account].bytes : UINT64_MAX;
}

unsigned egress_spent_names(const struct egress_spent *spent, unsigned account)
{
	return account < spent->n_accounts ? spent->accounts[account].names : UINT_MAX;
}

void egress_spent_add(struct egress_spent *spent, unsigned account, uint64_t bytes)
{
	uint64_t *at = account < spent->n_accounts ? &spent->accounts[account].bytes : NULL;
	if (at && __builtin_add_overflow(*at, bytes, at))
		*at = UINT64_MAX;
}

/* ---- the set ---- */

/* Where @name stands, or would. */
static size_t spent_slot_of(const struct counted *set, size_t cap, unsigned account,
                            const char *name)
{
	uint64_t h = 14695981039346656037u ^ account;
	for (const char *c = name; *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211u;
	size_t at = (size_t)(h ^ h >> 32) & (cap - 1);
	while (set[at].name && (set[at].account != account || strcmp(set[at].name, name) != 0))
		at = (at + 1) & (cap - 1);
	return at;
}

bool egress_spent_has(const struct egress_spent *spent, unsigned account, const char *name)
{
	return spent->cap_set > 0 &&
	       spent->set[spent_slot_of(spent->set, spent->cap_set, account, name)].name;
}

static int spent_grow(struct egress_spent *spent)
{
	size_t cap = spent->cap_set ? spent->cap_set * 2 : 64;
	struct counted *set = calloc(cap, sizeof(*set));
	if (!set)
		return -ENOSPC;
	for (size_t i = 0; i < spent->cap_set; i++)
		if (spent->set[i].name)
			set[spent_slot_of(set, cap, spent->set[i].account, spent->set[i].name)] =
				spent->set[i];
	free(spent->set);
	spent->set = set;
	spent->cap_set = cap;
	return 0;
}

int egress_spent_count(struct egress_spent *spent, unsigned account, const char *name)
{
	if (account >= spent->n_accounts)
		return -EINVAL;
	if (egress_spent_has(spent, account, name))
		return 0;
	if (spent->n_set == EGRESS_SPENT_NAMES_MAX ||
	    (spent->n_set * 2 >= spent->cap_set && spent_grow(spent) < 0))
		return -ENOSPC;
	char *copy = strdup(name);
	if (!copy)
		return -ENOSPC;
	spent->set[spent_slot_of(spent->set, spent->cap_set, account, name)] =
		(struct counted){ .account = account, .name = copy };
	spent->n_set++;
	spent->accounts[account].names++;
	return 0;
}
