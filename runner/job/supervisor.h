// SPDX-License-Identifier: Apache-2.0
/* supervisor.h - one process per job: prepares the trees, runs the steps one after the other,
 * writes the record. */
#ifndef RUNNER_SUPERVISOR_H
#define RUNNER_SUPERVISOR_H

#include "job.h"

#include <signal.h>

/* Body of the supervisor process; returns its exit code. @keeper is the parent whose death cancels
 * the job; @cancelling are the signals (blocked) that do the same. */
int supervisor_main(struct job *job, pid_t keeper, const sigset_t *cancelling);

#endif
