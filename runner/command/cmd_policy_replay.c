// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_replay.c - `drydock policy replay`: what a policy would have refused of runs that are
 * on record.
 *
 * Runs in: command line (an edge: it prints). Records are foreign: every text is escaped. */
#include "cmd_policy.h"

#include "base/exit_code.h"
#include "advise/replay.h"

#include <argp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { RECORDS_MAX = 1000 };

struct replay_args {
	const char *policy;
	char **records;
	size_t n;
	bool json, partial;
};

/* ---- for people ---- */

static void print_text(const char *text)
{
	char shown[1200];
	diag_escape(shown, sizeof(shown), text, strlen(text));
	(void)fputs(shown, stdout);
}

static void print_finding(const char *verdict, const struct replay_finding *f, bool with_record)
{
	(void)printf("%-8s ", verdict);
	if (with_record && f->record) {
		print_text(f->record);
		(void)fputs(": ", stdout);
	}
	if (f->step) {
		print_text(f->step);
		(void)fputs(": ", stdout);
	}
	if (f->seq)
		(void)printf("seq %" PRIu64 ": ", f->seq);
	(void)fputs(f->what, stdout);
	if (f->subject && *f->subject) {
		(void)fputc(' ', stdout);
		print_text(f->subject);
	}
	(void)fputs(": ", stdout);
	print_text(f->why);
	if (f->decided) {
		(void)fputs("\n         decided by ", stdout);
		print_text(f->decided);
	}
	(void)fputc('\n', stdout);
}

static const struct list_row {
	const char *verdict, *key;
	size_t offset;
} list_rows[] = {
	{ "refused", "refused", offsetof(struct replay, refused) },
	{ "unknown", "unknown", offsetof(struct replay, unknown) },
	{ "note", "notes", offsetof(struct replay, notes) },
};

static const struct replay_list *list_of(const struct replay *r, const struct list_row *row)
{
	return (const struct replay_list *)(const void *)((const char *)r + row->offset);
}

static void print_all(const struct replay *r, const struct replay_args *args)
{
	for (size_t i = 0; i < ARRAY_LEN(list_rows); i++) {
		const struct replay_list *list = list_of(r, &list_rows[i]);
		for (size_t k = 0; k < list->n; k++)
			print_finding(list_rows[i].verdict, &list->items[k], args->n > 1);
	}
	(void)printf("%zu facts of %zu record%s: %zu would be refused, %zu cannot be judged%s, %zu "
	             "note%s\n",
	             r->judged, args->n, args->n == 1 ? "" : "s", r->refused.n, r->unknown.n,
	             args->partial && r->unknown.n ? " (--partial)" : "", r->notes.n,
	             r->notes.n == 1 ? "" : "s");
}

/* ---- for tools ---- */

static json_t *list_json(const struct replay_list *list)
{
	json_t *all = json_array();
	for (size_t i = 0; i < list->n; i++) {
		const struct replay_finding *f = &list->items[i];
		(void)json_array_append_new(
			all,
			json_pack("{s:s?, s:s?, s:I, s:s, s:s?, s:s?, s:s?}", "record", f->record,
		                  "step", f->step, "seq", (json_int_t)f->seq, "what", f->what,
		                  "subject", f->subject, "why", f->why, "decided", f->decided));
	}
	return all;
}

static int print_json(const struct replay *r, bool ok)
{
	json_t *root = json_pack("{s:b, s:I}", "ok", ok, "judged", (json_int_t)r->judged);
	for (size_t i = 0; root && i < ARRAY_LEN(list_rows); i++)
		(void)json_object_set_new(root, list_rows[i].key,
		                          list_json(list_of(r, &list_rows[i])));
	int w = root ? json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;
	json_decref(root);
	return w == 0 && fputc('\n', stdout) != EOF ? 0 : -EIO;
}

/* ---- the command ---- */

static void complain(const char *text)
{
	char shown[1200];
	diag_escape(shown, sizeof(shown), text, strlen(text));
	(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* 0 or an exit code. */
static int load_policy(const char *path, struct policy **ret)
{
	struct diag_list diags = { 0 };
	struct dd_err err = { 0 };
	int r = policy_load(path, ret, &diags, &err);
	if (r < 0) {
		diag_print_files(stderr, &diags);
		if (diags.n == 0)
			complain(err.msg);
	}
	diag_list_done(&diags);
	return r < 0 ? DRYDOCK_EXIT_USAGE : 0;
}

static int add_record(struct replay *r, const char *path)
{
	struct record_facts *facts = NULL;
	struct dd_err err = { 0 };
	int code = 0;
	if (record_facts_load(path, &facts, &err) < 0)
		code = DRYDOCK_EXIT_INTERNAL;
	else if (replay_add(r, facts, &err) < 0)
		code = DRYDOCK_EXIT_USAGE;
	if (code)
		complain(err.msg);
	record_facts_free(facts);
	return code;
}

static int replay(const struct replay_args *args)
{
	struct policy *policy = NULL;
	int code = load_policy(args->policy, &policy);
	if (code)
		return code;
	struct replay *r = replay_new(policy);
	for (size_t i = 0; i < args->n && code == 0; i++)
		code = add_record(r, args->records[i]);
	if (code == 0) {
		bool ok = r->refused.n == 0 && (args->partial || r->unknown.n == 0);
		replay_end(r);
		code = ok ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_REFUSED;
		if (!args->json)
			print_all(r, args);
		else if (print_json(r, ok) < 0)
			code = DRYDOCK_EXIT_INTERNAL;
		if (fflush(stdout) != 0)
			code = DRYDOCK_EXIT_INTERNAL;
	}
	replay_free(r);
	policy_free(policy);
	return code;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replay_args *args = state->input;
	switch (key) {
	case 'p':
		args->policy = arg;
		return 0;
	case 'J':
		args->json = true;
		return 0;
	case 'P':
		args->partial = true;
		return 0;
	case ARGP_KEY_ARGS:
		args->records = state->argv + state->next;
		args->n = (size_t)(state->argc - state->next);
		if (args->n > RECORDS_MAX)
			argp_error(state, "more than %d records", RECORDS_MAX);
		return 0;
	case ARGP_KEY_END:
		if (!args->n || !args->policy)
			argp_error(state, "name records, and a policy with --policy");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_policy_replay(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "policy", .key = 'p', .arg = "POLICY", .doc = "the policy to try" },
		{ .name = "json", .key = 'J', .doc = "print the findings as JSON" },
		{ .name = "partial",
		  .key = 'P',
		  .doc = "what the records cannot tell is no failure" },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "RECORD...",
		.doc = "Hold everything that recorded runs did against a policy. Exit status 0: "
		       "nothing would be refused, 4: something would, or cannot be "
		       "judged, 5: a record is broken."
	};
	struct replay_args args = { 0 };
	return argp_parse(&argp, argc, argv, 0, NULL, &args) == 0 ? replay(&args)
	                                                          : DRYDOCK_EXIT_USAGE;
}
