// SPDX-License-Identifier: Apache-2.0
/* plan.h - what every step of a job may and will run, as far as both are known before anything
 * runs.
 *
 * plan_make() is pure: it reads what the forge says of the job and the policy, and nothing else;
 * `plan` prints its result and `run` executes the same structure. A plan borrows from the job_spec
 * and the policy that it was made of: both outlive it.
 *
 * Cost: one grant a step, one set of terms a phase, text shared with its source. Time and memory
 * grow with the size of the file and of the policy, and with the number of steps; never with a
 * product of them. What must multiply (each variable of a job is one of each step) is bounded by
 * job_spec_check().
 */
#ifndef RUNNER_PLAN_H
#define RUNNER_PLAN_H

#include "grant.h"

struct plan {
	const struct job_spec *spec;
	const char *policy_path; /* NULL: no policy, every step is build */
	char policy_sha256[65];
	uint64_t record_bytes; /* at most; 0: no limit */
	enum injection_policy injection;
	bool trusted;          /* protected ref, no fork, no pull request */
	const char *trust_why; /* "local run", "event pull_request from a fork", ... */
	/* globs of the policy's push phase, NULL-terminated; NULL: none. What --out receives */
	const char *const *artifacts;
	const char *tools;    /* what every tool directory of the job begins with; NULL: nothing */
	struct grant *grants; /* of spec->steps, in their order */
	size_t n_grants;
	const struct policy_narrowed *narrowed;
	size_t n_narrowed;
	/* what of the policy says nothing about any job beside or in the spec, a sentence each with
	 * its place */
	const char **unused;
	size_t n_unused;
	struct plan_arena *arena;
};

struct policy;

/* @policy NULL: every step is build. Checks @spec first. Refusals (a push step of an untrusted job,
 * a credential that no step may have) go to @diags. Returns 0, or -EINVAL for errors in the input
 * (exit 2), -EACCES when the policy refuses (exit 4). */
int plan_make(const struct job_spec *spec, const struct policy *policy, struct plan **ret,
              struct diag_list *diags);
void plan_free(struct plan *plan);

/* By id, label or number; else by a name that only one step has. NULL: none. */
const struct grant *plan_find(const struct plan *plan, const char *wanted);

#endif
