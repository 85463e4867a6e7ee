// SPDX-License-Identifier: Apache-2.0
/* ticket.h - a job that was handed to this host, on disk from before it is acknowledged until its
 * forge knows how it ended.
 *
 * STATE/agent/NAME/, 0700: `message` (as it came, gone once the job's host has read it), `job`
 * (what is needed to tell the forge: id and token), `trace` (the log as the forge will have it),
 * `end` (how it ended, once it has), `lock`, held by the process of the job and by nobody else: a
 * ticket whose lock can be taken belongs to a job whose process is dead.
 */
#ifndef RUNNER_TICKET_H
#define RUNNER_TICKET_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { TICKET_NAME_MAX = 120, TICKETS_MAX = 1024 };

struct agent_counts;
struct ticket {
	char name[TICKET_NAME_MAX]; /* RUNNER.ID */
	char dir[640];
	int lock_fd;                 /* owned; open in agent and process of the job */
	struct agent_counts *counts; /* borrowed; NULL: nobody counts */
};

#define TICKET_NONE                                                                                \
	{                                                                                          \
		.lock_fd = -1                                                                      \
	}

/* Durable when it returns. */
int ticket_make(const char *state, const char *runner, long long id, const char *message,
                size_t len, struct ticket *ret, struct dd_err *err);
/* Take the lock of an old one. 1: it is ours; 0: somebody runs it; negative. */
int ticket_take(const char *state, const char *name, struct ticket *ret, struct dd_err *err);
/* The names of all; their number, or negative. */
int ticket_list(const char *state, char names[TICKETS_MAX][TICKET_NAME_MAX], struct dd_err *err);
/* The runner whose job it is: the name as far as its last dot. */
void ticket_runner(const char *name, char ret[TICKET_NAME_MAX]);
/* An agent died before the job was written down, and nobody has acknowledged it: there is nothing
 * to run and nothing to tell. */
bool ticket_is_empty(const struct ticket *t);
/* Everything of it goes. */
void ticket_remove(struct ticket *t);
void ticket_close(struct ticket *t);

int ticket_read(const struct ticket *t, const char *file, size_t max, char **ret, size_t *ret_len,
                struct dd_err *err);
int ticket_write(const struct ticket *t, const char *file, const char *bytes, size_t len,
                 struct dd_err *err);
void ticket_drop(const struct ticket *t, const char *file);
/* `trace`, to append and to read. */
int ticket_trace(const struct ticket *t, int *ret_fd, struct dd_err *err);

#endif
