// SPDX-License-Identifier: Apache-2.0
/* plan_unused.c - what of a policy says nothing about any job of the workflow: fine where it serves
 * many, a slip of the pen where it was written for one.
 *
 * Runs in: command line and supervisor. Pure; the sentences hold text of the policy and nothing of
 * the workflow. */
#include "plan_build.h"

#include <string.h>

static void add(struct plan_build *b, const char *text)
{
	struct plan *plan = b->plan;
	plan->unused = arena_grow(plan->arena, plan->unused, plan->n_unused, sizeof(*plan->unused));
	plan->unused[plan->n_unused++] = text;
}

static bool has_step(const struct workflow *wf, const char *id)
{
	for (size_t i = 0; i < wf->n_jobs; i++)
		for (size_t k = 0; k < wf->jobs[i].n_steps; k++)
			if (wf->jobs[i].steps[k].id && strcmp(wf->jobs[i].steps[k].id, id) == 0)
				return true;
	return false;
}

static void look_at_credential(struct plan_build *b, const struct policy_credential *cred)
{
	for (size_t k = 0; k < cred->n_steps; k++) {
		const struct diag_mark *mark = &cred->step_marks[k];
		if (!has_step(b->wf, cred->steps[k]))
			add(b,
			    arena_printf(
				    b->plan->arena,
				    "%s:%u:%u: credential `%s` is for `%s`, an id that no step has",
				    mark->file, mark->line, mark->column, cred->name,
				    cred->steps[k]));
	}
}

/* The workflow is hostile, and may have many steps: each is asked about once. */
static const bool *used_rules(struct plan_build *b)
{
	bool *used = arena_array(b->plan->arena, b->policy->n_rules, sizeof(*used));
	for (size_t i = 0; i < b->wf->n_jobs; i++)
		for (size_t k = 0; k < b->wf->jobs[i].n_steps; k++) {
			const struct policy_rule *rule = plan_choose_phase(b, &b->wf->jobs[i],
			                                                   &b->wf->jobs[i].steps[k])
			                                         .rule;
			for (size_t r = 0; rule && r < b->policy->n_rules; r++)
				used[r] |= rule == &b->policy->rules[r];
		}
	return used;
}

void plan_note_unused(struct plan_build *b)
{
	if (!b->policy)
		return;
	const bool *used = used_rules(b);
	for (size_t i = 0; i < b->policy->n_rules; i++)
		if (!used[i])
			add(b, arena_printf(b->plan->arena, "%s: this rule decides about no step",
			                    plan_rule_text(b->plan->arena, &b->policy->rules[i])));
	for (size_t i = 0; i < b->policy->n_credentials; i++)
		look_at_credential(b, &b->policy->credentials[i]);
}
