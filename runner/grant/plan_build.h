// SPDX-License-Identifier: Apache-2.0
/* plan_build.h - what the parts of plan_make() share; nobody else includes it. */
#ifndef RUNNER_PLAN_BUILD_H
#define RUNNER_PLAN_BUILD_H

#include "plan.h"
#include "policy/policy_model.h"

struct plan_build {
	struct plan *plan;
	const struct job_spec *spec;
	const struct policy *policy;
	/* of the operator's rules and of the repository's, by their order: made when one is first
	 * needed */
	const char **rule_texts[2];
	struct grant_terms *terms[DD_PHASE__COUNT];
	/* of steps for which no process is started: the same with the gate closed */
	struct grant_terms *closed[DD_PHASE__COUNT];
	struct plan_arena *scratch; /* gone when the plan is made */
	struct diag_list *diags;
	bool refused; /* by the policy: -EACCES, not -EINVAL */
};

/* plan_leases.c: the credentials of one step; and what the policy says about steps that it must not
 * be said about. */
void plan_make_leases(struct plan_build *b, struct grant *grant);
void plan_check_leases(struct plan_build *b);
/* plan_forge.c: of a step that is drydock's own. @policy: never NULL. */
void plan_forge_grant(struct plan_build *b, const struct policy *policy, struct grant *grant);
void plan_own_grant(struct plan_build *b, const struct policy *policy, struct grant *grant);
/* plan_make.c: the phase of a step of any job; place and globs of a rule, for people. @written:
 * NULL of another job, of which no more is known than the facts. */
/* What the rules are held against. */
struct step_facts plan_step_facts(struct plan_build *b, const struct spec_facts *facts,
                                  const struct spec_step *written);
/* NULL: there is no script; or no digest, and then no rule that asks for one matches. */
const char *plan_run_sha256(struct plan_build *b, struct plan_arena *arena, const char *script);
struct phase_choice plan_choose_phase(struct plan_build *b, const struct spec_facts *facts,
                                      const struct spec_step *written);
const char *plan_rule_text(struct plan_build *b, const struct policy_rule *rule);
/* plan_narrowed.c: refused widenings of the repository's .drydock.yml: first those that the two
 * files alone show; then, step by step, rules that wanted another open phase. */
void plan_narrowed_begin(struct plan_build *b);
void plan_narrowed_step(struct plan_build *b, const struct policy_rule *refused,
                        enum dd_phase phase, const char *step);
/* plan_unused.c: rules that decided nothing, credentials for steps that are not there. */
void plan_note_unused(struct plan_build *b);

#endif
