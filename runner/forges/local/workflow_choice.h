// SPDX-License-Identifier: Apache-2.0
/* workflow_choice.h - which jobs and combinations of a workflow a run is about. */
#ifndef RUNNER_WORKFLOW_CHOICE_H
#define RUNNER_WORKFLOW_CHOICE_H

#include "forges/actions/wf_combine.h"
#include "job_source.h"

/* Does the job not run here, whatever other jobs come to? Its `if` is false already, or every
 * combination of it asks for another system. */
bool workflow_never_runs(const struct job_source *source, const struct source_job *job);

/* Leaves of @combined the combinations that --matrix asks for. A key that no combination has is
 * about another job, unless this one was named. */
void workflow_pick(const struct run_args *args, struct expr_memory *mem,
                   struct wf_combined *combined);

#endif
