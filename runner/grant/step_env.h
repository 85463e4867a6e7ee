// SPDX-License-Identifier: Apache-2.0
/* step_env.h - the environment of one step: the layers of its recipe, the policy's variables and
 * what leases need, laid over one another. For `plan` and for `run`.
 *
 * Made when it is needed and not kept: the layers are shared by all steps of a job, their product
 * is not. Nothing of the caller's environment is inherited.
 */
#ifndef RUNNER_STEP_ENV_H
#define RUNNER_STEP_ENV_H

#include "grant.h"

struct step_env_row {
	const char *name, *value;
	const char *origin; /* of the layer; "policy", "drydock" */
};

struct step_env {
	struct step_env_row *rows; /* one for each name, in the order in which names appeared */
	size_t n;
	struct plan_arena *arena;
};

/* @leases: what the step will hold; their variables are taken out of all layers, because the lease
 * wins, and a file lease is announced. @ret borrows from all of them; step_env_done(). */
void step_env_make(const struct recipe *recipe, const struct grant_terms *terms,
                   const struct grant_lease *leases, size_t n_leases, struct step_env *ret);
void step_env_done(struct step_env *env);

#endif
