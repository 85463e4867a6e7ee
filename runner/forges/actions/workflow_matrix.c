// SPDX-License-Identifier: Apache-2.0
/* workflow_matrix.c - reads `strategy`, and works out which jobs GitHub would make of a matrix and
 * how it would call them.
 *
 * Runs in: command line and supervisor. Rules, from GitHub's documentation of
 * `jobs.<id>.strategy.matrix`: every combination of the axes; without those that an `exclude` fits;
 * each `include` is added to all combinations of the axes whose values it does not change, or else
 * is a combination of its own. A job's name gets the values in brackets, unless it is an expression
 * itself. */
#include "workflow_read.h"

#include <string.h>

enum {
	COMBINATIONS_MAX = 256,
	TRIES_MAX = 4096,
	KEYS_MAX = 64,
	ENTRIES_MAX = 1000,
	NAME_MAX_BYTES = 250
};

struct setting {
	const char *name;
	const struct tree_node *value;
};

struct combination {
	struct setting set[KEYS_MAX];
	size_t n;
};

struct matrix_reading {
	struct workflow_job *job;
	const struct tree_node *matrix;
	const struct tree_pair *axes[KEYS_MAX];
	size_t n_axes;
	struct combination *combinations;
	size_t n, n_of_axes; /* those before n_of_axes come from the axes */
};

/* ---- values ---- */

static bool same_value(const struct tree_node *a, const struct tree_node *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == TREE_SCALAR)
		return strcmp(a->text, b->text) == 0;
	for (size_t i = 0; i < a->n && a->n == b->n; i++) {
		bool map = a->kind == TREE_MAP;
		if (map && strcmp(a->pairs[i].key->text, b->pairs[i].key->text) != 0)
			return false;
		if (!same_value(map ? a->pairs[i].value : a->items[i],
		                map ? b->pairs[i].value : b->items[i]))
			return false;
	}
	return a->n == b->n;
}

/* Its place in @c, or c->n. */
static size_t place_of(const struct combination *c, const char *name)
{
	size_t i = 0;
	while (i < c->n && strcmp(c->set[i].name, name) != 0)
		i++;
	return i;
}

static const struct tree_node *value_of(const struct combination *c, const char *name)
{
	size_t i = place_of(c, name);
	return i < c->n ? c->set[i].value : NULL;
}

static bool is_axis(const struct matrix_reading *m, const char *name)
{
	for (size_t i = 0; i < m->n_axes; i++)
		if (strcmp(m->axes[i]->key->text, name) == 0)
			return true;
	return false;
}

/* ---- combinations ---- */

/* Does every key of @entry say what @c says? With @only_axes, keys that are no axis do not count.
 */
static bool fits(const struct matrix_reading *m, const struct tree_node *entry,
                 const struct combination *c, bool only_axes)
{
	for (size_t i = 0; i < entry->n; i++) {
		const char *name = entry->pairs[i].key->text;
		if (only_axes && !is_axis(m, name))
			continue;
		const struct tree_node *value = value_of(c, name);
		if (!value || !same_value(value, entry->pairs[i].value))
			return false;
	}
	return true;
}

static bool is_excluded(const struct matrix_reading *m, const struct combination *c)
{
	const struct tree_node *exclude = tree_get(m->matrix, "exclude");
	for (size_t i = 0; exclude && exclude->kind == TREE_LIST && i < exclude->n; i++)
		if (exclude->items[i]->kind == TREE_MAP && fits(m, exclude->items[i], c, false))
			return true;
	return false;
}

static bool is_full(struct key_context *ctx, const struct matrix_reading *m)
{
	if (m->n < COMBINATIONS_MAX)
		return false;
	diag_add(ctx->diags, m->matrix->mark, NULL, "more than %d combinations", COMBINATIONS_MAX);
	return true;
}

/* The axes turn like the wheels of a counter; the last one turns fastest. */
static void cross_axes(struct key_context *ctx, struct matrix_reading *m)
{
	size_t at[KEYS_MAX] = { 0 }, tries = 0;
	for (bool more = m->n_axes > 0; more; tries++) {
		struct combination c = { .n = m->n_axes };
		for (size_t i = 0; i < m->n_axes; i++)
			c.set[i] = (struct setting){ m->axes[i]->key->text,
				                     m->axes[i]->value->items[at[i]] };
		if (tries == TRIES_MAX) {
			diag_add(ctx->diags, m->matrix->mark, NULL,
			         "more than %d combinations before `exclude`", TRIES_MAX);
			return;
		}
		if (!is_excluded(m, &c)) {
			if (is_full(ctx, m))
				return;
			m->combinations[m->n++] = c;
		}
		more = false;
		for (size_t i = m->n_axes; i-- > 0 && !more;) {
			more = ++at[i] < m->axes[i]->value->n;
			if (!more)
				at[i] = 0;
		}
	}
	m->n_of_axes = m->n;
}

