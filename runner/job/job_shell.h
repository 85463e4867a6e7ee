// SPDX-License-Identifier: Apache-2.0
/* job_shell.h - a shell in the sandbox of one step, instead of the step's script: what
 * `drydock run --shell STEP` asks for.
 *
 * The step keeps its grant as it is: phase, gate, view, filter, limits, leases. It keeps its
 * environment and its directory, and the script lies where it would have been run from. Steps
 * before it run as ever, steps behind it do not: what a person did by hand is not published. Nor
 * does anything go to --out.
 *
 * Where the caller sits at a terminal, the step gets a pseudo terminal of its own, of the devpts of
 * its sandbox, and the supervisor hands bytes on between the two (step_shell.c). The caller's own
 * never reaches a step (P-05). Otherwise the caller's input is a pipe for the step, and what it
 * says goes the way of every step's output.
 */
#ifndef RUNNER_JOB_SHELL_H
#define RUNNER_JOB_SHELL_H

#include <stdbool.h>

struct job_shell {
	unsigned grant; /* of the step, by its number */
	const char *const
		*argv; /* of the shell, NULL-terminated; argv[0] is a path in the sandbox */
	int in;        /* of the caller, borrowed; read when something is there */
	/* in and out are the caller's terminal, opened anew: neither read nor write ever waits */
	bool terminal;
	int out;          /* only with a terminal */
	const char *term; /* its kind, for TERM; or NULL */
};

#endif
