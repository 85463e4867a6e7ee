// SPDX-License-Identifier: Apache-2.0
/* yaml_tree.c - libyaml events into a bounded tree with positions.
 *
 * Runs in: command line and supervisor. Reads foreign bytes (a workflow is commit content); fuzzed
 * through policy and workflow. libyaml counts marks in characters, not bytes: a table of line
 * starts turns them back into byte ranges. */
#include "yaml_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { ANCHORS_MAX = 1000 }; /* they are looked up by walking */

struct anchor {
	const char *name;
	struct tree_node *node;
};

struct builder {
	struct plan_arena *arena;
	const char *name, *text;
	size_t len;
	size_t bom;    /* bytes of a byte order mark: no character of any line */
	size_t *lines; /* byte offset of each line start */
	size_t n_lines, n_nodes;
	const struct tree_options *options;
	struct anchor *anchors;
	size_t n_anchors;
	struct diag_list *diags;
	yaml_parser_t parser;
	bool failed;
	enum tree_trouble trouble;     /* the first one */
	size_t at_line, at_column, at; /* the last place that offset_of() found */
};

static void fail(struct builder *b, enum tree_trouble trouble)
{
	b->failed = true;
	if (b->trouble == TREE_TROUBLE_NONE)
		b->trouble = trouble;
}

static void complain(struct builder *b, struct diag_mark mark, const char *hint, const char *what)
{
	diag_add(b->diags, mark, hint, "%s", what);
	fail(b, TREE_TROUBLE_SYNTAX);
}

static void index_lines(struct builder *b)
{
	size_t n = 1;
	for (size_t i = 0; i < b->len; i++)
		n += b->text[i] == '\n';
	b->lines = arena_array(b->arena, n + 1, sizeof(*b->lines));
	b->lines[0] = b->bom;
	b->n_lines = 1;
	for (size_t i = 0; i < b->len; i++)
		if (b->text[i] == '\n')
			b->lines[b->n_lines++] = i + 1;
}

/* Goes on from the last place: marks come in order, and a file of one long line must not cost the
 * square of its length. */
static size_t offset_of(struct builder *b, yaml_mark_t m)
{
	if (m.line >= b->n_lines)
		return b->len;
	bool ahead = b->at_line == m.line && b->at_column <= m.column && b->at >= b->lines[m.line];
	size_t at = ahead ? b->at : b->lines[m.line];
	for (size_t i = ahead ? b->at_column : 0; i < m.column && at < b->len; i++)
		do
			at++;
		while (at < b->len && ((unsigned char)b->text[at] & 0xc0) == 0x80);
	b->at_line = m.line;
	b->at_column = m.column;
	b->at = at;
	return at;
}

static struct diag_mark mark_of(const struct builder *b, yaml_mark_t start, yaml_mark_t end)
{
	struct diag_mark mark = { .file = b->name,
		                  .line = (unsigned)start.line + 1,
		                  .column = (unsigned)start.column + 1,
		                  .length = 1 };
	if (end.line == start.line && end.column > start.column)
		mark.length = (unsigned)(end.column - start.column);
	return mark;
}

static struct diag_mark event_mark(const struct builder *b, const yaml_event_t *ev)
{
	return mark_of(b, ev->start_mark, ev->end_mark);
}

/* Characters that YAML 1.1 (libyaml) takes for the end of a line and YAML 1.2 does not: the two
 * read different documents. */
static bool is_doubtful_break(const char *p, size_t left)
{
	const unsigned char *u = (const unsigned char *)p;
	if (u[0] == '\r')
		return left < 2 || u[1] != '\n';
	if (left >= 2 && u[0] == 0xc2)
		return u[1] == 0x85;
	return left >= 3 && u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9);
}

