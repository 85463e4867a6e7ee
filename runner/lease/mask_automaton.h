// SPDX-License-Identifier: Apache-2.0
/* mask_automaton.h - Aho and Corasick's automaton over the forms of secrets: one pass over a text
 * finds every occurrence of any of them, in time that the text alone decides.
 *
 * Use: automaton_new over patterns that stand in one block, then automaton_scan over a text that
 * comes in pieces. All that could tell a secret stands in secret memory.
 */
#ifndef RUNNER_MASK_AUTOMATON_H
#define RUNNER_MASK_AUTOMATON_H

#include "drydock/err.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of all patterns together. A state takes two bytes, so this is what bounds the memory. */
enum { AUTOMATON_BYTES_MAX = 4 * 1024 * 1024, AUTOMATON_SHORTEST = 4 };

/* Borrowed; at least AUTOMATON_SHORTEST bytes long. */
struct automaton_pattern {
	const char *bytes;
	size_t len;
};

struct automaton;
/* Sorts @patterns; they may repeat and are not needed any more afterwards. -E2BIG; -ENOMEM, -EPERM
 * with the remedy. */
int automaton_new(struct automaton_pattern *patterns, size_t n, struct automaton **ret,
                  struct dd_err *err);
void automaton_free(struct automaton *a); /* wipes; NULL is allowed */
/* Says of four bytes that no pattern begins with them; or maybe. Lives as long as the automaton. */
struct automaton_filter {
	const uint32_t *bits;
	unsigned shift; /* of a hash value, to the number of its bit */
};
struct automaton_filter automaton_filter_of(const struct automaton *a);
/* @four: as memory has them. */
static inline uint32_t automaton_filter_slot(struct automaton_filter f, uint32_t four)
{
	return four * 0x9e3779b1U >> f.shift;
}

/* A number, so that several answers are looked at with one branch. */
static inline uint32_t automaton_filter_maybe(struct automaton_filter f, uint32_t four)
{
	uint32_t slot = automaton_filter_slot(f, four);
	return f.bits[slot / 32] >> slot % 32 & 1;
}

/* Where a scan stands. Zero is the beginning of a text. */
struct automaton_cursor {
	uint32_t state, depth;
	size_t at; /* the next byte to look at, from the beginning of the buffer */
};

/* An occurrence: @begin to @end (exclusive) of the buffer. Of those that end at the same byte only
 * the longest is told. Non-zero stops and is returned. */
typedef int (*automaton_match_fn)(void *arg, size_t begin, size_t end);
/* Go on from @cur to the end of the @len bytes at @buf. What may be the beginning of an occurrence
 * must be there again with the next call: the bytes from *@ret_hold on. Whoever drops bytes in
 * front of it takes as many off cur->at. */
int automaton_scan(const struct automaton *a, struct automaton_cursor *cur, const char *buf,
                   size_t len, automaton_match_fn fn, void *arg, size_t *ret_hold);

#endif
