// SPDX-License-Identifier: Apache-2.0
/* schema_apply.c - holds a tree of values against the schema. Runs in: command line and supervisor;
 * the tree is commit content, or what an expression made of what a step wrote.
 *
 * Errors come in the order of the file. What a place does not take is passed over whole; a bound
 * ends the walk. */
#include "schema_rows.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECT_BYTES = 24, TEXT_BYTES = 26, ROWS_MAX = 4 };

/* A place in the schema, with what is allowed there and from above. */
struct place {
	const struct schema_row *row;
	struct expr_rules rules;
};

/* The maps that a value here may still be. */
struct candidates {
	const struct schema_row *rows[ROWS_MAX];
	size_t n;
};

static struct place place_at(enum schema_id id)
{
	return (struct place){ .row = &schema_rows[id], .rules = schema_rules(id) };
}

static struct place place_below(const struct place *above, enum schema_id id)
{
	const struct schema_row *row = &schema_rows[id];
	struct place below = { .row = row, .rules = above->rules };

	below.rules.contexts |= row->contexts;
	below.rules.functions |= row->functions;
	return below;
}

/* The rows of @kind that this place may be. */
static struct candidates candidates_of(const struct place *place, enum schema_kind kind)
{
	struct candidates c = { .n = 0 };
	const struct schema_row *row = place->row;

	if (row->kind == kind)
		c.rows[c.n++] = row;
	for (size_t i = 0; row->kind == SCHEMA_KIND_ONE_OF && i < row->n_one_of && c.n < ROWS_MAX;
	     i++)
		if (schema_rows[row->one_of[i]].kind == kind)
			c.rows[c.n++] = &schema_rows[row->one_of[i]];
	return c;
}

/* ---- bounds ---- */

size_t schema_text_bytes(const char *text, size_t len)
{
	return TEXT_BYTES + 2 * text_units(text, len);
}

static struct diag_mark whole_file(struct diag_mark mark)
{
	mark.line = mark.column = 0;
	return mark;
}

static bool fatal(struct schema_walk *w, enum wf_class class, const struct diag_mark *at,
                  const char *text)
{
	if (!w->fatal) {
		struct wf_error *e = wf_error_add(w->split.errors, class, whole_file(*at), "%s",
		                                  text);
		e->at = *at;
	}
	w->fatal = true;
	return false;
}

bool schema_count(struct schema_walk *w, size_t bytes, struct diag_mark mark)
{
	w->account.bytes += bytes;
	return w->account.bytes <= w->account.bytes_max ||
	       fatal(w, WF_SIZE, &mark, "what the workflow says takes too much memory");
}

static bool count_node(struct schema_walk *w, const struct template_node *node)
{
	bool text = node->kind == TEMPLATE_STRING || node->kind == TEMPLATE_EXPRESSION;
	return schema_count(w, OBJECT_BYTES + (text ? schema_text_bytes(node->text, node->len) : 0),
	                    node->mark);
}

static bool count_event(struct schema_walk *w, const struct template_node *node)
{
	return w->account.events++ < w->account.events_max ||
	       fatal(w, WF_NODES, &node->mark, "the workflow has too many values");
}

static bool enter(struct schema_walk *w, const struct template_node *node)
{
	return w->account.depth++ < w->account.depth_max ||
	       fatal(w, WF_DEPTH, &node->mark, "values are nested too deeply");
}

static void leave(struct schema_walk *w)
{
	w->account.depth--;
}

/* ---- scalars ---- */

static bool text_matches(const struct schema_walk *w, const struct schema_row *row,
                         const struct template_node *node)
{
	if (row->constant)
		return template_is(node, row->constant);
	return !row->non_empty || node->len > 0 || (w->computed && row->computed_empty);
}

static bool row_matches(const struct schema_walk *w, const struct schema_row *row,
                        const struct template_node *node)
{
	static const enum schema_kind kinds[] = {
		[TEMPLATE_STRING] = SCHEMA_KIND_STRING,
		[TEMPLATE_BOOL] = SCHEMA_KIND_BOOL,
		[TEMPLATE_NUMBER] = SCHEMA_KIND_NUMBER,
		[TEMPLATE_NULL] = SCHEMA_KIND_NULL,
	};
	if (row->kind != kinds[node->kind])
		return false;
	return node->kind != TEMPLATE_STRING || text_matches(w, row, node);
}

