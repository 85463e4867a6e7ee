// SPDX-License-Identifier: Apache-2.0
/* cmd_run.c - `drydock run`: from the command line to a job that the keeper can run.
 *
 * Runs in: the process that the user started, which becomes the keeper. Order: the outer user
 * namespace is entered before a byte of configuration is read; job_start() does the rest.
 */
#include "run_args.h"
#include "commands.h"
#include "view/console.h"
#include "base/exit_code.h"
#include "forges/local/job_source.h"
#include "forges/local/local_script.h"
#include "job/job_start.h"
#include "view/plan_print.h"

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

static int run_job(const struct run_args *args, const struct identity *id,
                   const struct job_source *source)
{
	struct local_script local;
	struct console console;
	const struct job_sink *const sinks[] = { console_sink(&console) };
	const char *const hide[] = { args->event, NULL };

	if (!sinks[0]) {
		fprintf(stderr, "drydock: %s\n", strerror(ENOMEM));
		return DRYDOCK_EXIT_INTERNAL;
	}
	local_script_init(&local, source->planned[0].plan);
	int code = job_start(&(struct job_request){ .plan = source->planned[0].plan,
	                                            .id = id,
	                                            .script = &local.script,
	                                            .sinks = sinks,
	                                            .n_sinks = ARRAY_LEN(sinks),
	                                            .checkout = &source->checkout,
	                                            .untracked = args->untracked,
	                                            .hide = hide,
	                                            .out = args->out,
	                                            .record = args->record,
	                                            .state_dir = args->state_dir,
	                                            .keep = args->keep,
	                                            .observe = args->observe });
	console_done(&console);
	return code;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &run_args_argp },
		                                      { .argp = NULL } };
	static const struct argp parser = { .children = children,
		                            .args_doc = "WORKFLOW",
		                            .doc = doc };
	struct identity id;
	struct dd_err err = { 0 };
	struct run_args args = { .workflow = NULL };
	struct job_source *source = NULL;

	if (hold_standard_fds() < 0)
		return DRYDOCK_EXIT_INTERNAL;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (!args.dry_run && (args.json || args.rules || args.syscalls)) {
		fprintf(stderr,
		        "drydock: --json, --rules and --syscalls are about a plan: say --dry-run "
		        "besides, or ask `drydock plan`; what a run did is in its record "
		        "(`drydock record show --json`)\n");
		return DRYDOCK_EXIT_USAGE;
	}
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
	int code = job_source_load(&args, &source, stderr);
	if (args.observe && args.dry_run)
		fprintf(stderr, "drydock: --observe changes nothing in a plan: this is what every "
		                "step gets when it is enforced\n");
	if (args.keep && args.dry_run)
		fprintf(stderr, "drydock: --keep changes nothing in a plan: it is about what a "
		                "failed step leaves\n");
	if (code == 0 && args.dry_run)
		code = plan_print(&args, source);
	else if (code == 0)
		code = run_job(&args, &id, source);
	job_source_free(source);
	return code;
}
