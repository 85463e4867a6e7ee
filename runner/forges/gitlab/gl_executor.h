// SPDX-License-Identifier: Apache-2.0
/* gl_executor.h - drydock below GitLab's own runner, as its custom executor: the four calls.
 *
 * `prepare` plans the job and leaves a process that holds it: keeper and supervisor of any job of
 * drydock's, which wait for stages. `run` asks for one and passes its log on. `cleanup` ends the
 * job. STATE/executor/ID-DIGEST/ is what one call finds of another: its lock is held while the job
 * lives, so what a crash left is known by a lock that can be taken, and the next `config` removes
 * it. The digest is of the job's token: ids of two GitLabs can be the same, and a variable of the
 * job can say any id, so neither is asked.
 *
 * Not the runner's own scripts: they begin with every secret of the job. Sources are fetched, and
 * scripts are composed, as by drydock's own agent, from the message of the job.
 */
#ifndef RUNNER_GL_EXECUTOR_H
#define RUNNER_GL_EXECUTOR_H

#include "drydock/err.h"
#include "drydock/identity.h"

struct gl_executor {
	const struct identity *id;
	const char *state; /* directory */
	const char *policy_dir;
	const char *const *images; /* globs, NULL-terminated, or NULL: as in drydock.yml */
};

/* All return the exit status that the runner is to see. They print for the job's log. */
int gl_executor_config(const struct gl_executor *x);
int gl_executor_prepare(const struct gl_executor *x);
int gl_executor_run(const struct gl_executor *x, const char *stage);
int gl_executor_cleanup(const struct gl_executor *x);

#endif
