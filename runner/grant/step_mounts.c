// SPDX-License-Identifier: Apache-2.0
/* step_mounts.c - the mounts of a step besides the read-only host root.
 *
 * Pure. Nothing of the host is writable in a step but what stands here.
 */
#include "step_mounts.h"

#include "base/digest.h"
#include "model/places.h"

#include <string.h>

const struct step_place step_places[STEP_PLACE__COUNT] = {
	[STEP_WORK] = { PLACE_WORKSPACE, 0755,
	                "the workspace of the job: a copy, never the caller's own files" },
	[STEP_HOME] = { PLACE_HOME, 0755, "the home of the job" },
	[STEP_TOOLS] = { PLACE_TOOLS, 0755, "RUNNER_TOOL_CACHE, the tool directory of the job" },
	[STEP_TEMP] = { PLACE_TEMP, 0755, "RUNNER_TEMP of the job" },
	[STEP_TMP] = { PLACE_TMP, 01777, "temporary files of the job" },
	[STEP_VAR_TMP] = { PLACE_VAR_TMP, 01777, "temporary files of the job" },
};

static void add(struct step_mounts *m, const char *source, const char *target, unsigned flags)
{
	if (m->n == STEP_MOUNTS_MAX) {
		m->left_out++;
		return;
	}
	m->digest[m->n] = NULL;
	m->mount[m->n++] =
		(struct sandbox_mount){ .source = source, .target = target, .flags = flags };
}

/* A place that is a mount of its own: its files are in another tree, or what is shown of the host
 * would hide it (`read: [/opt]` the tool directory). */
static bool is_apart(const struct grant_terms *terms, enum step_place_id place)
{
	const char *target = step_places[place].target;
	for (size_t i = 0; terms->read && terms->read[i]; i++) {
		size_t len = strlen(terms->read[i]);
		if (strncmp(target, terms->read[i], len) == 0 && target[len] == '/')
			return true;
	}
	return place == STEP_WORK && terms->phase == DD_PHASE_PUSH &&
	       terms->view == WORKSPACE_SHARED;
}

void step_mounts_make(const struct grant_terms *terms, const struct recipe *recipe,
                      const struct step_view *view, struct step_mounts *ret)
{
	ret->n = ret->left_out = 0;
	/* sandbox.read comes first: a directory of the job always lies on top of one of the host.
	 */
	for (size_t i = 0; terms->read && terms->read[i]; i++)
		add(ret, terms->read[i], terms->read[i], SANDBOX_MOUNT_RO);
	for (enum step_place_id i = 0; i < STEP_PLACE__COUNT; i++)
		add(ret, view->place[i], step_places[i].target,
		    SANDBOX_MOUNT_RW | (is_apart(terms, i) ? 0 : SANDBOX_MOUNT_PLACE));
	if (recipe->channel)
		add(ret, view->channel, PLACE_CHANNEL, SANDBOX_MOUNT_RW);
	for (size_t i = 0; i < recipe->n_shown; i++) {
		add(ret, recipe->shown[i].source, recipe->shown[i].target, SANDBOX_MOUNT_RO);
		if (ret->n > 0)
			ret->digest[ret->n - 1] = recipe->shown[i].digest;
	}
}

int step_mounts_digest(const struct grant_terms *terms, const struct step_mounts *mounts,
                       char ret[65], struct dd_err *err)
{
	struct digest *digest = NULL;
	size_t of_host = 0;

	while (terms->read && terms->read[of_host])
		of_host++;
	if (mounts->left_out)
		return dd_err_say(err, E2BIG, "sandbox.read: %zu places, a step sees at most %d",
		                  of_host, SANDBOX_READ_MAX);
	int r = digest_new(&digest, err);
	if (r == 0)
		r = digest_start(digest, err);
	for (size_t i = 0; r == 0 && i < mounts->n; i++) {
		char line[1200];
		int n = snprintf(line, sizeof(line), "%s %s %u\n", mounts->mount[i].target,
		                 mounts->digest[i] ? mounts->digest[i]
		                 : i < of_host     ? mounts->mount[i].source
		                                   : "job",
		                 mounts->mount[i].flags);
		r = n < 0 || (size_t)n >= sizeof(line)
		            ? dd_err_say(err, ENAMETOOLONG, "mount %s has too long a path",
		                         mounts->mount[i].target)
		            : digest_update(digest, line, (size_t)n, err);
	}
	if (r == 0)
		r = digest_hex(digest, ret, err);
	digest_free(digest);
	return r;
}
