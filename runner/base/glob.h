// SPDX-License-Identifier: Apache-2.0
/* glob.h - one meaning of `*`, `?` and `**` for policies, artifacts and manifests.
 *
 * Every other byte means itself, but for GLOB_FILES. Time is at most the length of the text for
 * each 64 bytes between the first and the last wildcard of the pattern, whatever either says; there
 * is no heap.
 */
#ifndef RUNNER_GLOB_H
#define RUNNER_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum glob_kind {
	/* `?` is one byte and `*` any number of bytes within a directory; `**` crosses slashes, and
	 * a `**` that stands for whole directories may stand for none (a pattern of `a`, two stars
	 * and `b`, joined by slashes, matches a/b) */
	GLOB_PATH = 0,
	/* the same, and `[a-z]`, `[!a]`, `[^a]` is one byte of those, or of no others but the slash
	 */
	GLOB_FILES,
	/* both match everything, newlines included */
	GLOB_TEXT,
	/* neither matches a line feed: the lines of the text are the lines of the pattern */
	GLOB_LINE,
};

/* Bytes from the first wildcard of a pattern to its last one; with more it matches nothing, and
 * glob_is_usable() says so. */
enum { GLOB_WILD_MAX = 256 };

bool glob_match(enum glob_kind kind, const char *pattern, const char *text);
bool glob_match_len(enum glob_kind kind, const char *pattern, const char *text, size_t len);
bool glob_is_usable(enum glob_kind kind, const char *pattern);

/* What matching costs for each byte of a text, where one is some nanoseconds; 0: next to nothing.
 */
unsigned glob_work(enum glob_kind kind, const char *pattern);

/* Does @pattern match whatever the pattern @other matches? May say no where the answer is yes,
 * never the other way round. Not for paths: always no. */
bool glob_covers(enum glob_kind kind, const char *pattern, const char *other);

#endif
