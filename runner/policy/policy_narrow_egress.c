// SPDX-License-Identifier: Apache-2.0
/* policy_narrow_egress.c - the intersection of two allowlists. Pure.
 *
 * A destination is reachable afterwards exactly if both lists allow it. Every key (name or
 * wildcard, and port) of either list is asked of the other one: the entry that decides about it
 * there and the one that decides about it here give the terms, each the stricter of the two. A
 * name's verdict is that of its closest key, and the closest key of the union is the closest of one
 * of the lists, so no name is forgotten and none is won: the operator's special terms for one name
 * below a wildcard (an address, `private`) stay when the repository asks for the wildcard.
 * tests/unit/policy_narrow_test.c holds the verdicts of the result against those of both lists,
 * over random lists. */
#include "policy_narrowing.h"

#include "drydock/err.h"
#include "drydock/netns.h"

#include <arpa/inet.h>
#include <string.h>

struct side {
	struct egress_list list;
	const struct diag_mark *marks;
};

struct meeting {
	struct narrowing *n;
	const char *key;         /* "phases.fetch.egress" */
	struct side theirs, own; /* the operator's, the repository's */
	struct egress_entry *entries;
	struct diag_mark *marks;
	const char **sets;
	const char *const *their_sets;
	size_t n_entries;
	/* for each of the repository's: something of the operator's lies below it */
	bool *kept_below;
};

static const struct egress_entry *block_decider(const struct egress_list *list,
                                                const struct egress_entry *about)
{
	const struct egress_entry *best = NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *e = &list->entries[i];
		uint32_t mask = e->prefix ? UINT32_MAX << (32 - e->prefix) : 0;
		if (e->host || e->port != about->port || e->prefix > about->prefix ||
		    ((ntohl(e->cidr.s_addr) ^ ntohl(about->cidr.s_addr)) & mask))
			continue;
		if (!best || e->prefix > best->prefix)
			best = e;
	}
	return best;
}

/* The entry of @list that decides about everything that @about names; NULL when @about is wider
 * than any. */
static const struct egress_entry *decider(const struct egress_list *list,
                                          const struct egress_entry *about)
{
	char any[EGRESS_HOST_MAX + 3];
	if (!about->host)
		return block_decider(list, about);
	/* no name has a star: only wildcards fit it */
	(void)snprintf(any, sizeof(any), "%s%s", about->wildcard ? "*." : "", about->host);
	return egress_verdict_name(list, any, about->port).entry;
}

static bool same_key(const struct egress_entry *a, const struct egress_entry *b)
{
	if (!a->host != !b->host || a->port != b->port)
		return false;
	return a->host ? a->wildcard == b->wildcard && strcmp(a->host, b->host) == 0
	               : a->prefix == b->prefix && a->cidr.s_addr == b->cidr.s_addr;
}

static const char *describe(struct plan_arena *arena, const struct egress_entry *e)
{
	char addr[INET_ADDRSTRLEN] = "?";
	if (e->host)
		return arena_printf(arena, "%s%s:%u", e->wildcard ? "*." : "", e->host,
		                    (unsigned)e->port);
	(void)inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr));
	return arena_printf(arena, "%s/%u:%u", addr, e->prefix, (unsigned)e->port);
}

static size_t pin_count(const struct egress_entry *e)
{
	size_t n = 0;
	while (n < EGRESS_PINS_MAX && e->pins[n])
		n++;
	return n;
}

static bool is_pin_of(const struct egress_entry *e, const char *pin)
{
	for (size_t i = 0; i < pin_count(e); i++)
		if (strcmp(e->pins[i], pin) == 0)
			return true;
	return false;
}

/* The operator's addresses, fewer if the repository names fewer. One of its own would send the name
 * somewhere else: that is refused. */
static bool meet_pins(const struct egress_entry *own, const struct egress_entry *theirs,
                      struct egress_entry *out)
{
	size_t k = 0, n = pin_count(theirs);
	const char *pins[EGRESS_PINS_MAX] = { NULL };
	for (size_t i = 0; i < n; i++)
		if (pin_count(own) == 0 || is_pin_of(own, theirs->pins[i]))
			pins[k++] = theirs->pins[i];
	memcpy(out->pins, pins, sizeof(pins));
	return n == 0 || k > 0;
}

