// SPDX-License-Identifier: Apache-2.0
/* step_result.c - what outcomes are called; an empty result. */
#include "step_result.h"

#include <stddef.h>
#include <string.h>

const char *const step_outcome_names[STEP__OUTCOMES] = {
	[STEP_NOT_RUN] = "not run",     [STEP_SUCCEEDED] = "succeeded",
	[STEP_FAILED] = "failed",       [STEP_TIMED_OUT] = "timed out",
	[STEP_CANCELLED] = "cancelled", [STEP_OVER_LIMIT] = "over its limit",
	[STEP_REFUSED] = "refused",     [STEP_BROKEN] = "broken off",
};

void step_result_clear(struct step_result *result)
{
	memset(result, 0, offsetof(struct step_result, destinations));
}
