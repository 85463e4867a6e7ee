// SPDX-License-Identifier: Apache-2.0
/* step_shell.h - hands bytes on between a caller and the shell that stands in for a step.
 *
 * Supervisor. Order of use: step_shell_new(), then around each poll of the step's loop
 * step_shell_poll() and step_shell_serve(), and step_shell_end() when the step's processes are
 * dead. Bounded in both directions: who does not read is not read from.
 */
#ifndef RUNNER_STEP_SHELL_H
#define RUNNER_STEP_SHELL_H

#include "drydock/err.h"
#include "job_shell.h"
#include "lease/mask.h"

#include <poll.h>
#include <stddef.h>

enum { STEP_SHELL_POLLS = 4 };

struct step_shell_spec {
	const struct job_shell *what; /* borrowed */
	struct mask *mask;            /* borrowed */
	int terminal;                 /* our end of the step's; owned from here on. -1: none */
	int input;                    /* else where its input goes; owned likewise */
	/* what it said, as it said it: for the log. -errno ends the step */
	int (*said)(void *arg, const char *bytes, size_t len, struct dd_err *err);
	void *arg;
};

struct step_shell;
/* Owns the descriptors of @spec also when it fails. The caller's terminal is raw from here on. */
int step_shell_new(const struct step_shell_spec *spec, struct step_shell **ret, struct dd_err *err);
void step_shell_poll(const struct step_shell *s, struct pollfd p[STEP_SHELL_POLLS]);
/* -EPIPE: the caller's terminal is gone. */
int step_shell_serve(struct step_shell *s, const struct pollfd p[STEP_SHELL_POLLS],
                     struct dd_err *err);
/* What the step's terminal still holds; then the caller's is as it was. */
int step_shell_end(struct step_shell *s, struct dd_err *err);
void step_shell_free(struct step_shell *s); /* NULL is fine */

/* The keeper's part: it outlives a supervisor that had no time to do it. */
struct step_shell_kept;
struct step_shell_kept *step_shell_remember(const struct job_shell *what);
void step_shell_restore(struct step_shell_kept *kept);

#endif
