// SPDX-License-Identifier: Apache-2.0
/* key_table.c - walks maps by tables. Runs in: command line and supervisor; the trees may come from
 * hostile files. */
#include "key_table.h"

#include "drydock/err.h"

#include <ctype.h>
#include <string.h>

enum { WORDS_MAX = 48 };

static void complain_unknown(struct key_context *ctx, const struct tree_node *key,
                             const char *where, const struct key_row *rows, size_t n)
{
	const char *words[WORDS_MAX] = { NULL };
	char hint[200];
	size_t k = 0;
	for (size_t i = 0; i < n && k < WORDS_MAX; i++)
		if (rows[i].kinds)
			words[k++] = rows[i].name;
	const char *near = diag_nearest(key->text, words, k);
	if (near) {
		(void)snprintf(hint, sizeof(hint), "did you mean `%s`?", near);
	} else {
		(void)snprintf(hint, sizeof(hint), "known keys:");
		for (size_t i = 0; i < k; i++) {
			size_t len = strlen(hint);
			(void)snprintf(hint + len, sizeof(hint) - len, "%s %s", i ? "," : "",
			               words[i]);
		}
	}
	diag_add(ctx->diags, key->mark, hint, "unknown key `%s` in %s", key->text, where);
}

/* What people write first, and what was meant. */
static const char *kind_hint(unsigned kinds, const char *what, bool empty)
{
	static const struct {
		const char *what, *hint;
	} hints[] = {
		{ "match", "such as `{ run: \"npm ci*\" }` or `{ id: publish }`" },
		{ "an egress entry", "such as `{ host: registry.example.com }` or `{ use: npm }`" },
	};
	if (empty && (kinds & TREE_MAP))
		return "what belongs to it is indented deeper";
	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (strcmp(hints[i].what, what) == 0)
			return hints[i].hint;
	return NULL;
}

bool key_kind(struct key_context *ctx, const struct tree_node *node, unsigned kinds,
              const char *what)
{
	if ((unsigned)node->kind & kinds)
		return true;
	const char *want = kinds & TREE_SCALAR ? "a single value"
	                   : kinds & TREE_LIST ? "a list"
	                                       : "a map of keys";
	if (kinds == (TREE_SCALAR | TREE_LIST))
		want = "a single value or a list";
	bool empty = node->kind == TREE_SCALAR && node->plain && !node->text[0];
	diag_add(ctx->diags, node->mark, kind_hint(kinds, what, empty),
	         strchr(what, ' ') ? "%s must be %s, not %s" : "`%s` must be %s, not %s", what,
	         want, empty ? "empty" : tree_kind_name(node->kind));
	return false;
}

static void walk_pair(struct key_context *ctx, const struct tree_pair *pair, const char *where,
                      const struct key_row *rows, size_t n, void *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].name, pair->key->text) != 0)
			continue;
		if (rows[i].kinds == 0)
			diag_add(ctx->diags, pair->key->mark, rows[i].why_not,
			         "`%s` in %s is not supported yet", rows[i].name, where);
		else if (rows[i].why_not)
			diag_add(ctx->notes, pair->key->mark, rows[i].why_not,
			         "`%s` in %s is not supported yet", rows[i].name, where);
		if (rows[i].read && key_kind(ctx, pair->value, rows[i].kinds, rows[i].name))
			rows[i].read(ctx, pair->value, out);
		return;
	}
	complain_unknown(ctx, pair->key, where, rows, n);
}

bool key_walk(struct key_context *ctx, const struct tree_node *node, const char *where,
              const struct key_row *rows, size_t n, void *out)
{
	if (!key_kind(ctx, node, TREE_MAP, where))
		return false;
	for (size_t i = 0; i < node->n; i++)
		walk_pair(ctx, &node->pairs[i], where, rows, n, out);
	for (size_t i = 0; i < n; i++)
		if (rows[i].required && !tree_get(node, rows[i].name))
			diag_add(ctx->diags, node->mark, NULL, "`%s` is missing in %s",
			         rows[i].name, where);
	return true;
}

bool key_has_expression(struct key_context *ctx, const struct tree_node *node)
{
	const char *at = strstr(node->text, "${{");
	if (!ctx->notes || !at)
		return false;
	const char *end = strstr(at, "}}");
	const char *nl = strchr(at, '\n');
	size_t length = end && (!nl || end < nl) ? (size_t)(end + 2 - at) : 3;
	diag_add(ctx->notes, tree_mark_inside(node, ctx->source, "${{", length),
	         "write the value itself, or pass it with env:",
	         "expressions are not supported yet");
	return true;
}

const char *key_text(struct key_context *ctx, const struct tree_node *node, const char *what)
{
	if (!key_kind(ctx, node, TREE_SCALAR, what))
		return NULL;
	(void)key_has_expression(ctx, node);
	if (tree_is_null(node) || node->text[0] == '\0') {
		diag_add(ctx->diags, node->mark, NULL, "`%s` is empty", what);
		return NULL;
	}
	return node->text;
}

bool key_bool(struct key_context *ctx, const struct tree_node *node, const char *what, bool *ret)
{
	if (!key_kind(ctx, node, TREE_SCALAR, what) || key_has_expression(ctx, node))
		return false;
	if (tree_is_bool(node, ret))
		return true;
	diag_add(ctx->diags, node->mark, NULL, "`%s` must be true or false, not `%s`", what,
	         node->text);
	return false;
}

int key_word(struct key_context *ctx, const struct tree_node *node, const char *what,
             const char *const *words, size_t n)
{
	char list[200] = "one of:";
	const char *text = key_text(ctx, node, what);
	if (!text)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	const char *near = diag_nearest(text, words, n);
	if (near) {
		(void)snprintf(list, sizeof(list), "did you mean `%s`?", near);
	} else {
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(list);
			(void)snprintf(list + len, sizeof(list) - len, "%s %s", i ? "," : "",
			               words[i]);
		}
	}
	diag_add(ctx->diags, node->mark, list, "`%s` cannot be `%s`", what, text);
	return -1;
}

const char *const *key_texts(struct key_context *ctx, const struct tree_node *node,
                             const char *what, size_t *ret_n)
{
	size_t n = node->kind == TREE_LIST ? node->n : 1, k = 0;
	const char **out = arena_array(ctx->arena, n + 1, sizeof(*out));
	if (!key_kind(ctx, node, TREE_SCALAR | TREE_LIST, what))
		n = 0;
	else if (n == 0)
		diag_add(ctx->diags, node->mark, NULL, "`%s` is an empty list", what);
	for (size_t i = 0; i < n; i++) {
		const char *text = key_text(ctx, node->kind == TREE_LIST ? node->items[i] : node,
		                            what);
		if (text)
			out[k++] = text;
	}
	if (ret_n)
		*ret_n = k;
	return out;
}

bool key_is_env_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-.";
	return *name && !isdigit((unsigned char)*name) && *name != '-' && *name != '.' &&
	       strspn(name, letters) == strlen(name);
}

bool key_is_variable_name(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return true;
}
