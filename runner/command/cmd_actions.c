// SPDX-License-Identifier: Apache-2.0
/* cmd_actions.c - `drydock actions lock WORKFLOW`: writes down which actions a workflow uses, by
 * digest and commit, for `run --locked`. Runs in: command line (an edge: it prints); runs nothing.
 */
#include "commands.h"

#include "base/exit_code.h"
#include "base/size_text.h"
#include "drydock/sandbox.h"
#include "forges/local/job_source.h"
#include "job/job_dirs.h"
#include "run_args.h"
#include "store/store.h"
#include "view/plan_print.h"

#include <stdlib.h>
#include <string.h>

struct actions_args {
	struct run_args run; /* first: the options that are shared read into it */
	const char *verb;
	bool all, days_given;
	unsigned long days;
};

enum { KEY_ALL = 0x300, KEY_DAYS, DAYS_MAX = 36500 };

static void check(const struct actions_args *a, struct argp_state *state)
{
	bool prune = a->verb && strcmp(a->verb, "prune") == 0;
	if (!a->verb)
		argp_error(state, "name a verb: lock WORKFLOW, or prune");
	else if (prune && a->all == a->days_given)
		argp_error(state, "prune: say --all or --days=N");
	else if (prune && a->run.workflow)
		argp_error(state, "prune is about the store, and takes no workflow");
	else if (!prune && (a->all || a->days_given))
		argp_error(state, "--all and --days are for prune");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct actions_args *a = state->input;
	char *end = NULL;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->run;
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb)
			return ARGP_ERR_UNKNOWN; /* the workflow is the shared parser's */
		a->verb = arg;
		if (strcmp(arg, "lock") != 0 && strcmp(arg, "prune") != 0)
			argp_error(state, "`%s` is no verb of actions: lock, prune", arg);
		a->run.workflow_optional = strcmp(arg, "prune") == 0;
		return 0;
	case KEY_ALL:
		a->all = true;
		return 0;
	case KEY_DAYS:
		a->days = strtoul(arg, &end, 10);
		a->days_given = true;
		if (*arg < '1' || *arg > '9' || *end || a->days > DAYS_MAX)
			argp_error(state, "--days: a number of days from 1, not `%s`", arg);
		return 0;
	case ARGP_KEY_END:
		check(a, state);
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

static int prune(const struct actions_args *a)
{
	struct store store = STORE_NONE;
	struct store_pruned gone = { .trees = 0 };
	struct dd_err err = { 0 };
	struct identity id;
	char dir[512], size[16];
	int r = identity_enter(&id, &err);
	if (r == 0)
		r = job_dirs_actions(a->run.state_dir, &id, dir, &err);
	if (r == 0)
		r = store_open(dir, &store, &err);
	if (r == 0)
		r = store_prune(&store, (unsigned)a->days, &gone, &err);
	store_close(&store);
	if (r < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return r == -EBUSY ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_HOST;
	}
	(void)printf("%u %s, %s removed\n", gone.trees, gone.trees == 1 ? "action" : "actions",
	             size_text(gone.bytes, size));
	return DRYDOCK_EXIT_OK;
}

static const struct argp_option options[] = {
	{ .name = "all", .key = KEY_ALL, .doc = "prune: everything" },
	{ .name = "days",
	  .key = KEY_DAYS,
	  .arg = "N",
	  .doc = "prune: what no run has used in so many days" },
	{ 0 },
};

int cmd_actions(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &run_args_argp },
		                                      { .argp = NULL } };
	static const struct argp parser = {
		.options = options,
		.parser = parse,
		.children = children,
		.args_doc = "lock WORKFLOW\nprune",
		.doc = "Write the actions of other repositories that WORKFLOW uses, and those that "
		       "they use, into " ACTIONS_LOCK_FILE " of the workspace: the digest and the "
		       "commit of each. `run --locked` runs no other. Or remove from this host "
		       "what was "
		       "fetched, or taken out of a mirror, and is not used any more."
	};
	struct actions_args args = { .run = { .dry_run = true, .whole = true, .fetch = true } };
	struct dd_err no_sandbox = { 0 };
	struct identity id;
	struct job_source *source = NULL;
	struct dd_err err = { 0 };

	argp_err_exit_status = DRYDOCK_EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (strcmp(args.verb, "prune") == 0)
		return prune(&args);
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
