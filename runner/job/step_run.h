// SPDX-License-Identifier: Apache-2.0
/* step_run.h - the life of one step: view, leases, sandbox, gate, run, end. */
#ifndef RUNNER_STEP_RUN_H
#define RUNNER_STEP_RUN_H

#include "job.h"

/* Run @step (whose shown name is made here, when its secrets are known) and fill @result and @left,
 * which must be empty (also when the step failed or was refused: that is no error here). An error
 * means that the job cannot go on: the record could not be written, or something of the step could
 * not be removed. Never returns while a process of the step lives. step_left_done() in any case. */
int step_run(struct job *job, struct job_step *step, struct step_result *result,
             struct step_left *left, struct dd_err *err);

struct step_room;
void step_room_free(struct step_room *room); /* of a job; NULL: no step has run */

/* From the next line of the step at hand on; from within its script's said() only. */
int step_run_mask(struct job *job, const char *value, size_t len, struct dd_err *err);

/* What the step at hand sees at @path, absolute, below one of the job's places or in the files of
 * its action; read while it runs, so anything may be there by now. A descriptor of a regular file,
 * or -errno: -ENXIO for a path that is in no place. From within said() only. */
int step_run_open(const struct job *job, const char *path, struct dd_err *err);

#endif
