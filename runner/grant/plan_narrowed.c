// SPDX-License-Identifier: Apache-2.0
/* plan_narrowed.c - what the repository's .drydock.yml asked for and does not get, into the plan.
 *
 * Runs in: command line and supervisor. Pure. The texts are commit content. */
#include "plan_build.h"

#include <string.h>

enum { STEPS_TOLD = 200 };

void plan_narrowed_begin(struct plan_build *b)
{
	const struct policy *policy = b->policy;
	if (!policy || !policy->narrow)
		return;
	struct policy_narrowed *list = arena_array(b->plan->arena, policy->n_narrowed + STEPS_TOLD,
	                                           sizeof(*list));
	if (policy->n_narrowed)
		memcpy(list, policy->narrowed, policy->n_narrowed * sizeof(*list));
	b->plan->narrowed = list;
	b->plan->n_narrowed = policy->n_narrowed;
}

void plan_narrowed_step(struct plan_build *b, const struct policy_rule *refused,
                        enum dd_phase phase, const char *step)
{
	struct plan *plan = b->plan;
	if (!refused || plan->n_narrowed >= b->policy->n_narrowed + STEPS_TOLD)
		return;
	((struct policy_narrowed *)(uintptr_t)plan->narrowed)[plan->n_narrowed++] =
		(struct policy_narrowed){ .key = "steps",
		                          .asked = arena_printf(plan->arena, "%s for step `%s`",
		                                                phase_names[refused->phase], step),
		                          .allowed = phase_names[phase],
		                          .why = "the operator's policy chooses the phase; a "
		                                 "repository can only move a step to build",
		                          .mark = refused->mark };
}
