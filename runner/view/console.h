// SPDX-License-Identifier: Apache-2.0
/* console.h - what the person at the terminal sees of a job: which step, which phase, what was let
 * out, what was refused and why.
 *
 * A sink of the job (job/job_sink.h): order of use console_sink(), run the job, console_done().
 * Text only, one line a call, colour on a terminal (NO_COLOR honoured). What is kept of a step for
 * the summary at the end is a row and its refusals, both bounded. A process of its own writes it
 * (printer.h), so that nobody here waits for a reader.
 */
#ifndef RUNNER_CONSOLE_H
#define RUNNER_CONSOLE_H

#include "job/job_sink.h"
#include "printer.h"

#include <stdio.h>

struct console_row;
struct console_attempt;

struct console {
	struct job_sink sink;
	struct printer printer;
	FILE *out, *err; /* through the printer, line by line */
	char prefix[64]; /* escaped, with what stands around it */
	bool inside[2];  /* of a line: of out, of err */
	const struct plan *plan;
	bool observe;
	bool raw;                 /* a step holds the caller's terminal (run --shell) */
	struct console_row *rows; /* of the steps that have ended */
	size_t n_rows, room_rows;
	struct console_attempt *attempts; /* what they were refused, or would have been */
	size_t n_attempts, room_attempts;
	size_t untold; /* for which there is no room */
};

/* Returns the sink of @console; NULL: there is no memory. @prefix: a name for the front of every
 * line, of several jobs that print at one time; NULL: none. */
const struct job_sink *console_sink(struct console *console, const char *prefix);
/* Waits until the output is read, as printer_end() does. */
void console_done(struct console *console);

#endif
