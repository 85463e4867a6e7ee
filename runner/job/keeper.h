// SPDX-License-Identifier: Apache-2.0
/* keeper.h - outlives the supervisor and cleans what it leaves.
 *
 * The process that the user started becomes the keeper: it forks the supervisor, waits, forwards
 * signals, and when the supervisor is gone, however it went, sees to it that no process, cgroup or
 * directory of the job is left, and that the record has an end. If the keeper itself is killed, the
 * supervisor is told (parent-death signal) and cancels the job; what both leave is removed by the
 * next start.
 */
#ifndef RUNNER_KEEPER_H
#define RUNNER_KEEPER_H

#include "job.h"

/* Run the job to its end. Returns an exit code (exit_code.h). */
int keeper_run(struct job *job);

#endif
