// SPDX-License-Identifier: Apache-2.0
/* inject.h - a script around values that an outsider can write: they reach it in variables.
 *
 * Pure, and fuzzed: the script is commit content, the values anybody's. The text is read as the
 * shell would read it, as far as it takes to know where each value stands: by itself, in quotes, in
 * a here document, in a comment. There the reference to a variable means the same, and the value is
 * never parsed. Where it would be parsed all the same (it would be a command or a part of its name,
 * a part of an arithmetic expression, of a program for another interpreter), or where no reference
 * can stand, the place is refused: by what is written, never by what the value is, except for
 * values that only may be an outsider's, which are put in as they are when they cannot mean
 * anything.
 *
 * What a script does with a variable afterwards (eval, a file that it runs later) is its own.
 */
#ifndef RUNNER_INJECT_H
#define RUNNER_INJECT_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum inject_shell {
	INJECT_OTHER = 0, /* no reference can be put anywhere but into a comment of nobody's */
	INJECT_SH,
	INJECT_BASH,
};

/* Which of them a step's `shell` is; NULL: the default, @has_bash. */
enum inject_shell inject_shell_of(const char *shell, bool has_bash);

struct inject_piece {
	const char *text;
	size_t len;
	bool outsider; /* not to be parsed */
	bool certain;  /* it is an outsider's for certain: no text of it may ever be a part of a
	                  script */
};

#define INJECT_VARIABLE "DRYDOCK_EXPR_" /* and a number from 1, of the pieces that are passed */

struct inject_result {
	const char *script;
	bool *passed;    /* by piece: it is in its variable, and not in the script */
	size_t refused;  /* the piece that cannot be handed over */
	const char *why; /* of that: what it would be */
};

/* False: @ret->refused and @ret->why. */
bool inject_rewrite(struct plan_arena *arena, enum inject_shell shell,
                    const struct inject_piece *pieces, size_t n, struct inject_result *ret);

/* Nothing that any shell or language reads as more than a word. */
bool inject_is_plain(const char *text, size_t len);

#endif