static bool place_matches(const struct schema_walk *w, const struct place *place,
                          const struct template_node *node)
{
	if (place->row->kind != SCHEMA_KIND_ONE_OF)
		return row_matches(w, place->row, node);
	for (size_t i = 0; i < place->row->n_one_of; i++)
		if (row_matches(w, &schema_rows[place->row->one_of[i]], node))
			return true;
	return false;
}

/* What would be right: constants, or kinds. */
static void say_wanted(const struct place *place, char *out, size_t size)
{
	static const char *const kind_words[] = {
		[SCHEMA_KIND_NONE] = "",
		[SCHEMA_KIND_NULL] = "nothing",
		[SCHEMA_KIND_BOOL] = "true or false",
		[SCHEMA_KIND_NUMBER] = "a number",
		[SCHEMA_KIND_STRING] = "a text",
		[SCHEMA_KIND_LIST] = "a list",
		[SCHEMA_KIND_MAP] = "a map",
		[SCHEMA_KIND_ONE_OF] = "",
	};
	bool many = place->row->kind == SCHEMA_KIND_ONE_OF;
	size_t n = many ? place->row->n_one_of : 1;

	(void)snprintf(out, size, "what may stand here: ");
	for (size_t i = 0; i < n; i++) {
		const struct schema_row *row = many ? &schema_rows[place->row->one_of[i]]
		                                    : place->row;
		size_t used = strlen(out);
		(void)snprintf(out + used, size - used, "%s%s%s%s", i ? ", " : "",
		               row->constant    ? "`"
		               : row->non_empty ? "a text that is not empty"
		                                : "",
		               row->constant    ? row->constant
		               : row->non_empty ? ""
		                                : kind_words[row->kind],
		               row->constant ? "`" : "");
	}
}

static void unexpected_value(struct schema_walk *w, const struct place *place,
                             const struct template_node *node)
{
	const char *text = template_text(w->split.arena, node);
	struct wf_error *e = wf_error_add(
		w->split.errors, WF_UNEXPECTED_VALUE, node->mark,
		*text ? "`%.200s` cannot stand here" : "something must stand here%.0s", text);
	say_wanted(place, e->hint, sizeof(e->hint));
}

/* A scalar that is no text becomes one where only a text is wanted. */
static struct template_node *check_literal(struct schema_walk *w, const struct place *place,
                                           struct template_node *node)
{
	if (place_matches(w, place, node))
		return node;
	if (node->kind != TEMPLATE_STRING) {
		struct template_node *text = arena_alloc(w->split.arena, sizeof(*text));
		*text = *node;
		text->text = template_text(w->split.arena, node);
		text->len = strlen(text->text);
		text->kind = TEMPLATE_STRING;
		if (place_matches(w, place, text))
			return text;
	}
	unexpected_value(w, place, node);
	return node;
}

static void expression_not_allowed(struct schema_walk *w, const struct template_node *node)
{
	struct wf_error *e = wf_error_add(w->split.errors, WF_EXPRESSION_NOT_ALLOWED, node->mark,
	                                  "an expression cannot stand here");
	if (node->kind == TEMPLATE_EXPRESSION && node->n == 1)
		e->at = node->parts[0].at;
}

/* Reads a scalar: with its value, taken apart. NULL when that ended the walk. */
static struct template_node *read_scalar(struct schema_walk *w, const struct place *place,
                                         struct template_node *node)
{
	bool failed;

	if (node->bad) {
		(void)fatal(w, node->bad_class, &node->mark, node->bad);
		return NULL;
	}
	return w->computed ? node : template_split(&w->split, node, &place->rules, &failed);
}

