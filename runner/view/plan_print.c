// SPDX-License-Identifier: Apache-2.0
/* plan_print.c - prints a plan as the command line asks for it. Runs in: command line (an edge: it
 * prints). */
#include "plan_print.h"

#include "base/exit_code.h"
#include "forges/local/job_source.h"

int plan_print(const struct run_args *args, const struct plan *plan)
{
	const struct plan_print_options how = { .rules = args->rules, .syscalls = args->syscalls };
	struct plan_shown shown = { 0 };
	struct dd_err err = { 0 };
	char text[sizeof(err.msg) * 4];
	if (plan_shown_load(plan, &shown, &err) < 0) {
		diag_escape(text, sizeof(text), err.msg, strlen(err.msg));
		(void)fprintf(stderr, "drydock: %s\n", text);
		return DRYDOCK_EXIT_USAGE;
	}
	int r = args->json ? plan_print_json(plan, &shown, how, stdout)
	                   : plan_print_text(plan, &shown, how, stdout);
	plan_shown_free(&shown);
	return r < 0 || fflush(stdout) != 0 ? DRYDOCK_EXIT_INTERNAL : DRYDOCK_EXIT_OK;
}
