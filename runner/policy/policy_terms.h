// SPDX-License-Identifier: Apache-2.0
/* policy_terms.h - the values that a policy gives to steps, as every room above knows them. */
#ifndef RUNNER_POLICY_TERMS_H
#define RUNNER_POLICY_TERMS_H

#include "drydock/sandbox.h"
#include "input/diag.h"

#include <stdint.h>

enum lease_from { LEASE_FROM_FILE = 1, LEASE_FROM_ENV };
enum lease_as { LEASE_AS_ENV = 1, LEASE_AS_FILE };

/* Of so many variables of one step no rule that asks about them matches. */
enum { STEP_VARIABLES_MAX = 256 };

struct step_limits {
	struct sandbox_limits sandbox; /* what the kernel enforces per step */
	/* of the job's writable places, measured by the supervisor while a step runs */
	uint64_t files;
	uint64_t disk_bytes;   /* likewise */
	uint64_t log_bytes;    /* of one step's output; default 64 MiB */
	uint64_t record_bytes; /* of the job's record; the operator's alone */
	/* of one step: the smaller of policy `time` and timeout-minutes; default 360 min */
	unsigned time_sec;
};

/* what the repository's own .drydock.yml asked for and does not get (G-06); its texts are commit
 * content */
struct policy_narrowed {
	const char *key, *asked, *allowed;
	struct diag_mark mark; /* in that file */
	const char *why;
};

#endif
