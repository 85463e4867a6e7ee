// SPDX-License-Identifier: Apache-2.0
/* suggest_egress.c - the entries of a phase: as few as open what was reached, and nothing wider
 * than the stated rules.
 *
 * Runs in: command line. Whether an entry is needed is asked of the verdict functions themselves:
 * it is, when something that was seen would be refused without it. */
#include "suggest_parts.h"

#include "drydock/egress_spent.h"

#include "policy/egress_sets.h"

#include <arpa/inet.h>
#include <string.h>

enum { WILDCARD_NAMES_MIN = 4, WILDCARD_LABELS_MIN = 3 };

/* ---- entries ---- */

static struct suggest_entry *add_entry(struct suggest *s, struct suggest_phase *phase,
                                       enum suggest_entry_kind kind, const char *why)
{
	phase->entries = arena_grow(s->arena, phase->entries, phase->n_entries,
	                            sizeof(*phase->entries));
	struct suggest_entry *e = &phase->entries[phase->n_entries++];
	*e = (struct suggest_entry){ .kind = kind,
		                     .why = why,
		                     .entry = { .origin = "suggest", .ech = EGRESS_ECH_PASS } };
	return e;
}

static uint16_t port_of(const struct facts_net *net)
{
	return net->kind == FACTS_CONNECTED ? net->port : PORT_OF_A_QUERY;
}

static const char *times_text(struct plan_arena *arena, const struct suggest_dest *dest)
{
	if (dest->inside)
		return arena_printf(arena, "%s: inside your network, refused while observing",
		                    dest->by);
	if (dest->net.kind != FACTS_CONNECTED)
		return arena_printf(arena, "%s: only looked up", dest->by);
	return arena_printf(arena, "%s: %llu connection%s", dest->by,
	                    (unsigned long long)dest->times, dest->times == 1 ? "" : "s");
}

/* The name without its first label, if that is not too short to be one party's own. Never for `tls:
 * raw`, where the name proves nothing. */
static const char *wildcard_suffix(const struct suggest_dest *dest)
{
	const char *dot = strchr(dest->net.host, '.');
	size_t labels = 1;
	if (!dot || dest->raw || dest->private_ok || dest->in_set)
		return NULL;
	for (const char *c = dot + 1; *c; c++)
		labels += *c == '.';
	return labels >= WILDCARD_LABELS_MIN ? dot + 1 : NULL;
}

static bool same_family(const struct suggest_dest *a, const struct suggest_dest *b)
{
	const char *x = wildcard_suffix(a), *y = wildcard_suffix(b);
	return x && y && strcmp(x, y) == 0 && port_of(&a->net) == port_of(&b->net);
}

/* Distinct names below the suffix of dest @which, or 0 when an earlier one of the family counts
 * them. */
static size_t family_size(const struct suggest_phase *phase, size_t which)
{
	size_t n = 0;
	const char *last = "";
	for (size_t i = 0; i < phase->n_dests; i++) {
		if (!same_family(&phase->dests[i], &phase->dests[which]))
			continue;
		if (n == 0 && i != which)
			return 0;
		n += strcmp(last, phase->dests[i].net.host) != 0; /* sorted by name */
		last = phase->dests[i].net.host;
	}
	return n;
}

static void add_wildcards(struct suggest *s, struct suggest_phase *phase)
{
	for (size_t i = 0; i < phase->n_dests; i++) {
		size_t n = family_size(phase, i);
		const struct suggest_dest *dest = &phase->dests[i];
		if (n < WILDCARD_NAMES_MIN)
			continue;
		struct suggest_entry *e =
			add_entry(s, phase, ENTRY_WILDCARD,
		                  arena_printf(s->arena, "%s: %zu names", dest->by, n));
		e->entry.host = wildcard_suffix(dest);
		e->entry.wildcard = true;
		e->entry.port = port_of(&dest->net);
	}
}

static void add_exact(struct suggest *s, struct suggest_phase *phase)
{
	for (size_t i = 0; i < phase->n_dests; i++) {
		const struct suggest_dest *dest = &phase->dests[i];
		struct suggest_entry *e = add_entry(s, phase,
		                                    dest->net.host[0] ? ENTRY_HOST : ENTRY_CIDR,
		                                    times_text(s->arena, dest));
		e->entry.port = port_of(&dest->net);
		if (dest->net.host[0]) {
			e->entry.host = dest->net.host;
			e->entry.private_ok = dest->private_ok;
			e->entry.tls = dest->raw ? EGRESS_TLS_RAW : EGRESS_TLS_SNI;
		} else {
			(void)inet_pton(AF_INET, dest->net.address, &e->entry.cidr);
			e->entry.prefix = 32;
		}
	}
}

/* A package manager is set to what it is set to, and needs it on another day: one of its
 * destinations is enough, in fetch. A service is a list of drydock's own, and push is where less is
 * more: all of it must have been seen. Neither may hold a destination that needs other terms than
 * the set's: one name and port has one entry. */
