// SPDX-License-Identifier: Apache-2.0
/* step_result.c - what outcomes are called, what follows from a fault; an empty result. */
#include "step_result.h"

#include "base/exit_code.h"

#include <stddef.h>
#include <string.h>

const char *const step_outcome_names[STEP__OUTCOMES] = {
	[STEP_NOT_RUN] = "not run",     [STEP_SUCCEEDED] = "succeeded",
	[STEP_FAILED] = "failed",       [STEP_TIMED_OUT] = "timed out",
	[STEP_CANCELLED] = "cancelled", [STEP_OVER_LIMIT] = "over its limit",
	[STEP_REFUSED] = "refused",     [STEP_BROKEN] = "broken off",
};

const struct blame_row blame_rows[DD_BLAME__COUNT] = {
	[DD_BLAME_HOST] = { STEP_BROKEN, DRYDOCK_EXIT_HOST },
	[DD_BLAME_CALLER] = { STEP_BROKEN, DRYDOCK_EXIT_USAGE },
	[DD_BLAME_POLICY] = { STEP_REFUSED, DRYDOCK_EXIT_REFUSED },
	[DD_BLAME_STEP] = { STEP_FAILED, DRYDOCK_EXIT_JOB_FAILED },
};

void step_result_clear(struct step_result *result)
{
	memset(result, 0, offsetof(struct step_result, destinations));
}
