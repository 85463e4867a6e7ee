// SPDX-License-Identifier: Apache-2.0
/* job_dirs.h - where one job lives on the host's disk, from its first byte to the last, also after
 * a crash.
 *
 * STATE/jobs/RUN/ is one directory a job, 0700. In it:
 * - lock: held (flock) by keeper and supervisor while either lives, and by nobody else. A directory
 *   whose lock can be taken belongs to a dead job, and the next start removes it (S-03).
 * - shared: the writable places of the job's fetch and build steps (step_mounts.h), each at the
 * path that it has in a sandbox; the places are the step id's, the directories above them are ours.
 * - pristine: the checkout as it was copied in; no step ever sees this one.
 * - step-NN-own: the same places of a push step; channel: what a step leaves, empty between steps.
 * - cgroup: the path of the job's cgroup, for whoever cleans up.
 *
 * STATE/keep/RUN/ is what `--keep` left of a job (job_keep.h): no job's directory, so it is never
 * reaped.
 *
 * SLOTS/NNN are lock files that hand out the ids of identity_slot(), one a running job; SLOTS
 * follows from the user alone, not from the state directory.
 */
#ifndef RUNNER_JOB_DIRS_H
#define RUNNER_JOB_DIRS_H

#include "drydock/identity.h"

#include <stdbool.h>

struct job_sinks;

struct job_dirs {
	char run[40];     /* unique: 20261121t213500z-1a2b3c4d */
	char root[512];   /* STATE/jobs/RUN */
	char logs[512];   /* where step logs go: LOGS/RUN */
	char record[512]; /* default place of the record: LOGS/RUN.jsonl */
	char keep[512];   /* STATE/keep; nobody has made it yet */
	int root_fd;
	int lock_fd;
	int slot_fd;
	unsigned slot;
};

#define JOB_DIRS_NONE                                                                              \
	{                                                                                          \
		.root_fd = -1, .lock_fd = -1, .slot_fd = -1                                        \
	}

/* Make the directories of a new job and take a slot. @state overrides the state directory (NULL:
 * /var/lib/drydock with logs in /var/log/drydock for root, the XDG state directory otherwise). */
int job_dirs_make(const char *state, const struct identity *id, struct job_dirs *ret,
                  struct dd_err *err);

/* Where job_dirs_make() would put them: the directory of all jobs. Makes nothing. */
int job_dirs_place(const char *state, const struct identity *id, char ret_dir[512],
                   struct dd_err *err);

/* STATE/actions, where actions of other repositories are kept; makes nothing. */
int job_dirs_actions(const char *state, const struct identity *id, char ret_dir[512],
                     struct dd_err *err);

/* STATE/leases, where the journals of credentials lie; makes nothing. */
int job_dirs_leases(const char *state, const struct identity *id, char ret_dir[512],
                    struct dd_err *err);

/* Make a sub-directory (one component) with @mode; returns an O_DIRECTORY fd owned by
 * the caller. */
int job_dirs_sub(const struct job_dirs *dirs, const char *name, mode_t mode, int *ret_fd,
                 struct dd_err *err);
/* Remove a sub-directory and all below it. */
int job_dirs_drop(const struct job_dirs *dirs, const char *name, struct dd_err *err);

/* Empty and remove the directory @name of @parent_fd, whatever a step left in it. Absent is done.
 */
int job_dirs_remove(int parent_fd, const char *name, struct dd_err *err);

/* Remember the job's cgroup where a later process finds it. */
int job_dirs_note_cgroup(const struct job_dirs *dirs, const char *cgroup, struct dd_err *err);

/* Remove everything of this job: cgroup, trees, lock. Keeper only (the supervisor may be dead);
 * idempotent. */
int job_dirs_destroy(struct job_dirs *dirs, struct dd_err *err);
void job_dirs_close(struct job_dirs *dirs);

/* Remove what dead jobs left. Returns how many, or -errno when the directory of the jobs cannot be
 * read. What cannot be removed is told to @sinks and stays for the next start. */
int job_dirs_reap(const char *state, const struct identity *id, const struct job_sinks *sinks,
                  struct dd_err *err);

#endif