static void lay_over(struct key_context *ctx, struct combination *c, const struct tree_node *entry)
{
	for (size_t i = 0; i < entry->n; i++) {
		const char *name = entry->pairs[i].key->text;
		size_t at = place_of(c, name);
		if (at == KEYS_MAX) {
			diag_add(ctx->diags, entry->mark, NULL,
			         "more than %d keys in one combination", KEYS_MAX);
			return;
		}
		c->set[at] = (struct setting){ name, entry->pairs[i].value };
		c->n += at == c->n;
	}
}

static void include(struct key_context *ctx, struct matrix_reading *m,
                    const struct tree_node *entry)
{
	size_t hits = 0;
	for (size_t i = 0; i < m->n_of_axes; i++) {
		if (!fits(m, entry, &m->combinations[i], true))
			continue;
		lay_over(ctx, &m->combinations[i], entry);
		hits++;
	}
	if (hits > 0 || is_full(ctx, m))
		return;
	m->combinations[m->n].n = 0;
	lay_over(ctx, &m->combinations[m->n++], entry);
}

/* ---- names ---- */

static void add_text(char *name, const char *text, size_t len)
{
	size_t used = strlen(name);
	size_t room = NAME_MAX_BYTES - used;
	(void)snprintf(name + used, room, "%.*s", (int)(len < room ? len : room), text);
}

static void add_leaves(char *name, const struct tree_node *v, bool *first)
{
	if (v->kind == TREE_SCALAR) {
		add_text(name, ", ", *first ? 0 : 2);
		add_text(name, v->text, strlen(v->text));
		*first = false;
		return;
	}
	for (size_t i = 0; i < v->n; i++)
		add_leaves(name, v->kind == TREE_MAP ? v->pairs[i].value : v->items[i], first);
}

/* The value of "matrix.a.b" (@path, @len bytes), or NULL when it is anything else. */
static const char *matrix_value(const struct combination *c, const char *path, size_t len)
{
	char text[200];
	if (len >= sizeof(text))
		return NULL;
	memcpy(text, path, len);
	text[len] = '\0';
	char *rest = NULL;
	const char *word = strtok_r(text, ".", &rest);
	if (!word || strcmp(word, "matrix") != 0 || !(word = strtok_r(NULL, ".", &rest)))
		return NULL;
	const struct tree_node *v = value_of(c, word);
	while (v && (word = strtok_r(NULL, ".", &rest)))
		v = tree_get(v, word);
	return v && v->kind == TREE_SCALAR ? v->text : NULL;
}

/* Only `matrix.KEY` is put in: the rest is known when the job runs, and stays as it is written. */
static void add_template(char *name, const char *template, const struct combination *c)
{
	while (*template) {
		const char *open = strstr(template, "${{"),
			   *close = open ? strstr(open, "}}") : NULL;
		if (!close)
			break;
		const char *path = open + 3;
		while (*path == ' ')
			path++;
		size_t len = (size_t)(close - path);
		while (len > 0 && path[len - 1] == ' ')
			len--;
		const char *value = path < close ? matrix_value(c, path, len) : NULL;
		add_text(name, template, (size_t)(open - template));
		add_text(name, value ? value : open,
		         value ? strlen(value) : (size_t)(close + 2 - open));
		template = close + 2;
	}
	add_text(name, template, strlen(template));
}

static const char *name_of(struct key_context *ctx, const struct workflow_job *job,
                           const struct combination *c)
{
	char name[NAME_MAX_BYTES + 1] = "";
	const char *base = job->name ? job->name : job->id;
	bool first = true;
	if (strstr(base, "${{")) {
		add_template(name, base, c);
		return arena_strdup(ctx->arena, name);
	}
	add_text(name, base, strlen(base));
	add_text(name, " (", 2);
	for (size_t i = 0; i < c->n; i++)
		add_leaves(name, c->set[i].value, &first);
	add_text(name, ")", 1);
	return arena_strdup(ctx->arena, name);
}

