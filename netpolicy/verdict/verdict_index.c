// SPDX-License-Identifier: Apache-2.0
/* verdict_index.c - finds the entry that decides about a name without walking the list.
 *
 * Runs in: supervisor (makes it, once for each plan), gate (asks it, for every query and
 * connection). Pure. One open table of (host, wildcard, port) and of (host, wildcard, any port);
 * the first entry of the list that has a key keeps it, as a walk would find it first. A name is
 * hashed once, from its end: every suffix of it is a prefix of that walk, so its hash is there when
 * the walk passes a dot. The names are a step's, so the table never grows and is at most half full:
 * a probe always ends. tests/unit/verdict_index_test.c holds the answers against the plain walk
 * over random lists. */
#include "verdict_index.h"

enum { SLOTS_PER_ENTRY = 4, LABELS_MAX = 128 };

struct slot {
	uint32_t hash;
	uint32_t entry; /* 1-based; 0 = empty */
};

struct egress_index {
	const struct egress_entry *entries; /* of the list that it was made of */
	size_t n;
	uint64_t depths[LABELS_MAX / 64]; /* numbers of labels that some wildcard's suffix has */
	size_t n_blocks;
	uint32_t *blocks; /* entries without a name, in the order of the list */
	size_t mask;
	struct slot slots[];
};

static size_t slots_for(size_t n)
{
	size_t slots = 8;
	while (slots < n * SLOTS_PER_ENTRY)
		slots *= 2;
	return slots;
}

size_t egress_index_size(size_t n)
{
	return sizeof(struct egress_index) + slots_for(n) * sizeof(struct slot) +
	       n * sizeof(uint32_t);
}

#define HASH_START 2166136261u

static uint32_t hash_byte(uint32_t hash, char c) /* FNV-1a */
{
	return (hash ^ (unsigned char)c) * 16777619u;
}

static uint32_t hash_key(uint32_t name, bool wildcard, uint16_t port)
{
	uint32_t h = (name ^ (uint32_t)port << 1 ^ (uint32_t)wildcard) * 0x9e3779b1u;
	return h ^ h >> 15;
}

static uint32_t hash_name(const char *host, size_t len)
{
	uint32_t hash = HASH_START;
	while (len > 0)
		hash = hash_byte(hash, host[--len]);
	return hash;
}

struct question {
	const char *host;
	size_t len;
	uint32_t name; /* hash_name() of them */
	bool wildcard;
};

/* The slot that holds @port of what @q names, or the empty one where it would stand. @any: whatever
 * its port. */
static size_t find_slot(const struct egress_index *index, const struct question *q, uint16_t port,
                        bool any)
{
	uint32_t hash = hash_key(q->name, q->wildcard, any ? 0 : port);
	size_t at = hash & index->mask;
	for (; index->slots[at].entry; at = (at + 1) & index->mask) {
		const struct egress_entry *e = &index->entries[index->slots[at].entry - 1];
		if (index->slots[at].hash == hash && e->wildcard == q->wildcard &&
		    (any || e->port == port) && strncmp(e->host, q->host, q->len) == 0 &&
		    e->host[q->len] == '\0')
			break;
	}
	return at;
}

static void put(struct egress_index *index, const struct question *q, size_t entry, bool any)
{
	uint16_t port = index->entries[entry].port;
	size_t at = find_slot(index, q, port, any);
	if (index->slots[at].entry == 0)
		index->slots[at] =
			(struct slot){ .hash = hash_key(q->name, q->wildcard, any ? 0 : port),
			               .entry = (uint32_t)entry + 1 };
}

static unsigned label_count(const char *host)
{
	unsigned n = 1;
	for (; *host; host++)
		n += *host == '.';
	return n < LABELS_MAX ? n : LABELS_MAX - 1;
}

const struct egress_index *egress_index_make(void *memory, const struct egress_entry *entries,
                                             size_t n)
{
	struct egress_index *index = memory;
	size_t slots = slots_for(n);
	memset(memory, 0, egress_index_size(n));
	index->entries = entries;
	index->n = n;
	index->mask = slots - 1;
	index->blocks = (uint32_t *)(void *)(index->slots + slots);
	for (size_t i = 0; i < n; i++) {
		const struct egress_entry *e = &entries[i];
		if (!e->host) {
			index->blocks[index->n_blocks++] = (uint32_t)i;
			continue;
		}
		size_t len = strlen(e->host);
		const struct question q = { .host = e->host,
			                    .len = len,
			                    .name = hash_name(e->host, len),
			                    .wildcard = e->wildcard };
		unsigned depth = label_count(e->host);
		put(index, &q, i, false);
		put(index, &q, i, true);
		if (e->wildcard)
			index->depths[depth / 64] |= 1ULL << (depth % 64);
	}
	return index;
}

bool egress_index_fits(const struct egress_index *index, const struct egress_entry *entries,
                       size_t n)
{
	return index && index->entries == entries && index->n == n;
}

size_t egress_index_blocks(const struct egress_index *index, const uint32_t **ret)
{
	*ret = index->blocks;
	return index->n_blocks;
}

/* Is there such a name at all (*known), and which entry has it at @port (0: any)? */
static const struct egress_entry *index_ask(const struct egress_index *index,
                                            const struct question *q, uint16_t port, bool *known)
{
	uint32_t any = index->slots[find_slot(index, q, 0, true)].entry;
	if (!any)
		return NULL;
	*known = true;
	uint32_t at = port == 0 ? any : index->slots[find_slot(index, q, port, false)].entry;
	return at ? &index->entries[at - 1] : NULL;
}

const struct egress_entry *egress_index_find(const struct egress_index *index, const char *host,
                                             uint16_t port, bool *ret_known)
{
	const struct egress_entry *best = NULL;
	size_t len = strlen(host);
	struct question q = { .host = host + len, .name = HASH_START, .wildcard = true };
	unsigned depth = 1;

	*ret_known = false;
	for (size_t at = len; at > 0;
	     at--, q.len++) { /* from the end: a later hit is a longer suffix, so it is closer */
		char c = host[at - 1];
		if (c == '.') {
			bool wanted = index->depths[depth / 64] >> (depth % 64) & 1;
			q.host = host + at;
			const struct egress_entry *found = wanted && at > 1 && q.len > 0
			                                           ? index_ask(index, &q, port,
			                                                       ret_known)
			                                           : NULL;
			best = found ? found : best;
			depth += depth < LABELS_MAX - 1;
		}
		q.name = hash_byte(q.name, c);
	}
	q.host = host;
	q.wildcard = false;
	const struct egress_entry *exact = index_ask(index, &q, port, ret_known);
	return exact ? exact : best;
}
