// SPDX-License-Identifier: Apache-2.0
/* workflow.h - GitHub workflow YAML: every documented key of workflow, job and step, with the place
 * where each stands.
 *
 * Understood is more than can be run here: `uses`, `if`, `${{ }}`, services, containers, matrix and
 * the like are kept for `plan`, and each leaves a note with its position; `run` refuses a job that
 * has notes before anything runs. What GitHub does not know either is a complaint. Expressions are
 * never evaluated: their text stays as it is written.
 */
#ifndef RUNNER_WORKFLOW_H
#define RUNNER_WORKFLOW_H

#include "input/diag.h"
#include "drydock/err.h"
#include "model/pair.h"

struct workflow_step {
	struct diag_mark mark;
	const char *id, *name, *run, *shell, *workdir; /* NULL when absent */
	const char *uses, *cond; /* of exactly one of run and uses; `cond` is the text of `if` */
	const struct pair *with, *env;
	size_t n_with, n_env;
	struct diag_mark shell_mark, workdir_mark; /* of the values, when present */
	double timeout_minutes;                    /* 0 = not given */
	bool continue_on_error;
	bool is_local_checkout; /* actions/checkout of this repository: here the workspace already
	                           is that */
};

struct workflow_axis {
	const char *name;
	const char *const *values; /* NULL-terminated */
};

struct workflow_matrix {
	const struct workflow_axis *axes;
	size_t n_axes;
	/* of the jobs that GitHub would make, in its order; NULL-terminated; NULL: no matrix, or
	 * computed */
	const char *const *names;
	/* the expression that makes the matrix or a part of it at run time, or NULL */
	const char *computed;
};

struct workflow_job {
	struct diag_mark mark;
	const char *id, *name;
	/* on one line, or NULL */
	const char *cond, *runs_on, *needs, *permissions, *environment, *concurrency, *container,
		*outputs;
	const char *uses;                   /* a reusable workflow; then there are no steps */
	const struct pair *with, *services; /* of a service: the image */
	size_t n_with, n_services;
	struct workflow_matrix matrix;
	const struct pair *env;
	size_t n_env;
	const char *default_shell, *default_workdir; /* defaults.run, job over workflow */
	struct diag_mark default_shell_mark, default_workdir_mark;
	double timeout_minutes;
	const struct workflow_step *steps;
	size_t n_steps;
	struct diag_list notes; /* what `run` cannot do of this job */
};

struct workflow {
	const char *path, *name;
	const char *on, *permissions, *concurrency; /* on one line, or NULL */
	const struct pair *env;
	size_t n_env;
	struct workflow_job *jobs;
	size_t n_jobs;
	struct diag_list notes; /* what `run` cannot do of any job: expressions outside of them */
	void *arena;
};

int workflow_load(const char *path, struct workflow **ret, struct diag_list *diags,
                  struct dd_err *err);
int workflow_parse(const char *name, const char *text, size_t len, struct workflow **ret,
                   struct diag_list *diags); /* fuzzed */
void workflow_free(struct workflow *wf);

#endif