static void add(struct meeting *m, const struct egress_entry *key, const struct egress_entry *own,
                const struct egress_entry *theirs)
{
	const size_t at = (size_t)(theirs - m->theirs.list.entries),
		     place = (size_t)(own - m->own.list.entries);
	struct egress_entry e = *key;
	e.private_ok = own->private_ok && theirs->private_ok;
	e.tls = own->tls == EGRESS_TLS_RAW && theirs->tls == EGRESS_TLS_RAW ? EGRESS_TLS_RAW
	                                                                    : EGRESS_TLS_SNI;
	e.ech = own->ech == EGRESS_ECH_PASS && theirs->ech == EGRESS_ECH_PASS ? EGRESS_ECH_PASS
	                                                                      : EGRESS_ECH_REFUSE;
	e.why = theirs->why;
	e.account = theirs->account; /* whatever is made of it, it has one budget */
	e.account_wildcard = theirs->account_wildcard;
	e.origin = arena_printf(m->n->arena, "%s, narrowed at %s:%u:%u", theirs->origin,
	                        m->own.marks[place].file, m->own.marks[place].line,
	                        m->own.marks[place].column);
	if (!meet_pins(own, theirs, &e))
		return;
	m->entries[m->n_entries] = e;
	m->marks[m->n_entries] = m->theirs.marks[at];
	m->sets[m->n_entries++] = m->their_sets[at];
}

/* A block never leads to a metadata service; an entry for its very address does. So the one cannot
 * be cut out of the other (N-12, G-16). */
static bool cuts_out_metadata(const struct egress_entry *own, const struct egress_entry *theirs)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = own->cidr };
	return !own->host && own->prefix == 32 && theirs->prefix < 32 &&
	       egress_addr_is_metadata((const struct sockaddr *)&at);
}

static void refuse_terms(struct meeting *m, const struct egress_entry *own,
                         const struct egress_entry *theirs, struct diag_mark mark)
{
	struct plan_arena *arena = m->n->arena;
	const char *what = describe(arena, own);
	bool foreign_pin = false;
	for (size_t i = 0; i < pin_count(own); i++)
		foreign_pin |= !is_pin_of(theirs, own->pins[i]);
	if (own->private_ok && !theirs->private_ok)
		narrow_refuse(m->n, mark, m->key,
		              arena_printf(arena, "%s with private: allow", what), "without",
		              "the operator's entry does not allow private addresses");
	if (own->tls == EGRESS_TLS_RAW && theirs->tls != EGRESS_TLS_RAW)
		narrow_refuse(m->n, mark, m->key, arena_printf(arena, "%s with tls: raw", what),
		              "tls: sni", "the operator's entry holds the connection to its name");
	if (foreign_pin)
		narrow_refuse(m->n, mark, m->key,
		              arena_printf(arena, "%s at an address of its own", what),
		              "the operator's address",
		              "a repository does not choose where a name leads");
}

/* The operator's keys that lie below something that the repository asks for. */
static void meet_theirs(struct meeting *m)
{
	for (size_t i = 0; i < m->theirs.list.n; i++) {
		const struct egress_entry *theirs = &m->theirs.list.entries[i],
					  *own = decider(&m->own.list, theirs);
		if (!own || same_key(own, theirs))
			continue;
		m->kept_below[own - m->own.list.entries] = true;
		add(m, theirs, own, theirs);
	}
}

static void meet_own(struct meeting *m)
{
	for (size_t i = 0; i < m->own.list.n; i++) {
		const struct egress_entry *own = &m->own.list.entries[i],
					  *theirs = decider(&m->theirs.list, own);
		if (theirs && cuts_out_metadata(own, theirs)) {
			narrow_refuse(m->n, m->own.marks[i], m->key, describe(m->n->arena, own),
			              "nothing",
			              "a metadata service is reached only where the operator's "
			              "policy names its address");
		} else if (theirs) {
			refuse_terms(m, own, theirs, m->own.marks[i]);
			add(m, own, own, theirs);
		} else {
			narrow_refuse(m->n, m->own.marks[i], m->key, describe(m->n->arena, own),
			              m->kept_below[i] ? "what the operator's policy lists below it"
			                               : "nothing",
			              "the operator's policy does not allow as much");
		}
	}
}

/* A set of the operator's list, and the line of the repository that first names it. The sets are
 * few, because each is a file or a tool of this host; the lines are as many as a repository likes.
 */
struct set_use {
	const char *name;
	const struct policy_use *use;
};

static struct set_use *find_set(struct set_use *sets, size_t n, const char *name)
{
	for (size_t i = 0; sets && i < n; i++)
		if (sets[i].name == name || strcmp(sets[i].name, name) == 0)
			return &sets[i];
	return NULL;
}