static struct template_node *apply_scalar(struct schema_walk *w, const struct place *place,
                                          struct template_node *node)
{
	node = read_scalar(w, place, node);
	if (!node)
		return NULL;
	if (node->kind == TEMPLATE_INSERT)
		unexpected_value(w, place, node);
	else if (node->kind != TEMPLATE_EXPRESSION)
		node = check_literal(w, place, node);
	else if (place->rules.contexts == 0)
		expression_not_allowed(w, node);
	return count_node(w, node) ? node : NULL;
}

/* ---- passing over ---- */

static bool skip(struct schema_walk *w, const struct template_node *node)
{
	if (!count_event(w, node))
		return false;
	if (node->bad)
		return fatal(w, node->bad_class, &node->mark, node->bad);
	if (!template_is_collection(node))
		return true;
	if (!enter(w, node))
		return false;
	bool ok = true;
	for (size_t i = 0; ok && i < node->n; i++)
		ok = node->kind == TEMPLATE_LIST
		             ? skip(w, node->items[i])
		             : skip(w, node->pairs[i].key) && skip(w, node->pairs[i].value);
	leave(w);
	return ok;
}

/* ---- lists and maps ---- */

static struct template_node *apply(struct schema_walk *w, const struct place *place,
                                   struct template_node *node);

static bool apply_list(struct schema_walk *w, const struct place *place,
                       const struct template_node *node, struct template_node *ret)
{
	struct candidates rows = candidates_of(place, SCHEMA_KIND_LIST);

	if (rows.n == 0)
		(void)wf_error_add(w->split.errors, WF_UNEXPECTED_LIST, node->mark,
		                   "a list cannot stand here");
	ret->items = arena_array(w->split.arena, node->n, sizeof(struct template_node *));
	for (size_t i = 0; i < node->n; i++) {
		if (rows.n == 0) {
			if (!skip(w, node->items[i]))
				return false;
			continue;
		}
		struct place item = place_below(place, rows.rows[0]->item);
		ret->items[i] = apply(w, &item, node->items[i]);
		if (!ret->items[i])
			return false;
	}
	return true;
}

struct map_reading {
	struct schema_walk *w;
	const struct place *place;
	struct template_node *ret;
	struct candidates rows;
	struct expr_memory mem; /* of the set of keys */
	struct expr_value keys; /* that were read, without case */
	bool has_expression_key;
};

static const struct schema_key *find_key(const struct schema_row *row,
                                         const struct template_node *key)
{
	for (size_t i = 0; i < row->n_keys; i++)
		if (template_is(key, row->keys[i].name))
			return &row->keys[i];
	return NULL;
}

/* What @key's value is. A key that only some of the candidates have decides for them. */
static enum schema_id match_key(struct map_reading *m, const struct template_node *key)
{
	struct candidates left = { .n = 0 };
	enum schema_id value = SCHEMA_NONE;

	for (size_t i = 0; i < m->rows.n; i++) {
		const struct schema_key *found = find_key(m->rows.rows[i], key);
		if (!found)
			continue;
		left.rows[left.n++] = m->rows.rows[i];
		value = value == SCHEMA_NONE ? found->value : value;
	}
	if (left.n)
		m->rows = left;
	return value;
}

/* Keys that GitHub has and this edition does not build yet; they deserve better than "unknown". */
static const struct later_row {
	const char *key, *hint;
} later[] = {
	{ "background", "background steps are not built yet: start it and use it in one step" },
	{ "wait", "background steps are not built yet" },
	{ "wait-all", "background steps are not built yet" },
	{ "cancel", "background steps are not built yet" },
	{ "parallel", "parallel steps are not built yet: write them one after the other" },
};

