// SPDX-License-Identifier: Apache-2.0
/* cmd_run.c - `drydock run`: from the command line to jobs that keepers can run.
 *
 * Runs in: the process that the user started, which becomes the keeper. Order: the outer user
 * namespace is entered before a byte of configuration is read; job_start() does the rest.
 */
#include "run_args.h"
#include "run_shell.h"
#include "commands.h"
#include "view/console.h"
#include "base/exit_code.h"
#include "forges/local/workflow_run.h"
#include "job/job_start.h"
#include "view/plan_print.h"
#include "view/workflow_table.h"

#include <fcntl.h>
#include <signal.h>

static const char doc[] = "Run a local workflow file: every step in fresh namespaces, the network "
			  "gate open for fetch, closed for build, reopened for push."
			  "\vExit codes: 0 job succeeded, 1 job failed, 2 usage or policy error, 3 "
			  "this host cannot enforce it, 4 refused by policy, "
			  "5 internal error, 130 cancelled.";

/* A closed standard descriptor would be taken by the first file that is opened, and then handed to
 * a step as its output. */
static int hold_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
}

/* What turns of a workflow have in common. */
struct run_common {
	const struct run_args *args;
	const struct identity *id;
	const struct job_source *source;
};

/* Writes down which record a job has, for whoever lists the jobs at the end. */
static void note_record(void *arg, const struct sink_job *job)
{
	(void)snprintf(arg, WORKFLOW_RECORD_MAX, "%s", job->record);
}

static int run_job(void *user, const struct workflow_turn *turn)
{
	const struct run_common *common = user;
	const struct run_args *args = common->args;
	struct run_shell shell;
	struct console console;
	struct dd_err err = { 0 };
	const struct job_sink clerk = { .arg = turn->told_record, .job_begins = note_record };
	const struct job_sink *const sinks[] = { console_sink(&console, turn->prefix), &clerk };
	const char *const hide[] = { args->event, NULL };

	if (!sinks[0]) {
		fprintf(stderr, "drydock: %s\n", strerror(ENOMEM));
		return DRYDOCK_EXIT_INTERNAL;
	}
	if (args->shell && turn->prefix) {
		console_done(&console);
		fprintf(stderr, "drydock: --shell is about one job: choose it with --job, and one "
		                "combination of a matrix with --matrix\n");
		return DRYDOCK_EXIT_USAGE;
	}
	if (args->shell &&
	    run_shell_make(turn->plan, args->shell, args->shell_program, &shell, &err) < 0) {
		console_done(&console);
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_USAGE;
	}
	int code = job_start(&(struct job_request){ .plan = turn->plan,
	                                            .id = common->id,
	                                            .script = turn->script,
	                                            .sinks = sinks,
	                                            .n_sinks = turn->told_record ? 2 : 1,
	                                            .checkout = &common->source->checkout,
	                                            .untracked = args->untracked,
	                                            .hide = hide,
	                                            .out = turn->out,
	                                            .record = turn->record,
	                                            .record_key = args->record_key,
	                                            .record_to = args->record_to,
	                                            .state_dir = args->state_dir,
	                                            .artifacts = turn->artifacts,
	                                            .shell = args->shell ? &shell.shell : NULL,
	                                            .keep = args->keep,
	                                            .observe = args->observe });
	if (args->shell)
		run_shell_done(&shell);
	console_done(&console);
	return code;
}

static void tell(void *user, const struct workflow_row *rows, size_t n, double sec)
{
	const struct run_common *common = user;
	workflow_table(common->source->jobs.name, rows, n, sec, stdout);
}

/* ---- options that are about what runs ---- */

enum { KEY_MATRIX = 0x200, KEY_JOBS }; /* without a short form */

static const struct argp_option options[] = {
	{ .name = "matrix",
	  .key = KEY_MATRIX,
	  .arg = "KEY=VALUE",
	  .doc = "of a matrix only the combinations with that value; may be repeated" },
	{ .name = "jobs",
	  .key = KEY_JOBS,
	  .arg = "N",
	  .doc = "how many jobs may run at one time (default: 1)" },
	{ 0 },
};

