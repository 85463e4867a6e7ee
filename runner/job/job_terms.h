// SPDX-License-Identifier: Apache-2.0
/* job_terms.h - what of a grant depends only on its phase, compiled once for a job: the filter of
 * system calls and the rules of the network namespace.
 *
 * Supervisor only, before the first step; immutable afterwards. A profile that cannot be compiled
 * is found before anything runs, and not by the step that needs it.
 */
#ifndef RUNNER_JOB_TERMS_H
#define RUNNER_JOB_TERMS_H

#include "drydock/sandbox.h"
#include "grant/plan.h"

struct job_terms {
	const struct grant_terms *terms;
	struct seccomp_program
		*seccomp; /* shared by all that have the same profile and additions */
	struct net_plan *net;
	bool owns_seccomp;
};

/* A phase each, one more where nothing is run, and one of drydock's own step at the forge. */
enum { JOB_TERMS_MAX = 2 * DD_PHASE__COUNT + 1 };

struct job_terms_set {
	struct job_terms rows[JOB_TERMS_MAX];
	size_t n;
};

/* For every grant of @plan for which a process is started. @ask: what the filter asks about;
 * @observe: open the network for reporting. On failure @ret is empty. */
int job_terms_compile(const struct plan *plan, enum seccomp_ask ask, bool observe,
                      struct job_terms_set *ret, struct dd_err *err);
/* Never NULL for the terms of a grant of that plan. */
const struct job_terms *job_terms_of(const struct job_terms_set *set,
                                     const struct grant_terms *terms);
void job_terms_done(struct job_terms_set *set);

#endif