/* ---- reading ---- */

static void read_axis(struct key_context *ctx, struct matrix_reading *m,
                      const struct tree_pair *pair, struct workflow_axis *axis)
{
	axis->name = pair->key->text;
	if (workflow_whole_expression(pair->value)) {
		const char **one = arena_array(ctx->arena, 2, sizeof(*one));
		one[0] = m->job->matrix.computed = pair->value->text;
		axis->values = one;
		return;
	}
	if (!key_kind(ctx, pair->value, TREE_LIST, axis->name))
		return;
	if (pair->value->n == 0)
		diag_add(ctx->diags, pair->value->mark, NULL, "`%s` has no values", axis->name);
	const char **values = arena_array(ctx->arena, pair->value->n + 1, sizeof(*values));
	for (size_t i = 0; i < pair->value->n; i++) {
		values[i] = workflow_flat(ctx, pair->value->items[i]);
		if (strstr(values[i], "${{"))
			m->job->matrix.computed = values[i];
	}
	axis->values = values;
	m->axes[m->n_axes++] = pair;
}

/* `include` and `exclude`: a list of maps, or an expression. */
static bool check_entries(struct key_context *ctx, struct matrix_reading *m,
                          const struct tree_pair *pair)
{
	const struct tree_node *list = pair->value;
	if (strcmp(pair->key->text, "include") != 0 && strcmp(pair->key->text, "exclude") != 0)
		return false;
	if (workflow_whole_expression(list)) {
		m->job->matrix.computed = list->text;
		return true;
	}
	if (!key_kind(ctx, list, TREE_LIST, pair->key->text))
		return true;
	if (list->n > ENTRIES_MAX)
		diag_add(ctx->diags, list->mark, NULL, "more than %d entries", ENTRIES_MAX);
	for (size_t i = 0; i < list->n && i < ENTRIES_MAX; i++)
		(void)key_kind(ctx, list->items[i], TREE_MAP, pair->key->text);
	return true;
}

static void name_combinations(struct key_context *ctx, struct matrix_reading *m)
{
	size_t before = ctx->diags->n;
	m->combinations = arena_array(ctx->arena, COMBINATIONS_MAX + 1, sizeof(*m->combinations));
	cross_axes(ctx, m);
	const struct tree_node *list = tree_get(m->matrix, "include");
	for (size_t i = 0; list && i < list->n && ctx->diags->n == before; i++)
		include(ctx, m, list->items[i]);
	if (ctx->diags->n > before)
		return;
	const char **names = arena_array(ctx->arena, m->n + 1, sizeof(*names));
	for (size_t i = 0; i < m->n; i++)
		names[i] = name_of(ctx, m->job, &m->combinations[i]);
	m->job->matrix.names = names;
}

static void read_matrix(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct matrix_reading m = { .job = out, .matrix = v };
	struct workflow_matrix *matrix = &m.job->matrix;
	size_t before = ctx->diags->n;
	matrix->computed = workflow_whole_expression(v);
	if (matrix->computed || !key_kind(ctx, v, TREE_MAP, "matrix"))
		return;
	if (v->n == 0 || v->n > KEYS_MAX) {
		diag_add(ctx->diags, v->mark, NULL,
		         v->n ? "more than %d axes" : "`matrix` is empty", KEYS_MAX);
		return;
	}
	struct workflow_axis *axes = arena_array(ctx->arena, v->n, sizeof(*axes));
	for (size_t i = 0; i < v->n; i++)
		if (!check_entries(ctx, &m, &v->pairs[i]))
			read_axis(ctx, &m, &v->pairs[i], &axes[matrix->n_axes++]);
	matrix->axes = axes;
	if (ctx->diags->n == before && !matrix->computed)
		name_combinations(ctx, &m);
}

void workflow_read_strategy(struct key_context *ctx, const struct tree_node *map,
                            struct workflow_job *job)
{
	static const struct key_row rows[] = {
		{ .name = "matrix", .kinds = TREE_SCALAR | TREE_MAP, .read = read_matrix },
		{ .name = "fail-fast", .kinds = TREE_SCALAR },
		{ .name = "max-parallel", .kinds = TREE_SCALAR },
	};
	(void)key_walk(ctx, map, "strategy", rows, ARRAY_LEN(rows), job);
}
