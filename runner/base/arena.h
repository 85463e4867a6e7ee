// SPDX-License-Identifier: Apache-2.0
/* arena.h - memory that lives and dies together: the nodes of a file, the strings of a policy, of a
 * workflow, of a plan.
 *
 * Allocation never returns NULL. Inputs are bounded (1 MiB files, 100k nodes); a machine that has
 * no memory even for that ends the process with exit status 5 and a sentence. Mostly nothing is
 * open then; a step that lives dies with its supervisor, so that is the closed end.
 */
#ifndef RUNNER_ARENA_H
#define RUNNER_ARENA_H

#include <stddef.h>

struct plan_arena;

struct plan_arena *arena_new(void);
void arena_free(struct plan_arena *arena); /* NULL is fine */

void *arena_alloc(struct plan_arena *arena, size_t size); /* zeroed, aligned for anything */
void *arena_array(struct plan_arena *arena, size_t n,
                  size_t size); /* likewise; the product is checked */
/* Room for one more of @n items of a list that only grows: it doubles whenever @n is a power of
 * two, so no capacity has to be kept. Returns the list. */
void *arena_grow(struct plan_arena *arena, void *items, size_t n, size_t size);
char *arena_strdup(struct plan_arena *arena, const char *text); /* NULL stays NULL */
char *arena_strndup(struct plan_arena *arena, const char *text, size_t len);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct plan_arena *arena, const char *fmt,
                                                         ...);

#endif
