// SPDX-License-Identifier: Apache-2.0
/* github_agent.h - this host as a runner of GitHub's for one job: session, job, result, end.
 *
 * The agent only hands on: the broker's courier speaks with the server and holds the runner's key,
 * the job host runs the job. */
#ifndef RUNNER_GITHUB_AGENT_H
#define RUNNER_GITHUB_AGENT_H

#include "drydock/identity.h"
#include "github_runner.h"

struct github_agent_args {
	const struct identity *id;
	const char *state, *policy_dir, *ca; /* policy_dir, ca: or NULL */
	const char *version;                 /* that the runner reports; NULL: our own default */
};

/* Waits for a job, runs it, and ends: an exit code (0 succeeded, 1 failed, 4 refused, 5 internal,
 * 130 cancelled, also when a signal came before a job did). @runner is wiped when the courier has
 * it. */
int github_agent_once(const struct github_agent_args *args, struct github_runner *runner);

#endif