static bool set_is_fit(struct suggest *s, const struct suggest_phase *phase,
                       const struct egress_set_row *row, const struct egress_set *set)
{
	const struct egress_list list = { .entries = set->entries, .n = set->n };
	bool *seen = arena_array(s->arena, set->n + 1, sizeof(*seen));
	size_t covered = 0;
	for (size_t i = 0; i < phase->n_dests; i++) {
		struct net_judgement j = replay_judge_net(&list, &phase->dests[i].net);
		if (j.entry && j.answer == NET_REFUSED)
			return false;
		if (j.entry)
			seen[j.entry - set->entries] = true;
	}
	for (size_t i = 0; i < set->n; i++)
		covered += seen[i];
	return row->ask && phase == &s->phases[DD_PHASE_FETCH] ? covered > 0 : covered == set->n;
}

/* Every set that this host has an answer for, by row; asking starts the package managers, so once
 * is enough. */
static const struct egress_set *known_sets(struct suggest *s)
{
	if (s->sets)
		return s->sets;
	s->sets = arena_array(s->arena, egress_set_rows_n + 1, sizeof(*s->sets));
	for (size_t i = 0; i < egress_set_rows_n; i++)
		if (egress_set_ask(s->arena, egress_set_rows[i].name, s->options->set_dir,
		                   &s->sets[i], NULL) < 0)
			s->sets[i] = (struct egress_set){ .n = 0 };
	return s->sets;
}

/* One entry for a set, and its destinations in @sets under the same number. */
static void add_sets(struct suggest *s, struct suggest_phase *phase, struct egress_set *sets)
{
	for (size_t i = 0; i < egress_set_rows_n && !s->options->no_sets && phase->n_dests > 0;
	     i++) {
		const struct egress_set_row *row = &egress_set_rows[i];
		const struct egress_set *set = &known_sets(s)[i];
		if (set->n == 0 || !set_is_fit(s, phase, row, set))
			continue;
		sets[phase->n_entries] = *set;
		struct suggest_entry *e = add_entry(
			s, phase, ENTRY_USE,
			row->ask ? arena_printf(s->arena, "what %s on this host is set to use",
		                                row->name)
				 : row->what);
		e->set = row->name;
	}
}

/* ---- which are needed ---- */

struct flat {
	struct egress_entry *entries;
	size_t *owner; /* index in phase->entries */
	size_t n;
};

static void flat_add(struct flat *flat, const struct egress_entry *entry, size_t owner)
{
	flat->entries[flat->n] = *entry;
	flat->owner[flat->n++] = owner;
}

static struct flat flatten(struct suggest *s, const struct suggest_phase *phase,
                           const struct egress_set *sets)
{
	size_t n = phase->n_entries;
	for (size_t i = 0; i < egress_set_rows_n; i++)
		n += sets[i].n;
	struct flat flat = { .entries = arena_array(s->arena, n + 1, sizeof(*flat.entries)),
		             .owner = arena_array(s->arena, n + 1, sizeof(*flat.owner)) };
	for (size_t i = 0; i < phase->n_entries; i++) {
		if (phase->entries[i].kind != ENTRY_USE)
			flat_add(&flat, &phase->entries[i].entry, i);
		for (size_t k = 0; phase->entries[i].kind == ENTRY_USE && k < sets[i].n; k++)
			flat_add(&flat, &sets[i].entries[k], i);
	}
	return flat;
}

/* An entry that matches nothing: no name is empty. */
static const struct egress_entry no_entry = { .host = "", .port = 1, .origin = "" };

/* The owner of the entry that lets @dest through; SIZE_MAX: none. */
static size_t owner_of(const struct flat *flat, const struct suggest_dest *dest)
{
	const struct egress_list list = { .entries = flat->entries, .n = flat->n };
	struct net_judgement j = replay_judge_net(&list, &dest->net);
	/* Not known whether it spoke TLS or HTTP: the strict entry is meant to have it all the
	 * same. */
	return j.entry && (j.answer == NET_ALLOWED || j.answer == NET_UNKNOWN)
	               ? flat->owner[j.entry - flat->entries]
	               : SIZE_MAX;
}

/* What drop_if_idle works on, made once for a phase. */
struct dropping {
	const struct suggest_phase *phase;
	struct flat flat;
	struct egress_entry *kept; /* flat.entries as they were */
	size_t *decided;           /* owner of what lets each destination through */
	size_t *moved;
};

static struct dropping start_dropping(struct suggest *s, const struct suggest_phase *phase,
                                      const struct egress_set *sets)
{
	struct dropping d = { .phase = phase, .flat = flatten(s, phase, sets) };
	d.kept = arena_array(s->arena, d.flat.n + 1, sizeof(*d.kept));
	memcpy(d.kept, d.flat.entries, d.flat.n * sizeof(*d.kept));
	d.decided = arena_array(s->arena, phase->n_dests + 1, sizeof(*d.decided));
	d.moved = arena_array(s->arena, phase->n_dests + 1, sizeof(*d.moved));
	for (size_t i = 0; i < phase->n_dests; i++)
		d.decided[i] = owner_of(&d.flat, &phase->dests[i]);
	return d;
}

