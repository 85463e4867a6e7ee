// SPDX-License-Identifier: Apache-2.0
/* plan.h - what every step of a job will get, computed before anything runs.
 *
 * plan_make() is pure: it reads the parsed workflow, the policy and the facts of the event, and
 * nothing else; `plan` prints its result and `run` executes the same structure. All strings live in
 * the plan's own arena and die with plan_free().
 */
#ifndef RUNNER_PLAN_H
#define RUNNER_PLAN_H

#include "base/words.h"
#include "drydock/egress.h"
#include "model/pair.h"
#include "policy/policy_terms.h"

#include <stdbool.h>
#include <stdint.h>

struct plan_lease {
	const char *name; /* of the credential, as the record shows it; never its value */
	enum lease_from from;
	const char *source; /* path, or name of the supervisor's variable */
	enum lease_as as;
	const char *target; /* variable name, or file name below SANDBOX_CREDENTIALS_DIR */
	unsigned ttl_sec;
};

struct plan_env {
	const char *name, *value;
	const char *origin; /* "workflow", "job", "step", "policy", "drydock" */
};

struct plan_note { /* what `run` would refuse, and where */
	struct diag_mark mark;
	const char *text, *hint; /* hint: may be empty */
};

struct plan_step {
	unsigned index;    /* 1-based, in document order */
	const char *id;    /* "" when the workflow gives none */
	const char *name;  /* as GitHub shows it: name, or "Run <first line>" */
	bool is_named;     /* the workflow gives the name */
	const char *label; /* [a-z0-9-]+, unique in the job: "03-publish" */
	/* what the record calls it: the id, or the label of a step without one */
	const char *ref;
	struct diag_mark mark; /* where the step stands in the workflow */

	enum dd_phase phase;
	/* to build, by the repository's own file: what the operator bound to its id is not given */
	bool moved;
	/* "policy.yml:5:5: run: \"npm ci*\"" or "no rule matches: build" */
	const char *phase_why;

	struct egress_list egress;    /* n == 0: the gate stays closed */
	enum workspace_view view;     /* only in push */
	const char *const *artifacts; /* globs, NULL-terminated */

	/* an action, or NULL; then script, script_path and shell are NULL and argv is empty */
	const char *uses;
	/* why no process is started for this step, and so it gets neither gate nor credential;
	 * NULL: one is */
	const char *nothing;
	const char *cond; /* text of `if`, never evaluated; or NULL */
	const struct pair *with;
	size_t n_with;
	const char *script; /* text of run: */
	const char *shell;  /* as written, or NULL for the default */
	/* NULL-terminated; the script's path stands where GitHub puts {0} */
	const char *const *argv;
	const char *script_path; /* inside the sandbox */
	const char *workdir;     /* inside the sandbox, absolute */
	const struct plan_env *env;
	size_t n_env;
	const struct plan_lease *leases;
	size_t n_leases;

	struct step_limits limits;
	const char *seccomp; /* profile name: file configs/seccomp/<name>.seccomp */
	/* sandbox.syscalls: allowed besides the profile, NULL-terminated; NULL: none */
	const char *const *syscalls;
	/* sandbox.read: host directories shown read-only, NULL-terminated */
	const char *const *read;
	bool continue_on_error;
};

/* What the workflow says of the job as a whole, for people. On one line each, as written; NULL when
 * absent. */
struct plan_job {
	const char *on, *cond, *runs_on, *needs, *permissions, *environment, *concurrency,
		*container, *outputs, *uses;
	/* of a service: the image; of an axis: its values, ", " between them */
	const struct pair *services, *axes;
	size_t n_services, n_axes;
	/* names of the jobs that GitHub would make of the matrix, NULL-terminated; NULL: none, or
	 * computed */
	const char *const *combinations;
	/* the expression that makes a part of the matrix at run time, or NULL */
	const char *computed;
};

struct plan {
	const char *workflow_path, *workflow_name;
	const char *job_id, *job_name;
	struct plan_job job;
	const char *policy_path; /* NULL: no policy, every step is build */
	char policy_sha256[65];
	bool trusted;          /* protected ref, no fork, no pull request */
	const char *trust_why; /* "local run", "event pull_request from a fork", ... */
	/* globs of the policy's push phase, NULL-terminated; NULL: none. What --out receives */
	const char *const *artifacts;
	struct plan_step *steps;
	size_t n_steps;
	const struct plan_note *notes; /* not empty: `run` refuses the job before anything runs */
	size_t n_notes;
	const struct policy_narrowed *narrowed;
	size_t n_narrowed;
	/* what of the policy says nothing about any job of the workflow, a sentence each with its
	 * place */
	const char **unused;
	size_t n_unused;
	struct plan_arena *arena;
};

struct workflow;
struct policy;
struct event_facts;

/* Refusals (a push step of an untrusted job, a credential that no step may have, an unknown job) go
 * to @diags. Returns 0, or -EINVAL for errors in the input (exit 2), -EACCES when the policy
 * refuses (exit 4). */
int plan_make(const struct workflow *wf, const char *job, const struct policy *policy,
              const struct event_facts *event, struct plan **ret, struct diag_list *diags);
void plan_free(struct plan *plan);

#endif
