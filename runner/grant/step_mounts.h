// SPDX-License-Identifier: Apache-2.0
/* step_mounts.h - which host directories a step sees, and where. One table, for `run`, for `plan`
 * and for the record. */
#ifndef RUNNER_STEP_MOUNTS_H
#define RUNNER_STEP_MOUNTS_H

#include "grant.h"

#include <sys/types.h>

/* The writable directories of a job. All steps of one trust share them, at the same paths: fetch
 * and build hand files on in them, push has its own. */
enum step_place_id {
	STEP_WORK = 0,
	STEP_HOME,
	STEP_TOOLS,
	STEP_TEMP,
	STEP_TMP,
	STEP_VAR_TMP,
	STEP_PLACE__COUNT
};
struct step_place {
	const char *target; /* in the sandbox; on the host the same path below the trust's tree */
	mode_t mode;
	const char *what; /* for people */
};
extern const struct step_place step_places[STEP_PLACE__COUNT];

/* What one step gets to see, as host paths for its mounts. */
struct step_view {
	char root[600]; /* the tree of the step's trust: its "/" */
	char place[STEP_PLACE__COUNT][600], channel[600];
};

/* Of sandbox.read, and the job's own directories: policy_limits.c accepts no more. */
enum {
	STEP_MOUNTS_OWN = STEP_PLACE__COUNT + 1 + RECIPE_SHOWN_MAX,
	STEP_MOUNTS_MAX = SANDBOX_READ_MAX + STEP_MOUNTS_OWN
};
_Static_assert((int)STEP_MOUNTS_MAX <= (int)SANDBOX_MOUNTS_MAX, "a launcher takes all of them");

struct step_mounts {
	struct sandbox_mount mount[STEP_MOUNTS_MAX];
	const char *digest[STEP_MOUNTS_MAX]; /* what stands for it; NULL: see there */
	size_t n;
	size_t left_out; /* no room: then there is no digest either, and so no step */
};

/* The strings are borrowed from @terms and @view; of @recipe what it is shown, and whether it has
 * a channel. */
void step_mounts_make(const struct grant_terms *terms, const struct recipe *recipe,
                      const struct step_view *view, struct step_mounts *ret);

/* SHA-256 (hex) over where each mount stands, what of the host is behind it, and its flags: what
 * step.start records. The job's own directories count by their place only, so two runs of one plan
 * have one digest. -E2BIG: there are more than a step can have. */
int step_mounts_digest(const struct grant_terms *terms, const struct step_mounts *mounts,
                       char ret[65], struct dd_err *err);

#endif
