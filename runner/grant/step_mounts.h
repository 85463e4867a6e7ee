// SPDX-License-Identifier: Apache-2.0
/* step_mounts.h - which host directories a step sees, and where. One table, for `run`, for `plan`
 * and for the record. */
#ifndef RUNNER_STEP_MOUNTS_H
#define RUNNER_STEP_MOUNTS_H

#include "grant.h"

/* What one step gets to see, as host paths for its mounts. */
struct step_view {
	char work[600], home[600], tools[600], temp[600], channel[600];
};

/* Of sandbox.read, and the job's own directories: policy_limits.c accepts no more. */
enum { STEP_MOUNTS_OWN = 5, STEP_MOUNTS_MAX = SANDBOX_READ_MAX + STEP_MOUNTS_OWN };
_Static_assert((int)STEP_MOUNTS_MAX <= (int)SANDBOX_MOUNTS_MAX, "a launcher takes all of them");

struct step_mounts {
	struct sandbox_mount mount[STEP_MOUNTS_MAX];
	size_t n;
	size_t left_out; /* no room: then there is no digest either, and so no step */
};

/* The strings are borrowed from @terms and @view; of @recipe it only matters whether it has a
 * channel. */
void step_mounts_make(const struct grant_terms *terms, const struct recipe *recipe,
                      const struct step_view *view, struct step_mounts *ret);

/* SHA-256 (hex) over where each mount stands, what of the host is behind it, and its flags: what
 * step.start records. The job's own directories count by their place only, so two runs of one plan
 * have one digest. -E2BIG: there are more than a step can have. */
int step_mounts_digest(const struct grant_terms *terms, const struct step_mounts *mounts,
                       char ret[65], struct dd_err *err);

#endif
