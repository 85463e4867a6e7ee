// SPDX-License-Identifier: Apache-2.0
/* github_feed.h - the lines of the step that runs, to whoever looks at it in the forge now.
 *
 * A courier process of one job beside the one that must not fail (github_courier.h): it reads the
 * same spool, may be slow, may lose lines and may die, and nobody waits for it. Order of its life:
 * the lease is renewed, github_feed_main(), the end of its socket or of the job. */
#ifndef RUNNER_GITHUB_FEED_H
#define RUNNER_GITHUB_FEED_H

#include "courier/courier_process.h"

enum github_feed_frame {
	FEED_TOLD = 1, /* bytes: a sentence for the operator */
};

enum { FEED_LENT_DIR, FEED_LENT };

struct github_feed_work {
	const char *url;   /* wss:// */
	const char *token; /* of the job */
	const char *ca;    /* or NULL */
};

/* courier_work.run; @lent: the directory of the spool. */
int github_feed_main(void *arg, int sock, const int *lent);

/* "https://..." of "wss://..."; malloc'ed. NULL: it is none, and nothing is sent there. */
char *github_feed_url(const char *url);

#endif
