// SPDX-License-Identifier: Apache-2.0
/* step_park.h - one sandbox ahead: that of the step which the plan has next is built while this one
 * runs. */
#ifndef RUNNER_STEP_PARK_H
#define RUNNER_STEP_PARK_H

#include "grant/step_mounts.h"
#include "job_step.h"
#include "job.h"
#include "step_gate.h"

/* The two ends of what a step prints: ours do not block, the step's are the step's own. On failure
 * none is open. */
int step_streams_make(const struct job *job, int ret_read[2], int ret_write[2], struct dd_err *err);

/* Begin the tree that the job's steps have in common, whose places are made: while the workspace is
 * copied into it. What fails with it is told by the first step. */
int step_park_tree(struct job *job, struct dd_err *err);
/* @step, whose view is @view, has begun: ask for the next one, where it cannot depend on anything
 * that this one does. Waits for nothing. What fails is kept for step_park_take(). */
void step_park_next(struct job *job, const struct job_step *step, const struct step_view *view);
/* To poll for reading while @step runs; -1: nothing to wait for. */
int step_park_fd(const struct job *job);
/* When it is readable: the network of the parked sandbox stands, so its gate can start. What fails
 * is kept for step_park_take(). */
void step_park_serve(struct job *job);

/* What was parked, as far as it came. */
struct step_taken {
	struct sandbox sb;     /* as sandbox_begin() makes it */
	struct step_gate gate; /* gate.parked: it is running; the rest is the step's to fill in */
	int read[2];           /* of its streams */
};
/* 1: what was parked is what @spec asks for, and *@ret. 0: nothing is parked any more, build it.
 * <0: it was meant for this step and could not be built; it is not tried again. */
int step_park_take(struct job *job, const struct sandbox_spec *spec, struct step_taken *ret,
                   struct dd_err *err);
/* What is parked never runs. Before the job's zygotes and directories go. */
void step_park_drop(struct job *job);

#endif
