// SPDX-License-Identifier: Apache-2.0
/* github_broker.h - a runner's conversation with the broker, in a courier: a session, a long poll,
 * jobs as they are handed out, wishes to cancel one.
 *
 * The courier holds the runner's key and token and parses what the broker says; the agent gets
 * frames (courier_process.h). It takes one job at a time: while one runs it only listens. */
#ifndef RUNNER_GITHUB_BROKER_H
#define RUNNER_GITHUB_BROKER_H

#include "courier/courier_process.h"
#include "github_runner.h"

enum github_broker_frame {
	/* from the courier */
	BROKER_JOB = 1, /* bytes: the job message; it is acquired, and ours to run */
	BROKER_CANCEL,  /* bytes: id of the job; a: seconds until it is ended by force */
	BROKER_TOLD,    /* bytes: a sentence for the operator */
	BROKER_OVER,    /* a: exit code; bytes: why. Nothing comes behind it */
	/* to the courier */
	BROKER_FREE, /* the job is over; another may come */
	BROKER_END,  /* no further job; end the session */
};

struct github_broker_work {
	const struct github_runner *runner;
	const char *ca;      /* a file with one more authority, or NULL */
	const char *version; /* that the runner reports */
	bool busy;           /* a job of it runs already */
};

/* courier_work.run of the courier; @arg: a github_broker_work. */
int github_broker_main(void *arg, int sock, const int *lent);

#endif
