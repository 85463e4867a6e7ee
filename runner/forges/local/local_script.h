// SPDX-License-Identifier: Apache-2.0
/* local_script.h - what `drydock run` runs: the steps as they are written, one after the other,
 * until one fails. */
#ifndef RUNNER_LOCAL_SCRIPT_H
#define RUNNER_LOCAL_SCRIPT_H

#include "job/job_script.h"

struct local_script {
	const struct plan *plan;
	size_t turn; /* of plan->grants: the next one */
	bool failed;
	struct job_script script; /* for job_start(); points back at this */
};

void local_script_init(struct local_script *local, const struct plan *plan);

#endif
