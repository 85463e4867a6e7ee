// SPDX-License-Identifier: Apache-2.0
/* workflow_spec.h - one job of a workflow file as a job_spec: what GitHub's words mean in
 * drydock's.
 */
#ifndef RUNNER_WORKFLOW_SPEC_H
#define RUNNER_WORKFLOW_SPEC_H

#include "model/job_spec.h"
#include "workflow.h"

/* @job: its id; NULL: the only one that there is. @event is copied; @wf is borrowed and must
 * outlive the spec. 0, or -EINVAL with complaints in @diags: no such job, a shell or a directory
 * that cannot be. What cannot be *run* is in the spec's notes. */
int workflow_job_spec(const struct workflow *wf, const char *job, const struct event_facts *event,
                      struct job_spec **ret, struct diag_list *diags);

#endif