static struct set_use *used_sets(struct meeting *m, const struct policy_phase *own,
                                 const struct policy_phase *theirs, size_t *ret_n)
{
	struct plan_arena *arena = m->n->arena;
	struct set_use *sets = NULL;
	size_t n = 0;
	for (size_t i = 0; i < theirs->egress.n; i++) {
		const char *name = theirs->entry_sets[i];
		if (!name || find_set(sets, n, name))
			continue;
		sets = arena_grow(arena, sets, n, sizeof(*sets));
		sets[n++] = (struct set_use){ .name = name };
	}
	for (size_t u = 0; u < own->n_uses; u++) {
		struct set_use *set = find_set(sets, n, own->uses[u].name);
		if (!set)
			narrow_refuse(m->n, own->uses[u].mark, m->key,
			              arena_printf(arena, "use: %s", own->uses[u].name), "nothing",
			              "the operator's policy does not use that set");
		else if (!set->use)
			set->use = &own->uses[u];
	}
	*ret_n = n;
	return sets;
}

/* The repository's entries, and for each `use:` those that the operator's own `use:` of that name
 * gave. */
static struct side own_side(struct meeting *m, const struct policy_phase *own,
                            const struct policy_phase *theirs)
{
	struct plan_arena *arena = m->n->arena;
	size_t n = own->egress.n, cap = n + theirs->egress.n, n_sets = 0;
	struct egress_entry *entries = arena_array(arena, cap, sizeof(*entries));
	struct diag_mark *marks = arena_array(arena, cap, sizeof(*marks));
	struct set_use *sets = used_sets(m, own, theirs, &n_sets);
	if (n) {
		memcpy(entries, own->egress.entries, n * sizeof(*entries));
		memcpy(marks, own->entry_marks, n * sizeof(*marks));
	}
	for (size_t i = 0; i < theirs->egress.n; i++) {
		const struct set_use *set = theirs->entry_sets[i]
		                                    ? find_set(sets, n_sets, theirs->entry_sets[i])
		                                    : NULL;
		if (!set || !set->use)
			continue;
		entries[n] = theirs->egress.entries[i];
		marks[n++] = set->use->mark;
	}
	return (struct side){ .list = { .entries = entries, .n = n }, .marks = marks };
}

static void index_side(struct plan_arena *arena, struct side *side)
{
	side->list.index = egress_index_make(arena_alloc(arena, egress_index_size(side->list.n)),
	                                     side->list.entries, side->list.n);
}

/* What lies in both lists can be more than either has. */
static void check_size(const struct meeting *m, const struct tree_node *at)
{
	size_t blocks = 0;
	for (size_t i = 0; i < m->n_entries; i++)
		blocks += !m->entries[i].host;
	if (m->n_entries > EGRESS_ENTRIES_MAX || blocks > NET_BLOCKS_MAX)
		diag_add(m->n->diags, at->mark, "list fewer of them here",
		         "together with the operator's list this makes %zu entries, %zu of them "
		         "`cidr`: at most %d and %d are possible",
		         m->n_entries, blocks, EGRESS_ENTRIES_MAX, NET_BLOCKS_MAX);
}

void narrow_egress(struct narrowing *n, enum dd_phase p)
{
	struct policy_phase *theirs = &n->policy->phases[p];
	const struct policy_phase *own = &n->own->phases[p];
	struct meeting m = { .n = n,
		             .key = arena_printf(n->arena, "phases.%s.egress", phase_names[p]),
		             .their_sets = theirs->entry_sets,
		             .theirs = { .list = { .entries = theirs->egress.entries,
		                                   .n = theirs->egress.n },
		                         .marks = theirs->entry_marks } };
	m.own = own_side(&m, own, theirs);
	index_side(n->arena, &m.own);
	index_side(n->arena, &m.theirs);
	size_t cap = m.own.list.n + m.theirs.list.n;
	m.entries = arena_array(n->arena, cap, sizeof(*m.entries));
	m.marks = arena_array(n->arena, cap, sizeof(*m.marks));
	m.sets = arena_array(n->arena, cap, sizeof(*m.sets));
	m.kept_below = arena_array(n->arena, m.own.list.n, sizeof(*m.kept_below));
	meet_theirs(&m);
	meet_own(&m);
	check_size(&m,
	           tree_get(tree_get(tree_get(n->own->root, "phases"), phase_names[p]), "egress"));
	theirs->egress.entries = m.entries;
	theirs->egress.n = m.n_entries;
	theirs->entry_marks = m.marks;
	theirs->entry_sets = m.sets;
}
