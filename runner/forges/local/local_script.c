// SPDX-License-Identifier: Apache-2.0
/* local_script.c - one written step after the other; the first failure ends the job, unless the
 * step says continue-on-error.
 *
 * Runs in: supervisor.
 */
#include "local_script.h"

static int local_next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                      enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct local_script *local = arg;
	(void)err;

	*ret_conclusion = local->failed ? JOB_FAILED : JOB_SUCCEEDED;
	if (local->failed || so_far->cancelled || local->turn == local->plan->n_grants)
		return 0;
	const struct grant *grant = &local->plan->grants[local->turn++];
	*ret = (struct step_order){ .grant = grant->index,
		                    .written = true,
		                    .recipe = &grant->written->recipe };
	return 1;
}

static int local_ended(void *arg, const struct step_order *order, const struct step_result *result,
                       const struct step_left *left, struct dd_err *err)
{
	struct local_script *local = arg;
	const struct grant *grant = &local->plan->grants[order->grant - 1];
	/* what a limit, a timeout or drydock itself ended is no failure that a step can foresee */
	bool forgiven = result->outcome == STEP_FAILED && grant->written->continue_on_error;
	(void)left;
	(void)err;

	local->failed = local->failed || (step_outcome_is_failure(result->outcome) && !forgiven);
	return 0;
}

void local_script_init(struct local_script *local, const struct plan *plan)
{
	*local = (struct local_script){ .plan = plan };
	local->script =
		(struct job_script){ .arg = local, .next = local_next, .ended = local_ended };
}
