// SPDX-License-Identifier: Apache-2.0
/* agent_metrics.h - what an agent counts, as a file for Prometheus' node exporter (textfile
 * collector). */
#ifndef RUNNER_AGENT_METRICS_H
#define RUNNER_AGENT_METRICS_H

#include "agent_counts.h"

#include <stddef.h>
#include <stdint.h>

enum { METRICS_POLLS = 8, METRICS_RESULTS = 5 };

struct agent_metrics {
	uint64_t polls[METRICS_POLLS]; /* by enum poll_frame */
	uint64_t jobs[METRICS_RESULTS];
	struct agent_histogram whole;  /* jobs, from message to end */
	struct agent_histogram queued; /* at the forge */
	struct agent_histogram steps[DD_PHASE__COUNT];
	uint64_t refused, leases;
	uint64_t written; /* how many of all these stand in the file */
	size_t running;
};

void agent_metrics_poll(struct agent_metrics *m, unsigned frame);
/* @code: of its host. */
void agent_metrics_job(struct agent_metrics *m, int code, double sec);
/* Of a job that has ended. */
void agent_metrics_counts(struct agent_metrics *m, const struct agent_counts *counts);
/* Whole or not at all, and only where something changed. @path NULL: nowhere. */
void agent_metrics_write(struct agent_metrics *m, const char *path, size_t running);

#endif
