// SPDX-License-Identifier: Apache-2.0
/* matcher.h - problem matchers: patterns that find a problem's file, line and message in what
 * programs print.
 *
 * Pure, and fuzzed: file and lines are hostile. A pattern is compiled and matched with limits, by
 * PCRE2 without its compiler to machine code; what reaches a limit three times, or takes too long
 * in sum, is given up, and the caller hears of it. Order of use: matcher_set_new();
 * matcher_set_add() for each file; matcher_set_restart() when a step begins; matcher_set_line() for
 * each of its lines.
 */
#ifndef RUNNER_MATCHER_H
#define RUNNER_MATCHER_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	MATCHERS_MAX = 50, /* of a job */
	MATCHER_PATTERNS_MAX = 16,
	MATCHER_REGEXP_MAX = 4096,
	MATCHER_FILE_MAX = 256 * 1024,
	MATCHER_LINE_MAX = 4096, /* longer ones are not looked at */
	MATCHER_SLOW_MS = 2000,  /* for all slow lines of a step */
};

struct matcher_set;
struct matcher_set *matcher_set_new(void); /* NULL: no memory */
void matcher_set_free(struct matcher_set *set);

/* All matchers of one file: {"problemMatcher": [...]}. One whose owner is there already replaces
 * it. -EINVAL and a sentence: none of them counts. */
int matcher_set_add(struct matcher_set *set, const char *text, size_t len, struct dd_err *err);
/* Case does not count. */
void matcher_set_remove(struct matcher_set *set, const char *owner);
/* All owners of one file; what cannot be read is none. */
void matcher_set_remove_file(struct matcher_set *set, const char *text, size_t len);
/* A step begins: nothing is half matched any more. */
void matcher_set_restart(struct matcher_set *set);
size_t matcher_set_count(const struct matcher_set *set);

/* What a line says. Texts are empty where it does not, and live until the next call. */
struct matcher_hit {
	const char *level; /* "error", "warning", "notice" */
	const char *message, *file, *from_path, *code;
	unsigned line, column; /* 0: not known */
};

/* Does @line, without its end, complete a problem? @ret_gave_up: the sentence about a matcher that
 * is no more, or NULL. */
bool matcher_set_line(struct matcher_set *set, const char *line, size_t len,
                      struct matcher_hit *ret, const char **ret_gave_up);

#endif
