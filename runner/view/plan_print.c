// SPDX-License-Identifier: Apache-2.0
/* plan_print.c - prints a plan as the command line asks for it. Runs in: command line (an edge: it
 * prints). */
#include "plan_print.h"

#include "base/exit_code.h"
#include "forges/local/job_source.h"

#include <stdlib.h>
#include <string.h>

static int say(const struct dd_err *err)
{
	char text[sizeof(err->msg) * 4];
	diag_escape(text, sizeof(text), err->msg, strlen(err->msg));
	(void)fprintf(stderr, "drydock: %s\n", text);
	return DRYDOCK_EXIT_USAGE;
}

static int print_text(const struct job_source *source, const struct plan_shown *shown,
                      struct plan_print_options how)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < source->n_planned; i++) {
		if (i > 0)
			(void)fputc('\n', stdout);
		r = plan_print_text(source->planned[i].plan, &shown[i], how, stdout);
	}
	return r;
}

/* One job as an object of its own, where one was named; else all in one. */
static int print_json(const struct run_args *args, const struct job_source *source,
                      const struct plan_shown *shown, struct plan_print_options how)
{
	const struct plan **plans = calloc(source->n_planned + 1, sizeof(*plans));
	int r = -ENOMEM;
	for (size_t i = 0; plans && i < source->n_planned; i++)
		plans[i] = source->planned[i].plan;
	if (plans && args->job && source->n_planned == 1)
		r = plan_print_json(plans[0], shown, how, stdout);
	else if (plans)
		r = plan_print_jobs_json(plans, shown, source->n_planned, how, stdout);
	free(plans);
	return r;
}

int plan_print(const struct run_args *args, const struct job_source *source)
{
	const struct plan_print_options how = { .rules = args->rules, .syscalls = args->syscalls };
	struct plan_shown *shown = calloc(source->n_planned + 1, sizeof(*shown));
	struct dd_err err = { 0 };
	int code = shown ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_INTERNAL;

	for (size_t i = 0; code == 0 && i < source->n_planned; i++)
		if (plan_shown_load(source->planned[i].plan, &shown[i], &err) < 0)
			code = say(&err);
	if (code == 0 && (args->json ? print_json(args, source, shown, how)
	                             : print_text(source, shown, how)) < 0)
		code = DRYDOCK_EXIT_INTERNAL;
	for (size_t i = 0; shown && i < source->n_planned; i++)
		plan_shown_free(&shown[i]);
	free(shown);
	return fflush(stdout) != 0 ? DRYDOCK_EXIT_INTERNAL : code;
}
