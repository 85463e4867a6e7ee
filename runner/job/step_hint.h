// SPDX-License-Identifier: Apache-2.0
/* step_hint.h - what a failing step's last lines say about the sandbox: a program that is not
 * there, a file behind a link that leads out of the view, sudo, a limit.
 *
 * Order of use: step_hint_line() for every line that the step prints; step_hint_tell() when it has
 * failed. A hint for the person who reads the log, from hostile text; nothing hangs on it.
 */
#ifndef RUNNER_STEP_HINT_H
#define RUNNER_STEP_HINT_H

#include "policy/policy_terms.h"

#include <stdbool.h>
#include <stddef.h>

enum { STEP_HINT_KEPT = 8192, STEP_HINT_NAME_MAX = 64 };

struct step_hint {
	char text[STEP_HINT_KEPT]; /* the last lines, each with its newline */
	size_t n;
};

struct step_hint_about {
	const char *path;        /* the step's PATH */
	const char *const *read; /* host directories that it sees besides; NULL-terminated */
	const char *policy;      /* path; NULL: none */
	/* What the step could have come up against; NULL: nothing is said of limits. */
	const struct step_limits *limits;
	uint64_t free_bytes; /* of the disk with the job's places, now */
	/* The log of a stranger's job is read by strangers: they hear what to do, and nothing of
	 * what the host has. */
	bool trusted;
	void (*tell)(void *arg, const char *line); /* one line for the step's own log */
	void *arg;
};

void step_hint_line(struct step_hint *h, const char *line, size_t len);
/* At most a few lines. @program: what drydock itself could not find to run the step by; NULL: the
 * step has run. */
void step_hint_tell(const struct step_hint *h, const char *program,
                    const struct step_hint_about *about);

/* Does @line say that a program was not found? Its name goes to @ret. */
bool step_hint_program(const char *line, char ret[STEP_HINT_NAME_MAX]);

#endif
