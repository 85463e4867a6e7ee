// SPDX-License-Identifier: Apache-2.0
/* matcher_parts.h - what the files of problem matchers share; nobody else includes it. */
#ifndef RUNNER_MATCHER_PARTS_H
#define RUNNER_MATCHER_PARTS_H

#include "matcher.h"

#include "base/arena.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum matcher_field {
	FIELD_FILE = 0,
	FIELD_FROM_PATH,
	FIELD_LINE,
	FIELD_COLUMN,
	FIELD_SEVERITY,
	FIELD_CODE,
	FIELD_MESSAGE,
	MATCHER_FIELDS
};

struct matcher_pattern {
	pcre2_code *code;
	int group[MATCHER_FIELDS]; /* -1: this pattern does not say it */
	bool loop;
};

/* What the patterns so far have found; a text that is NULL is not found yet. */
struct matcher_found {
	bool there;
	const char *text[MATCHER_FIELDS];
};

struct matcher {
	char *owner, *severity; /* severity: NULL where none is given */
	struct matcher_pattern patterns[MATCHER_PATTERNS_MAX];
	size_t n;
	/* of the step at hand: one state for each pattern but the last, its texts in @kept */
	struct matcher_found state[MATCHER_PATTERNS_MAX];
	struct plan_arena *kept;
	size_t kept_bytes;
	unsigned strikes;
};

/* ---- matcher_file.c ---- */

/* @ret: @ret_n matchers that the caller frees one by one with matcher_free(), and the list with
 * free(). */
int matcher_file_read(const char *text, size_t len, struct matcher ***ret, size_t *ret_n,
                      struct dd_err *err);
void matcher_free(struct matcher *m); /* NULL is fine */

#endif
