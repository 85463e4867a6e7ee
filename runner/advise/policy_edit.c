// SPDX-License-Identifier: Apache-2.0
/* policy_edit.c - finds the bytes of a policy file that a change is made of. Pure.
 *
 * Block style: a new key or item goes before the first one, at its column, so that no indentation
 * has to be guessed; a new key of the file itself goes to its end. Flow style: right behind the
 * bracket. A list's new item comes first, which is what a rule of `steps` needs to win. */
#include "policy_edit.h"

#include <stdlib.h>
#include <string.h>

static bool is_flow(const struct policy_text *t, const struct tree_node *node)
{
	return t->text[node->start] == '[' || t->text[node->start] == '{';
}

static size_t line_start(const struct policy_text *t, size_t at)
{
	while (at > 0 && t->text[at - 1] != '\n')
		at--;
	return at;
}

static void place(const struct policy_text *t, size_t offset, struct policy_edit *e)
{
	e->offset = offset;
	e->line = 1;
	for (size_t i = 0; i < offset; i++)
		e->line += t->text[i] == '\n';
	e->column = (unsigned)(offset - line_start(t, offset)) + 1;
}

static const char *spaces(struct plan_arena *arena, size_t n)
{
	return arena_printf(arena, "%*s", (int)n, "");
}

/* The rest of a dotted path with its leaf, as block lines: "fetch:\n  egress:\n    - ITEM\n", the
 * first line without indentation. */
static const char *block_lines(struct plan_arena *arena, const char *rest,
                               const struct advice_change *c, size_t indent)
{
	size_t len = strcspn(rest, ".");
	if (len == 0)
		return c->kind == ADVICE_LIST_ADD ? arena_printf(arena, "- %s\n", c->text)
		                                  : arena_printf(arena, "%s\n", c->text);
	bool leaf = rest[len] == '\0';
	if (leaf && c->kind != ADVICE_LIST_ADD)
		return arena_printf(arena, "%.*s: %s\n", (int)len, rest, c->text);
	return arena_printf(arena, "%.*s:\n%s%s", (int)len, rest, spaces(arena, indent + 2),
	                    block_lines(arena, leaf ? "" : rest + len + 1, c, indent + 2));
}

static const char *flow_value(struct plan_arena *arena, const char *rest,
                              const struct advice_change *c)
{
	size_t len = strcspn(rest, ".");
	if (len == 0)
		return c->kind == ADVICE_LIST_ADD ? arena_printf(arena, "[ %s ]", c->text)
		                                  : c->text;
	const char *value = flow_value(arena, rest[len] ? rest + len + 1 : "", c);
	return arena_printf(arena, "{ %.*s: %s }", (int)len, rest, value);
}

/* Before the first key or item of a block node. */
static void insert_block(const struct policy_text *t, size_t offset, const char *lines,
                         struct policy_edit *e)
{
	size_t start = line_start(t, offset), indent = offset - start;
	bool blank = strspn(t->text + start, " ") >= indent;
	e->whole_lines = blank;
	place(t, blank ? start : offset, e);
	e->insert = blank ? arena_printf(t->arena, "%s%s", spaces(t->arena, indent), lines)
	                  : arena_printf(t->arena, "%s%s", lines, spaces(t->arena, indent));
}

static void insert_flow(const struct policy_text *t, const struct tree_node *node, const char *what,
                        struct policy_edit *e)
{
	place(t, node->start + 1, e);
	e->insert = arena_printf(t->arena, " %s%s", what, node->n ? "," : " ");
}

/* A scalar, or nothing at all behind a colon. */
static void replace(const struct policy_text *t, const struct tree_node *node, const char *by,
                    struct policy_edit *e)
{
	bool tight = node->start > 0 && t->text[node->start - 1] == ':';
	place(t, node->start, e);
	e->remove = node->end - node->start;
	e->removed = e->remove ? arena_strndup(t->arena, t->text + node->start, e->remove) : NULL;
	e->insert = tight ? arena_printf(t->arena, " %s", by) : by;
}

static bool file_can_grow(const struct policy_text *t)
{
	return strncmp(t->text, "...", 3) != 0 && !strstr(t->text, "\n...");
}

static void append_to_file(const struct policy_text *t, const char *lines, struct policy_edit *e)
{
	bool ended = t->len == 0 || t->text[t->len - 1] == '\n';
	place(t, t->len, e);
	e->whole_lines = ended;
	e->insert = arena_printf(t->arena, "%s%s", ended ? "" : "\n", lines);
}

