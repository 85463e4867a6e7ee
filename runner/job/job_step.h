// SPDX-License-Identifier: Apache-2.0
/* job_step.h - a step as it is run: a recipe under a grant. */
#ifndef RUNNER_JOB_STEP_H
#define RUNNER_JOB_STEP_H

#include "base/text_escape.h"
#include "grant/plan.h"
#include "job_shell.h"

enum { JOB_STEP_NAME_MAX = 160, JOB_STEP_SHOWN_MAX = 120 };

struct job_step {
	const struct grant *grant;
	const struct recipe *recipe;
	/* for people, as in the plan and in the names of logs: of the written step, which those
	 * that it brings share; a step that is skipped keeps its own */
	unsigned number;
	/* the written step itself; false: one that it brought (pre, post, inside an action). Such a
	 * step has the grant, and no lease: the policy names written steps */
	bool written;
	bool outlives_cancel, brings_sources; /* see job_script.h */
	/* of the grant, and for a step that it brought with a number behind it: unique in the job.
	 * The label is fit for a file and a cgroup, the ref is what the record calls the step */
	char label[JOB_STEP_NAME_MAX], ref[JOB_STEP_NAME_MAX];
	const char *name; /* of the recipe; hostile */
	/* the name for people: masked, escaped and shortened */
	char shown[TEXT_ESCAPE_MAX * JOB_STEP_SHOWN_MAX + 1];
	/* short for what is asked most */
	enum dd_phase phase;
	const struct grant_terms *terms;
	const struct grant_lease *leases;
	size_t n_leases;
	unsigned time_sec;             /* what is left to it */
	const struct job_shell *shell; /* what it is instead of its script; NULL: its script */
};

#endif
