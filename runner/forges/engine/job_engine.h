// SPDX-License-Identifier: Apache-2.0
/* job_engine.h - runs the steps of one job of a workflow: its script (job/job_script.h).
 *
 * Order of use: job_engine_new() when plan and contexts are there; job_start() with
 * job_engine_script(); job_engine_free(). What a step may is its grant, made from the written text;
 * here its condition, environment, name, directory and script are computed the moment before it
 * runs, in GitHub's order, and what it left is read when it is dead.
 *
 * The script's functions run in the supervisor. All texts are hostile: the repository's, the
 * event's, and what earlier steps wrote. Every evaluation is bounded in time and memory.
 */
#ifndef RUNNER_JOB_ENGINE_H
#define RUNNER_JOB_ENGINE_H

#include "forges/actions/world.h"
#include "job/job_script.h"

struct job_engine;

/* @plan: of a job_spec whose steps are those of @what->job, one for one. Everything is borrowed. */
int job_engine_new(const struct actions_job *what, const struct actions_world *world,
                   const struct plan *plan, struct job_engine **ret, struct dd_err *err);
const struct job_script *job_engine_script(const struct job_engine *engine);
void job_engine_free(struct job_engine *engine); /* NULL is fine */

#endif
