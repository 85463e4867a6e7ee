// SPDX-License-Identifier: Apache-2.0
/* glob.c - matches by following all possibilities at once: one bit for each place in the pattern,
 * all of them moved along by each byte of the text.
 *
 * Pure. Backtracking would be shorter, and would give a pull request that names its files well a
 * way to stop the supervisor. What stands before the first wildcard and behind the last one is
 * compared as it is, so most texts are done with before the machine is built.
 */
#include "glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORD_BITS = 64, WORDS = GLOB_WILD_MAX / WORD_BITS + 1, NO_BYTE = -1 };

typedef uint64_t places[WORDS]; /* bit i: place i of the pattern; the last one is the end */

/* From the first wildcard to the last one. */
struct machine {
	size_t end, words;
	int bound;    /* the byte that `?` and `*` do not match, or NO_BYTE */
	places any;   /* one byte, not the bound */
	places star;  /* any bytes, none of them the bound */
	places deep;  /* any bytes */
	places dir;   /* two stars and a slash: nothing, or anything that ends in a slash */
	places empty; /* may stand for nothing */
	unsigned char row_of[256]; /* of a byte; 0: it is not in the pattern */
	places rows[256];          /* where in the pattern that byte stands */
};

/* What was reached. Entering "**" and its slash may mean no directory at all; staying in it may
 * not, so that is kept apart. */
struct reached {
	places at, inside;
};

static void set(places p, size_t i)
{
	p[i / WORD_BITS] |= UINT64_C(1) << (i % WORD_BITS);
}

static bool is_of_paths(enum glob_kind kind)
{
	return kind == GLOB_PATH || kind == GLOB_FILES;
}

static int bound_of(enum glob_kind kind)
{
	return is_of_paths(kind) ? '/' : kind == GLOB_LINE ? '\n' : NO_BYTE;
}

/* Bytes of @pattern that are literal at its beginning. */
static size_t head_length(enum glob_kind kind, const char *pattern)
{
	return strcspn(pattern, kind == GLOB_FILES ? "*?[" : "*?");
}

/* Behind the last wildcard of @pattern, which has one; the slash of a directory wildcard belongs to
 * it. */
static size_t tail_start(enum glob_kind kind, const char *pattern)
{
	const char *ends = kind == GLOB_FILES ? "*?]" : "*?";
	size_t at = strlen(pattern);
	while (at > 0 && !strchr(ends, pattern[at - 1]))
		at--;
	/* a bracket that nothing closes is a byte like any other */
	if (at <= head_length(kind, pattern))
		return strlen(pattern);
	return is_of_paths(kind) && pattern[at - 1] == '*' && pattern[at] == '/' ? at + 1 : at;
}

static bool is_directories(const char *pattern, const char *at)
{
	return strncmp(at, "**/", 3) == 0 && (at == pattern || at[-1] == '/');
}

/* The stars at @at into @m; returns how many bytes of the pattern they are. Repetitions say the
 * same once more and are taken together: no more than two places in a row stand for nothing. */
static size_t add_stars(struct machine *m, enum glob_kind kind, const char *pattern, const char *at)
{
	const char *from = at;
	if (is_of_paths(kind) && is_directories(pattern, at)) {
		while (is_directories(pattern, at))
			at += 3;
		set(m->dir, m->end);
	} else {
		at += strspn(at, "*");
		set(kind == GLOB_TEXT || (is_of_paths(kind) && at - from > 1) ? m->deep : m->star,
		    m->end);
	}
	set(m->empty, m->end++);
	return (size_t)(at - from);
}

static void take_byte(struct machine *m, unsigned char c, unsigned *rows)
{
	if (!m->row_of[c]) {
		m->row_of[c] = (unsigned char)++*rows;
		memset(m->rows[*rows], 0, sizeof(places));
	}
	set(m->rows[m->row_of[c]], m->end);
}

static void add_byte(struct machine *m, unsigned char c, unsigned *rows)
{
	take_byte(m, c, rows);
	m->end++;
}

/* "[a-z]", "[!a]", "[^]x]": its length; 0: it is none. @ret: which bytes it is; never a slash. */
static size_t read_class(const char *at, const char *end, bool ret[256])
{
	size_t i = 1, first;
	bool not_in = at[1] == '!' || at[1] == '^';
	memset(ret, not_in, 256 * sizeof(*ret));
	i += not_in;
	for (first = i; at + i < end && (at[i] != ']' || i == first); i++) {
		unsigned char from = (unsigned char)at[i], to = from;
		if (at + i + 2 < end && at[i + 1] == '-' && at[i + 2] != ']') {
			to = (unsigned char)at[i + 2];
			i += 2;
		}
		for (unsigned c = from; c <= to; c++)
			ret[c] = !not_in;
	}
	ret[0] = ret['/'] = false;
	return at + i < end ? i + 1 : 0;
}

static void add_class(struct machine *m, const bool bytes[256], unsigned *rows)
{
	for (unsigned c = 0; c < 256; c++)
		if (bytes[c])
			take_byte(m, (unsigned char)c, rows);
	m->end++;
}

