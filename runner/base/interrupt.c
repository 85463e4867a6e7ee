// SPDX-License-Identifier: Apache-2.0
/* interrupt.c - one look at the descriptor of the cancelling signals.
 *
 * Runs in: supervisor. Why: a step decides how large its tree is, and to hash or to copy it can
 * take longer than anybody waits (G-07, X-08).
 */
#include "interrupt.h"

#include <poll.h>

static int signals = -1;

void interrupt_arm(int signal_fd)
{
	signals = signal_fd;
}

int interrupt_check(struct dd_err *err)
{
	struct pollfd p = { .fd = signals, .events = POLLIN }; /* a negative fd is never ready */
	return poll(&p, 1, 0) > 0 ? dd_err_say(err, ECANCELED, "cancelled") : 0;
}
