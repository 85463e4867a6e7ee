// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_keys.c - `drydock policy keys`: the parser's own tables, for editors and for the tests
 * that hold docs and schema against them.
 *
 * Runs in: command line (an edge: it prints). */
#include "cmd_policy.h"

#include "base/exit_code.h"
#include "policy/policy_tables.h"

#include <argp.h>
#include <jansson.h>

static const struct kind_row {
	enum tree_kind kind;
	const char *name;
} kind_rows[] = { { TREE_SCALAR, "value" }, { TREE_LIST, "list" }, { TREE_MAP, "map" } };

static json_t *kinds_json(unsigned kinds)
{
	json_t *out = json_array();
	for (size_t i = 0; i < sizeof(kind_rows) / sizeof(kind_rows[0]); i++)
		if (kinds & kind_rows[i].kind)
			(void)json_array_append_new(out, json_string(kind_rows[i].name));
	return out;
}

static int print_json(void)
{
	json_t *list = json_array();
	for (size_t i = 0; i < policy_tables_n; i++)
		for (size_t k = 0; k < policy_tables[i].table->n; k++) {
			const struct key_row *row = &policy_tables[i].table->rows[k];
			(void)json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:o, s:b, s:b, s:s?}", "in",
			                  policy_tables[i].path, "key", row->name, "kinds",
			                  kinds_json(row->kinds), "required", row->required,
			                  "supported", row->kinds != 0, "instead", row->why_not));
		}
	int r = json_dumpf(list, stdout, JSON_INDENT(1));
	json_decref(list);
	return r < 0 || putchar('\n') == EOF ? DRYDOCK_EXIT_INTERNAL : DRYDOCK_EXIT_OK;
}

static int print_text(void)
{
	for (size_t i = 0; i < policy_tables_n; i++)
		for (size_t k = 0; k < policy_tables[i].table->n; k++) {
			const struct key_row *row = &policy_tables[i].table->rows[k];
			(void)printf("%s%s%s%s%s\n", policy_tables[i].path,
			             policy_tables[i].path[0] ? "." : "", row->name,
			             row->required ? "  (required)" : "",
			             row->kinds ? "" : "  (not in this build)");
		}
	return DRYDOCK_EXIT_OK;
}

static error_t keys_parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'J')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

int cmd_policy_keys(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "json", .key = 'J', .doc = "print as JSON" }, { 0 }
	};
	static const struct argp argp = { .options = options,
		                          .parser = keys_parse,
		                          .doc = "List every key that a policy may have." };
	bool json = false;
	if (argp_parse(&argp, argc, argv, 0, NULL, &json) != 0)
		return DRYDOCK_EXIT_USAGE;
	return json ? print_json() : print_text();
}
