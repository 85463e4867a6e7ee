// SPDX-License-Identifier: Apache-2.0
/* mask_automaton.c - the trie of all patterns, numbered so that most of it is plain text.
 *
 * Runs in the supervisor, on hostile bytes. States are numbered as a walk meets them (children
 * before brothers), so the first child of state s is s + 1 and a pattern that shares nothing with
 * others is its own bytes in a row: two bytes for each state. What is rare stands in two small hash
 * tables: edges to further children, and links: where to go on when no child fits, and what ends
 * here. A link is kept only where it leads deeper than SHALLOW; otherwise the scan looks at the
 * last bytes again, which comes to the same and is seldom.
 *
 * Most of a text begins no pattern. A filter over four bytes says so without a walk: one bit for
 * each hash value of a pattern's first four bytes. The automaton proper runs only from where it
 * answers "maybe". So a text costs a few instructions a byte, and the worst that a step can print
 * is a fixed number of look-ups a byte, whatever the secrets are (L-06).
 */
#include "mask_automaton.h"

#include "drydock/fd.h"
#include "secret_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The filter has some 128 bits for each pattern, and 32 KiB at most: it stays in the first cache.
 */
enum { SHALLOW = AUTOMATON_SHORTEST, FILTER_BITS_MIN = 12, FILTER_BITS_MAX = 18 };

enum {
	STATE_FIRST = 1, /* state + 1 is a child */
	STATE_MORE = 2,  /* and there are others: automaton.edges */
	STATE_LINK = 4,  /* automaton.links knows it */
};

struct state {
	unsigned char byte; /* that leads here */
	unsigned char flags;
};

struct edge {
	uint32_t key; /* from << 8 | byte; the root has none */
	uint32_t to;  /* 0: the place is empty */
};

struct link {
	uint32_t state; /* 0: the place is empty */
	uint32_t fail, fail_depth;
	uint32_t match; /* length of the longest pattern that ends here; 0: none does */
};

struct automaton {
	struct secret_memory *memory;
	struct automaton_filter filter;
	uint32_t *filter_bits; /* of it */
	uint32_t *root;        /* 256 */
	struct state *states;
	struct edge *edges;
	struct link *links; /* in plain memory: numbers, no byte of a pattern */
	uint32_t n_states, edge_mask, link_mask;
};

void automaton_free(struct automaton *a)
{
	if (!a)
		return;
	secret_memory_free(a->memory);
	free(a->links);
	free(a);
}

/* ---- look-ups ---- */

static uint32_t hash_mix(uint32_t key)
{
	key *= 0x9e3779b1U;
	return key ^ key >> 15;
}

static size_t filter_bytes(const struct automaton *a)
{
	return ((size_t)1 << (32 - a->filter.shift)) / 8;
}

static uint32_t filter_says_maybe(const struct automaton *a, const char *four)
{
	uint32_t x;
	memcpy(&x, four, sizeof(x));
	return automaton_filter_maybe(a->filter, x);
}

struct automaton_filter automaton_filter_of(const struct automaton *a)
{
	return a->filter;
}

static struct edge *edge_place(const struct automaton *a, uint32_t key)
{
	uint32_t i = hash_mix(key) & a->edge_mask;
	while (a->edges[i].to != 0 && a->edges[i].key != key)
		i = (i + 1) & a->edge_mask;
	return &a->edges[i];
}

static struct link *link_place(const struct automaton *a, uint32_t state)
{
	uint32_t i = hash_mix(state) & a->link_mask;
	while (a->links[i].state != 0 && a->links[i].state != state)
		i = (i + 1) & a->link_mask;
	return &a->links[i];
}

/* The child of @s by @byte; 0: there is none, nothing leads back to the root. */
static inline uint32_t state_child(const struct automaton *a, uint32_t s, unsigned char byte)
{
	unsigned char flags = a->states[s].flags;
	if ((flags & STATE_FIRST) && a->states[s + 1].byte == byte)
		return s + 1;
	return flags & STATE_MORE ? edge_place(a, s << 8 | byte)->to : 0;
}

