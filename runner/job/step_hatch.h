// SPDX-License-Identifier: Apache-2.0
/* step_hatch.h - the supervisor's side of one step's hatch: starts it with what the grant lets the
 * step, writes down what it reports, ends it; and hands the artifacts of a job to --out.
 *
 * Only a step whose recipe says so has one. A hatch that dies takes caches and artifacts from its
 * step and nothing else; that is told. */
#ifndef RUNNER_STEP_HATCH_H
#define RUNNER_STEP_HATCH_H

#include "hatch/hatch.h"
#include "job.h"

struct step_hatch {
	struct job *job;
	const struct job_step *step;
	struct hatch hatch;
	bool started, ready;
	void (*tell)(void *arg, const char *line); /* one line for the step's own log */
	void *tell_arg;
};
#define STEP_HATCH_NONE                                                                            \
	{                                                                                          \
		.hatch = HATCH_NONE                                                                \
	}

/* @listener becomes the callee's, and is closed when the step has no hatch. */
int step_hatch_start(struct step_hatch *sh, int listener, struct dd_err *err);
/* Wait until it serves. */
int step_hatch_open(struct step_hatch *sh, struct dd_err *err);
/* To poll; -1: nothing. */
int step_hatch_fd(const struct step_hatch *sh);
int step_hatch_serve(struct step_hatch *sh, struct dd_err *err);
/* Every process of the step is dead: what is being put into the store is ended, and told. */
int step_hatch_finish(struct step_hatch *sh, struct dd_err *err);
void step_hatch_destroy(struct step_hatch *sh);
/* Is @name a variable that the hatch sets, whatever the step's own text says? */
bool step_hatch_sets(const char *name);

/* What a step of @phase may of the store of the job, which is opened; whoever uses it says which
 * step that is. */
int job_store_spec(struct job *job, const struct grant_terms *terms, enum dd_phase phase,
                   struct hatch_spec *ret, struct dd_err *err);
int job_store_record(const struct job *job, const struct grant *grant, const struct hatch_event *e,
                     struct dd_err *err);
/* What the steps of the job uploaded, into the directory of --out. */
int job_store_out(struct job *job, struct dd_err *err);
void job_store_done(struct job_store *store);

#endif