static unsigned parse_number(const char *arg, struct argp_state *state)
{
	char *end = NULL;
	unsigned long n = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || n == 0 || n > RUN_JOBS_AT_ONCE_MAX)
		argp_error(state, "--jobs: a number from 1 to %d, not `%s`", RUN_JOBS_AT_ONCE_MAX,
		           arg);
	return (unsigned)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = args;
		return 0;
	case KEY_MATRIX:
		run_args_add(args->picks, &args->n_picks, arg, state);
		return 0;
	case KEY_JOBS:
		args->at_once = parse_number(arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool is_about_a_plan(const struct run_args *args)
{
	return args->json || args->rules || args->syscalls;
}

/* An option that would change nothing is a mistake, and is told. */
static bool options_agree(const struct run_args *args)
{
	if (!args->dry_run && is_about_a_plan(args))
		fprintf(stderr,
		        "drydock: --json, --rules and --syscalls are about a plan: say --dry-run "
		        "besides, or ask `drydock plan`; what a run did is in its record "
		        "(`drydock record show --json`)\n");
	else if (args->dry_run && (args->n_picks || args->at_once))
		fprintf(stderr, "drydock: --matrix and --jobs are about a run: a plan shows every "
		                "combination, and runs none\n");
	else if (args->shell_program && !args->shell)
		fprintf(stderr, "drydock: --shell-program says which shell: instead of which step? "
		                "(--shell STEP)\n");
	else if (!args->dry_run && args->shell && args->at_once > 1)
		fprintf(stderr, "drydock: --shell is about one job, so not also --jobs\n");
	else
		return true;
	return false;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &run_args_argp },
		                                      { .argp = NULL } };
	static const struct argp parser = { .options = options,
		                            .parser = parse,
		                            .children = children,
		                            .args_doc = "WORKFLOW",
		                            .doc = doc };
	struct identity id;
	struct dd_err err = { 0 };
	struct run_args args = { .whole = true };
	struct job_source *source = NULL;

	if (hold_standard_fds() < 0)
		return DRYDOCK_EXIT_INTERNAL;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (!options_agree(&args))
		return DRYDOCK_EXIT_USAGE;
	/* whoever reads our output may go away; the job and its clean-up do not */
	(void)signal(SIGPIPE, SIG_IGN);
	if (sandbox_check_filter(args.dry_run ? "openat2" : NULL, &err) < 0) {
		fprintf(stderr, "drydock: %s\ndrydock: nothing was run\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	if (!args.dry_run && identity_enter(&id, &err) < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	args.id = args.dry_run ? NULL : &id;
	args.fetch = !args.dry_run;
	int code = job_source_load(&args, &source, stderr);
	if (args.observe && args.dry_run)
		fprintf(stderr, "drydock: --observe changes nothing in a plan: this is what every "
		                "step gets when it is enforced\n");
	if (args.keep && args.dry_run)
		fprintf(stderr, "drydock: --keep changes nothing in a plan: it is about what a "
		                "failed step leaves\n");
	if (args.shell && args.dry_run)
		fprintf(stderr, "drydock: --shell changes nothing in a plan: the shell gets what "
		                "its step gets\n");
	if (code == 0 && args.shell && source->n_planned != 1) {
		fprintf(stderr, "drydock: --shell is about one job, and this workflow has several: "
		                "choose with --job\n");
		code = DRYDOCK_EXIT_USAGE;
	}
	if (code == 0 && args.dry_run)
		code = plan_print(&args, source);
	else if (code == 0)
		code = workflow_run(&(struct workflow_request){
			.args = &args,
			.source = source,
			.id = &id,
			.run = run_job,
			.tell = tell,
			.user = &(struct run_common){ &args, &id, source },
		});
	job_source_free(source);
	return code;
}
