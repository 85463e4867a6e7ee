// SPDX-License-Identifier: Apache-2.0
/* agent_jit.h - `drydock agent --once --jitconfig-file F`: one job of GitHub's, and the end. */
#ifndef RUNNER_AGENT_JIT_H
#define RUNNER_AGENT_JIT_H

struct agent_jit_args {
	const char *file;                                                /* "-": standard input */
	const char *config, *state_dir, *policy_dir, *ca_file, *version; /* or NULL */
};

/* An exit code. */
int agent_jit(const struct agent_jit_args *args);

#endif
