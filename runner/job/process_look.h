// SPDX-License-Identifier: Apache-2.0
/* process_look.h - asks /proc about a step's processes from a process that can be abandoned.
 *
 * The kernel files that name a process (/proc/PID/cmdline and others) wait for locks which that
 * very process can hold for as long as it likes: two threads in mprotect(2) over a huge mapping
 * keep a reader for seconds. So the supervisor never reads them: it asks a child of its own, waits
 * a moment, and lets go. Who tried something is a hint for people; the clock, the output and
 * a cancel are not.
 *
 * Supervisor only; one for each step. Order of use: process_look_find() and process_look_at() at
 * will, process_look_end().
 */
#ifndef RUNNER_PROCESS_LOOK_H
#define RUNNER_PROCESS_LOOK_H

#include "process_find.h"

enum {
	PROCESS_LOOK_MS = 100, /* of one look: in far less it is done, or it hangs */
	/* of wall time, that looks may take at first, and then one part in so many: the step
	   decides how many processes and descriptors there are to look through, and who holds which
	   lock */
	PROCESS_LOOK_BURST_MS = 500,
	PROCESS_LOOK_SHARE = 10,
};

struct process_look {
	pid_t pid;  /* the child that looks; 0: none */
	int fd;     /* SEQPACKET to it */
	bool dying; /* it was killed and may not be dead: until then nobody looks */
	bool blind; /* it could not be started: nobody looks any more */
	uint32_t serial;
	int64_t spent_ms, last_ms;
};

#define PROCESS_LOOK_NONE                                                                          \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* As process_find() and process_describe(): @ret->pid 0 is an ordinary answer, and the one that a
 * slow look gives. */
void process_look_find(struct process_look *l, pid_t init, const struct process_try *what,
                       struct process_hint *ret);
void process_look_at(struct process_look *l, pid_t pid, struct process_hint *ret);
/* After the step's processes are dead, when nothing can hang any more. Safe when nothing was
 * started. */
void process_look_end(struct process_look *l);

#endif
