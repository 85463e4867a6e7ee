// SPDX-License-Identifier: Apache-2.0
/* github_job.h - one job of GitHub's, from its message to its result: the job host.
 *
 * A process of its own for each job, forked by the agent. It reads the message, starts the courier
 * of the job and, once the lease is renewed, the keeper; it passes wishes to cancel on, ends
 * everything at once when the lease is lost, starts a courier again that died, and goes when the
 * server has the result. It holds no credential of another job, and the keeper that it forks has
 * neither the job's token nor the message any more. */
#ifndef RUNNER_GITHUB_JOB_H
#define RUNNER_GITHUB_JOB_H

#include "agent/agent_config.h"
#include "drydock/identity.h"

#include <stddef.h>

enum github_job_frame {
	GITHUB_JOB_CANCEL = 1, /* agent to job host; a: seconds until it is ended by force */
};

struct github_job_args {
	const struct identity *id;
	const char *state;      /* directory */
	const char *policy_dir; /* NULL: the host's own */
	const char *ca;         /* or NULL */
	struct agent_record record;
	char *message; /* is wiped */
	size_t len;
	int sock; /* to the agent */
};

/* In the job's own process; an exit code. */
int github_job_run(const struct github_job_args *args);

#endif
