// SPDX-License-Identifier: Apache-2.0
/* cmd_gitlab_executor.c - `drydock gitlab-executor`: what GitLab's own runner calls.
 *
 * Runs in: command line, below gitlab-runner, with the identity of a run. */
#include "commands.h"

#include "base/exit_code.h"
#include "drydock/identity.h"
#include "forges/gitlab/gl_executor.h"
#include "job/job_dirs.h"

#include <argp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_MAX = 32 };

struct args {
	const char *call, *script, *stage, *state_dir, *policy_dir;
	const char *images[IMAGES_MAX + 1];
	size_t n_images;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	const char **words[] = { &a->call, &a->script, &a->stage };
	bool runs;
	switch (key) {
	case 'S':
		a->state_dir = arg;
		return 0;
	case 'p':
		a->policy_dir = arg;
		return 0;
	case 'i':
		if (a->n_images == IMAGES_MAX)
			argp_error(state, "--image can be given %d times", IMAGES_MAX);
		else
			a->images[a->n_images++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= ARRAY_LEN(words))
			return ARGP_ERR_UNKNOWN;
		*words[state->arg_num] = arg;
		return 0;
	case ARGP_KEY_END:
		runs = a->call && strcmp(a->call, "run") == 0;
		if (!a->call || (runs != (a->stage != NULL)) || (!runs && a->script))
			argp_error(state, "say which call: config, prepare, run SCRIPT STAGE or "
			                  "cleanup");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int call(const struct args *a, const struct gl_executor *x)
{
	static const struct {
		const char *name;
		int (*run)(const struct gl_executor *x);
	} rows[] = { { "config", gl_executor_config },
		     { "prepare", gl_executor_prepare },
		     { "cleanup", gl_executor_cleanup } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(a->call, rows[i].name) == 0)
			return rows[i].run(x);
	if (strcmp(a->call, "run") == 0)
		return gl_executor_run(x, a->stage);
	(void)fprintf(stderr, "drydock: there is no call `%.40s` of a custom executor\n", a->call);
	return DRYDOCK_EXIT_USAGE;
}

int cmd_gitlab_executor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "policy-dir", 'p', "DIR", 0, "the policies (default /etc/drydock/policy.d)", 0 },
		{ "state-dir", 'S', "DIR", 0, "where state is kept", 0 },
		{ "image", 'i', "GLOB", 0,
		  "an `image:` that this host's own root stands for; more than once", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options,
		parse,
		"config|prepare|run SCRIPT STAGE|cleanup",
		"The calls of GitLab's own runner for its custom executor: each stage of a job "
		"runs in sandboxes of its own. docs/gitlab.md has the runner's configuration.",
		NULL,
		NULL,
		NULL
	};
	struct args args = { .call = NULL };
	struct identity id;
	struct dd_err err = { 0 };
	char state[512];
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int r = identity_enter(&id, &err);
	if (r == 0)
		r = job_dirs_place(args.state_dir, &id, state, &err);
	if (r < 0) {
		const char *status = getenv("SYSTEM_FAILURE_EXIT_CODE");
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return status && atoi(status) > 0 ? atoi(status) : DRYDOCK_EXIT_HOST;
	}
	return call(&args, &(struct gl_executor){ .id = &id,
	                                          .state = dirname(state),
	                                          .policy_dir = args.policy_dir,
	                                          .images = args.n_images ? args.images : NULL });
}
