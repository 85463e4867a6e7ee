// SPDX-License-Identifier: Apache-2.0
/* template.c - nodes of a workflow: from YAML, with types and places. Runs in: command line and
 * supervisor; reads commit content, fuzzed.
 *
 * Types are those of YAML 1.2's core schema, so `on`, `yes` and `no` are words and dates are texts,
 * as GitHub has it. Numbers have GitHub's bounds: hexadecimal and octal ones fit 32 bits. */
#include "template.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <math.h>
#include <string.h>

/* ---- scalars ---- */

#define YAML_TAG "tag:yaml.org,2002:"

static bool match_null(const struct tree_node *tree, struct template_node *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(tree->text, words[i]) == 0) {
			node->kind = TEMPLATE_NULL;
			return true;
		}
	return false;
}

static bool match_bool(const struct tree_node *tree, struct template_node *node)
{
	static const char *const words[] = { "true", "True", "TRUE", "false", "False", "FALSE" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(tree->text, words[i]) == 0) {
			node->kind = TEMPLATE_BOOL;
			node->truth = i < 3;
			return true;
		}
	return false;
}

static bool all_of(const char *text, const char *allowed)
{
	return *text && text[strspn(text, allowed)] == '\0';
}

static bool is_integer(const char *text)
{
	if (text[0] == '0' && text[1] == 'x')
		return all_of(text + 2, "0123456789abcdefABCDEF");
	if (text[0] == '0' && text[1] == 'o')
		return all_of(text + 2, "01234567");
	return all_of(text + (text[0] == '-' || text[0] == '+'), "0123456789");
}

static bool match_int(const struct tree_node *tree, struct template_node *node)
{
	if (!is_integer(tree->text))
		return false;
	node->kind = TEMPLATE_NUMBER;
	node->number = expr_number_parse(tree->text, strlen(tree->text));
	if (isnan(node->number)) {
		node->bad = "an integer of more than 32 bits";
		node->bad_class = WF_TAG_VALUE;
	}
	return true;
}

static const struct special_row {
	const char *text;
	double number;
} specials[] = {
	{ ".inf", INFINITY },   { ".Inf", INFINITY },   { ".INF", INFINITY },
	{ "+.inf", INFINITY },  { "+.Inf", INFINITY },  { "+.INF", INFINITY },
	{ "-.inf", -INFINITY }, { "-.Inf", -INFINITY }, { "-.INF", -INFINITY },
	{ ".nan", NAN },        { ".NaN", NAN },        { ".NAN", NAN },
};

static bool match_float(const struct tree_node *tree, struct template_node *node)
{
	const char *text = tree->text;

	node->kind = TEMPLATE_NUMBER;
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (strcmp(text, specials[i].text) == 0) {
			node->number = specials[i].number;
			return true;
		}
	/* the language's own numbers, but for blanks, Infinity, and other bases */
	node->number = all_of(text, "0123456789.eE+-") ? expr_number_parse(text, strlen(text))
	                                               : NAN;
	return !isnan(node->number);
}

static const struct tag_row {
	const char *tag;
	bool (*match)(const struct tree_node *tree, struct template_node *node);
} tags[] = {
	{ YAML_TAG "null", match_null },
	{ YAML_TAG "bool", match_bool },
	{ YAML_TAG "int", match_int },
	{ YAML_TAG "float", match_float },
};

static void read_tagged(const struct tree_node *tree, struct template_node *node)
{
	if (strcmp(tree->tag, YAML_TAG "str") == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (strcmp(tree->tag, tags[i].tag) != 0)
			continue;
		if (!tree->plain || !tags[i].match(tree, node)) {
			node->kind = TEMPLATE_STRING;
			node->bad = "a value that does not fit its tag";
			node->bad_class = tree->plain ? WF_TAG_VALUE : WF_TAG;
		}
		return;
	}
	node->bad = "a tag that workflows do not know; str, bool, int, float and null are known";
	node->bad_class = WF_TAG;
}

static void read_scalar(const struct tree_node *tree, struct template_node *node)
{
	node->kind = TEMPLATE_STRING;
	node->text = tree->text;
	node->len = strlen(tree->text);
	if (tree->tag) {
		read_tagged(tree, node);
		return;
	}
	for (size_t i = 0; tree->plain && i < ARRAY_LEN(tags); i++) {
		if (tags[i].match(tree, node))
			return;
		node->kind = TEMPLATE_STRING;
	}
}

struct template_node *template_of_tree(struct plan_arena *arena, const struct tree_node *tree)
{
	struct template_node *node = arena_alloc(arena, sizeof(*node));

	node->mark = tree->mark;
	node->tree = tree;
	node->n = tree->n;
	if (tree->kind == TREE_SCALAR) {
		node->n = 0;
		read_scalar(tree, node);
	} else if (tree->kind == TREE_LIST) {
		node->kind = TEMPLATE_LIST;
		node->items = arena_array(arena, tree->n, sizeof(struct template_node *));
		for (size_t i = 0; i < tree->n; i++)
			node->items[i] = template_of_tree(arena, tree->items[i]);
	} else {
		node->kind = TEMPLATE_MAP;
		node->pairs = arena_array(arena, tree->n, sizeof(*node->pairs));
		for (size_t i = 0; i < tree->n; i++) {
			node->pairs[i].key = template_of_tree(arena, tree->pairs[i].key);
			node->pairs[i].value = template_of_tree(arena, tree->pairs[i].value);
		}
	}
	return node;
}

/* ---- looking ---- */

bool template_is(const struct template_node *node, const char *text)
{
	return node->kind == TEMPLATE_STRING && node->len == strlen(text) &&
	       memcmp(node->text, text, node->len) == 0;
}

const struct template_node *template_get(const struct template_node *map, const char *key)
{
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++)
		if (template_is(map->pairs[i].key, key))
			return map->pairs[i].value;
	return NULL;
}

bool template_is_collection(const struct template_node *node)
{
	return node->kind == TEMPLATE_LIST || node->kind == TEMPLATE_MAP;
}

bool template_has_expression(const struct template_node *node)
{
	bool found = node->kind == TEMPLATE_EXPRESSION || node->kind == TEMPLATE_INSERT;

	for (size_t i = 0; node->kind == TEMPLATE_LIST && i < node->n && !found; i++)
		found = template_has_expression(node->items[i]);
	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n && !found; i++)
		found = template_has_expression(node->pairs[i].key) ||
		        template_has_expression(node->pairs[i].value);
	return found;
}

const char *template_text(struct plan_arena *arena, const struct template_node *node)
{
	char number[EXPR_NUMBER_TEXT];

	switch (node->kind) {
	case TEMPLATE_STRING:
		return node->text;
	case TEMPLATE_BOOL:
		return node->truth ? "true" : "false";
	case TEMPLATE_NUMBER:
		return arena_strndup(arena, number, expr_number_format(node->number, number));
	case TEMPLATE_EXPRESSION:
		return arena_printf(arena, "${{ %s }}", node->text);
	case TEMPLATE_INSERT:
		return "${{ insert }}";
	case TEMPLATE_NULL:
	case TEMPLATE_LIST:
	case TEMPLATE_MAP:
		break;
	}
	return "";
}
