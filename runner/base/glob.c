// SPDX-License-Identifier: Apache-2.0
/* glob.c - matches by following all possibilities at once: one bit for each place in the pattern,
 * moved along by each byte of the text.
 *
 * Pure. Backtracking would be shorter, and would give a pull request that names its files well a
 * way to stop the supervisor.
 */
#include "glob.h"

#include <stddef.h>
#include <string.h>

enum op {
	OP_BYTE,     /* exactly this byte */
	OP_ANY,      /* one byte, in a path not a slash */
	OP_STAR,     /* any bytes, none of them a slash */
	OP_DEEP,     /* any bytes */
	OP_DEEP_DIR, /* "**" and its slash: nothing, or anything that ends in a slash */
};

struct pattern {
	size_t n;
	unsigned char op[GLOB_PATTERN_MAX], byte[GLOB_PATTERN_MAX];
};

static bool at_name_start(const char *pattern, const char *at)
{
	return at == pattern || at[-1] == '/';
}

static bool compile(enum glob_kind kind, const char *text, struct pattern *p)
{
	if (strlen(text) > GLOB_PATTERN_MAX)
		return false;
	p->n = 0;
	for (const char *s = text; *s;) {
		enum op op = OP_BYTE;
		size_t used = 1;
		if (*s == '?') {
			op = OP_ANY;
		} else if (*s == '*') {
			used = strspn(s, "*");
			op = kind == GLOB_TEXT || used > 1 ? OP_DEEP : OP_STAR;
			if (kind == GLOB_PATH && used == 2 && s[2] == '/' &&
			    at_name_start(text, s)) {
				op = OP_DEEP_DIR;
				used = 3;
			}
		}
		p->op[p->n] = (unsigned char)op;
		p->byte[p->n++] = (unsigned char)*s;
		s += used;
	}
	return true;
}

/* Entering "**" and its slash may mean no directory at all; staying in it may not. So the two are
 * told apart by when they are reached: `at` is the place before it, `inside` the loop. */
static void step(enum glob_kind kind, const struct pattern *p, unsigned char c, const bool *at,
                 const bool *inside, bool *next, bool *next_inside)
{
	for (size_t i = 0; i < p->n; i++) {
		bool slash = kind == GLOB_PATH && c == '/';
		switch ((enum op)p->op[i]) {
		case OP_BYTE:
			next[i + 1] |= at[i] && p->byte[i] == c;
			break;
		case OP_ANY:
			next[i + 1] |= at[i] && !slash;
			break;
		case OP_STAR:
			next[i] |= at[i] && !slash;
			break;
		case OP_DEEP:
			next[i] |= at[i];
			break;
		case OP_DEEP_DIR:
			next_inside[i] |= at[i] || inside[i];
			next[i + 1] |= (at[i] || inside[i]) && slash;
			break;
		}
	}
}

/* A place that may stand for nothing leads on to the next at once; in pattern order, so that one
 * pass follows chains of them. */
static void skip_empty(const struct pattern *p, bool *at)
{
	for (size_t i = 0; i < p->n; i++)
		if (at[i] &&
		    (p->op[i] == OP_STAR || p->op[i] == OP_DEEP || p->op[i] == OP_DEEP_DIR))
			at[i + 1] = true;
}

static void swap(bool **a, bool **b)
{
	bool *t = *a;
	*a = *b;
	*b = t;
}

bool glob_match(enum glob_kind kind, const char *pattern, const char *text)
{
	struct pattern p;
	bool state[4][GLOB_PATTERN_MAX + 1];
	if (!compile(kind, pattern, &p))
		return false;
	bool *at = state[0], *inside = state[1], *next = state[2], *next_inside = state[3];
	memset(at, 0, p.n + 1);
	memset(inside, 0, p.n + 1);
	at[0] = true;
	skip_empty(&p, at);
	for (const char *s = text; *s; s++) {
		memset(next, 0, p.n + 1);
		memset(next_inside, 0, p.n + 1);
		step(kind, &p, (unsigned char)*s, at, inside, next, next_inside);
		skip_empty(&p, next);
		swap(&at, &next);
		swap(&inside, &next_inside);
	}
	return at[p.n];
}
