// SPDX-License-Identifier: Apache-2.0
/* cmd_agent.c - `drydock agent`: this host as a runner.
 *
 * Runs in: agent, with the identity of a run. */
#include "commands.h"

#include "agent/agent_config.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/identity.h"
#include "job/job_dirs.h"
#include "job/step_result.h"
#include "policy/policy_find.h"

#include <argp.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

struct args {
	const char *config, *policy_dir, *state_dir;
	bool check;
};

/* All that an agent needs before it asks anybody for anything. */
struct agent_world {
	struct identity id;
	char state[512];
	struct agent_config config;
	struct plan_arena *arena;
	struct registration regs[RUNNERS_MAX];
	size_t n_regs;
	struct diag_list diags;
};

static int complain(struct agent_world *world, const struct dd_err *err)
{
	char shown[sizeof(err->msg) * TEXT_ESCAPE_MAX + 1];
	diag_print_files(stderr, &world->diags);
	(void)text_escape(shown, err->msg, strlen(err->msg));
	if (world->diags.n == 0)
		(void)fprintf(stderr, "drydock: %s\n", shown);
	if (world->diags.n > 0 && err->blame == DD_BLAME_HOST)
		return DRYDOCK_EXIT_USAGE;
	return blame_rows[err->blame].exit_code;
}

/* What cannot be read was named by somebody, unless its reader knows better. */
static int named(struct dd_err *err, int r)
{
	if (r < 0 && err->blame == DD_BLAME_HOST)
		err->blame = DD_BLAME_CALLER;
	return r;
}

static int load(const struct args *args, struct agent_world *world, struct dd_err *err)
{
	int r = identity_enter(&world->id, err);
	if (r == 0)
		r = job_dirs_place(args->state_dir, &world->id, world->state, err);
	if (r < 0)
		return r;
	(void)dirname(world->state);
	r = named(err, agent_config_load(args->config, &world->config, &world->diags, err));
	if (r < 0)
		return r;
	world->arena = arena_new();
	r = named(err, registration_list(world->arena, world->state, world->regs, err));
	if (r < 0)
		return r;
	world->n_regs = (size_t)r;
	if (world->n_regs == 0)
		return named(err, dd_err_say(err, ENOENT,
		                             "no runner is registered in %s: `drydock register "
		                             "gitlab --url URL --token-file FILE` does it",
		                             world->state));
	r = agent_config_check(&world->config, world->regs, world->n_regs, &world->diags);
	if (r < 0)
		return named(err, dd_err_say(err, -r, "the configuration cannot be used"));
	if (args->policy_dir && access(args->policy_dir, R_OK | X_OK) < 0)
		return named(err, dd_err_set(err, errno, "the policies in %s", args->policy_dir));
	return named(err, policy_dir_check(args->policy_dir ? args->policy_dir : POLICY_DIR,
	                                   &world->diags, err));
}

static void show(const struct agent_world *world)
{
	for (size_t i = 0; i < world->n_regs; i++) {
		const struct registration *reg = &world->regs[i];
		const struct runner_config *config = agent_config_of(&world->config, reg->name);
		(void)printf("%s: runner %lld of %s (%s), %u job%s at a time\n", reg->name, reg->id,
		             reg->url, reg->forge, config->jobs, config->jobs == 1 ? "" : "s");
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	switch (key) {
	case 'f':
		a->config = arg;
		return 0;
	case 'p':
		a->policy_dir = arg;
		return 0;
	case 'S':
		a->state_dir = arg;
		return 0;
	case 'C':
		a->check = true;
		return 0;
	case ARGP_KEY_END:
		if (!a->check)
			argp_error(state,
			           "this build checks a configuration (--check), and runs no "
			           "jobs of forges yet");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_agent(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "config",
		  .key = 'f',
		  .arg = "FILE",
		  .doc = "the configuration (default: /etc/drydock/drydock.yml, where it is)" },
		{ .name = "policy-dir",
		  .key = 'p',
		  .arg = "DIR",
		  .doc = "where the policies are (default: /etc/drydock/policy.d)" },
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where registrations and running jobs are kept" },
		{ .name = "check",
		  .key = 'C',
		  .doc = "say whether configuration, registrations and policies can be used" },
		{ 0 }
	};
	static const struct argp argp = { .options = options,
		                          .parser = parse,
		                          .doc = "Run the jobs of the forges at which this host is "
		                                 "registered." };
	struct args args = { .check = false };
	struct agent_world world = { .arena = NULL };
	struct dd_err err = { .code = 0 };
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	int r = load(&args, &world, &err);
	int code = r < 0 ? complain(&world, &err) : DRYDOCK_EXIT_OK;
	if (r == 0)
		show(&world);
	diag_list_done(&world.diags);
	arena_free(world.arena);
	agent_config_free(&world.config);
	return code;
}
