// SPDX-License-Identifier: Apache-2.0
/* plan_narrowed.c - what the repository's .drydock.yml asked for and does not get: into the plan,
 * and from there into the record and to the person.
 *
 * Runs in: command line and supervisor. The texts are commit content. */
#include "plan_narrowed.h"

#include "view/console.h"
#include "record/event_write.h"

#include <string.h>

enum { STEPS_TOLD = 200 };

static struct policy_narrowed copy(struct plan_arena *arena, const struct policy_narrowed *from)
{
	struct policy_narrowed to = *from;
	to.key = arena_strdup(arena, from->key);
	to.asked = arena_strdup(arena, from->asked);
	to.allowed = arena_strdup(arena, from->allowed);
	to.why = arena_strdup(arena, from->why);
	to.mark.file = arena_strdup(arena, from->mark.file);
	return to;
}

void plan_narrowed_begin(struct plan_build *b)
{
	const struct policy *policy = b->policy;
	if (!policy || !policy->narrow)
		return;
	struct policy_narrowed *list = arena_array(b->plan->arena, policy->n_narrowed + STEPS_TOLD,
	                                           sizeof(*list));
	for (size_t i = 0; i < policy->n_narrowed; i++)
		list[i] = copy(b->plan->arena, &policy->narrowed[i]);
	b->plan->narrowed = list;
	b->plan->n_narrowed = policy->n_narrowed;
}

void plan_narrowed_step(struct plan_build *b, const struct policy_rule *refused,
                        enum dd_phase phase, const char *step)
{
	struct plan *plan = b->plan;
	if (!refused || plan->n_narrowed >= b->policy->n_narrowed + STEPS_TOLD)
		return;
	const struct policy_narrowed row = { .key = "steps",
		                             .asked = arena_printf(plan->arena, "%s for step `%s`",
		                                                   phase_names[refused->phase],
		                                                   step),
		                             .allowed = phase_names[phase],
		                             .why = "the operator's policy chooses the phase; a "
		                                    "repository can only move a step to build",
		                             .mark = refused->mark };
	((struct policy_narrowed *)(uintptr_t)plan->narrowed)[plan->n_narrowed++] =
		copy(plan->arena, &row);
}

static void tell(const struct policy_narrowed *row)
{
	char asked[400], file[200];
	diag_escape(asked, sizeof(asked), row->asked, strlen(row->asked));
	diag_escape(file, sizeof(file), row->mark.file, strlen(row->mark.file));
	console_note("%s:%u: the repository asked for %s%s%s; it gets %s: %s", file, row->mark.line,
	             row->key, row->key[0] ? ": " : "", asked, row->allowed, row->why);
}

int plan_narrowed_record(struct record *rec, const struct plan *plan, struct dd_err *err)
{
	for (size_t i = 0; i < plan->n_narrowed; i++) {
		const struct policy_narrowed *row = &plan->narrowed[i];
		int r = record_policy_narrowed(rec,
		                               &(struct facts_narrowed){ .key = row->key,
		                                                         .asked = row->asked,
		                                                         .allowed = row->allowed,
		                                                         .line = row->mark.line,
		                                                         .why = row->why },
		                               err);
		if (r < 0)
			return r;
		tell(row);
	}
	return 0;
}