static bool check_bytes(struct builder *b)
{
	struct diag_mark mark = { .file = b->name, .line = 1, .column = 1, .length = 1 };
	if (b->len > TREE_BYTES_MAX) {
		mark.line = 0;
		fail(b, TREE_TROUBLE_BYTES);
		complain(b, mark, NULL, "the file is larger than 1 MiB");
		return false;
	}
	for (size_t i = b->bom; i < b->len; i++) {
		if (b->text[i] == '\0' || is_doubtful_break(b->text + i, b->len - i)) {
			complain(b, mark,
			         "only line feeds (with or without a carriage return before) end a "
			         "line",
			         b->text[i]
			                 ? "a line separator that YAML 1.1 and 1.2 read differently"
			                 : "a NUL byte");
			return false;
		}
		if (b->text[i] == '\n') {
			mark.line++;
			mark.column = 1;
		} else if (((unsigned char)b->text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return true;
}

/* A mark counts characters; a continuation byte is none. */
static bool is_tab_at(const struct builder *b, yaml_mark_t at)
{
	size_t i = b->bom, characters = 0;

	for (; i < b->len; i++) {
		if (((unsigned char)b->text[i] & 0xc0) != 0x80 && characters++ == at.index)
			return b->text[i] == '\t';
	}
	return false;
}

/* libyaml's own words. Where a bracket or a key was opened in another line, that line is the one to
 * look at. */
static void parser_says(struct builder *b, struct diag_mark mark)
{
	const yaml_parser_t *p = &b->parser;
	const char *hint = p->error == YAML_SCANNER_ERROR && is_tab_at(b, p->problem_mark)
	                           ? "there is a tab here: YAML is indented with spaces"
	                           : NULL;
	char begun[40] = "";

	if (p->context && p->context_mark.line != p->problem_mark.line)
		(void)snprintf(begun, sizeof(begun), ", begun in line %zu",
		               p->context_mark.line + 1);
	diag_add(b->diags, mark, hint, "%s%s%s%s", p->context ? p->context : "", begun,
	         p->context ? ": " : "", p->problem ? p->problem : "not YAML");
}

static void parser_complaint(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	struct diag_mark mark = mark_of(b, p->problem_mark, p->problem_mark);
	if (p->error == YAML_READER_ERROR) { /* it leaves only an offset, in bytes */
		unsigned line = 1;
		size_t start = b->bom, stop = p->problem_offset + b->bom;
		for (size_t i = start; i < stop && i < b->len; i++)
			if (b->text[i] == '\n') {
				line++;
				start = i + 1;
			}
		mark.line = line;
		mark.column = 1;
		for (size_t i = start; i < stop && i < b->len; i++)
			mark.column += ((unsigned char)b->text[i] & 0xc0) != 0x80;
	}
	parser_says(b, mark);
	fail(b, TREE_TROUBLE_SYNTAX);
}

static bool next_event(struct builder *b, yaml_event_t *ev)
{
	if (yaml_parser_parse(&b->parser, ev))
		return true;
	parser_complaint(b);
	return false;
}

static bool count_nodes(struct builder *b, size_t n, const yaml_event_t *ev)
{
	b->n_nodes += n;
	if (b->n_nodes <= b->options->nodes_max)
		return true;
	fail(b, TREE_TROUBLE_NODES);
	diag_add(b->diags, event_mark(b, ev), NULL, "more than %zu nodes", b->options->nodes_max);
	return false;
}

static struct tree_node *node_new(struct builder *b, enum tree_kind kind, const yaml_event_t *ev)
{
	if (!count_nodes(b, 1, ev))
		return NULL;
	struct tree_node *node = arena_alloc(b->arena, sizeof(*node));
	node->kind = kind;
	node->mark = event_mark(b, ev);
	node->start = offset_of(b, ev->start_mark);
	node->end = offset_of(b, ev->end_mark);
	node->weight = 1;
	return node;
}

static bool refuse_decoration(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
	bool bad_anchor = anchor && !b->options->aliases, bad_tag = tag && !b->options->tags;
	if (bad_anchor) {
		fail(b, TREE_TROUBLE_ANCHOR);
		complain(b, event_mark(b, ev), "write the value out where it is needed",
		         "anchors are not supported");
	} else if (bad_tag) {
		fail(b, TREE_TROUBLE_TAG);
		complain(b, event_mark(b, ev), "leave the tag away", "tags are not supported");
	}
	return bad_anchor || bad_tag;
}

/* The node is complete: from here on it has its name, and no alias can be inside of it. */
static void decorate(struct builder *b, struct tree_node *node, const yaml_char_t *anchor,
                     const yaml_char_t *tag)
{
	node->tag = arena_strdup(b->arena, (const char *)tag);
	if (!anchor)
		return;
	if (b->n_anchors == ANCHORS_MAX) {
		fail(b, TREE_TROUBLE_ANCHOR);
		diag_add(b->diags, node->mark, NULL, "more than %d anchors", ANCHORS_MAX);
		return;
	}
	b->anchors = arena_grow(b->arena, b->anchors, b->n_anchors, sizeof(*b->anchors));
	b->anchors[b->n_anchors++] = (struct anchor){ arena_strdup(b->arena, (const char *)anchor),
		                                      node };
}

/* The newest node of that name. */
static struct tree_node *build_alias(struct builder *b, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;

	if (!b->options->aliases) {
		fail(b, TREE_TROUBLE_ANCHOR);
		complain(b, event_mark(b, ev), "write the value out where it is needed",
		         "aliases are not supported");
		return NULL;
	}
	for (size_t i = b->n_anchors; i-- > 0;)
		if (strcmp(b->anchors[i].name, name) == 0)
			return count_nodes(b, b->anchors[i].node->weight, ev) ? b->anchors[i].node
			                                                      : NULL;
	fail(b, TREE_TROUBLE_ANCHOR);
	diag_add(b->diags, event_mark(b, ev), NULL, "no anchor `%s` stands before this alias",
	         name);
	return NULL;
}

static struct tree_node *build_scalar(struct builder *b, const yaml_event_t *ev)
{
	if (refuse_decoration(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag))
		return NULL;
	const char *value = (const char *)ev->data.scalar.value;
	if (memchr(value, '\0', ev->data.scalar.length)) {
		complain(b, event_mark(b, ev), NULL, "a NUL character in a value");
		return NULL;
	}
	struct tree_node *node = node_new(b, TREE_SCALAR, ev);
	if (!node)
		return NULL;
	node->text = arena_strndup(b->arena, value, ev->data.scalar.length);
	node->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	decorate(b, node, ev->data.scalar.anchor, ev->data.scalar.tag);
	return node;
}

static struct tree_node *build(struct builder *b, const yaml_event_t *ev, unsigned depth);

struct pile { /* children of one collection, until their number is known */
	void **items;
	size_t n, cap;
};

static bool pile_push(struct pile *pile, void *item)
{
	if (pile->n == pile->cap) {
		size_t cap = pile->cap ? pile->cap * 2 : 8;
		void **items = reallocarray(pile->items, cap, sizeof(*items));
		if (!items)
			return false;
		pile->items = items;
		pile->cap = cap;
	}
	pile->items[pile->n++] = item;
	return true;
}

/* Every node up to @stop, into @pile. */
static bool build_children(struct builder *b, yaml_event_type_t stop, unsigned depth,
                           struct pile *pile)
{
	for (;;) {
		yaml_event_t ev;
		if (!next_event(b, &ev))
			return false;
		if (ev.type == stop) {
			yaml_event_delete(&ev);
			return true;
		}
		struct tree_node *child = build(b, &ev, depth + 1);
		yaml_event_delete(&ev);
		if (!child || !pile_push(pile, child))
			return false;
	}
}

static int by_key(const void *a, const void *b)
{
	const struct tree_node *x = *(const struct tree_node *const *)a,
			       *y = *(const struct tree_node *const *)b;
	int r = strcmp(x->text, y->text);
	return r ? r : x->start < y->start ? -1 : 1;
}

static void refuse_duplicates(struct builder *b, const struct tree_node *map)
{
	if (map->n < 2)
		return;
	const struct tree_node **keys = arena_array(b->arena, map->n, sizeof(struct tree_node *));
	for (size_t i = 0; i < map->n; i++)
		keys[i] = map->pairs[i].key;
	qsort(keys, map->n, sizeof(struct tree_node *), by_key);
	for (size_t i = 1; i < map->n; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		diag_add(b->diags, keys[i]->mark, NULL, "duplicate key `%s`: first at %s:%u:%u",
		         keys[i]->text, b->name, keys[i - 1]->mark.line, keys[i - 1]->mark.column);
		fail(b, TREE_TROUBLE_SYNTAX);
	}
}

static bool key_is_fine(struct builder *b, const struct tree_node *key)
{
	if (key->kind != TREE_SCALAR)
		complain(b, key->mark, NULL, "a key must be a plain word");
	else if (!b->options->any_keys && key->plain && strcmp(key->text, "<<") == 0)
		complain(b, key->mark, "write the keys out where they are needed",
		         "merge keys are not supported");
	else
		return true;
	return false;
}

static bool finish_map(struct builder *b, struct tree_node *node, const struct pile *pile)
{
	node->n = pile->n / 2;
	node->pairs = arena_array(b->arena, node->n, sizeof(*node->pairs));
	for (size_t i = 0; i < node->n; i++) {
		node->pairs[i].key = pile->items[2 * i];
		node->pairs[i].value = pile->items[2 * i + 1];
		node->weight += node->pairs[i].key->weight + node->pairs[i].value->weight;
		if (!key_is_fine(b, node->pairs[i].key))
			return false;
	}
	if (!b->options->any_keys)
		refuse_duplicates(b, node);
	return true;
}

static struct tree_node *build_collection(struct builder *b, const yaml_event_t *ev, unsigned depth)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *anchor = map ? ev->data.mapping_start.anchor
	                                : ev->data.sequence_start.anchor;
	const yaml_char_t *tag = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
	struct pile pile = { 0 };
	if (refuse_decoration(b, ev, anchor, tag))
		return NULL;
	if (depth > b->options->depth_max) {
		fail(b, TREE_TROUBLE_DEPTH);
		diag_add(b->diags, event_mark(b, ev), NULL, "nested deeper than %u levels",
		         b->options->depth_max);
		return NULL;
	}
	struct tree_node *node = node_new(b, map ? TREE_MAP : TREE_LIST, ev);
	bool ok = node && build_children(b, map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT,
	                                 depth, &pile);
	if (ok && map) {
		ok = finish_map(b, node, &pile);
	} else if (ok) {
		node->n = pile.n;
		node->items = arena_array(b->arena, pile.n, sizeof(struct tree_node *));
		if (pile.n)
			memcpy(node->items, pile.items, pile.n * sizeof(struct tree_node *));
		for (size_t i = 0; i < pile.n; i++)
			node->weight += node->items[i]->weight;
	}
	free(pile.items);
	if (ok)
		decorate(b, node, anchor, tag);
	return ok ? node : NULL;
}

static struct tree_node *build(struct builder *b, const yaml_event_t *ev, unsigned depth)
{
	if (ev->type == YAML_SCALAR_EVENT)
		return build_scalar(b, ev);
	if (ev->type == YAML_MAPPING_START_EVENT || ev->type == YAML_SEQUENCE_START_EVENT)
		return build_collection(b, ev, depth);
	if (ev->type == YAML_ALIAS_EVENT)
		return build_alias(b, ev);
	complain(b, event_mark(b, ev), NULL, "not a value");
	return NULL;
}

/* One step of the stream: what kind of event is next, and is it the expected one? */
static bool expect(struct builder *b, yaml_event_t *ev, yaml_event_type_t type,
                   const char *otherwise)
{
	if (!next_event(b, ev))
		return false;
	if (ev->type == type)
		return true;
	complain(b, event_mark(b, ev), NULL, otherwise);
	yaml_event_delete(ev);
	return false;
}

static bool open_document(struct builder *b)
{
	yaml_event_t ev;
	if (!expect(b, &ev, YAML_STREAM_START_EVENT, "not YAML"))
		return false;
	yaml_event_delete(&ev);
	if (!expect(b, &ev, YAML_DOCUMENT_START_EVENT, "the file is empty"))
		return false;
	bool tags = ev.data.document_start.tag_directives.start !=
	            ev.data.document_start.tag_directives.end;
	if (tags)
		complain(b, event_mark(b, &ev), NULL, "%TAG directives are not supported");
	yaml_event_delete(&ev);
	return !tags;
}

static struct tree_node *read_document(struct builder *b)
{
	yaml_event_t ev;
	if (!open_document(b) || !next_event(b, &ev))
		return NULL;
	struct tree_node *root = build(b, &ev, 1);
	yaml_event_delete(&ev);
	if (!root || !expect(b, &ev, YAML_DOCUMENT_END_EVENT, "not YAML"))
		return NULL;
	yaml_event_delete(&ev);
	if (!expect(b, &ev, YAML_STREAM_END_EVENT, "a second document in one file"))
		return NULL;
	yaml_event_delete(&ev);
	return root;
}

static int tree_read(struct builder *b, struct tree_node **ret)
{
	/* libyaml counts it as the first character, and takes no document behind a comment of it */
	b->bom = b->len >= 3 && memcmp(b->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	if (!check_bytes(b))
		return -EINVAL;
	index_lines(b);
	if (!yaml_parser_initialize(&b->parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)b->text + b->bom,
	                             b->len - b->bom);
	struct tree_node *root = read_document(b);
	yaml_parser_delete(&b->parser);
	if (!root || b->failed)
		return -EINVAL;
	*ret = root;
	return 0;
}

int tree_parse_with(struct plan_arena *arena, const char *name, const char *text, size_t len,
                    const struct tree_options *options, struct tree_node **ret,
                    enum tree_trouble *ret_trouble, struct diag_list *diags)
{
	struct builder b = { .arena = arena,
		             .name = name,
		             .text = text,
		             .len = len,
		             .options = options,
		             .diags = diags };
	int r = tree_read(&b, ret);
	if (ret_trouble)
		*ret_trouble = b.trouble;
	return r;
}

int tree_parse(struct plan_arena *arena, const char *name, const char *text, size_t len,
               struct tree_node **ret, struct diag_list *diags)
{
	static const struct tree_options strict = { .depth_max = TREE_DEPTH_MAX,
		                                    .nodes_max = TREE_NODES_MAX };
	return tree_parse_with(arena, name, text, len, &strict, ret, NULL, diags);
}

const struct tree_node *tree_get(const struct tree_node *map, const char *key)
{
	if (!map || map->kind != TREE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->pairs[i].key->text, key) == 0)
			return map->pairs[i].value;
	return NULL;
}

const char *tree_kind_name(enum tree_kind kind)
{
	return kind == TREE_SCALAR ? "a single value"
	       : kind == TREE_LIST ? "a list"
	                           : "a map of keys";
}

bool tree_is_null(const struct tree_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (node->kind == TREE_SCALAR && node->plain && strcmp(node->text, nulls[i]) == 0)
			return true;
	return false;
}

bool tree_is_bool(const struct tree_node *node, bool *ret)
{
	static const struct {
		const char *text;
		bool value;
	} rows[] = {
		{ "true", true },   { "True", true },   { "TRUE", true },
		{ "false", false }, { "False", false }, { "FALSE", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (node->kind == TREE_SCALAR && node->plain &&
		    strcmp(node->text, rows[i].text) == 0) {
			*ret = rows[i].value;
			return true;
		}
	return false;
}

struct diag_mark tree_mark_inside(const struct tree_node *node, const char *source,
                                  const char *needle, size_t length)
{
	struct diag_mark mark = node->mark;
	size_t from = node->start, n = strlen(needle);
	if (from < node->end &&
	    (source[from] == '|' ||
	     source[from] == '>')) /* the comment of a block's head is no value */
		while (from < node->end && source[from] != '\n')
			from++;
	const char *hit = from < node->end ? memmem(source + from, node->end - from, needle, n)
	                                   : NULL;
	if (!hit)
		return mark;
	const char *line = hit;
	while (line > source && line[-1] != '\n')
		line--;
	mark.column = 1;
	for (const char *p = line; p < hit; p++)
		mark.column += ((unsigned char)*p & 0xc0) != 0x80;
	for (const char *p = source + node->start; p < hit; p++)
		mark.line += *p == '\n';
	mark.length = (unsigned)length;
	return mark;
}
