// SPDX-License-Identifier: Apache-2.0
/* process_find.h - which process of a step tried it? Looked up in /proc the moment a refusal is
 * reported.
 *
 * A hint for the person who reads the log, never an input to a decision: the process may be gone,
 * may have handed its socket on, or may lie in argv. "Unknown" is an ordinary answer. Supervisor
 * only; needs CAP_SYS_PTRACE over the step's user namespace, which its creator has.
 */
#ifndef RUNNER_PROCESS_FIND_H
#define RUNNER_PROCESS_FIND_H

#include "process_aim.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_hint {
	pid_t pid;    /* as the host counts; 0 = unknown */
	char exe[64]; /* base name of the executable */
	/* shortened; printable ASCII only; query strings and user info of URLs cut out (L-08) */
	char argv[120];
	/* SIGSYS would end it: not where it is blocked, ignored or caught (proc_pid_status(5)) */
	bool sigsys_ends;
	struct process_aim aim; /* what it means with the host that it was asked about */
};

/* What somebody asks about a process that tried to reach something. */
struct process_try {
	uint8_t proto;     /* of @src_port: IPPROTO_TCP or IPPROTO_UDP */
	uint16_t src_port; /* the local port of the attempt, 0: not known */
	const char *host;  /* that it tried to reach, NULL or "": not known; then it has no aim */
	uint16_t port;     /* likewise */
};

/* @init: the step's pid 1. */
void process_find(pid_t init, const struct process_try *what, struct process_hint *ret);

/* What @pid (as the host counts) is, and how it would end; @ret->pid stays 0 when it is gone. The
 * number may have been given away meanwhile: the caller makes sure. */
void process_describe(pid_t pid, const struct process_try *what, struct process_hint *ret);

#endif
