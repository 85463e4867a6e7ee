// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_check.c - `drydock policy check`: everything that is wrong with a policy file, for people and for editors.
 *
 * Runs in: command line (an edge: it prints). */
#include "cmd_policy.h"

#include "exit_code.h"
#include "policy.h"

#include <argp.h>
#include <jansson.h>

struct check_args {
	const char *policy;
	bool        json;
};

static int check_json(int r, const struct diag_list *diags, const struct dd_err *err)
{
	json_t *list = json_array();
	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];
		(void)json_array_append_new(list, json_pack("{s:s?, s:i, s:i, s:i, s:s, s:s}", "file", d->mark.file, "line", (int)d->mark.line,
							    "column", (int)d->mark.column, "length", (int)d->mark.length, "text", d->text,
							    "hint", d->hint));
	}
	json_t *root = json_pack("{s:b, s:o, s:s?}", "ok", r == 0, "complaints", list, "error", r < 0 && diags->n == 0 ? err->msg : NULL);
	int w = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	return w == 0 && fputc('\n', stdout) != EOF ? 0 : -EIO;
}

static int check(const char *path, bool json)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct dd_err err = { 0 };
	int r = policy_load(path, &policy, &diags, &err), w = 0;
	if (json) {
		w = check_json(r, &diags, &err);
	} else if (r < 0) {
		diag_print_files(stderr, &diags);
		if (diags.n == 0)
			(void)fprintf(stderr, "drydock: %s\n", err.msg);
	} else {
		(void)printf("%s: fine\n", path);
	}
	policy_free(policy);
	diag_list_done(&diags);
	return w < 0 ? DRYDOCK_EXIT_INTERNAL : r < 0 ? DRYDOCK_EXIT_USAGE : DRYDOCK_EXIT_OK;
}

static error_t check_parse(int key, char *arg, struct argp_state *state)
{
	struct check_args *args = state->input;
	switch (key) {
	case 'J':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->policy)
			argp_error(state, "one policy at a time");
		args->policy = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->policy)
			argp_error(state, "which policy?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_policy_check(int argc, char **argv)
{
	static const struct argp_option options[] = { { .name = "json", .key = 'J', .doc = "print the complaints as JSON" }, { 0 } };
	static const struct argp argp = {
		.options = options, .parser = check_parse, .args_doc = "POLICY", .doc = "Say what is wrong with a policy file."
	};
	struct check_args args = { 0 };
	return argp_parse(&argp, argc, argv, 0, NULL, &args) == 0 ? check(args.policy, args.json) : DRYDOCK_EXIT_USAGE;
}
