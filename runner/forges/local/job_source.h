// SPDX-License-Identifier: Apache-2.0
/* job_source.h - from the arguments of `run` and `plan` to a plan: one path, so that a dry run
 * cannot differ from the run.
 *
 * Order of use: fill struct run_args (the command's argp parser), job_source_load(), use the plan,
 * job_source_free().
 */
#ifndef RUNNER_JOB_SOURCE_H
#define RUNNER_JOB_SOURCE_H

#include "forges/actions/wf_world.h"
#include "forges/actions/world.h"
#include "forges/engine/actions_find.h"
#include "drydock/identity.h"
#include "grant/plan.h"
#include "tree/checkout.h"

enum {
	RUN_SECRETS_MAX = 64,
	RUN_VALUES_MAX = 64,
	RUN_JOBS_AT_ONCE_MAX = 64,
	RUN_COLLECTORS_MAX = 4
};

struct run_args {
	/* NULL when not given */
	const char *workflow, *job, *policy, *event, *workspace, *out, *record, *state_dir;
	const char *record_key;                        /* signs the record's head */
	const char *record_to[RUN_COLLECTORS_MAX + 1]; /* NULL-terminated */
	size_t n_record_to;
	/* NAME=FILE: the source of credential NAME is FILE, whatever the policy says */
	const char *secrets[RUN_SECRETS_MAX];
	size_t n_secrets;
	/* NAME=VALUE, each: inputs, vars, and keys of a matrix */
	const char *inputs[RUN_VALUES_MAX], *vars[RUN_VALUES_MAX], *picks[RUN_VALUES_MAX];
	size_t n_inputs, n_vars, n_picks;
	const struct identity *id; /* that was entered; NULL: none, nothing will run */
	unsigned at_once;          /* jobs at one time; 0: one */
	bool whole;                /* set by a command that takes all jobs when none is named */
	bool dry_run; /* only look: a plan may then hold what `run` cannot do (its spec's notes) */
	bool json, observe;
	const char *shell, *shell_program; /* a shell instead of this step, and which one */
	const char *rev;                   /* the commit alone; NULL: what stands on disk */
	bool keep;                         /* what a failed step leaves */
	bool fetch;                        /* what is not here comes from the policy's forge */
	bool locked;                       /* actions are those of the lock, or none */
	bool untracked;                    /* of the workspace: also what git does not track */
	bool workflow_optional;            /* set by a command that has another way to be asked */
	bool rules, syscalls;              /* of a plan: also show these in full */
};

/* A job with its plan: grants are those of the written text, so every combination of a matrix has
 * the same. */
struct source_job {
	const struct wf_flat_job *job;
	struct job_spec *spec;
	struct plan *plan;
};

/* Plans and all that they borrow from. */
struct job_source {
	struct wf_doc *wf;
	struct wf_flat jobs;
	struct policy *policy;
	struct event_facts event;
	char *event_text; /* NULL: no event file */
	size_t event_len;
	struct expr_memory mem; /* of the world */
	struct wf_world world;
	struct checkout checkout;
	struct checkout_notes checkout_notes;
	char takes[300]; /* with --rev: what of the workspace */
	const char *notes[CHECKOUT_NOTES_MAX];
	struct spec_workspace workspace;
	struct actions_finding actions; /* of other repositories */
	/* the chosen job, or all of them in the order of the list; those that call a workflow have
	 * no steps */
	struct source_job *planned;
	size_t n_planned;
};

/* 0 and a source; otherwise an exit code of exit_code.h (> 0), and everything has been said on
 * @errors. Without args->policy: the first of /etc/drydock/policy.d/ *.yml, sorted, whose `for:`
 * names the job; without that directory, no policy. With it, but none that fits: refused. */
int job_source_load(const struct run_args *args, struct job_source **ret, FILE *errors);
void job_source_free(struct job_source *source);

#endif
