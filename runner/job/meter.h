// SPDX-License-Identifier: Apache-2.0
/* meter.h - watches `limits.disk` and `limits.files` of a running step.
 *
 * There is no quota that works on every file system without root, so the job's tree is measured
 * again and again: first after a second, later at most one part in twenty of the time. A step can
 * overshoot between two measurements; docs/threat-model.md says so.
 */
#ifndef RUNNER_METER_H
#define RUNNER_METER_H

#include "grant/plan.h"

struct meter {
	uint64_t files_max, bytes_max; /* 0: not limited */
	int root_fd;                   /* borrowed: the job's directory */
	pid_t init;                    /* pid 1 of the living step, for space without a name */
	int64_t next_ms;
	bool always; /* measure also without a limit */
	bool measured;
	uint64_t files, bytes; /* the largest seen */
};

void meter_start(struct meter *m, const struct step_limits *limits, int root_fd, bool always,
                 int64_t now_ms);
/* Measure once more, when no process of the step is left. */
int meter_last(struct meter *m, struct dd_err *err);
/* Milliseconds until the next call is due, or -1 when a limit is exceeded and @why says which. */
int64_t meter_check(struct meter *m, int64_t now_ms, char *why, size_t why_size);

#endif
