// SPDX-License-Identifier: Apache-2.0
/* interrupt.h - lets long work on a tree notice that the job is to end: it was cancelled, or the
 * keeper died.
 *
 * Supervisor only. Nothing is consumed: whoever reads the signals later still finds them.
 */
#ifndef RUNNER_INTERRUPT_H
#define RUNNER_INTERRUPT_H

#include "drydock/err.h"

/* @signal_fd: borrowed, holds the signals that cancel a job, and SIGTERM when the keeper dies.
 * Before this call nothing interrupts. */
void interrupt_arm(int signal_fd);
/* 0: go on; -ECANCELED: stop as soon as nothing is left half done. Costs a system call. */
int interrupt_check(struct dd_err *err);

#endif
