// SPDX-License-Identifier: Apache-2.0
/* step_spec.h - the sandbox of a step, as its grant and its recipe ask for it: for the step at
 * hand, and for the one that is parked. */
#ifndef RUNNER_STEP_SPEC_H
#define RUNNER_STEP_SPEC_H

#include "grant/step_mounts.h"
#include "job.h"

/* The spec points into the rest, and borrows from everything it was made of. */
struct step_spec {
	struct sandbox_spec spec;
	struct step_mounts mounts;
	struct sandbox_file files[RECIPE_FILES_MAX + 1];
};

struct step_spec_of {
	const struct grant_terms *terms;
	const struct job_terms *compiled;
	const struct recipe *recipe;
	const struct step_view *view;
	const struct job_shell *shell; /* instead of the recipe's argv; NULL: none */
	const char *label;
	bool secret_files;   /* credentials will come as files */
	int out, err, input; /* of the step; @input <= 0: none */
};

void step_spec_make(const struct job *job, const struct step_spec_of *of, struct step_spec *ret);

#endif
