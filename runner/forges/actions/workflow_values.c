// SPDX-License-Identifier: Apache-2.0
/* workflow_values.c - reads the values that a workflow, a job and a step have in common: variables,
 * defaults, minutes, ids.
 *
 * Runs in: command line and supervisor. The file is commit content, so it is hostile. */
#include "workflow_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ENV_MAX = 1000, TIMEOUT_MINUTES_MAX = 35 * 24 * 60 };

/* ---- one line of text ---- */

static void flat_walk(FILE *out, const struct tree_node *node)
{
	for (size_t i = 0; node->kind == TREE_LIST && i < node->n; i++) {
		(void)fputs(i ? ", " : "[", out);
		flat_walk(out, node->items[i]);
	}
	for (size_t i = 0; node->kind == TREE_MAP && i < node->n; i++) {
		(void)fprintf(out, "%s%s: ", i ? ", " : "{", node->pairs[i].key->text);
		flat_walk(out, node->pairs[i].value);
	}
	if (node->kind == TREE_SCALAR)
		(void)fputs(tree_is_null(node) ? "" : node->text, out);
	else if (node->n == 0)
		(void)fputs(node->kind == TREE_LIST ? "[]" : "{}", out);
	else
		(void)fputs(node->kind == TREE_LIST ? "]" : "}", out);
}

static void names_walk(FILE *out, const struct tree_node *node)
{
	if (node->kind == TREE_SCALAR)
		flat_walk(out, node);
	for (size_t i = 0; node->kind != TREE_SCALAR && i < node->n; i++) {
		(void)fputs(i ? ", " : "", out);
		flat_walk(out, node->kind == TREE_MAP ? node->pairs[i].key : node->items[i]);
	}
}

static const char *one_line(struct key_context *ctx, const struct tree_node *node,
                            void (*walk)(FILE *out, const struct tree_node *node))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *kept = "";
	if (out) {
		walk(out, node);
		if (fclose(out) == 0)
			kept = arena_strdup(ctx->arena, text);
	}
	free(text);
	return kept;
}

const char *workflow_flat(struct key_context *ctx, const struct tree_node *node)
{
	return one_line(ctx, node, flat_walk);
}

const char *workflow_names(struct key_context *ctx, const struct tree_node *node)
{
	return one_line(ctx, node, names_walk);
}

const char *workflow_whole_expression(const struct tree_node *node)
{
	if (node->kind != TREE_SCALAR)
		return NULL;
	size_t len = strlen(node->text);
	return len >= 5 && strncmp(node->text, "${{", 3) == 0 &&
	                       strcmp(node->text + len - 2, "}}") == 0
	               ? node->text
	               : NULL;
}

/* ---- variables and parameters ---- */

void workflow_read_env(struct key_context *ctx, const struct tree_node *map,
                       const struct pair **ret, size_t *ret_n)
{
	struct pair *env = arena_array(ctx->arena, map->n, sizeof(*env));
	size_t k = 0;
	if (map->n > ENV_MAX) { /* layers are laid over one another by comparing names */
		diag_add(ctx->diags, map->mark, NULL, "more than 1000 variables");
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct tree_node *key = map->pairs[i].key, *value = map->pairs[i].value;
		if (!key_is_variable_name(key->text)) {
			diag_add(ctx->diags, key->mark, "letters, digits and _, not a digit first",
			         "`%s` cannot be a variable's name", key->text);
			continue;
		}
		if (!key_kind(ctx, value, TREE_SCALAR, key->text))
			continue;
		(void)key_has_expression(ctx, value);
		env[k++] = (struct pair){ .name = key->text,
			                  .value = tree_is_null(value) ? "" : value->text,
			                  .mark = key->mark };
	}
	*ret = env;
	*ret_n = k;
}

void workflow_read_pairs(struct key_context *ctx, const struct tree_node *map,
                         const struct pair **ret, size_t *ret_n)
{
	struct pair *pairs = arena_array(ctx->arena, map->n, sizeof(*pairs));
	for (size_t i = 0; i < map->n; i++)
		pairs[i] = (struct pair){ .name = map->pairs[i].key->text,
			                  .value = workflow_flat(ctx, map->pairs[i].value),
			                  .mark = map->pairs[i].key->mark };
	*ret = pairs;
	*ret_n = map->n;
}

/* ---- defaults ---- */

static void default_shell(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_defaults *)out)->shell = key_text(ctx, v, "shell");
	((struct workflow_defaults *)out)->shell_mark = v->mark;
}

static void default_workdir(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_defaults *)out)->workdir = key_text(ctx, v, "working-directory");
	((struct workflow_defaults *)out)->workdir_mark = v->mark;
}

static void defaults_run(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "shell", .kinds = TREE_SCALAR, .read = default_shell },
		{ .name = "working-directory", .kinds = TREE_SCALAR, .read = default_workdir },
	};
	(void)key_walk(ctx, v, "defaults.run", rows, ARRAY_LEN(rows), out);
}

void workflow_read_defaults(struct key_context *ctx, const struct tree_node *v,
                            struct workflow_defaults *out)
{
	static const struct key_row rows[] = {
		{ .name = "run", .kinds = TREE_MAP, .read = defaults_run }
	};
	(void)key_walk(ctx, v, "defaults", rows, ARRAY_LEN(rows), out);
}

/* ---- single values ---- */

double workflow_read_minutes(struct key_context *ctx, const struct tree_node *v)
{
	const char *text = key_text(ctx, v, "timeout-minutes");
	if (!text || workflow_whole_expression(v))
		return 0;
	char *end = NULL;
	bool decimal = isdigit((unsigned char)text[0]) &&
	               strspn(text, "0123456789.") == strlen(text);
	double minutes = decimal ? strtod(text, &end) : 0;
	if (v->plain && end && *end == '\0' && minutes > 0 && minutes <= TIMEOUT_MINUTES_MAX)
		return minutes;
	diag_add(ctx->diags, v->mark, "a number of minutes, more than 0 and at most 50400",
	         "`timeout-minutes` cannot be `%s`", text);
	return 0;
}

void workflow_read_bool(struct key_context *ctx, const struct tree_node *v, const char *what,
                        bool *ret)
{
	if (workflow_whole_expression(v))
		(void)key_has_expression(ctx, v);
	else
		(void)key_bool(ctx, v, what, ret);
}

const char *workflow_read_id(struct key_context *ctx, const struct tree_node *node,
                             const char *what)
{
	const char *id = node->text;
	bool ok = isalpha((unsigned char)id[0]) || id[0] == '_';
	for (const char *p = id; ok && *p; p++)
		ok = isalnum((unsigned char)*p) || *p == '_' || *p == '-';
	if (ok && strlen(id) <= 100)
		return id;
	diag_add(ctx->diags, node->mark,
	         "a letter or _ first, then letters, digits, - and _; at most 100",
	         "`%s` cannot be the id of a %s", id, what);
	return NULL;
}
