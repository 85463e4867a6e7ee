// SPDX-License-Identifier: Apache-2.0
/* taint.h - which of GitHub's values somebody without write access to the repository can write:
 * titles, bodies, names of branches, commit messages.
 *
 * One table of paths. It names what the forge makes itself (numbers, digests, times, states), each
 * with the shape that such a value has; every other text of the github context is an outsider's,
 * also where GitHub adds a field tomorrow. A value whose shape is not that of its row is an
 * outsider's, too.
 */
#ifndef RUNNER_TAINT_H
#define RUNNER_TAINT_H

#include "expr.h"

/* Marks every text in the github context @github with the path that an outsider can write it by,
 * and arrays and objects whose keys are theirs. To be called once, when the context is made. False
 * when over the limit. */
bool taint_mark_github(struct expr_memory *mem, struct expr_value *github);

/* Marks all of @value with @origin: for what a step wrote that saw such a value or ran such code.
 */
bool taint_mark_all(struct expr_memory *mem, struct expr_value *value, const char *origin);

/* The first path of @expr that an outsider may write, as far as can be told before anything runs,
 * or NULL. Paths of other contexts than github are never among them: what those hold is known when
 * they are there. */
const char *taint_of_expr(struct plan_arena *arena, const struct expr *expr);
bool taint_path(const char *path); /* "github.event.issue.title" */

/* Only letters, digits and a few signs that mean nothing to any shell or language: such a text does
 * no harm wherever it is put. For messages and for who may choose; a path stays an outsider's
 * whatever it holds. */
bool taint_is_inert(const char *text, size_t len);

#endif
