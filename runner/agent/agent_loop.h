// SPDX-License-Identifier: Apache-2.0
/* agent_loop.h - asks forges for jobs, hands each to a process of its own, and counts.
 *
 * Three kinds of processes below the agent: for each runner a courier that asks (it holds the
 * runner's token, and never a job's), for each job its *host* (it holds the ticket's lock, outlives
 * the agent, and has couriers and a keeper of its own). The agent itself parses nothing of a forge.
 */
#ifndef RUNNER_AGENT_LOOP_H
#define RUNNER_AGENT_LOOP_H

#include "agent_config.h"
#include "courier/courier_process.h"
#include "drydock/identity.h"
#include "ticket.h"

/* Between agent and a courier that asks. */
enum poll_frame {
	POLL_ASK = 1, /* agent */
	POLL_JOB,     /* a: its id; the message */
	POLL_NOTHING,
	POLL_AGAIN,     /* at once: a race was lost */
	POLL_BAD_TOKEN, /* with a sentence */
	POLL_TROUBLE,   /* with a sentence */
	POLL_TOKEN,     /* the runner has another one now: its bytes; a: when it ends */
};

struct agent_setup {
	const struct identity *id;
	const char *state, *policy_dir; /* policy_dir: NULL: the default */
	const char *system_id;
	const char *ca; /* a file of --ca-file; or NULL */
};

/* One runner: what its courier and the hosts of its jobs are told. */
struct agent_runner {
	const struct agent_setup *setup;
	struct registration reg;
	struct runner_config config;
	const char *authorities; /* one file with all that are trusted, or NULL: the system's */
};

/* What an agent has to know of a kind of forge. */
struct agent_forge {
	const char *name;
	/* in a locked courier: answers POLL_ASK until its socket is closed */
	int (*poll)(const struct agent_runner *runner, int sock);
	/* in a process of its own, with the ticket's lock: runs the job, or, where there is no
	 * message any more, tells the forge how it ended. An exit code of `agent --once` */
	int (*host)(const struct agent_runner *runner, struct ticket *ticket);
};

struct agent_run {
	const struct agent_setup *setup;
	const struct agent_forge *const *forges;
	size_t n_forges;
	struct agent_config *config;
	struct agent_runner *runners;
	size_t n_runners;
	bool once;
	/* read configuration and registrations again into the members above; false: what is there
	 * stays, and it has said why */
	bool (*reload)(void *arg, struct agent_run *run);
	void *arg;
};

/* Until it is asked to end, or, with @once, one job has ended. An exit code. */
int agent_loop(struct agent_run *run);

#endif
