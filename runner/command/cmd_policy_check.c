// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_check.c - `drydock policy check`: everything that is wrong with policy files, for
 * people and for editors.
 *
 * Runs in: command line (an edge: it prints). */
#include "cmd_policy.h"

#include "base/exit_code.h"
#include "policy/policy.h"

#include <argp.h>
#include <jansson.h>

enum { POLICIES_MAX = 256 };

struct check_args {
	const char *policies[POLICIES_MAX];
	size_t n;
	bool json;
};

/* What came of one file; all of them are reported, whatever the first one held. */
struct check_result {
	int r;
	struct diag_list diags, notes;
	struct dd_err err; /* when @diags says nothing: the file could not be read */
};

static json_t *list_json(const struct diag_list *from)
{
	json_t *list = json_array();
	for (size_t i = 0; i < from->n; i++) {
		const struct diag *d = &from->items[i];
		(void)json_array_append_new(
			list,
			json_pack("{s:s?, s:i, s:i, s:i, s:s, s:s}", "file", d->mark.file, "line",
		                  (int)d->mark.line, "column", (int)d->mark.column, "length",
		                  (int)d->mark.length, "text", d->text, "hint", d->hint));
	}
	return list;
}

static const char *unreadable(const struct check_result *result)
{
	return result->r < 0 && result->diags.n == 0 ? result->err.msg : NULL;
}

/* One object; of one file its complaints, of several a list of such objects under `files`. */
static int print_json(const struct check_args *args, const struct check_result *results, bool ok)
{
	json_t *root;
	if (args->n == 1) {
		root = json_pack("{s:b, s:o, s:o, s:s?}", "ok", ok, "complaints",
		                 list_json(&results[0].diags), "notes",
		                 list_json(&results[0].notes), "error", unreadable(&results[0]));
	} else {
		json_t *files = json_array();
		for (size_t i = 0; i < args->n; i++)
			(void)json_array_append_new(
				files, json_pack("{s:s, s:b, s:o, s:o, s:s?}", "file",
			                         args->policies[i], "ok", results[i].r == 0,
			                         "complaints", list_json(&results[i].diags),
			                         "notes", list_json(&results[i].notes), "error",
			                         unreadable(&results[i])));
		root = json_pack("{s:b, s:o}", "ok", ok, "files", files);
	}
	int w = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	return w == 0 && fputc('\n', stdout) != EOF ? 0 : -EIO;
}

static void print_text(const char *path, const struct check_result *result)
{
	if (result->r == 0)
		(void)printf("%s: fine\n", path);
	diag_print_files(stderr, &result->diags);
	diag_print_notes(stderr, &result->notes);
	if (unreadable(result))
		(void)fprintf(stderr, "drydock: %s\n", unreadable(result));
}

static int check(const struct check_args *args)
{
	struct check_result *results = calloc(args->n, sizeof(*results));
	bool ok = true;
	int w = results ? 0 : -ENOMEM;
	for (size_t i = 0; results && i < args->n; i++) {
		struct policy *policy = NULL;
		results[i].r = policy_load(args->policies[i], &policy, &results[i].diags,
		                           &results[i].err);
		if (results[i].r == 0)
			results[i].r = policy_check_host(policy, &results[i].diags,
			                                 &results[i].notes, &results[i].err);
		policy_free(policy);
		ok &= results[i].r == 0;
		if (!args->json)
			print_text(args->policies[i], &results[i]);
	}
	if (results && args->json)
		w = print_json(args, results, ok);
	for (size_t i = 0; results && i < args->n; i++) {
		diag_list_done(&results[i].diags);
		diag_list_done(&results[i].notes);
	}
	free(results);
	return w < 0 ? DRYDOCK_EXIT_INTERNAL : ok ? DRYDOCK_EXIT_OK : DRYDOCK_EXIT_USAGE;
}

static error_t check_parse(int key, char *arg, struct argp_state *state)
{
	struct check_args *args = state->input;
	switch (key) {
	case 'J':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->n == POLICIES_MAX)
			argp_error(state, "more than %d policies", POLICIES_MAX);
		else
			args->policies[args->n++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->n == 0)
			argp_error(state, "which policy?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_policy_check(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "json", .key = 'J', .doc = "print the complaints as JSON" }, { 0 }
	};
	static const struct argp argp = {
		.options = options,
		.parser = check_parse,
		.args_doc = "POLICY...",
		.doc = "Say everything that is wrong with policy files."
	};
	struct check_args args = { .n = 0 };
	return argp_parse(&argp, argc, argv, 0, NULL, &args) == 0 ? check(&args)
	                                                          : DRYDOCK_EXIT_USAGE;
}
