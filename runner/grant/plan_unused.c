// SPDX-License-Identifier: Apache-2.0
/* plan_unused.c - what of a policy says nothing about any job of the workflow: fine where it serves
 * many, a slip of the pen where it was written for one.
 *
 * Runs in: command line and supervisor. Pure; the sentences hold text of the policy and nothing of
 * the workflow. */
#include "plan_build.h"

#include <stdlib.h>
#include <string.h>

static void add(struct plan_build *b, const char *text)
{
	struct plan *plan = b->plan;
	plan->unused = arena_grow(plan->arena, plan->unused, plan->n_unused, sizeof(*plan->unused));
	plan->unused[plan->n_unused++] = text;
}

/* Ids are asked for by every credential: sorted once. */
struct ids {
	const char **text;
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(struct ids *ids, const struct spec_facts *facts)
{
	if (facts->id)
		ids->text[ids->n++] = facts->id;
}

static struct ids all_ids(struct plan_build *b)
{
	const struct job_spec *spec = b->spec;
	struct ids ids = { .text = arena_array(b->scratch, spec->n_steps + spec->n_others,
		                               sizeof(*ids.text)) };
	for (size_t i = 0; i < spec->n_steps; i++)
		collect(&ids, &spec->steps[i].facts);
	for (size_t i = 0; i < spec->n_others; i++)
		collect(&ids, &spec->others[i]);
	qsort(ids.text, ids.n, sizeof(*ids.text), by_text);
	return ids;
}

static void look_at_credential(struct plan_build *b, const struct ids *ids,
                               const struct policy_credential *cred)
{
	for (size_t k = 0; k < cred->n_steps; k++) {
		const struct diag_mark *mark = &cred->step_marks[k];
		if (!bsearch(&cred->steps[k], ids->text, ids->n, sizeof(*ids->text), by_text))
			add(b,
			    arena_printf(
				    b->plan->arena,
				    "%s:%u:%u: credential `%s` is for `%s`, an id that no step has",
				    mark->file, mark->line, mark->column, cred->name,
				    cred->steps[k]));
	}
}

static void look_at_step(struct plan_build *b, bool *used, const struct spec_facts *facts,
                         const struct spec_step *written)
{
	const struct policy_rule *rule = plan_choose_phase(b, facts, written).rule;
	if (rule && rule >= b->policy->rules && rule < b->policy->rules + b->policy->n_rules)
		used[rule - b->policy->rules] = true;
}

/* The workflow is hostile, and may have many steps: each is asked about once. */
static const bool *used_rules(struct plan_build *b)
{
	const struct job_spec *spec = b->spec;
	bool *used = arena_array(b->scratch, b->policy->n_rules, sizeof(*used));
	for (size_t i = 0; i < spec->n_steps; i++)
		look_at_step(b, used, &spec->steps[i].facts, &spec->steps[i]);
	for (size_t i = 0; i < spec->n_others; i++)
		look_at_step(b, used, &spec->others[i], NULL);
	return used;
}

void plan_note_unused(struct plan_build *b)
{
	if (!b->policy)
		return;
	const bool *used = used_rules(b);
	const struct ids ids = all_ids(b);
	for (size_t i = 0; i < b->policy->n_rules; i++)
		if (!used[i])
			add(b, arena_printf(b->plan->arena, "%s: this rule decides about no step",
			                    plan_rule_text(b, &b->policy->rules[i])));
	for (size_t i = 0; i < b->policy->n_credentials; i++)
		look_at_credential(b, &ids, &b->policy->credentials[i]);
}
