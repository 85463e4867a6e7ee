// SPDX-License-Identifier: Apache-2.0
/* replay.h - takes back what a dead process left at an issuer (C-09).
 *
 * lease_after_death(): keeper, when its supervisor died. lease_replay(): the next start of a job,
 * and `drydock revoke --all`, when all of a run died. */
#ifndef RUNNER_LEASE_REPLAY_H
#define RUNNER_LEASE_REPLAY_H

#include "lease.h"

/* What of @job's journal is open is taken back, with the key that its escrow has. @rec NULL: it
 * cannot be written to. Every outcome is told. */
void lease_after_death(const struct lease_job *job, struct record *rec, lease_tell_fn tell,
                       void *arg);

struct lease_replayed {
	unsigned taken_back, over, left; /* over: nobody can, or time has ended it */
	unsigned alive;                  /* journals of runs that live: not touched */
};

/* Every journal of @dir whose run is dead. The record of such a run gets its cred.revoke and its
 * end. @ret may be NULL. Fails only when @dir cannot be read. */
int lease_replay(const char *dir, lease_tell_fn tell, void *arg, struct lease_replayed *ret,
                 struct dd_err *err);

/* Close journal and escrow. */
void lease_job_done(struct lease_job *job);

#endif