static void unknown_key(struct map_reading *m, const struct template_node *key)
{
	enum { WORDS_MAX = 64 };
	const char *words[WORDS_MAX] = { NULL };
	size_t n = 0;
	struct wf_error *e = wf_error_add(
		m->w->split.errors, WF_UNEXPECTED_VALUE, key->mark,
		key->len ? "unknown key `%.200s`" : "a key without a name%.0s", key->text);

	for (size_t i = 0; i < m->rows.n; i++)
		for (size_t k = 0; k < m->rows.rows[i]->n_keys && n < WORDS_MAX; k++)
			words[n++] = m->rows.rows[i]->keys[k].name;
	const char *near = diag_nearest(key->text, words, n);
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (template_is(key, later[i].key)) {
			(void)snprintf(e->hint, sizeof(e->hint), "%s", later[i].hint);
			return;
		}
	if (near) {
		(void)snprintf(e->hint, sizeof(e->hint), "did you mean `%s`?", near);
		return;
	}
	(void)snprintf(e->hint, sizeof(e->hint), "known keys:");
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(e->hint);
		(void)snprintf(e->hint + used, sizeof(e->hint) - used, "%s %s", i ? "," : "",
		               words[i]);
	}
}

static bool put_pair(struct map_reading *m, struct template_node *key,
                     const struct place *value_place, struct template_node *value)
{
	struct template_pair *pair = &m->ret->pairs[m->ret->n];

	if (!count_node(m->w, key))
		return false;
	pair->key = key;
	pair->value = apply(m->w, value_place, value);
	m->ret->n += !!pair->value;
	return pair->value;
}

/* @m->rows[0] has further keys. All of them may be expressions where the map has none of its own.
 */
static enum schema_id value_of_expression_key(const struct map_reading *m)
{
	const struct schema_row *row = m->rows.rows[0];
	return m->rows.n == 1 && row->n_keys == 0 && row->loose_key ? row->loose_value : SCHEMA_ANY;
}

static bool read_expression_pair(struct map_reading *m, struct template_node *key,
                                 struct template_node *value)
{
	struct place any = place_below(m->place, value_of_expression_key(m));

	m->has_expression_key = true;
	if (m->place->rules.contexts == 0) {
		expression_not_allowed(m->w, key);
		return skip(m->w, value);
	}
	return put_pair(m, key, &any, value);
}

static bool is_new_key(struct map_reading *m, const struct template_node *key)
{
	if (expr_object_get(m->keys.object, key->text, key->len)) {
		(void)wf_error_add(m->w->split.errors, WF_DUPLICATE_KEY, key->mark,
		                   "`%.200s` is there already (the case of letters does not count)",
		                   key->text);
		return false;
	}
	if (!expr_object_set(&m->mem, m->keys.object, key->text, key->len, expr_null()))
		(void)fatal(m->w, WF_SIZE, &key->mark, "a map has too many keys");
	return true;
}

static bool read_pair(struct map_reading *m, const struct template_pair *pair)
{
	struct template_node *key = read_scalar(m->w, m->place, pair->key);

	if (!key)
		return false;
	if (key->kind == TEMPLATE_EXPRESSION || key->kind == TEMPLATE_INSERT)
		return read_expression_pair(m, key, pair->value);
	if (key->kind != TEMPLATE_STRING) {
		struct template_node *text = arena_alloc(m->w->split.arena, sizeof(*text));
		*text = *key;
		text->text = template_text(m->w->split.arena, key);
		text->len = strlen(text->text);
		text->kind = TEMPLATE_STRING;
		key = text;
	}
	if (!is_new_key(m, key))
		return skip(m->w, pair->value);
	const struct schema_row *first = m->rows.rows[0];
	enum schema_id id = match_key(m, key);
	if (id == SCHEMA_NONE && first->loose_key != SCHEMA_NONE) {
		struct place key_place = place_below(m->place, first->loose_key);
		(void)check_literal(m->w, &key_place, key);
		id = first->loose_value;
	}
	if (id == SCHEMA_NONE) {
		unknown_key(m, key);
		return skip(m->w, pair->value);
	}
	struct place value_place = place_below(m->place, id);
	return put_pair(m, key, &value_place, pair->value);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Several maps are still possible: which keys would tell them apart? */
static void ambiguous(const struct map_reading *m)
{
	enum { WORDS_MAX = 64 };
	const char *words[WORDS_MAX] = { NULL };
	size_t n = 0;
	struct wf_error *e = wf_error_add(m->w->split.errors, WF_AMBIGUOUS, m->ret->mark,
	                                  "this says too little to know what it is");

	for (size_t i = 0; i < m->rows.n; i++)
		for (size_t k = 0; k < m->rows.rows[i]->n_keys && n < WORDS_MAX; k++) {
			const struct schema_key *key = &m->rows.rows[i]->keys[k];
			const struct template_node name = { .kind = TEMPLATE_STRING,
				                            .text = key->name,
				                            .len = strlen(key->name) };
			size_t hits = 0;
			for (size_t j = 0; j < m->rows.n; j++)
				hits += !!find_key(m->rows.rows[j], &name);
			if (hits == 1)
				words[n++] = key->name;
		}
	qsort(words, n, sizeof(words[0]), by_text);
	(void)snprintf(e->hint, sizeof(e->hint), "one of these keys would tell:");
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(e->hint);
		(void)snprintf(e->hint + used, sizeof(e->hint) - used, "%s %s", i ? "," : "",
		               words[i]);
	}
}

