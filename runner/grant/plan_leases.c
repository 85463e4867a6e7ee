// SPDX-License-Identifier: Apache-2.0
/* plan_leases.c - which credentials a step will hold. Pure; names and places only, never a value.
 *
 * Three things must agree: the step's id stands in the credential's list, the step's phase is the
 * credential's, and the job is trusted. An id in the list whose step is in another phase is refused
 * before anything runs (C-02): a policy that contradicts itself would otherwise be read in the
 * friendlier way. */
#include "plan_build.h"

#include <string.h>

static bool binds(const struct policy_credential *cred, const struct grant *grant)
{
	if (grant->phase != cred->phase || grant->phase == DD_PHASE_BUILD || grant->id[0] == '\0' ||
	    grant->written->recipe.nothing)
		return false;
	for (size_t i = 0; i < cred->n_steps; i++)
		if (strcmp(cred->steps[i], grant->id) == 0)
			return true;
	return false;
}

/* Before anybody is asked for it: what its `for` says besides phase and steps (C-12). */
static const char *why_withheld(const struct plan_build *b, const struct policy_credential *cred)
{
	const struct policy_condition *conditions[] = { &cred->when, cred->also };
	const char *why = NULL;
	for (size_t i = 0; i < ARRAY_LEN(conditions) && !why; i++)
		if (conditions[i])
			why = policy_condition_unmet(conditions[i], &b->plan->spec->event,
			                             b->plan->spec->about.environment,
			                             b->plan->arena);
	return why;
}

void plan_make_leases(struct plan_build *b, struct grant *grant)
{
	struct grant_lease *leases = NULL;
	if (!b->policy || !b->plan->trusted) /* an untrusted job holds nothing (C-12) */
		return;
	for (size_t i = 0; i < b->policy->n_credentials; i++) {
		const struct policy_credential *cred = &b->policy->credentials[i];
		if (!binds(cred, grant))
			continue;
		leases = arena_grow(b->plan->arena, leases, grant->n_leases, sizeof(*leases));
		leases[grant->n_leases++] =
			(struct grant_lease){ .name = cred->name,
			                      .from = cred->from,
			                      .source = cred->source,
			                      .issuer = cred->issuer,
			                      .as = cred->as,
			                      .target = cred->target,
			                      .targets = cred->targets,
			                      .n_targets = cred->n_targets,
			                      .user = cred->user,
			                      .ttl_sec = cred->ttl_sec,
			                      .withheld = why_withheld(b, cred) };
	}
	grant->leases = leases;
}

static void check_binding(struct plan_build *b, const struct policy_credential *cred, size_t which)
{
	for (size_t i = 0; i < b->plan->n_grants; i++) {
		const struct grant *grant = &b->plan->grants[i];
		const struct diag_mark *mark = &grant->written->mark;
		if (strcmp(grant->id, cred->steps[which]) != 0 || grant->phase == cred->phase ||
		    grant->moved)
			continue;
		diag_add(b->diags, cred->step_marks[which],
		         "give the step a rule in `steps:`, or take it from the list",
		         "credential `%s` is for %s, but step `%s` (%s:%u:%u) is in %s", cred->name,
		         phase_names[cred->phase], grant->id, mark->file, mark->line, mark->column,
		         phase_names[grant->phase]);
		diag_add(b->diags, *mark, grant->phase_why,
		         "step `%s` is in %s; credential `%s` of %s:%u:%u is for %s", grant->id,
		         phase_names[grant->phase], cred->name, cred->phase_mark.file,
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
