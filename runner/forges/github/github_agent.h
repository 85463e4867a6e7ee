// SPDX-License-Identifier: Apache-2.0
/* github_agent.h - this host as runners of GitHub's: for each a session, one job after the other,
 * results, an end.
 *
 * The agent only hands on: for each runner a broker's courier speaks with the server and holds the
 * runner's key, for each job a job host runs it. A job host outlives an agent that dies; the next
 * agent finds its lock taken, and says that it is busy until that job is over. */
#ifndef RUNNER_GITHUB_AGENT_H
#define RUNNER_GITHUB_AGENT_H

#include "agent/agent_config.h"
#include "drydock/identity.h"
#include "github_runner.h"

struct github_agent_runner {
	struct github_runner runner; /* is wiped when its courier has it */
	const char *name;            /* of its registration, fit for a file */
	const char *ca;              /* a file with one more authority, or NULL */
};

struct github_agent_args {
	const struct identity *id;
	const char *state, *policy_dir; /* policy_dir: or NULL */
	const char *version;            /* that the runners report; NULL: our own default */
	/* One job, and its exit code; a signal cancels it. Otherwise one after the other, until a
	 * signal: then what runs is let finish (or as @stop says), and a second one cancels it */
	bool once;
	enum agent_stop stop;
	const char *metrics; /* a file, or NULL */
	/* A runner was one for one job, and has had it. NULL: nobody wants to know */
	void (*used_up)(void *arg, const char *name);
	/* SIGHUP: the runners that are registered now, at most RUNNERS_MAX; negative: as before.
	 * NULL: there is nothing to read again */
	int (*reload)(void *arg, struct github_agent_runner *ret);
	void *arg;
	const struct agent_record *record; /* of every job; NULL: as a run has it */
};

/* An exit code; of one job: 0 succeeded, 1 failed, 4 refused, 5 internal, 130 cancelled, also when
 * a signal came before a job did. */
int github_agent_run(const struct github_agent_args *args, struct github_agent_runner *runners,
                     size_t n);

#endif
