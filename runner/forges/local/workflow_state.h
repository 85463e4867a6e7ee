// SPDX-License-Identifier: Apache-2.0
/* workflow_state.h - a workflow as it runs: its jobs, the turns that they become, and what came of
 * them. Only workflow_*.c include it.
 *
 * A turn is one combination of a job. A turn of a job that calls a workflow has a file of its own
 * with the jobs of that workflow; everything else about the two is the same. What is decided here
 * is decided when its time comes: a job's condition when all it needs is over, its turns behind
 * that. Nothing here starts a process.
 *
 * Runs in: the process that the user started. It reads what steps wrote (outputs), bounded. */
#ifndef RUNNER_WORKFLOW_STATE_H
#define RUNNER_WORKFLOW_STATE_H

#include "forges/actions/wf_combine.h"
#include "forges/actions/world.h"
#include "forges/engine/job_result.h"
#include "job_source.h"

enum { WORKFLOW_TURNS_MAX = 10000 };

enum turn_state { TURN_PENDING, TURN_RUNNING, TURN_OVER };

struct run_job;
struct run_file;

struct run_turn {
	struct run_job *job;
	struct wf_combined_one one;
	const char *name; /* "test (18)", "release / upload" */
	unsigned number;  /* in the run, from 1 */
	enum turn_state state;
	struct run_file *called; /* of a job that calls a workflow, once it has begun */
	enum job_result_is result;
	struct expr_value outputs; /* an object of texts */
	bool failed;               /* before `continue-on-error` was looked at */
	bool stopped;              /* somebody asked for its end */
	const char *why;           /* it was not run, in words; NULL: it was */
	int exit_code;             /* of its process */
	double sec;
	const char *record;           /* NULL: none was written */
	struct turn_process *process; /* while it runs; workflow_run.c */
};

enum job_state { JOB_WAITING, JOB_TURNS, JOB_OVER };

struct run_job {
	const struct wf_flat_job *flat;
	const struct source_job *planned; /* NULL: this run is not about it */
	struct run_file *file;
	enum job_state state;
	struct wf_combined combined;
	struct run_turn *turns;
	size_t n_turns;
	enum job_result_is result; /* for those that need it */
	struct expr_value outputs;
	const char *why; /* it has no turns, in words */
};

struct run_file {
	struct run_turn *caller; /* NULL: the workflow itself */
	struct run_job *jobs;    /* those of one file, in its order */
	size_t n;
	struct expr_value inputs;
	const struct actions_secret *secrets;
	size_t n_secrets;
	bool secrets_all;
	bool cancelled;
};

struct workflow_run {
	const struct run_args *args;
	const struct job_source *source;
	struct expr_memory mem;
	struct run_file root;
	struct run_turn **turns; /* all so far, in the order in which they became known */
	size_t n_turns;
	bool broken;   /* there is no memory, or there are too many: nothing more begins */
	bool too_many; /* that is why */
	FILE *errors;
};

/* Why a job that --job leaves out is over. */
extern const char workflow_not_asked[];

void workflow_state_init(struct workflow_run *run);

/* Decides whatever can be decided: conditions, turns, files that are over. True when something
 * changed. */
bool workflow_advance(struct workflow_run *run);
/* The turn's process is over, or there was none. @result is taken as it is. */
void workflow_turn_over(struct workflow_run *run, struct run_turn *turn,
                        const struct job_result *result);
bool workflow_is_over(const struct workflow_run *run);
/* Somebody wants the end: turns that have not begun do not; what asks for that with always() or
 * cancelled() still runs. */
void workflow_cancel(struct workflow_run *run, struct run_file *file);
/* May the turn begin beside those that run? */
bool workflow_may_begin(const struct workflow_run *run, const struct run_turn *turn);

/* The contexts for the steps of a turn. False when over the limit. */
bool workflow_world(struct workflow_run *run, const struct run_turn *turn,
                    struct actions_world *ret);

/* workflow_call.c: begins the called workflow of a turn. False with errors. */
bool workflow_call(struct workflow_run *run, struct run_turn *turn, struct wf_errors *errors);
/* Its outputs, when all its jobs are over. False with errors. */
bool workflow_call_outputs(struct workflow_run *run, struct run_turn *turn,
                           struct wf_errors *errors);

/* Shared by the two. */
void workflow_open_file(struct workflow_run *run, struct run_file *file, size_t first, size_t n,
                        struct run_turn *caller);
bool workflow_scope(struct workflow_run *run, const struct run_job *job, struct wf_job_scope *ret);
void workflow_complain(struct workflow_run *run, struct wf_errors *errors);

#endif
