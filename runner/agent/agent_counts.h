// SPDX-License-Identifier: Apache-2.0
/* agent_counts.h - what one job counts for its agent: memory that the agent shares with the job's
 * host, and the host with the processes of the job.
 *
 * Numbers only, of which the agent makes sums; it believes none of them further than that.
 */
#ifndef RUNNER_AGENT_COUNTS_H
#define RUNNER_AGENT_COUNTS_H

#include "drydock/phase.h"

#include <stdbool.h>
#include <stdint.h>

enum { COUNTS_BUCKETS = 9 };

struct agent_histogram {
	uint32_t buckets[COUNTS_BUCKETS]; /* the last without a bound */
	double seconds;
};

struct agent_counts {
	bool queued; /* the forge says how long the job waited */
	double queued_sec;
	struct agent_histogram steps[DD_PHASE__COUNT];
	uint32_t refused; /* lines of what was refused */
	uint32_t leases;  /* credentials that steps were given */
};

void agent_histogram_add(struct agent_histogram *h, double sec);

#endif
