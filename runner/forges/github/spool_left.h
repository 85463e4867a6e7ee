// SPDX-License-Identifier: Apache-2.0
/* spool_left.h - spools of jobs whose host was killed, and what becomes of them. Agent.
 *
 * A spool is locked as long as the host or the courier of its job lives. One that nobody holds is
 * gone as soon as the server has the job's result, which its courier brings also without a host;
 * where it has not, nobody can bring it any more, and the spool is kept for a person to look at. */
#ifndef RUNNER_SPOOL_LEFT_H
#define RUNNER_SPOOL_LEFT_H

#include <stdbool.h>
#include <stdint.h>

enum { SPOOL_KEPT_DAYS = 7 };

/* `state` of a spool: what its courier remembers over its own death. */
struct spool_state {
	int64_t change_order;
	int64_t told, brought; /* so many records: their end; their logs and summaries */
	int64_t complete;      /* 1: the result was on its way; 2: the server has it */
};

/* How many are kept that nobody could bring. @state: of the agent. */
unsigned spools_clean(const char *state);
/* Hold it: whoever has a copy of @dir_fd does. */
void spool_hold(int dir_fd);

#endif
