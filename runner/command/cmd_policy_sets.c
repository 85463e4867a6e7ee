// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_sets.c - `drydock policy sets`: what each name that `use:` can take means on this
 * host, or why it means nothing here.
 *
 * Runs in: command line (an edge: it prints). The answers come from the function that the loader
 * asks. */
#include "cmd_policy.h"

#include "input/diag.h"
#include "policy/egress_sets.h"
#include "view/table.h"
#include "base/exit_code.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct sets_args {
	const char *name, *policy;
	bool json;
};

static const char *tls_name(enum egress_tls tls)
{
	return tls == EGRESS_TLS_RAW ? "raw" : "sni";
}

static void print_text(const struct egress_set_row *row, const struct egress_set *set,
                       const char *error)
{
	char shown[700];
	(void)printf("%s (%s)\n", row->name, row->what);
	if (error) {
		diag_escape(shown, sizeof(shown), error, strlen(error));
		(void)printf("  not on this host: %s\n", shown);
	}
	static const struct table_column columns[] = { { NULL, TABLE_LEFT }, { NULL, TABLE_WRAP } };
	struct table *table = table_new(columns, ARRAY_LEN(columns), 2, view_width());
	for (size_t i = 0; i < set->n; i++) {
		const struct egress_entry *e = &set->entries[i];
		char where[300], what[800];
		(void)snprintf(where, sizeof(where), "%.256s:%u%s", e->host, (unsigned)e->port,
		               e->tls == EGRESS_TLS_RAW ? ", raw" : "");
		(void)snprintf(what, sizeof(what), "%s (%s)", e->why, e->origin);
		table_row(table, (const char *const[]){ where, what });
	}
	if (table_print(table, stdout) < 0)
		(void)fputs("  no memory to list it\n", stdout);
	table_free(table);
}

static json_t *as_json(const struct egress_set_row *row, const struct egress_set *set,
                       const char *error)
{
	json_t *entries = json_array();
	for (size_t i = 0; i < set->n; i++) {
		const struct egress_entry *e = &set->entries[i];
		(void)json_array_append_new(entries,
		                            json_pack("{s:s, s:i, s:s, s:s, s:s}", "host", e->host,
		                                      "port", (int)e->port, "tls", tls_name(e->tls),
		                                      "why", e->why, "origin", e->origin));
	}
	return json_pack("{s:s, s:s, s:s?, s:o}", "name", row->name, "what", row->what, "error",
	                 error, "entries", entries);
}

/* 0, or the answer's error. */
static int show(const struct sets_args *args, const struct egress_set_row *row, const char *dir,
                json_t *list)
{
	struct plan_arena *arena = arena_new();
	struct egress_set set = { 0 };
	struct dd_err err = { 0 };
	int r = egress_set_ask(arena, row->name, dir, &set, &err);
	if (args->json)
		(void)json_array_append_new(list, as_json(row, &set, r < 0 ? err.msg : NULL));
	else
		print_text(row, &set, r < 0 ? err.msg : NULL);
	arena_free(arena);
	return r;
}

static int unknown(const char *name)
{
	char shown[200];
	const char *near = egress_set_nearest(name);
	diag_escape(shown, sizeof(shown), name, strlen(name));
	(void)fprintf(stderr, "drydock: there is no egress set `%s`%s%s%s\n", shown,
	              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
	return DRYDOCK_EXIT_USAGE;
}

/* A list of the operator's under a name that drydock does not know is a set too, if it is there. */
static int sets(const struct sets_args *args, const char *dir)
{
	const struct egress_set_row own = { .name = args->name,
		                            .what = "a list of the operator's" };
	json_t *list = json_array();
	int code = DRYDOCK_EXIT_OK;
	bool known = false;
	for (size_t i = 0; i < egress_set_rows_n; i++) {
		if (args->name && strcmp(args->name, egress_set_rows[i].name) != 0)
			continue;
		known = true;
		if (show(args, &egress_set_rows[i], dir, list) < 0 && args->name)
			code = DRYDOCK_EXIT_USAGE;
	}
	if (!known) {
		struct plan_arena *arena = arena_new();
		struct egress_set set;
		bool there = egress_set_ask(arena, args->name, dir, &set, NULL) == 0;
		arena_free(arena);
		code = there ? DRYDOCK_EXIT_OK : unknown(args->name);
		if (there)
			(void)show(args, &own, dir, list);
	}
	if (args->json && (json_dumpf(list, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF))
		code = DRYDOCK_EXIT_INTERNAL;
	json_decref(list);
	return code;
}

static error_t sets_parse(int key, char *arg, struct argp_state *state)
{
	struct sets_args *args = state->input;
	switch (key) {
	case 'J':
		args->json = true;
		return 0;
	case 'p':
		args->policy = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->name)
			argp_error(state, "one name at a time");
		args->name = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_policy_sets(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "json", .key = 'J', .doc = "print as JSON" },
		{ .name = "policy",
		  .key = 'p',
		  .arg = "FILE",
		  .doc = "as for this policy: lists in egress/ beside it come first" },
		{ 0 },
	};
	static const struct argp argp = { .options = options,
		                          .parser = sets_parse,
		                          .args_doc = "[NAME]",
		                          .doc = "Show what `use: NAME` means on this host: each "
		                                 "destination, why, and where that comes from." };
	struct sets_args args = { 0 };
	char dir[600];
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	const char *slash = args.policy ? strrchr(args.policy, '/') : NULL;
	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - args.policy) + 1 : 2,
	               slash ? args.policy : "./");
	return sets(&args, args.policy ? dir : NULL);
}