static bool may_be_missing(const struct map_reading *m, const char *name)
{
	return m->w->runs_on_optional && strcmp(name, "runs-on") == 0;
}

static void missing_keys(const struct map_reading *m)
{
	const struct schema_row *row = m->rows.rows[0];

	for (size_t i = 0; i < row->n_keys; i++) {
		const char *name = row->keys[i].name;
		if (row->keys[i].required && !may_be_missing(m, name) &&
		    !expr_object_get(m->keys.object, name, strlen(name)))
			(void)wf_error_add(m->w->split.errors, WF_MISSING_KEY, m->ret->mark,
			                   "`%s` is missing here", name);
	}
}

static bool apply_map(struct schema_walk *w, const struct place *place,
                      const struct template_node *node, struct template_node *ret)
{
	struct map_reading m = { .w = w,
		                 .place = place,
		                 .ret = ret,
		                 .rows = candidates_of(place, SCHEMA_KIND_MAP),
		                 .mem = { .arena = w->split.arena } };
	bool ok = true;

	if (m.rows.n == 0) {
		(void)wf_error_add(w->split.errors, WF_UNEXPECTED_MAP, node->mark,
		                   "a map of keys cannot stand here");
		for (size_t i = 0; ok && i < node->n; i++)
			ok = skip(w, node->pairs[i].key) && skip(w, node->pairs[i].value);
		return ok;
	}
	ret->pairs = arena_array(w->split.arena, node->n, sizeof(*ret->pairs));
	ret->n = 0;
	ok = expr_object_new(&m.mem, false, &m.keys);
	for (size_t i = 0; ok && i < node->n; i++)
		ok = read_pair(&m, &node->pairs[i]);
	if (!ok || w->fatal)
		return false;
	if (m.rows.n > 1)
		ambiguous(&m);
	else if (!m.has_expression_key)
		missing_keys(&m);
	return true;
}

static struct template_node *apply(struct schema_walk *w, const struct place *place,
                                   struct template_node *node)
{
	if (!count_event(w, node))
		return NULL;
	if (!template_is_collection(node))
		return apply_scalar(w, place, node);
	struct template_node *ret = arena_alloc(w->split.arena, sizeof(*ret));
	*ret = *node;
	if (!enter(w, node) || !schema_count(w, OBJECT_BYTES, node->mark))
		return NULL;
	bool ok = node->kind == TEMPLATE_LIST ? apply_list(w, place, node, ret)
	                                      : apply_map(w, place, node, ret);
	leave(w);
	return ok ? ret : NULL;
}

struct template_node *schema_apply(struct schema_walk *walk, struct template_node *node,
                                   enum schema_id id)
{
	struct place place = place_at(id);
	return apply(walk, &place, node);
}

struct template_node *schema_apply_input(struct schema_walk *walk, struct template_node *node,
                                         const struct template_node *type)
{
	static const struct {
		const char *name;
		enum schema_id id;
	} types[] = {
		{ "string", SCHEMA_INPUT_STRING },
		{ "boolean", SCHEMA_INPUT_BOOL },
		{ "number", SCHEMA_INPUT_NUMBER },
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (template_is(type, types[i].name))
			return schema_apply(walk, node, types[i].id);
	return node;
}
