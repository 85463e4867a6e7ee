// SPDX-License-Identifier: Apache-2.0
/* command_files.h - what a step wrote into GITHUB_ENV, GITHUB_OUTPUT, GITHUB_STATE and GITHUB_PATH.
 *
 * Pure, and fuzzed: the bytes are hostile. A file is taken apart whole before anything of it
 * counts, so an error in its last line leaves nothing of the first. Nothing is copied but what has
 * to change: pairs point into the bytes. Only LF ends a line of pairs; a CR is a byte like any
 * other, also in a delimiter.
 */
#ifndef RUNNER_COMMAND_FILES_H
#define RUNNER_COMMAND_FILES_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum { COMMAND_PAIRS_MAX = 20000 };

struct command_pair {
	const char *name, *value; /* with a NUL behind; UTF-8, what is none became U+FFFD */
	size_t name_len, value_len;
};

struct command_pairs {
	struct command_pair *items; /* in the order of the file; the last of one name counts */
	size_t n;
	char why[200]; /* of an error: what is wrong, and in which line */
};

/* NAME=VALUE, or NAME<<MARK, lines, MARK. False with @ret->why, and nothing in it counts. */
bool command_pairs_read(struct plan_arena *arena, const char *bytes, size_t len,
                        struct command_pairs *ret);
/* One entry a line; empty lines are none. LF, CR and CRLF end a line. */
bool command_paths_read(struct plan_arena *arena, const char *bytes, size_t len,
                        struct command_pairs *ret);

#endif
