// SPDX-License-Identifier: Apache-2.0
/* step_mounts.c - the mounts of a step besides the read-only host root.
 *
 * Pure. Nothing of the host is writable in a step but what stands here.
 */
#include "step_mounts.h"

static void add(struct step_mounts *m, const char *source, const char *target, unsigned flags)
{
	if (m->n < STEP_MOUNTS_MAX)
		m->mount[m->n++] = (struct sandbox_mount){ .source = source, .target = target, .flags = flags };
}

void step_mounts_make(const struct plan_step *step, const struct step_view *view, struct step_mounts *ret)
{
	ret->n = 0;
	/* sandbox.read comes first: a directory of the job always lies on top of one of the host. */
	for (size_t i = 0; step->read && step->read[i]; i++)
		add(ret, step->read[i], step->read[i], SANDBOX_MOUNT_RO);
	add(ret, view->work, PLAN_WORKSPACE, SANDBOX_MOUNT_RW);
	add(ret, view->home, PLAN_HOME, SANDBOX_MOUNT_RW);
	add(ret, view->tools, PLAN_TOOLS, SANDBOX_MOUNT_RW);
	add(ret, view->temp, PLAN_TEMP, SANDBOX_MOUNT_RW);
}
