// SPDX-License-Identifier: Apache-2.0
/* interrupt.h - lets long work on a tree notice that it must end: the job was cancelled, the keeper
 * died, or the step that made the work has no time left for it.
 *
 * Supervisor only. Nothing is consumed: whoever reads the signals later still finds them.
 */
#ifndef RUNNER_INTERRUPT_H
#define RUNNER_INTERRUPT_H

#include "drydock/err.h"

#include <stdint.h>

/* @signal_fd: borrowed, holds the signals that cancel a job, and SIGTERM when the keeper dies.
 * Before this call nothing interrupts. */
void interrupt_arm(int signal_fd);
/* The work that begins now has @ms milliseconds; 0: as long as it takes. */
void interrupt_within(int64_t ms);
/* 0: go on; -ECANCELED: stop as soon as nothing is left half done; -ETIME: likewise, the time of
 * interrupt_within() is over. Costs a system call. */
int interrupt_check(struct dd_err *err);

#endif
