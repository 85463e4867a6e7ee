// SPDX-License-Identifier: Apache-2.0
/* interrupt.c - one look at the descriptor of the cancelling signals.
 *
 * Runs in: supervisor. Why: a step decides how large its tree is, and to hash or to copy it can
 * take longer than anybody waits (G-07, X-08).
 */
#include "interrupt.h"

#include "drydock/clock.h"

#include <poll.h>
#include <time.h>

static int signals = -1;
static int64_t allowed_ms, until_ms; /* allowed_ms 0: no end */

void interrupt_arm(int signal_fd)
{
	signals = signal_fd;
}

void interrupt_within(int64_t ms)
{
	allowed_ms = ms;
	until_ms = ms ? dd_now_ms() + ms : 0;
}

int interrupt_check(struct dd_err *err)
{
	struct pollfd p = { .fd = signals, .events = POLLIN }; /* a negative fd is never ready */
	if (poll(&p, 1, 0) > 0)
		return dd_err_say(err, ECANCELED, "cancelled");
	if (allowed_ms && dd_now_ms() > until_ms)
		return dd_err_blame(
			err, DD_BLAME_STEP,
			dd_err_say(err, ETIME,
		                   "it is not done after %lld s, and no more is spent on what the "
		                   "step left: let it remove what it does not need",
		                   (long long)(allowed_ms / 1000)));
	return 0;
}
