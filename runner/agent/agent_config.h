// SPDX-License-Identifier: Apache-2.0
/* agent_config.h - drydock.yml: how this host runs the jobs of its forges.
 *
 * Everything in it is the operator's, nothing a job's. Without the file each registered runner
 * takes one job at a time. A mistake is an error with file, line and column; a runner that is named
 * and not registered is one (agent_config_check()).
 */
#ifndef RUNNER_AGENT_CONFIG_H
#define RUNNER_AGENT_CONFIG_H

#include "input/diag.h"
#include "registration.h"

#include <stdint.h>

enum { AGENT_JOBS_MAX = 256 };

/* What happens to jobs that run when the agent is asked to end. Zero loses nothing. */
enum agent_stop { AGENT_STOP_FINISH = 0, AGENT_STOP_INTERRUPT };

/* What becomes of the record of every job, beside the file itself. */
struct agent_record {
	const char *key;       /* a private key that signs its head in the end; NULL: none does */
	const char *const *to; /* collectors; NULL: none */
};

/* How one runner takes jobs; of `runners:` in the file, or the defaults. */
struct runner_config {
	const char *name; /* NULL: the defaults */
	struct diag_mark mark;
	unsigned jobs;             /* at one time */
	unsigned poll_sec;         /* between two questions that found nothing */
	uint64_t log_bytes;        /* of one job's log at the forge */
	const char *const *images; /* globs: an `image:` that this host's own root stands for */
	bool rotate; /* GitLab: a token that ends is replaced at three quarters of its life */
	const char *const *projects; /* globs: whose jobs are run; NULL: every one that is sent */
	struct agent_record record;  /* the same for all */
};

struct agent_config {
	struct plan_arena *arena;
	unsigned jobs; /* of all runners together, at one time */
	enum agent_stop stop;
	const char *metrics; /* a file for the node exporter, or NULL */
	struct agent_record record;
	struct runner_config *runners;
	size_t n_runners;
	struct runner_config defaults;
};

/* @path NULL: /etc/drydock/drydock.yml where it is. 0; -EINVAL with complaints in @diags; other
 * -errno. The caller frees also after a failure. */
int agent_config_load(const char *path, struct agent_config *ret, struct diag_list *diags,
                      struct dd_err *err);
/* The same from memory. Fuzzed. */
int agent_config_parse(const char *name, const char *text, size_t len, struct agent_config *ret,
                       struct diag_list *diags);
/* Does it fit what is registered? */
int agent_config_check(const struct agent_config *config, const struct registration *regs, size_t n,
                       struct diag_list *diags);
/* Of the runner @name. */
const struct runner_config *agent_config_of(const struct agent_config *config, const char *name);
void agent_config_free(struct agent_config *config);

#endif
