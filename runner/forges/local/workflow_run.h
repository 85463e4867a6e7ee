// SPDX-License-Identifier: Apache-2.0
/* workflow_run.h - runs the jobs of a workflow: in the order of their needs, side by side where
 * that is asked for, each as `run` runs one.
 *
 * Every turn (a job, or one combination of its matrix) is a process of its own, which becomes the
 * keeper of that job; the process that the user started only hands them out, and a signal that
 * reaches it reaches them. A run of one job without more to it is done in the process itself.
 */
#ifndef RUNNER_WORKFLOW_RUN_H
#define RUNNER_WORKFLOW_RUN_H

#include "forges/engine/job_engine.h"
#include "job_source.h"

/* What a turn is run with. */
struct workflow_turn {
	const struct plan *plan;
	const struct job_script *script;
	const char *name;      /* as people know it */
	const char *prefix;    /* what its lines begin with; NULL: it runs alone */
	const char *artifacts; /* directory of what the jobs of the run upload; NULL: it is alone */
	const char *out, *record; /* as of the command line, or this turn's part of that */
	/* where to write down which record it is, of WORKFLOW_RECORD_MAX bytes; NULL: nobody asks
	 */
	char *told_record;
};
enum { WORKFLOW_RECORD_MAX = 4096 };

/* One line of what came of it. */
struct workflow_row {
	const char *name, *result; /* "success", "failure", "cancelled", "skipped" */
	const char *why;           /* it did not run, in words; NULL */
	bool forgiven;             /* it failed, and continue-on-error lets that pass */
	double sec;
	const char *record; /* NULL: none */
};

struct workflow_request {
	const struct run_args *args;
	const struct job_source *source;
	const struct identity *id; /* who the caller is */
	/* Runs one to its end, in a process that may become a keeper; an exit code. */
	int (*run)(void *user, const struct workflow_turn *turn);
	/* In the process that the user started; the rows are in the order of the file. */
	void (*tell)(void *user, const struct workflow_row *rows, size_t n, double sec);
	void *user;
};

/* An exit code (exit_code.h): of several, the one that says most: 5, 3, 4, 2, 130, 1, 0. */
int workflow_run(const struct workflow_request *request);

#endif
