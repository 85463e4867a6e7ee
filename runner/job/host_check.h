// SPDX-License-Identifier: Apache-2.0
/* host_check.h - can this host enforce the job's plan? In the process that becomes the keeper,
 * before anything is made and, when a run failed, after it. */
#ifndef RUNNER_HOST_CHECK_H
#define RUNNER_HOST_CHECK_H

#include "job.h"

/* 0, or DRYDOCK_EXIT_HOST: what is missing has been told, each with its remedy. Sets
 * @job->calls_untold. */
int host_check(struct job *job);
/* The supervisor ended with @code; if the host may be why, ask it everything and tell what is
 * missing. Returns the exit code of the run. */
int host_check_after(const struct job *job, int code);

#endif
