// SPDX-License-Identifier: Apache-2.0
/* job_rev.h - writes the files of a commit into the workspace: with git, in a sandbox.
 *
 * Supervisor, before the first step, when the workspace holds a .git and nothing else. What git
 * reads there is a stranger's (F-11), so it runs like a step with a closed gate, sees the workspace
 * and borrowed objects alone, and obeys no configuration but what is left of the copied one: no
 * hooks, no filters, no attributes of the host.
 */
#ifndef RUNNER_JOB_REV_H
#define RUNNER_JOB_REV_H

#include "job.h"

struct job_rev {
	struct tree_owner owner; /* of the workspace */
	const char *work;        /* which is here on the host */
};

/* -ECANCELED; otherwise @err says what git said, or which limit it met. */
int job_rev_checkout(struct job *job, const struct job_rev *how, struct dd_err *err);

#endif
