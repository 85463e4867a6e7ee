// SPDX-License-Identifier: Apache-2.0
/* run_shell.h - what `run --shell STEP` makes of the caller's terminal, and which shell it is. */
#ifndef RUNNER_RUN_SHELL_H
#define RUNNER_RUN_SHELL_H

#include "grant/plan.h"
#include "job/job_shell.h"

struct run_shell {
	struct job_shell shell;
	const char *argv[6];
	char program[4200], term[64];
};

/* The shell instead of step @wanted of @plan; @program: "bash", "sh", a path, or NULL for the first
 * of the two that this host has. -EINVAL: no such step, or no such shell. */
int run_shell_make(const struct plan *plan, const char *wanted, const char *program,
                   struct run_shell *ret, struct dd_err *err);
void run_shell_done(struct run_shell *shell);

#endif