/* ---- scanning ---- */

/* The state of the four bytes at @p; 0: they begin no pattern. */
static uint32_t enter(const struct automaton *a, const char *p)
{
	uint32_t s = a->root[(unsigned char)p[0]];
	for (int i = 1; s != 0 && i < SHALLOW; i++)
		s = state_child(a, s, (unsigned char)p[i]);
	return s;
}

/* The next place at or behind @p where a pattern begins with four bytes; where there is none, the
 * first one with less than four bytes left. */
static size_t skip(const struct automaton *a, const char *buf, size_t p, size_t len,
                   uint32_t *ret_state)
{
	*ret_state = 0;
	while (p + SHALLOW <= len) {
		while (p + SHALLOW + 3 <= len &&
		       !(filter_says_maybe(a, buf + p) | filter_says_maybe(a, buf + p + 1) |
		         filter_says_maybe(a, buf + p + 2) | filter_says_maybe(a, buf + p + 3)))
			p += 4;
		if (p + SHALLOW > len)
			break;
		if (filter_says_maybe(a, buf + p) && (*ret_state = enter(a, buf + p)) != 0)
			return p;
		p++;
	}
	return p;
}

/* Where, behind @p, what is left begins a pattern; @len where it begins none. Less than SHALLOW
 * bytes are left. */
static size_t begins_at_end(const struct automaton *a, const char *buf, size_t p, size_t len)
{
	for (; p < len; p++) {
		uint32_t s = a->root[(unsigned char)buf[p]];
		for (size_t i = p + 1; s != 0 && i < len; i++)
			s = state_child(a, s, (unsigned char)buf[i]);
		if (s != 0)
			break;
	}
	return p;
}

/* No child fits the next byte: the longest end of what was read that begins a pattern too. */
static void fall_back(const struct automaton *a, struct automaton_cursor *cur)
{
	const struct link *link = a->states[cur->state].flags & STATE_LINK
	                                  ? link_place(a, cur->state)
	                                  : NULL;
	cur->state = link ? link->fail : 0;
	cur->depth = link ? link->fail_depth : 0;
	if (cur->state == 0)
		cur->at -= SHALLOW - 1;
}

int automaton_scan(const struct automaton *a, struct automaton_cursor *cur, const char *buf,
                   size_t len, automaton_match_fn fn, void *arg, size_t *ret_hold)
{
	int r = 0;
	while (r == 0) {
		bool moved = true;
		if (cur->state == 0) {
			cur->at = skip(a, buf, cur->at, len, &cur->state);
			if (cur->state == 0) {
				cur->at = begins_at_end(a, buf, cur->at, len);
				break;
			}
			cur->at += cur->depth = SHALLOW;
		} else if (cur->at == len) {
			break;
		} else {
			uint32_t next = state_child(a, cur->state, (unsigned char)buf[cur->at]);
			if (next == 0) {
				fall_back(a, cur);
				moved = false;
			} else {
				cur->state = next;
				cur->depth++;
				cur->at++;
			}
		}
		if (moved && (a->states[cur->state].flags & STATE_LINK)) {
			uint32_t match = link_place(a, cur->state)->match;
			r = match > 0 ? fn(arg, cur->at - match, cur->at) : 0;
		}
	}
	*ret_hold = cur->at - cur->depth;
	return r;
}

/* ---- building ---- */

/* One entry for each state, gone when the automaton stands. Numbers only: no byte of a pattern. */
struct draft {
	uint32_t n, n_more, n_links;
	uint32_t *parent, *depth, *fail, *match;
	uint32_t *order; /* by depth: what a state falls back to comes before it */
};

static void draft_done(struct draft *d)
{
	free(d->parent);
	free(d->depth);
	free(d->fail);
	free(d->match);
	free(d->order);
}

static int pattern_order(const void *a, const void *b)
{
	const struct automaton_pattern *x = a, *y = b;
	int r = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);
	return r ? r : (x->len > y->len) - (x->len < y->len);
}

