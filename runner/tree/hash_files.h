// SPDX-License-Identifier: Apache-2.0
/* hash_files.h - one digest over the files of a tree that patterns choose, in the order and by the
 * rules of GitHub's hashFiles: cache keys depend on every bit of it.
 *
 * Runs in the reader (hash_apart.h), on a tree that hostile steps wrote: by descriptor, beneath the
 * root; a link is read through only where it stays inside, and only to a regular file. Bounded in
 * entries and depth, and by whoever calls in time (interrupt.h).
 */
#ifndef RUNNER_HASH_FILES_H
#define RUNNER_HASH_FILES_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { HASH_FILES_PATTERNS_MAX = 255, HASH_FILES_ENTRIES_MAX = 1000 * 1000 };

struct hash_files {
	const char *root_path; /* the root's own path, as whoever wrote the patterns knows it */
	/* lines as they are given; blanks around them, empty ones and `#` comments do not count,
	 * `!` takes away again. Relative to the root, or below its path */
	const char *const *patterns;
	size_t n;
	bool follow; /* links to directories, too; what leads nowhere is none of the files then */
};

/* @ret_hex: 64 digits; empty when nothing matches. */
int tree_hash_files(int root_fd, const struct hash_files *what, char ret_hex[65],
                    struct dd_err *err);

/* One path below the root against one pattern, for tests. */
int tree_hash_pattern_fits(const char *pattern, const char *path);

#endif
