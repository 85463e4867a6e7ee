// SPDX-License-Identifier: Apache-2.0
/* step_park.h - one sandbox ahead: that of the step which the plan has next is built while this one
 * runs. */
#ifndef RUNNER_STEP_PARK_H
#define RUNNER_STEP_PARK_H

#include "grant/step_mounts.h"
#include "job_step.h"
#include "job.h"

/* The two ends of what a step prints: ours do not block, the step's are the step's own. On failure
 * none is open. */
int step_streams_make(const struct job *job, int ret_read[2], int ret_write[2], struct dd_err *err);

/* @step, whose view is @view, has begun: ask for the next one, where it cannot depend on anything
 * that this one does. Waits for nothing. What fails is kept for step_park_take(). */
void step_park_next(struct job *job, const struct job_step *step, const struct step_view *view);
/* 1: what was parked is what @spec asks for; it is *@ret as sandbox_begin() makes it, and @ret_read
 * are the read ends of its streams. 0: nothing is parked any more, build it. <0: it was meant for
 * this step and could not be built; it is not tried again. */
int step_park_take(struct job *job, const struct sandbox_spec *spec, struct sandbox *ret,
                   int ret_read[2], struct dd_err *err);
/* What is parked never runs. Before the job's zygotes and directories go. */
void step_park_drop(struct job *job);

#endif
