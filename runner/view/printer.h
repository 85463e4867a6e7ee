// SPDX-License-Identifier: Apache-2.0
/* printer.h - standard output and standard error of a job, written by a process that may wait for
 * its reader, so that the supervisor never does.
 *
 * A terminal with ^S pressed, a pager, a log shipper that hangs: whoever writes to them waits, and
 * a supervisor that waits keeps no time limit and closes no gate. Between it and the printer is a
 * pipe of a bounded size (1 MiB where the host allows it). When it is full, the writer is patient
 * once, for half a second, so that a reader who is only slow loses nothing; then what is new is
 * left out, counted, and told as soon as there is room, or at the end.
 *
 * Order of use: printer_start() in the process that the user started, printer_put() there and in
 * its children, printer_end() once they are gone.
 */
#ifndef RUNNER_PRINTER_H
#define RUNNER_PRINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct printer_counts;

struct printer {
	int fd; /* of the pipe; -1: there is no process, we write ourselves */
	pid_t pid;
	struct printer_counts *counts; /* shared by all who use this printer */
	bool stalled;                  /* patience is used up until there is room */
	bool last_words;               /* the end of the job: may use what lines must leave free */
};

/* Where no process can be had, output goes out directly, and standard error says so. */
void printer_start(struct printer *ret);
/* @to is 1 or 2. All of @text or nothing, unless the reader stalls in the middle of a long one. */
void printer_put(struct printer *p, int to, const char *text, size_t len);
/* Waits until what was put is shown, at most half a second: somebody else is about to write there.
 */
void printer_settle(struct printer *p);
/* Waits for the reader as long as it reads; a reader that takes nothing for half a minute, and a
 * signal, end it, and what is lost then is told. */
void printer_end(struct printer *p);

#endif
