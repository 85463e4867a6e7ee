// SPDX-License-Identifier: Apache-2.0
/* cmd_actions.c - `drydock actions lock WORKFLOW`: writes down which actions a workflow uses, by
 * digest and commit, for `run --locked`. Runs in: command line (an edge: it prints); runs nothing.
 */
#include "commands.h"

#include "base/exit_code.h"
#include "drydock/sandbox.h"
#include "forges/local/job_source.h"
#include "run_args.h"
#include "view/plan_print.h"

#include <string.h>

struct actions_args {
	struct run_args run; /* first: the options that are shared read into it */
	const char *verb;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct actions_args *a = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->run;
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb)
			return ARGP_ERR_UNKNOWN; /* the workflow is the shared parser's */
		a->verb = arg;
		if (strcmp(arg, "lock") != 0)
			argp_error(state, "`%s` is no verb of actions: lock", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->verb)
			argp_error(state, "name a verb and a workflow: lock WORKFLOW");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What could not be found cannot be written down: half a list would let the rest through unseen. */
static int tell_missing(const struct job_source *source)
{
	int n = 0;
	for (size_t i = 0; i < source->n_planned; i++)
		for (size_t k = 0; k < source->planned[i].spec->n_notes; k++) {
			const struct spec_note *note = &source->planned[i].spec->notes[k];
			char shown[2000];
			if (note->kind == SPEC_NOTE_UNSUPPORTED)
				continue;
			diag_escape(shown, sizeof(shown), note->text, strlen(note->text));
			(void)fprintf(stderr, "drydock: %s:%u:%u: %s\n", note->mark.file,
			              note->mark.line, note->mark.column, shown);
			n++;
		}
	return n;
}

int cmd_actions(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &run_args_argp },
		                                      { .argp = NULL } };
	static const struct argp parser = {
		.parser = parse,
		.children = children,
		.args_doc = "lock WORKFLOW",
		.doc = "Write the actions of other repositories that WORKFLOW uses, and those that "
		       "they use, into " ACTIONS_LOCK_FILE " of the workspace: the digest and the "
		       "commit of each. `run --locked` runs no other."
	};
	struct actions_args args = { .run = { .dry_run = true, .whole = true, .fetch = true } };
	struct dd_err no_sandbox = { 0 };
	struct identity id;
	struct job_source *source = NULL;
	struct dd_err err = { 0 };

	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (sandbox_check_filter("openat2", &err) < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return DRYDOCK_EXIT_HOST;
	}
	/* a mirror needs no sandbox: what must be fetched says that there is none */
	args.run.id = identity_enter(&id, &no_sandbox) == 0 ? &id : NULL;
	int code = job_source_load(&args.run, &source, stderr);
	if (code != 0)
		return code;
	if (tell_missing(source))
		code = DRYDOCK_EXIT_USAGE;
	else if (actions_lock_write(source->checkout.dir_fd, source->actions.found,
	                            source->actions.n_found, &err) < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		code = DRYDOCK_EXIT_INTERNAL;
	} else {
		(void)printf("%zu actions in %s/" ACTIONS_LOCK_FILE "\n", source->actions.n_found,
		             source->checkout.path);
	}
	job_source_free(source);
	return code;
}
