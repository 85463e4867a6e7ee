// SPDX-License-Identifier: Apache-2.0
/* step_channel.h - the files in which a step leaves something for its front end: outputs,
 * environment, a summary.
 *
 * Made for one step, empty, in a directory that holds nothing else, at PLACE_CHANNEL in its
 * sandbox; read by the supervisor when every process of the step is dead; gone before the next
 * step. Order of use: make, run the step, read, hand to the script, free.
 *
 * The step owns the files and may do with them what it likes: fill the disk, leave a link, a FIFO
 * or nothing at all in their place. Nothing is followed, nothing is waited for, and a file is
 * handed on whole or not at all: half of a list of variables is another list.
 */
#ifndef RUNNER_STEP_CHANNEL_H
#define RUNNER_STEP_CHANNEL_H

#include "drydock/err.h"
#include "model/recipe.h"

#include <stdbool.h>
#include <stddef.h>

struct job;
struct job_step;

enum { STEP_CHANNEL_BYTES_MAX = 1024 * 1024 };

/* One of those files when the step is dead. */
struct step_file {
	const char *name;
	const char *bytes; /* NUL-terminated besides; NULL: not handed on, and @why says why */
	size_t len;
	char why[160];
};

struct step_left {
	struct step_file files[RECIPE_CHANNEL_MAX]; /* in the order of the recipe */
	size_t n;
};

/* Make the files that the recipe of @step names; it has some. @ret_dir: their directory, for the
 * mount. */
int step_channel_make(struct job *job, const struct job_step *step, char ret_dir[600],
                      struct dd_err *err);
/* That directory alone, empty: it is one for the whole job. */
int step_channel_begin(const struct job *job, char ret_dir[600], struct dd_err *err);
/* Nothing that @step wrote is left in it. The directory stays: the steps of a job find it mounted.
 * So do its files, empty, where the next step would find them made anew. */
int step_channel_clear(const struct job *job, const struct job_step *step, struct dd_err *err);
/* Only when no process of the step is left. What cannot be handed on says why in its row. */
void step_channel_read(struct job *job, const struct job_step *step, struct step_left *ret);
void step_left_done(struct step_left *left); /* wipes: a step may have left a secret */

#endif
