// SPDX-License-Identifier: Apache-2.0
/* plan_leases.c - which credentials a step will hold. Pure; names and places only, never a value.
 *
 * Three things must agree: the step's id stands in the credential's list, the step's phase is the
 * credential's, and the job is trusted. An id in the list whose step is in another phase is refused
 * before anything runs (C-02): a policy that contradicts itself would otherwise be read in the
 * friendlier way. */
#include "plan_build.h"

#include <string.h>

static bool binds(const struct policy_credential *cred, const struct plan_step *step)
{
	if (step->phase != cred->phase || step->phase == DD_PHASE_BUILD || step->id[0] == '\0' ||
	    step->nothing)
		return false;
	for (size_t i = 0; i < cred->n_steps; i++)
		if (strcmp(cred->steps[i], step->id) == 0)
			return true;
	return false;
}

void plan_make_leases(struct plan_build *b, struct plan_step *step)
{
	if (!b->policy || !b->plan->trusted) /* an untrusted job holds nothing (C-12) */
		return;
	struct plan_arena *arena = b->plan->arena;
	struct plan_lease *leases = arena_array(arena, b->policy->n_credentials, sizeof(*leases));
	for (size_t i = 0; i < b->policy->n_credentials; i++) {
		const struct policy_credential *cred = &b->policy->credentials[i];
		if (!binds(cred, step))
			continue;
		leases[step->n_leases++] =
			(struct plan_lease){ .name = arena_strdup(arena, cred->name),
			                     .from = cred->from,
			                     .source = arena_strdup(arena, cred->source),
			                     .as = cred->as,
			                     .target = arena_strdup(arena, cred->target),
			                     .ttl_sec = cred->ttl_sec };
	}
	step->leases = leases;
}

static void check_binding(struct plan_build *b, const struct policy_credential *cred, size_t which)
{
	for (size_t i = 0; i < b->plan->n_steps; i++) {
		const struct plan_step *step = &b->plan->steps[i];
		if (strcmp(step->id, cred->steps[which]) != 0 || step->phase == cred->phase ||
		    step->moved)
			continue;
		diag_add(b->diags, cred->step_marks[which],
		         "give the step a rule in `steps:`, or take it from the list",
		         "credential `%s` is for %s, but step `%s` (%s:%u:%u) is in %s", cred->name,
		         phase_names[cred->phase], step->id, step->mark.file, step->mark.line,
		         step->mark.column, phase_names[step->phase]);
		diag_add(b->diags, step->mark, step->phase_why,
		         "step `%s` is in %s; credential `%s` of %s:%u:%u is for %s", step->id,
		         phase_names[step->phase], cred->name, cred->phase_mark.file,
		         cred->phase_mark.line, cred->phase_mark.column, phase_names[cred->phase]);
		b->refused = true;
	}
}

/* An id that this job does not have is fine: a policy serves many workflows. */
void plan_check_leases(struct plan_build *b)
{
	for (size_t i = 0; b->policy && i < b->policy->n_credentials; i++)
		for (size_t k = 0; k < b->policy->credentials[i].n_steps; k++)
			check_binding(b, &b->policy->credentials[i], k);
}
