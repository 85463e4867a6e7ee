// SPDX-License-Identifier: Apache-2.0
/* cmd_plan.c - `drydock plan WORKFLOW`: what every step would get; runs nothing. Runs in: command
 * line (an edge: it prints). */
#include "commands.h"

#include "base/exit_code.h"
#include "drydock/sandbox.h"
#include "view/plan_print.h"
#include "run_args.h"

int cmd_plan(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &run_args_argp }, { 0 } };
	static const struct argp argp = {
		.children = children,
		.args_doc = "WORKFLOW",
		.doc = "Print what every step would get, and run nothing."
	};
	struct run_args args = { .dry_run = true, .whole = true };
	struct job_source *source = NULL;
	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	struct dd_err err = { 0 };
	if (sandbox_check_filter("openat2", &err) < 0) {
		fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	int code = job_source_load(&args, &source, stderr);
	if (code != 0)
		return code;
	code = plan_print(&args, source);
	job_source_free(source);
	return code;
}
