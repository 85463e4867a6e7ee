// SPDX-License-Identifier: Apache-2.0
/* plan_build.h - what the parts of plan_make() share; nobody else includes it. */
#ifndef RUNNER_PLAN_BUILD_H
#define RUNNER_PLAN_BUILD_H

#include "model/event.h"
#include "forges/actions/workflow.h"
#include "plan.h"
#include "policy/policy_model.h"

struct plan_build {
	struct plan *plan;
	const struct workflow *wf;
	const struct workflow_job *job;
	const struct policy *policy;
	const struct event_facts *event;
	struct diag_list *diags;
	struct diag_list notes; /* what `run` cannot do, found while planning */
	bool refused;           /* by the policy: -EACCES, not -EINVAL */
};

/* plan_env.c: every layer of a step's environment, later ones over earlier ones, and the variables
 * that leases will fill. */
void plan_make_env(struct plan_build *b, const struct workflow_step *from, struct plan_step *step);
/* plan_job.c: what the workflow says of the job as a whole, and the notes. */
void plan_describe_job(struct plan_build *b);
void plan_keep_notes(struct plan_build *b);
const struct pair *plan_copy_pairs(struct plan_arena *arena, const struct workflow_env *from,
                                   size_t n);
/* plan_leases.c: the credentials of one step; and what the policy says about steps that it must not
 * be said about. */
void plan_make_leases(struct plan_build *b, struct plan_step *step);
void plan_check_leases(struct plan_build *b);
/* plan_make.c: the phase of a step of any job; place and globs of a rule, for people. */
struct phase_choice plan_choose_phase(struct plan_build *b, const struct workflow_job *job,
                                      const struct workflow_step *from);
const char *plan_rule_text(struct plan_arena *arena, const struct policy_rule *rule);
/* plan_unused.c: rules that decided nothing, credentials for steps that are not there. */
void plan_note_unused(struct plan_build *b);

#endif
