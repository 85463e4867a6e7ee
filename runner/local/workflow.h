// SPDX-License-Identifier: Apache-2.0
/* workflow.h - GitHub workflow YAML as far as a run without a forge needs it.
 *
 * What is not supported yet (`uses`, `if`, `${{ }}`, services, containers, matrix ...) is refused here, before anything runs, with its position.
 */
#ifndef RUNNER_WORKFLOW_H
#define RUNNER_WORKFLOW_H

#include "../diag.h"
#include "drydock/err.h"

struct workflow_env {
	const char *name, *value;
	struct diag_mark mark;
};

struct workflow_step {
	struct diag_mark           mark;
	const char                *id, *name, *run, *shell, *workdir; /* NULL when absent */
	const struct workflow_env *env;
	size_t                     n_env;
	struct diag_mark           shell_mark, workdir_mark; /* of the values, when present */
	double                     timeout_minutes; /* 0 = not given */
	bool                       continue_on_error;
};

struct workflow_job {
	struct diag_mark            mark;
	const char                 *id, *name;
	const struct workflow_env  *env;
	size_t                      n_env;
	const char                 *default_shell, *default_workdir; /* defaults.run, job over workflow */
	struct diag_mark            default_shell_mark, default_workdir_mark;
	double                      timeout_minutes;
	const struct workflow_step *steps;
	size_t                      n_steps;
};

struct workflow {
	const char                *path, *name;
	const struct workflow_env *env;
	size_t                     n_env;
	const struct workflow_job *jobs;
	size_t                     n_jobs;
	void                      *arena;
};

int  workflow_load(const char *path, struct workflow **ret, struct diag_list *diags, struct dd_err *err);
int  workflow_parse(const char *name, const char *text, size_t len, struct workflow **ret, struct diag_list *diags); /* fuzzed */
void workflow_free(struct workflow *wf);

#endif
