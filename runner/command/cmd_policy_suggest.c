// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_suggest.c - `drydock policy suggest`: the smallest policy that recorded runs need, on
 * standard output.
 *
 * Runs in: command line (an edge: it prints). */
#include "cmd_policy.h"

#include "base/arena.h"
#include "input/diag.h"
#include "base/exit_code.h"
#include "advise/suggest.h"

#include <argp.h>
#include <stdlib.h>

enum { RECORDS_MAX = 1000 };

struct suggest_args {
	char **records;
	size_t n;
	const char *directory;
	struct suggest_options options;
};

static void complain(const char *text)
{
	char shown[2000];
	diag_escape(shown, sizeof(shown), text, strlen(text));
	(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* No failure: the policy is what the record needs. But whoever takes it for the whole is refused at
 * the next step. */
static void note_cut_short(const struct record_facts *facts)
{
	char cut[200], line[1000];
	if (!suggest_cut_short(facts, cut, sizeof(cut)))
		return;
	(void)snprintf(line, sizeof(line), "note: %.500s: %s; observe a run that succeeds",
	               facts->path, cut);
	complain(line);
}

static int print(const struct suggestion *made)
{
	int code = made->warnings[0] ? DRYDOCK_EXIT_REFUSED : DRYDOCK_EXIT_OK;
	for (size_t i = 0; made->warnings[i]; i++)
		complain(made->warnings[i]);
	if (fwrite(made->text, 1, made->len, stdout) != made->len || fflush(stdout) != 0)
		code = DRYDOCK_EXIT_INTERNAL;
	return code;
}

static int suggest(struct plan_arena *arena, const struct suggest_args *args)
{
	struct record_facts **facts = arena_array(arena, args->n, sizeof(struct record_facts *));
	struct suggestion made = { .text = NULL };
	struct dd_err err = { 0 };
	size_t n = 0;
	int r = 0;
	while (n < args->n && (r = record_facts_load(args->records[n], &facts[n], &err)) == 0)
		n++;
	if (r == 0)
		r = suggest_policy((const struct record_facts *const *)facts, n, &args->options,
		                   &made, &err);
	for (size_t i = 0; r == 0 && i < n; i++)
		note_cut_short(facts[i]);
	int code = r == 0 && made.text ? print(&made) : DRYDOCK_EXIT_INTERNAL;
	if (r < 0)
		complain(err.msg);
	else
		suggestion_done(&made);
	while (n > 0)
		record_facts_free(facts[--n]);
	return code;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct suggest_args *args = state->input;
	switch (key) {
	case 'd':
		args->directory = arg;
		return 0;
	case 'n':
		args->options.no_sets = true;
		return 0;
	case ARGP_KEY_ARGS:
		args->records = state->argv + state->next;
		args->n = (size_t)(state->argc - state->next);
		if (args->n > RECORDS_MAX)
			argp_error(state, "more than %d records", RECORDS_MAX);
		return 0;
	case ARGP_KEY_END:
		if (!args->n)
			argp_error(state, "which records?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_policy_suggest(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "directory",
		  .key = 'd',
		  .arg = "DIR",
		  .doc = "where the policy will stand: its egress/NAME.yml count (default: here)" },
		{ .name = "no-sets",
		  .key = 'n',
		  .doc = "list hosts, never `use:` what a package manager on this host is set to" },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "RECORD...",
		.doc = "Write the smallest policy that recorded runs need, with a comment for each "
		       "line. Exit status 0: a replay of the records under it "
		       "refuses nothing, 4: something that a run needed is left out (said on "
		       "standard error), 5: a record is broken."
	};
	struct suggest_args args = { .directory = "." };
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	struct plan_arena *arena = arena_new();
	args.options.set_dir = arena_printf(arena, "%s/", args.directory);
	int code = suggest(arena, &args);
	arena_free(arena);
	return code;
}