static size_t common_len(const struct automaton_pattern *x, const struct automaton_pattern *y)
{
	size_t n = 0;
	while (n < x->len && n < y->len && x->bytes[n] == y->bytes[n])
		n++;
	return n;
}

/* A table of a power of two places for @n entries, at most half full. */
static uint32_t table_size(uint32_t n)
{
	uint32_t size = 4;
	while (size < n * 2)
		size *= 2;
	return size;
}

static int draft_new(struct draft *d, struct dd_err *err)
{
	d->parent = calloc(d->n, sizeof(*d->parent));
	d->depth = calloc(d->n, sizeof(*d->depth));
	d->fail = calloc(d->n, sizeof(*d->fail));
	d->match = calloc(d->n, sizeof(*d->match));
	d->order = calloc(d->n, sizeof(*d->order));
	if (!d->parent || !d->depth || !d->fail || !d->match || !d->order)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	return 0;
}

/* How many states, and how many of them are no first child. */
static int draft_count(struct draft *d, const struct automaton_pattern *p, size_t n,
                       struct dd_err *err)
{
	size_t states = 1;
	for (size_t i = 0; i < n; i++) {
		size_t shared = i > 0 ? common_len(&p[i - 1], &p[i]) : 0;
		states += p[i].len - shared;
		d->n_more += i > 0 && shared < p[i].len && shared < p[i - 1].len;
		if (states > AUTOMATON_BYTES_MAX)
			return dd_err_say(err, E2BIG,
			                  "the secrets of this job, in all the forms that are "
			                  "looked for, are more than %d bytes: give it fewer or "
			                  "shorter ones",
			                  AUTOMATON_BYTES_MAX);
	}
	d->n = (uint32_t)states;
	return 0;
}

/* The trie without its edges to further children: those need their table. */
static void draft_states(struct draft *d, struct state *states, const struct automaton_pattern *p,
                         size_t n, uint32_t *path)
{
	uint32_t next = 1;
	path[0] = 0;
	for (size_t i = 0; i < n; i++) {
		size_t shared = i > 0 ? common_len(&p[i - 1], &p[i]) : 0;
		for (size_t k = shared; k < p[i].len; k++) {
			uint32_t parent = path[k], s = next++;
			states[s].byte = (unsigned char)p[i].bytes[k];
			states[parent].flags |= s == parent + 1 ? STATE_FIRST : STATE_MORE;
			d->parent[s] = parent;
			d->depth[s] = (uint32_t)k + 1;
			path[k + 1] = s;
		}
		d->match[path[p[i].len]] = (uint32_t)p[i].len;
	}
}

static int draft_order(struct draft *d, size_t longest, struct dd_err *err)
{
	dd_auto_free uint32_t *first = calloc(longest + 2, sizeof(*first));
	if (!first)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	for (uint32_t s = 0; s < d->n; s++)
		first[d->depth[s] + 1]++;
	for (size_t k = 1; k <= longest + 1; k++)
		first[k] += first[k - 1];
	for (uint32_t s = 0; s < d->n; s++)
		d->order[first[d->depth[s]]++] = s;
	return 0;
}

/* What each state falls back to, and the longest pattern that ends there. */
static void draft_links(struct draft *d, const struct automaton *a)
{
	for (uint32_t i = 1; i < d->n; i++) {
		uint32_t s = d->order[i], fail = d->parent[s], to = 0;
		unsigned char byte = a->states[s].byte;
		while (to == 0 && fail != 0) {
			fail = d->fail[fail];
			to = fail ? state_child(a, fail, byte) : a->root[byte];
		}
		d->fail[s] = to;
		if (d->match[s] == 0)
			d->match[s] = d->match[to];
		if (d->match[s] > 0 || d->depth[to] >= SHALLOW)
			d->n_links++;
	}
}

