// SPDX-License-Identifier: Apache-2.0
/* github_agent.h - this host as a runner of GitHub's: session, job, result, end.
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
	/* One job, and its exit code; a signal cancels it. Otherwise one after the other, until a
	 * signal: then what runs is let finish, and a second one cancels it */
	bool once;
};

/* An exit code; of one job: 0 succeeded, 1 failed, 4 refused, 5 internal, 130 cancelled, also when
 * a signal came before a job did. @runner is wiped when the courier has it. */
int github_agent_run(const struct github_agent_args *args, struct github_runner *runner);

#endif
