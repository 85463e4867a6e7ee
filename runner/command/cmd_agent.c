// SPDX-License-Identifier: Apache-2.0
/* cmd_agent.c - `drydock agent`: this host as a runner.
 *
 * Runs in: agent, with the identity of a run. */
#include "commands.h"

#include "agent/agent_loop.h"
#include "agent_jit.h"
#include "agent_record.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/identity.h"
#include "drydock/sandbox.h"
#include "forges/github/github_agent.h"
#include "forges/github/message_json.h"
#include "forges/gitlab/gl_agent.h"
#include "job/job_dirs.h"
#include "job/step_result.h"
#include "policy/policy_find.h"

#include <argp.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
	const char *config, *policy_dir, *state_dir, *ca, *jitconfig, *runner_version;
	bool check, once;
};

/* All that an agent needs before it asks anybody for anything. */
struct agent_world {
	const struct args *args;
	struct identity id;
	char state[512], system_id[SYSTEM_ID_LEN + 1];
	struct agent_config config;
	struct plan_arena *arena;
	struct registration regs[RUNNERS_MAX];
	size_t n_regs;
	struct agent_setup setup;
	struct agent_runner *runners;
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

static int check_policies(struct agent_world *world, struct dd_err *err)
{
	const char *dir = world->args->policy_dir;
	if (dir && access(dir, R_OK | X_OK) < 0)
		return dd_err_set(err, errno, "the policies in %s", dir);
	return policy_dir_check(dir ? dir : POLICY_DIR, &world->diags, err);
}

/* Also a second time, while the agent runs: world is another one then. */
static int read_all(struct agent_world *world, struct dd_err *err)
{
	int r = agent_config_load(world->args->config, &world->config, &world->diags, err);
	if (r < 0)
		return r;
	world->arena = arena_new();
	r = registration_list(world->arena, world->state, world->regs, err);
	if (r < 0)
		return r;
	world->n_regs = (size_t)r;
	if (world->n_regs == 0)
		return dd_err_say(err, ENOENT,
		                  "no runner is registered in %s: `drydock register gitlab` or "
		                  "`drydock register github` does it",
		                  world->state);
	r = agent_config_check(&world->config, world->regs, world->n_regs, &world->diags);
	if (r < 0)
		return dd_err_say(err, -r, "the configuration cannot be used");
	r = agent_record_look(&world->config.record, err);
	return r < 0 ? r : check_policies(world, err);
}

static int load(struct agent_world *world, struct dd_err *err)
{
	int r = identity_enter(&world->id, err);
	if (r == 0)
		r = job_dirs_place(world->args->state_dir, &world->id, world->state, err);
	if (r < 0)
		return r;
	(void)dirname(world->state);
	return named(err, read_all(world, err));
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

/* ---- runners of GitHub's ---- */

static bool is_github(const struct registration *reg)
{
	return strcmp(reg->forge, "github") == 0;
}

static size_t count_github(const struct agent_world *world)
{
	size_t n = 0;
	for (size_t i = 0; i < world->n_regs; i++)
		n += is_github(&world->regs[i]);
	return n;
}

static int github_of(const struct agent_world *world, size_t i, struct github_agent_runner *ret)
{
	const struct registration *reg = &world->regs[i];
	struct dd_err err = { .code = 0 };
	char why[200];
	json_t *document = message_json_load(reg->token, strlen(reg->token), why, sizeof(why));

	*ret = (struct github_agent_runner){ .name = reg->name,
		                             .ca = world->runners[i].authorities };
	if (github_runner_of_json(document ? document : json_object(), &ret->runner, &err) == 0)
		return 0;
	(void)fprintf(stderr, "drydock: %s: %s\n", reg->name, err.msg);
	return -EINVAL;
}

static int github_list(const struct agent_world *world, struct github_agent_runner *ret)
{
	size_t n = 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < world->n_regs; i++)
		r = github_of(world, i, &ret[n++]);
	for (size_t i = 0; r < 0 && i < n; i++)
		github_runner_done(&ret[i].runner);
	return r < 0 ? r : (int)n;
}

static void github_used_up(void *arg, const char *name)
{
	const struct agent_world *world = arg;
	struct dd_err err = { .code = 0 };
	(void)registration_remove(world->state, name, &err); /* it was for one job */
}

/* ---- the agent ---- */

static int make_runners(struct agent_world *world, struct dd_err *err)
{
	char ca[700];
	world->runners = arena_array(world->arena, world->n_regs, sizeof(*world->runners));
	for (size_t i = 0; i < world->n_regs; i++) {
		const struct registration *reg = &world->regs[i];
		struct agent_runner *runner = &world->runners[i];
		*runner = (struct agent_runner){ .setup = &world->setup,
			                         .reg = *reg,
			                         .config = *agent_config_of(&world->config,
			                                                    reg->name) };
		if (!reg->ca && !world->setup.ca)
			continue;
		int r = authorities_write(world->state, reg->name, reg->ca, world->setup.ca, ca,
		                          err);
		if (r < 0)
			return named(err, r);
		runner->authorities = arena_strdup(world->arena, ca);
	}
	return 0;
}

/* The world that is there stays in use where the new one is wrong. Memory of the old one is kept:
 * hosts that were forked have their own, and a reload is rare. */
static bool reload(void *arg, struct agent_run *run)
{
	struct agent_world *world = arg;
	struct agent_world *next = calloc(1, sizeof(*next));
	struct dd_err err = { 0 };
	if (!next)
		return false;
	*next = *world;
	next->arena = NULL;
	next->diags = (struct diag_list){ .n = 0 };
	int r = named(&err, read_all(next, &err));
	if (r == 0 && count_github(next) != (count_github(world) > 0 ? next->n_regs : 0))
		r = dd_err_say(&err, ENOTSUP,
		               "the registrations are of another forge than those that this agent "
		               "began with: start it again");
	if (r == 0)
		r = make_runners(next, &err);
	if (r < 0) {
		(void)complain(next, &err);
		(void)fprintf(stderr, "drydock: the configuration stays as it was\n");
		return false;
	}
	for (size_t i = 0; i < next->n_regs; i++)
		next->runners[i].setup = &world->setup;
	run->config = &next->config;
	run->runners = next->runners;
	run->n_runners = next->n_regs;
	if (count_github(next) > 0)
		run->arg = next;
	return true;
}

static int github_reload(void *arg, struct github_agent_runner *ret)
{
	struct agent_world *world = arg;
	struct agent_run run = { .config = NULL };
	if (!reload(world, &run) || !run.arg)
		return -1;
	world->config.record = ((const struct agent_world *)run.arg)->config.record;
	return github_list(run.arg, ret);
}

/* How many of them ask: `jobs` of the configuration bounds them all, and each takes one. */
static size_t github_bound(const struct agent_world *world, size_t n)
{
	size_t most = world->config.jobs ? world->config.jobs : n;
	if (most < n)
		(void)fprintf(stderr,
		              "drydock: `jobs: %zu` of the configuration: %zu of %zu runners ask "
		              "for jobs\n",
		              most, most, n);
	return most < n ? most : n;
}

/* What the configuration says of one runner is about jobs that are asked for one by one. */
static int github_check(const struct agent_world *world)
{
	for (size_t i = 0; i < world->n_regs; i++) {
		const struct runner_config *c = agent_config_of(&world->config,
		                                                world->regs[i].name);
		if (!c->name)
			continue;
		(void)fprintf(stderr,
		              "drydock: %s:%u:%u: %s is a runner of GitHub's, which takes one job "
		              "at a time and as GitHub hands it out: nothing can be said of it "
		              "here (register more runners for more jobs)\n",
		              c->mark.file, c->mark.line, c->mark.column, c->name);
		return -EINVAL;
	}
	return 0;
}

static int run_github(struct agent_world *world)
{
	if (github_check(world) < 0)
		return DRYDOCK_EXIT_USAGE;
	struct github_agent_runner *list = calloc(RUNNERS_MAX, sizeof(*list));
	int n = list ? github_list(world, list) : -ENOMEM, code = DRYDOCK_EXIT_USAGE;

	if (n > 0) {
		size_t most = github_bound(world, (size_t)n);
		for (size_t i = most; i < (size_t)n; i++)
			github_runner_done(&list[i].runner);
		code = github_agent_run(
			&(struct github_agent_args){
				.id = &world->id,
				.state = world->state,
				.policy_dir = world->args->policy_dir,
				.version = world->args->runner_version,
				/* one runner for one job: the agent ends as the job did */
				.once = world->args->once || (n == 1 && list[0].runner.ephemeral),
				.stop = world->config.stop,
				.metrics = world->config.metrics,
				.used_up = github_used_up,
				.reload = github_reload,
				.arg = world,
				.record = &world->config.record,
			},
			list, most);
	}
	free(list);
	return code;
}

/* One agent speaks GitHub's protocol or GitLab's, for any number of runners. */
static int run_agent(struct agent_world *world, struct dd_err *err)
{
	static const struct agent_forge *const forges[] = { &gl_agent_forge };
	cgroup_leave_top();
	int r = system_id_get(world->state, world->system_id, err);
	if (r < 0)
		return complain(world, err);
	if (count_github(world) > 0 && world->n_regs > count_github(world))
		(void)dd_err_blame(err, DD_BLAME_CALLER,
		                   dd_err_say(err, ENOTSUP,
		                              "runners of GitHub's and of GitLab's need an agent "
		                              "each: register one kind with another --state-dir, "
		                              "and start an agent for that"));
	if (err->code)
		return complain(world, err);
	world->setup = (struct agent_setup){ .id = &world->id,
		                             .state = world->state,
		                             .policy_dir = world->args->policy_dir,
		                             .system_id = world->system_id,
		                             .ca = world->args->ca };
	if (make_runners(world, err) < 0)
		return complain(world, err);
	if (count_github(world) > 0)
		return run_github(world);
	struct agent_run run = { .setup = &world->setup,
		                 .forges = forges,
		                 .n_forges = ARRAY_LEN(forges),
		                 .config = &world->config,
		                 .runners = world->runners,
		                 .n_runners = world->n_regs,
		                 .once = world->args->once,
		                 .reload = reload,
		                 .arg = world };
	return agent_loop(&run);
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
	case 'c':
		a->ca = arg;
		return 0;
	case 'C':
		a->check = true;
		return 0;
	case '1':
		a->once = true;
		return 0;
	case 'j':
		a->jitconfig = arg;
		return 0;
	case 'V':
		a->runner_version = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->check && a->once)
			argp_error(state, "--check asks nobody for a job, so not also --once");
		else if (a->jitconfig && (!a->once || a->config))
			argp_error(state, "a just-in-time configuration is for one job and holds "
			                  "all of it: --once, and no --config");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A closed standard descriptor would be taken by the first file that is opened. */
static int hold_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
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
		{ .name = "ca-file",
		  .key = 'c',
		  .arg = "FILE",
		  .doc = "one more authority that is trusted for every forge" },
		{ .name = "once", .key = '1', .doc = "run one job, and end as it ended" },
		{ .name = "check",
		  .key = 'C',
		  .doc = "say whether configuration, registrations and policies can be used" },
		{ .name = "jitconfig-file",
		  .key = 'j',
		  .arg = "FILE",
		  .doc = "a just-in-time configuration of GitHub's; - is standard input" },
		{ .name = "runner-version",
		  .key = 'V',
		  .arg = "VERSION",
		  .doc = "the version that the runner reports to GitHub, which refuses old ones "
		         "(default: " GITHUB_RUNNER_VERSION ")" },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Run the jobs of the forges at which this host is registered."
		       "\vSIGTERM, SIGINT: ask for no more jobs, and end when those that run have "
		       "ended (or as `stop` of the configuration says); again: interrupt them. "
		       "SIGQUIT: let them finish. SIGHUP: read the configuration again.\n\n"
		       "Exit codes with --once: 0 job succeeded, 1 job failed, 4 refused by "
		       "policy, "
		       "5 internal error, 130 cancelled."
	};
	struct args args = { .check = false };
	struct agent_world world = { .args = &args };
	struct dd_err err = { .code = 0 };
	if (hold_standard_fds() < 0)
		return DRYDOCK_EXIT_INTERNAL;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	(void)signal(SIGPIPE, SIG_IGN);
	if (args.jitconfig)
		return agent_jit(&(struct agent_jit_args){ .file = args.jitconfig,
		                                           .config = args.config,
		                                           .state_dir = args.state_dir,
		                                           .policy_dir = args.policy_dir,
		                                           .ca_file = args.ca,
		                                           .version = args.runner_version });
	if (load(&world, &err) < 0)
		return complain(&world, &err);
	if (args.check)
		show(&world);
	return args.check ? DRYDOCK_EXIT_OK : run_agent(&world, &err);
}
