// SPDX-License-Identifier: Apache-2.0
/* gl_vars.h - the variables of a job as its scripts see them, and those that no script sees unless
 * the policy says so. */
#ifndef RUNNER_GL_VARS_H
#define RUNNER_GL_VARS_H

#include "gl_job.h"
#include "lease/lease.h"
#include "model/pair.h"

/* The job's token among the secrets, whatever variables say: no policy can name it. */
#define GL_TOKEN_NAME "drydock:job-token"

struct gl_vars {
	struct pair *plain; /* what every step sees, expanded */
	size_t n_plain;
	/* what is delivered by the policy alone: `from: { forge: NAME }`, expanded. The values are
	 * in @secret_memory, which each process has for itself: keeper and supervisor wipe theirs
	 */
	struct lease_forge_secret *secrets;
	size_t n_secrets;
	/* what no line of the job shows: a copy of every masked value, in @masked_memory, which
	 * the processes of the job share: one wipe is for all */
	struct lease_forge_secret *masked;
	size_t n_masked;
	char *secret_memory, *masked_memory;
	size_t secret_len;
};

/* What the runner itself says, besides what came. */
struct gl_runner_facts {
	const char *short_token;
};

int gl_vars_make(const struct gl_job *job, const struct gl_runner_facts *facts,
                 struct plan_arena *arena, struct gl_vars *ret, struct dd_err *err);
/* Of this process; @masked: and what is shared. */
void gl_vars_wipe(struct gl_vars *vars, bool masked);

/* $NAME and ${NAME} of @value; of a file the place that its value will be at. Pure. @ret_secret: it
 * took a secret along. */
char *gl_expand(struct plan_arena *arena, const struct gl_var *vars, size_t n, const char *value,
                bool *ret_secret);

#endif