static void compile(struct machine *m, enum glob_kind kind, const char *pattern, size_t from,
                    size_t to)
{
	unsigned rows = 0;
	bool bytes[256];
	size_t class;
	memset(m, 0, offsetof(struct machine, rows) + sizeof(places));
	m->bound = bound_of(kind);
	for (size_t i = from; i < to;) {
		if (pattern[i] == '*') {
			i += add_stars(m, kind, pattern, pattern + i);
		} else if (kind == GLOB_FILES && pattern[i] == '[' &&
		           (class = read_class(pattern + i, pattern + to, bytes)) > 0) {
			add_class(m, bytes, &rows);
			i += class;
		} else if (pattern[i++] == '?') {
			set(m->any, m->end++);
		} else {
			add_byte(m, (unsigned char)pattern[i - 1], &rows);
		}
	}
	m->words = m->end / WORD_BITS + 1;
}

/* @to gains every place behind one of @from. */
static void advance(const struct machine *m, places to, const places from)
{
	uint64_t carry = 0;
	for (size_t w = 0; w < m->words; w++) {
		uint64_t moved = from[w] << 1 | carry;
		carry = from[w] >> (WORD_BITS - 1);
		to[w] |= moved;
	}
}

static void skip_empty(const struct machine *m, places at)
{
	places from;
	for (int again = 0; again < 2; again++) { /* a directory wildcard, and a star behind it */
		for (size_t w = 0; w < m->words; w++)
			from[w] = at[w] & m->empty[w];
		advance(m, at, from);
	}
}

/* One byte of the text; @by_star_only: no `?` takes it. False: nothing is left to follow. */
static bool move(const struct machine *m, struct reached *r, unsigned char c, bool by_star_only)
{
	const uint64_t *row = m->rows[m->row_of[c]];
	const bool bound = c == m->bound;
	places from;
	uint64_t left = 0;
	for (size_t w = 0; w < m->words; w++) {
		from[w] = r->at[w] & (row[w] | (bound || by_star_only ? 0 : m->any[w]));
		r->inside[w] = (r->at[w] | r->inside[w]) & m->dir[w];
		from[w] |= bound ? r->inside[w] : 0;
		r->at[w] &= m->deep[w] | (bound ? 0 : m->star[w]);
		left |= from[w] | r->at[w] | r->inside[w];
	}
	advance(m, r->at, from);
	skip_empty(m, r->at);
	return left != 0;
}

static bool run(const struct machine *m, const char *text, size_t len, bool text_is_glob)
{
	struct reached r = { .at = { 1 } };
	skip_empty(m, r.at);
	for (size_t i = 0; i < len; i++)
		if (!move(m, &r, (unsigned char)text[i], text_is_glob && text[i] == '*'))
			return false;
	return r.at[m->end / WORD_BITS] >> (m->end % WORD_BITS) & 1;
}

static uint64_t skip_empty_small(const struct machine *m, uint64_t at)
{
	at |= (at & m->empty[0]) << 1;
	return at | (at & m->empty[0]) << 1;
}

/* The same for a pattern of one word, which nearly all are: the texts may be long, and this is some
 * ten times faster. */
static bool run_small(const struct machine *m, const char *text, size_t len, bool text_is_glob)
{
	uint64_t at = skip_empty_small(m, 1), inside = 0;
	for (size_t i = 0; i < len && (at | inside); i++) {
		const unsigned char c = (unsigned char)text[i];
		const bool bound = c == m->bound;
		uint64_t from = at & (m->rows[m->row_of[c]][0] |
		                      (bound || (text_is_glob && c == '*') ? 0 : m->any[0]));
		inside = (at | inside) & m->dir[0];
		from |= bound ? inside : 0;
		at &= m->deep[0] | (bound ? 0 : m->star[0]);
		at = skip_empty_small(m, at | from << 1);
	}
	return at >> m->end & 1;
}

static bool match(enum glob_kind kind, const char *pattern, const char *text, size_t len,
                  bool text_is_glob)
{
	struct machine m;
	size_t head = head_length(kind, pattern);
	if (len < head || memcmp(pattern, text, head) != 0)
		return false;
	if (pattern[head] == '\0')
		return len == head;
	size_t tail = tail_start(kind, pattern), rest = strlen(pattern + tail);
	if (len < head + rest || memcmp(pattern + tail, text + len - rest, rest) != 0 ||
	    tail - head > GLOB_WILD_MAX)
		return false;
	compile(&m, kind, pattern, head, tail);
	return (m.words == 1 ? run_small : run)(&m, text + head, len - head - rest, text_is_glob);
}

bool glob_match(enum glob_kind kind, const char *pattern, const char *text)
{
	return match(kind, pattern, text, strlen(text), false);
}

bool glob_match_len(enum glob_kind kind, const char *pattern, const char *text, size_t len)
{
	return match(kind, pattern, text, len, false);
}

bool glob_covers(enum glob_kind kind, const char *pattern, const char *other)
{
	return !is_of_paths(kind) && match(kind, pattern, other, strlen(other), true);
}

bool glob_is_usable(enum glob_kind kind, const char *pattern)
{
	size_t head = head_length(kind, pattern);
	return pattern[head] == '\0' || tail_start(kind, pattern) - head <= GLOB_WILD_MAX;
}

unsigned glob_work(enum glob_kind kind, const char *pattern)
{
	enum { OF_LARGE = 8 }; /* of one word more, against the first */
	size_t head = head_length(kind, pattern), words;
	if (pattern[head] == '\0' || !glob_is_usable(kind, pattern))
		return 0;
	words = (tail_start(kind, pattern) - head) / WORD_BITS + 1;
	return words == 1 ? 1 : (unsigned)words * OF_LARGE;
}
