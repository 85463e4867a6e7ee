// SPDX-License-Identifier: Apache-2.0
/* job_cancel.c - reads the signals that cancel a job.
 *
 * Runs in: supervisor, between steps and while one runs. */
#include "job.h"

#include <sys/signalfd.h>
#include <unistd.h>

enum job_cancel job_cancel_read(struct job *job)
{
	struct signalfd_siginfo info;

	while (read(job->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		job->cancel = job->cancel || getppid() != job->keeper ? JOB_KILLED : JOB_CANCELLED;
	return job->cancel;
}