static void put_edges(struct automaton *a, const struct draft *d)
{
	for (uint32_t s = 1; s < d->n; s++) {
		uint32_t from = d->parent[s];
		if (from == 0)
			a->root[a->states[s].byte] = s;
		else if (s != from + 1)
			*edge_place(a, from << 8 | a->states[s].byte) =
				(struct edge){ .key = from << 8 | a->states[s].byte, .to = s };
	}
}

static void put_links(struct automaton *a, const struct draft *d)
{
	for (uint32_t s = 1; s < d->n; s++) {
		uint32_t fail = d->depth[d->fail[s]] >= SHALLOW ? d->fail[s] : 0;
		if (d->match[s] == 0 && fail == 0)
			continue;
		*link_place(a, s) = (struct link){
			.state = s, .fail = fail, .fail_depth = d->depth[fail], .match = d->match[s]
		};
		a->states[s].flags |= STATE_LINK;
	}
}

static int automaton_memory(struct automaton *a, const struct draft *d, struct dd_err *err)
{
	size_t filter = filter_bytes(a), root = 256 * sizeof(*a->root);
	size_t states = d->n * sizeof(*a->states);
	size_t edges = (a->edge_mask + 1) * sizeof(*a->edges);
	int r = secret_memory_new(filter + root + states + edges + 256, &a->memory, err);
	if (r < 0)
		return r;
	a->filter.bits = a->filter_bits = secret_alloc(a->memory, filter);
	a->root = secret_alloc(a->memory, root);
	a->states = secret_alloc(a->memory, states);
	a->edges = secret_alloc(a->memory, edges);
	return a->filter_bits && a->root && a->states && a->edges
	               ? 0
	               : dd_err_set(err, ENOMEM, "prepare the masking of secrets");
}

static size_t drop_repeated(struct automaton_pattern *p, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || pattern_order(&p[kept - 1], &p[i]) != 0)
			p[kept++] = p[i];
	return kept;
}

static int build(struct automaton *a, struct draft *d, const struct automaton_pattern *p, size_t n,
                 struct dd_err *err)
{
	size_t longest = 0;
	for (size_t i = 0; i < n; i++)
		longest = p[i].len > longest ? p[i].len : longest;
	dd_auto_free uint32_t *path = calloc(longest + 1, sizeof(*path));
	if (!path)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");

	unsigned bits = FILTER_BITS_MIN;
	while (bits < FILTER_BITS_MAX && (size_t)1 << bits < n * 128)
		bits++;
	a->filter.shift = 32 - bits;
	a->n_states = d->n;
	a->edge_mask = table_size(d->n_more) - 1;
	int r = automaton_memory(a, d, err);
	if (r == 0)
		r = draft_new(d, err);
	if (r < 0)
		return r;
	draft_states(d, a->states, p, n, path);
	put_edges(a, d);
	if ((r = draft_order(d, longest, err)) < 0)
		return r;
	draft_links(d, a);
	a->link_mask = table_size(d->n_links) - 1;
	a->links = calloc(a->link_mask + 1, sizeof(*a->links));
	if (!a->links)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	put_links(a, d);
	for (size_t i = 0; i < n; i++) {
		uint32_t four;
		memcpy(&four, p[i].bytes, sizeof(four));
		uint32_t slot = automaton_filter_slot(a->filter, four);
		a->filter_bits[slot / 32] |= 1U << slot % 32;
	}
	return 0;
}

int automaton_new(struct automaton_pattern *patterns, size_t n, struct automaton **ret,
                  struct dd_err *err)
{
	struct draft d = { 0 };
	struct automaton *a = calloc(1, sizeof(*a));
	if (!a)
		return dd_err_set(err, ENOMEM, "prepare the masking of secrets");
	qsort(patterns, n, sizeof(*patterns), pattern_order);
	n = drop_repeated(patterns, n);
	int r = draft_count(&d, patterns, n, err);
	if (r == 0)
		r = build(a, &d, patterns, n, err);
	draft_done(&d);
	if (r < 0)
		automaton_free(a);
	else
		*ret = a;
	return r;
}
