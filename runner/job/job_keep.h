// SPDX-License-Identifier: Apache-2.0
/* job_keep.h - what `drydock run --keep` leaves of steps that failed, for somebody to look at.
 *
 * STATE/keep/RUN/LABEL/ holds copies of the step's trees as they were when it ended (work, home,
 * tools, temp, tmp, var-tmp, channel), and beside them its log, its script, its environment and a
 * description. A copy, because later steps go on changing the job's trees, and because the job's
 * own belong to an id that the caller is not: in the copy everything is the caller's, for nobody
 * else to read. What a step could have left against whoever looks does not travel: setuid bits,
 * FIFOs, sockets, devices. No value of a credential does: environment and files lose those that
 * were granted in the job, in the form in which they were granted.
 *
 * It is bounded (files that are too large, steps of a run, runs), and what the bounds leave out is
 * told. It stays until somebody removes it; every start says that it is there.
 */
#ifndef RUNNER_JOB_KEEP_H
#define RUNNER_JOB_KEEP_H

#include "grant/step_mounts.h"
#include "job.h"

enum { JOB_KEEP_RUNS = 10, JOB_KEEP_STEPS = 5 };
#define JOB_KEEP_BYTES (10ULL << 30) /* of one step */

/* Before the job begins and after the reaper: tell what earlier runs left, remove what they did not
 * live to finish, and make room for this one. */
void job_keep_look(struct job *job);

/* After the last process of @step is dead and its leases are revoked. @view NULL: it came to no
 * view of its own, so what it would have shared is kept. Does nothing without job->keep, or when
 * the step did not fail or was cancelled. What goes wrong is told and changes nothing else.
 * @ret_path: where it is; "": nowhere. */
void job_keep_step(struct job *job, const struct job_step *step, const struct step_view *view,
                   const struct step_result *result, char ret_path[600]);

/* Where the kept steps of this run lie. */
void job_keep_place(const struct job *job, char *ret, size_t size);

#endif
