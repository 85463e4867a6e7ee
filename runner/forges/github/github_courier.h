// SPDX-License-Identifier: Apache-2.0
/* github_courier.h - a job's voice to GitHub: it keeps the lease of the job, tells which steps run,
 * brings logs and summaries, and says last what the job came to.
 *
 * A courier process of one job, locked; it holds the job's token, reads the spool (job_spool.h) and
 * is lent a file in which it remembers what the server has. It can die: another one goes on from
 * the spool. The job does not fail because a log cannot be brought. */
#ifndef RUNNER_GITHUB_COURIER_H
#define RUNNER_GITHUB_COURIER_H

#include "courier/courier_process.h"

enum github_courier_frame {
	COURIER_GO = 1, /* the lease is renewed: steps may run */
	COURIER_LOST,   /* bytes: why. The job is somebody else's, or ended: everything must end */
	COURIER_TOLD,   /* bytes: a sentence for the operator */
	COURIER_COMPLETE, /* the server has the result */
	COURIER_LEFT,     /* bytes: why it could not be brought; the server will find out */
};

enum { COURIER_LENT_DIR, COURIER_LENT_STATE, COURIER_LENT };

struct github_courier_work {
	const char *message; /* the job message; the courier reads ids, addresses and token of it */
	size_t len;
	const char *ca; /* or NULL */
};

/* courier_work.run; @lent: the directory of the spool, and the file to remember in. */
int github_courier_main(void *arg, int sock, const int *lent);

#endif