/* Take the entries of @owner out of the list; put them back when something that was seen depends on
 * them. */
static bool drop_if_idle(struct dropping *d, size_t owner)
{
	bool idle = true;
	for (size_t i = 0; i < d->flat.n; i++)
		if (d->flat.owner[i] == owner)
			d->flat.entries[i] = no_entry;
	for (size_t i = 0; i < d->phase->n_dests && idle; i++) {
		d->moved[i] = d->decided[i] == owner ? owner_of(&d->flat, &d->phase->dests[i])
		                                     : d->decided[i];
		idle = d->decided[i] != owner || d->moved[i] != SIZE_MAX;
	}
	if (idle)
		memcpy(d->decided, d->moved, d->phase->n_dests * sizeof(*d->decided));
	for (size_t i = 0; i < d->flat.n && !idle; i++)
		if (d->flat.owner[i] == owner)
			d->flat.entries[i] = d->kept[i];
	return idle;
}

/* Exact entries go first, so that what a set or a wildcard opens anyway is not said twice. */
static struct flat drop_idle(struct suggest *s, struct suggest_phase *phase,
                             const struct egress_set *sets)
{
	static const enum suggest_entry_kind order[] = { ENTRY_HOST, ENTRY_CIDR, ENTRY_WILDCARD,
		                                         ENTRY_USE };
	struct dropping d = start_dropping(s, phase, sets);
	for (size_t o = 0; o < ARRAY_LEN(order); o++)
		for (size_t i = 0; i < phase->n_entries; i++)
			if (phase->entries[i].kind == order[o])
				phase->entries[i].dropped = drop_if_idle(&d, i);
	return d.flat;
}

/* What one job, which is one record, used of each entry of a phase. */
static void count_step(struct suggest *s, const struct egress_list *list,
                       const struct facts_step *step, struct egress_spent *spent)
{
	size_t n = 0;
	const char **names = replay_names(s->arena, step, &n);
	for (size_t i = 0; i < n; i++) {
		struct egress_verdict v = egress_verdict_name(list, names[i], 0);
		if (v.allow && v.entry->wildcard)
			(void)egress_spent_count(spent, v.entry->account, names[i]);
	}
	for (size_t i = 0; i < step->gate.n_receipts; i++) {
		const struct facts_receipt *receipt = &step->gate.receipts[i];
		const struct egress_entry *payer = replay_payer(list, receipt);
		if (payer && receipt->connections > 0 && receipt->bytes_out > 0)
			egress_spent_add(spent, payer->account, (uint64_t)receipt->bytes_out);
	}
}

static void keep_largest(struct suggest_phase *phase, const struct egress_spent *spent, size_t n)
{
	for (unsigned i = 0; i < n; i++) {
		if (egress_spent_names(spent, i) > phase->wildcard_names)
			phase->wildcard_names = egress_spent_names(spent, i);
		if (egress_spent_bytes(spent, i) > phase->upload_seen)
			phase->upload_seen = egress_spent_bytes(spent, i);
	}
}

static void count_use(struct suggest *s, enum dd_phase which, struct flat flat)
{
	const struct egress_list list = { .entries = flat.entries, .n = flat.n };
	for (size_t i = 0; i < flat.n; i++)
		flat.entries[i].account = (unsigned)i;
	for (size_t r = 0; r < s->n_records; r++) {
		struct egress_spent *spent = egress_spent_new(&list);
		if (!spent) {
			suggest_warn(s, "no memory to add up what the jobs sent");
			return;
		}
		for (size_t i = 0; i < s->n_steps; i++)
			for (size_t k = 0; k < s->steps[i].n_seen; k++)
				if (suggest_effective(&s->steps[i]) == which &&
				    s->steps[i].seen[k].facts == s->records[r])
					count_step(s, &list, s->steps[i].seen[k].step, spent);
		keep_largest(&s->phases[which], spent, flat.n);
		egress_spent_free(spent);
	}
}

/* With only the sets in the list yet: what they let through needs nothing else. */
static void mark_in_sets(struct suggest *s, struct suggest_phase *phase,
                         const struct egress_set *sets)
{
	const struct flat flat = flatten(s, phase, sets);
	for (size_t i = 0; i < phase->n_dests; i++)
		phase->dests[i].in_set = owner_of(&flat, &phase->dests[i]) != SIZE_MAX;
}

void suggest_egress(struct suggest *s)
{
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		struct suggest_phase *phase = &s->phases[p];
		struct egress_set *sets = arena_array(s->arena, egress_set_rows_n, sizeof(*sets));
		if (p == DD_PHASE_BUILD)
			/* its gate stays closed; what unnamed steps reached has been said */
			continue;
		add_sets(s, phase, sets);
		mark_in_sets(s, phase, sets);
		add_wildcards(s, phase);
		add_exact(s, phase);
		count_use(s, (enum dd_phase)p, drop_idle(s, phase, sets));
	}
}
