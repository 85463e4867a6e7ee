// SPDX-License-Identifier: Apache-2.0
/* step_pids.h - which processes a step has, as /proc tells it.
 *
 * Supervisor and its looker, beside the living step. Nothing here waits for a lock that a process
 * of the step can hold: children, stat and comm are read, never cmdline or maps.
 */
#ifndef RUNNER_STEP_PIDS_H
#define RUNNER_STEP_PIDS_H

#include <stddef.h>
#include <sys/types.h>

/* @init (the step's pid 1) and all below it, at most @max, parents first. Returns how many. Bounded
 * in what it looks at, so of a step with very many threads it may find too few. */
size_t step_pids(pid_t init, pid_t *ret, size_t max);

/* Processes below @init that have not ended. @names: what the first few call themselves, as "a, b",
 * escaped; hostile text all the same, and not masked. */
size_t step_pids_alive(pid_t init, char *names, size_t size);

#endif