/* @map lacks the first key of @rest. */
static void add_keys(const struct policy_text *t, const struct tree_node *map, const char *rest,
                     const struct advice_change *c, struct policy_edit *e)
{
	if (is_flow(t, map)) {
		size_t len = strcspn(rest, ".");
		const char *value = flow_value(t->arena, rest[len] ? rest + len + 1 : "", c);
		insert_flow(t, map, arena_printf(t->arena, "%.*s: %s", (int)len, rest, value), e);
		return;
	}
	size_t indent = map->start - line_start(t, map->start);
	const char *lines = block_lines(t->arena, rest, c, indent);
	if (map == t->root && indent == 0 && file_can_grow(t))
		append_to_file(t, lines, e);
	else
		insert_block(t, map->start, lines, e);
}

/* Something stands at the whole path already. */
static void change_value(const struct policy_text *t, const struct tree_node *node,
                         const struct advice_change *c, struct policy_edit *e)
{
	bool none = tree_is_null(node) ||
	            (node->kind == TREE_SCALAR && strcmp(node->text, "none") == 0);
	if (c->kind == ADVICE_VALUE_SET)
		replace(t, node, c->text, e);
	else if (node->kind == TREE_SCALAR && none)
		replace(t, node, arena_printf(t->arena, "[ %s ]", c->text), e);
	else if (node->kind == TREE_SCALAR) /* one word where a list may stand */
		replace(t, node,
		        arena_printf(t->arena, "[ %s, %.*s ]", c->text,
		                     (int)(node->end - node->start), t->text + node->start),
		        e);
	else if (is_flow(t, node))
		insert_flow(t, node, c->text, e);
	else
		insert_block(t, node->start, arena_printf(t->arena, "- %s\n", c->text), e);
}

static int change_at_path(const struct policy_text *t, const struct advice_change *c,
                          struct policy_edit *e, struct dd_err *err)
{
	const struct tree_node *at = t->root;
	const char *rest = c->where;
	while (*rest) {
		char key[64];
		size_t len = strcspn(rest, ".");
		(void)snprintf(key, sizeof(key), "%.*s", (int)len, rest);
		if (tree_is_null(at)) {
			replace(t, at, flow_value(t->arena, rest, c), e);
			return 0;
		}
		if (at->kind != TREE_MAP)
			return dd_err_say(err, ENOENT, "%s:%u: no key can be added here", t->path,
			                  at->mark.line);
		const struct tree_node *next = tree_get(at, key);
		if (!next) {
			add_keys(t, at, rest, c, e);
			return 0;
		}
		at = next;
		rest += len + (rest[len] == '.');
	}
	change_value(t, at, c, e);
	return 0;
}

/* "FILE:LINE:COLUMN": the entry that begins there. */
static const struct tree_node *entry_at(const struct policy_text *t, const char *origin)
{
	const char *column = strrchr(origin, ':'), *line = column;
	while (line && line > origin && line[-1] != ':')
		line--;
	unsigned long l = line ? strtoul(line, NULL, 10) : 0,
		      k = column ? strtoul(column + 1, NULL, 10) : 0;
	const struct tree_node *phases = tree_get(t->root, "phases");
	for (size_t p = 0; phases && phases->kind == TREE_MAP && p < phases->n; p++) {
		const struct tree_node *list = tree_get(phases->pairs[p].value, "egress");
		for (size_t i = 0; list && list->kind == TREE_LIST && i < list->n; i++)
			if (list->items[i]->mark.line == l && list->items[i]->mark.column == k &&
			    list->items[i]->kind == TREE_MAP)
				return list->items[i];
	}
	return NULL;
}

static int change_entry(const struct policy_text *t, const struct advice_change *c,
                        struct policy_edit *e, struct dd_err *err)
{
	const struct tree_node *entry = entry_at(t, c->origin);
	const char *colon = strchr(c->text, ':');
	char key[40];
	if (!entry || !colon)
		return dd_err_say(err, ENOENT, "the entry at %.200s is not in %s any more",
		                  c->origin, t->path);
	(void)snprintf(key, sizeof(key), "%.*s", (int)(colon - c->text), c->text);
	const struct tree_node *value = tree_get(entry, key);
	if (value)
		replace(t, value, arena_strdup(t->arena, colon + 1 + strspn(colon + 1, " ")), e);
	else if (is_flow(t, entry))
		insert_flow(t, entry, c->text, e);
	else
		insert_block(t, entry->start, arena_printf(t->arena, "%s\n", c->text), e);
	return 0;
}

int policy_edit_make(const struct policy_text *text, const struct advice_change *change,
                     struct policy_edit *ret, struct dd_err *err)
{
	struct policy_edit e = { .insert = "" };
	int r = change->kind == ADVICE_ENTRY_ADD ? change_entry(text, change, &e, err)
	                                         : change_at_path(text, change, &e, err);
	if (r == 0)
		*ret = e;
	return r;
}

const char *policy_edit_new_file(struct plan_arena *arena, const struct advice_change *changes,
                                 size_t n)
{
	const char *text = "version: 1\n";
	for (size_t i = 0; i < n; i++)
		text = arena_printf(arena, "%s%s", text,
		                    block_lines(arena, changes[i].where, &changes[i], 0));
	return text;
}
