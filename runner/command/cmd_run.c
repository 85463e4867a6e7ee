// SPDX-License-Identifier: Apache-2.0
/* cmd_run.c - `drydock run`: from the command line to a job that the keeper can run.
 *
 * Runs in: the process that the user started, which becomes the keeper. Order: the outer user
 * namespace is entered before a byte of configuration is read; the plan is made and the host is
 * probed before anything is created.
 */
#include "run_args.h"
#include "commands.h"
#include "view/console.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "base/exit_code.h"
#include "base/named_path.h"
#include "job/keeper.h"
#include "lease/lease.h"
#include "forges/local/job_source.h"
#include "view/plan_print.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static const char doc[] = "Run a local workflow file: every step in fresh namespaces, the network "
			  "gate open for fetch, closed for build, reopened for push."
			  "\vExit codes: 0 job succeeded, 1 job failed, 2 usage or policy error, 3 "
			  "this host cannot enforce it, 4 refused by policy, "
			  "5 internal error, 130 cancelled.";

/* Features that only some policies ask for. */
static bool plan_needs(const struct plan *plan, const char *feature)
{
	for (size_t i = 0; i < plan->n_grants; i++) {
		const struct sandbox_limits *l = &plan->grants[i].terms->limits.sandbox;
		if ((l->memory_bytes && strcmp(feature, "memory") == 0) ||
		    (l->cpu_millis && strcmp(feature, "cpu") == 0))
			return true;
	}
	return false;
}

/* K-12: a feature that is missing is named before anything runs, with its remedy. There is no
 * best-effort mode. */
static int check_host(const struct plan *plan, bool observe, bool *ret_untold)
{
	const struct sandbox_feature *features;
	struct dd_err err = { 0 };
	int missing = 0;
	int n = sandbox_probe(&features, &err);

	if (n < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	for (int i = 0; i < n; i++) {
		bool asked = plan_needs(plan, features[i].name) ||
		             (observe && strcmp(features[i].name, "seccomp_notify") == 0);
		if (!features[i].present && strcmp(features[i].name, "seccomp_notify") == 0)
			*ret_untold = true;
		if (features[i].present || !(features[i].required || asked))
			continue;
		fprintf(stderr,
		        "drydock: this host cannot enforce it: %s (%s) is missing: %s. Remedy: "
		        "%s\n",
		        features[i].name, features[i].need, features[i].found, features[i].remedy);
		missing++;
	}
	if (missing)
		fprintf(stderr, "drydock: nothing was run; `drydock doctor` says more\n");
	return missing ? DRYDOCK_EXIT_HOST : 0;
}

/* A token that is not there is found now, and not by the last step after an hour of building. It is
 * read later, and checked once more then. */
static int check_credentials(const struct plan *plan)
{
	struct dd_err err = { 0 };

	if (lease_look(plan, &err) == 0)
		return 0;
	fprintf(stderr,
	        "drydock: %s\ndrydock: nothing was run; put the secret there, readable for the "
	        "user that runs drydock and nobody else, or take it from "
	        "another file with --secret NAME=FILE\n",
	        err.msg);
	return DRYDOCK_EXIT_HOST;
}

/* A closed standard descriptor would be taken by the first file that is opened, and then handed to
 * a step as its output. */
static int hold_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
}

/* Looked at before anything is made: a wrong directory is a wrong command line. */
static int check_workspace(const char *dir, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = named_open(dir, O_RDONLY | O_DIRECTORY, 0, &fd, NULL, err);
	return r < 0 ? dd_err_ctx(err, r, "the workspace") : 0;
}

static int prepare(const struct run_args *args, const struct identity *id, struct job *job,
                   struct dd_err *err)
{
	int r = job_dirs_reap(args->state_dir, id, err);

	if (r < 0)
		return r;
	if (r > 0)
		console_note("removed what %d earlier run%s left behind", r, r == 1 ? "" : "s");
	if ((r = job_dirs_make(args->state_dir, id, &job->dirs, err)) < 0)
		return r;
	job->record_path = args->record ? args->record : job->dirs.record;
	if ((r = record_open(job->record_path, job->dirs.run, job->plan->spec->id, &job->rec,
	                     err)) < 0)
		return r;
	record_limit(job->rec, job->plan->record_bytes);
	if ((r = identity_slot(id, job->dirs.slot, &job->gate_uid, &job->step_uid, err)) < 0)
		return r;
	job->results = calloc(job->plan->n_grants ? job->plan->n_grants : 1, sizeof(*job->results));
	return job->results ? 0 : dd_err_set(err, ENOMEM, "prepare the job");
}

static int run_job(const struct run_args *args, const struct identity *id,
                   const struct job_source *source, bool untold)
{
	struct dd_err err = { 0 };
	struct job job = {
		.plan = source->plan,
		.id = id,
		.dirs = JOB_DIRS_NONE,
		.workspace = args->workspace ? args->workspace : ".",
		.out = args->out,
		.event = args->event ? &source->event : NULL,
		.observe = args->observe,
		.calls_untold = untold,
		.tree = { .work_fd = -1, .pristine_fd = -1, .stamps = STAMPS_NONE },
		.signal_fd = -1,
	};
	int code = DRYDOCK_EXIT_HOST;

	if (check_workspace(job.workspace, &err) < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_USAGE;
	}
	int r = prepare(args, id, &job, &err);

	if (r == 0) {
		code = keeper_run(&job);
	} else {
		fprintf(stderr, "drydock: %s\n", err.msg);
		code = r == -EEXIST || r == -ELOOP ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_HOST;
		record_free(job.rec);
		(void)job_dirs_destroy(&job.dirs, &err);
		job_dirs_close(&job.dirs);
	}
	free(job.results);
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
	bool untold = false;

	if (hold_standard_fds() < 0)
		return DRYDOCK_EXIT_INTERNAL;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	console_init();
	/* whoever reads our output may go away; the job and its clean-up do not */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!args.dry_run && identity_enter(&id, &err) < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	int code = job_source_load(&args, &source, stderr);
	if (args.observe && args.dry_run)
		fprintf(stderr, "drydock: --observe changes nothing in a plan: this is what every "
		                "step gets when it is enforced\n");
	if (code == 0 && args.dry_run)
		code = plan_print(&args, source->plan);
	else if (code == 0 && (code = check_host(source->plan, args.observe, &untold)) == 0 &&
	         (code = check_credentials(source->plan)) == 0)
		code = run_job(&args, &id, source, untold);
	job_source_free(source);
	return code;
}
