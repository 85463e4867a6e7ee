// SPDX-License-Identifier: Apache-2.0
/* expr_memory.h - an arena with an account: what expressions make comes from here, and hostile text
 * decides how much that would be.
 *
 * Asking for more than the limit gives NULL and is remembered; it never ends the process. Nothing
 * is given back before the arena goes. */
#ifndef RUNNER_EXPR_MEMORY_H
#define RUNNER_EXPR_MEMORY_H

#include "base/arena.h"

#include <stdbool.h>

enum { EXPR_MEMORY_MAX = 64 * 1024 * 1024 }; /* enough for ten times GitHub's own limit */

struct expr_memory {
	struct plan_arena *arena; /* borrowed */
	size_t used, limit;       /* bytes; limit 0 means EXPR_MEMORY_MAX */
	bool exceeded;
};

void *expr_alloc(struct expr_memory *mem, size_t size); /* zeroed; NULL when over the limit */
/* Room for @want items of @size in a list that has *@cap of them; grows by doubling. False when
 * over. */
bool expr_reserve(struct expr_memory *mem, void *list, size_t *cap, size_t used, size_t want,
                  size_t size);
char *expr_strndup(struct expr_memory *mem, const char *text, size_t len); /* with a NUL behind */

/* A text that grows. A failure sticks: check once, at text_take. */
struct expr_text {
	struct expr_memory *mem;
	char *text;
	size_t len, cap;
};

void expr_text_add(struct expr_text *out, const char *text, size_t len);
void expr_text_fill(struct expr_text *out, char c, size_t n);
bool expr_text_take(struct expr_text *out, const char **ret, size_t *ret_len);

#endif
