// SPDX-License-Identifier: Apache-2.0
/* process_aim.h - what a program is about to speak with a host, and at which port, from its name
 * and its arguments.
 *
 * A query for a name says neither, and the line that would allow it has to hold both. Everything
 * read here is hostile text; what comes out is a number and a bit, for a line that a person reads
 * before it counts. Pure. Runs in the child that looks (process_look.h) and in the supervisor.
 */
#ifndef RUNNER_PROCESS_AIM_H
#define RUNNER_PROCESS_AIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_aim {
	uint16_t port; /* 0: not known */
	bool raw;      /* neither TLS nor HTTP/1 */
	/* by what the program is, or what was said of this very host; false: @port's own custom */
	bool known;
};

/* What @program (its file's base name) with @args (@len bytes, NULs between the arguments, the
 * first one its name) means with @host. @port: where it goes, if that is known already, else 0. */
struct process_aim process_aim(const char *program, const char *args, size_t len, const char *host,
                               uint16_t port);
/* The same from any text that may hold addresses, such as an environment or a script; without one
 * of @host in it: what @port alone says. */
struct process_aim process_aim_text(const char *text, size_t len, const char *host, uint16_t port);

#endif
