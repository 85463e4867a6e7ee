// SPDX-License-Identifier: Apache-2.0
/* wf_matrix.c - see wf_matrix.h. Runs in: command line and supervisor; reads commit content, and
 * what an expression made of what a step wrote. Bounded in combinations and in comparisons. */
#include "wf_matrix.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <limits.h>
#include <string.h>

enum { CROSSINGS_MAX = 65536, COMPARISONS_MAX = 20 * 1000 * 1000, NAME_UNITS = 100 };

struct vector {
	const struct template_node *key, *values;
	struct expr_value value; /* the values as an array */
};

struct entry { /* of include */
	const struct template_node *map;
	bool matched;
};

struct matrix_reading {
	struct expr_memory *mem;
	struct wf_errors *errors;
	const struct template_node *matrix, *include, *exclude;
	struct vector *vectors;
	size_t n_vectors;
	struct entry *entries;
	size_t n_entries;
	const char *job_name;
	struct wf_matrix *out;
	size_t cap, comparisons;
	bool failed;
};

static bool matrix_error(struct matrix_reading *m, enum wf_class class,
                         const struct template_node *node, const char *text)
{
	(void)wf_error_add(m->errors, class, node->mark, "%s", text);
	m->failed = true;
	return false;
}

static bool over_memory(struct matrix_reading *m)
{
	return matrix_error(m, WF_SIZE, m->matrix, "the matrix takes too much memory");
}

/* ---- values ---- */

static bool value_of(struct matrix_reading *m, const struct template_node *node,
                     struct expr_value *ret)
{
	const struct expr_scope none = { .user = NULL };
	return template_value(node, &none, m->mem, ret, m->errors) == 0 || over_memory(m);
}

static const struct vector *find_vector(const struct matrix_reading *m,
                                        const struct template_node *key)
{
	for (size_t i = 0; i < m->n_vectors; i++)
		if (text_equal(m->vectors[i].key->text, m->vectors[i].key->len, key->text,
		               key->len))
			return &m->vectors[i];
	return NULL;
}

static bool set(struct matrix_reading *m, struct expr_value *object,
                const struct template_node *key, struct expr_value value)
{
	return expr_object_set(m->mem, object->object, key->text, key->len, value) ||
	       over_memory(m);
}

/* ---- fitting ---- */

/* What stands in @v under @key of a filter, or in its place @i of a list; null when nothing does.
 */
static struct expr_value member_of(const struct expr_value *v, const struct template_node *key,
                                   size_t i)
{
	const struct expr_value *found = NULL;
	char place[24];

	if (v->kind == EXPR_OBJECT && key)
		found = expr_object_get(v->object, key->text, key->len);
	else if (v->kind == EXPR_OBJECT)
		found = expr_object_get(v->object, place,
		                        (size_t)snprintf(place, sizeof(place), "%zu", i));
	else if (v->kind == EXPR_ARRAY && !key && i < v->array->n)
		found = &v->array->items[i];
	else if (v->kind == EXPR_ARRAY && key) {
		double at = expr_number_parse(key->text, key->len);
		if (at >= 0 && at < (double)v->array->n)
			found = &v->array->items[(size_t)at];
	}
	return found ? *found : expr_null();
}

static struct expr_value leaf_value(const struct template_node *node)
{
	switch (node->kind) {
	case TEMPLATE_STRING:
		return expr_string(node->text, node->len);
	case TEMPLATE_BOOL:
		return expr_bool(node->truth);
	case TEMPLATE_NUMBER:
		return expr_number(node->number);
	case TEMPLATE_NULL:
	case TEMPLATE_LIST:
	case TEMPLATE_MAP:
	case TEMPLATE_EXPRESSION:
	case TEMPLATE_INSERT:
		break;
	}
	return expr_null();
}

/* Is every leaf of @filter, at its path in @v, loosely equal to what stands there? */
static bool fits(struct matrix_reading *m, const struct template_node *filter,
                 const struct expr_value *v)
{
	bool fit = true;

	if (++m->comparisons > COMPARISONS_MAX)
		return !m->failed && matrix_error(m, WF_MATRIX_SIZE, m->matrix,
		                                  "too much to compare for include and exclude");
	if (!template_is_collection(filter)) {
		struct expr_value leaf = leaf_value(filter);
		return expr_equal(v, &leaf);
	}
	for (size_t i = 0; fit && i < filter->n; i++) {
		bool map = filter->kind == TEMPLATE_MAP;
		struct expr_value member = member_of(v, map ? filter->pairs[i].key : NULL, i);
		fit = fits(m, map ? filter->pairs[i].value : filter->items[i], &member);
	}
	return fit && !m->failed;
}

/* As fits(), of the keys of an include that are vectors. */
static bool include_fits(struct matrix_reading *m, const struct entry *entry,
                         const struct expr_value *v)
{
	bool fit = true;

	for (size_t i = 0; fit && i < entry->map->n; i++) {
		const struct template_pair *pair = &entry->map->pairs[i];
		if (!find_vector(m, pair->key))
			continue;
		struct expr_value member = member_of(v, pair->key, 0);
		fit = fits(m, pair->value, &member);
	}
	return fit && !m->failed;
}

static bool is_excluded(struct matrix_reading *m, const struct expr_value *v)
{
	for (size_t i = 0; m->exclude && i < m->exclude->n; i++)
		if (fits(m, m->exclude->items[i], v))
			return true;
	return false;
}

/* ---- combinations ---- */

/* The leaves of a value, as the name has them. */
static void name_leaves(struct matrix_reading *m, const struct expr_value *v, struct expr_text *out,
                        bool *first)
{
	struct expr_value text;

	for (size_t i = 0; v->kind == EXPR_ARRAY && i < v->array->n; i++)
		name_leaves(m, &v->array->items[i], out, first);
	for (size_t i = 0; v->kind == EXPR_OBJECT && i < v->object->n; i++)
		name_leaves(m, &v->object->members[i].value, out, first);
	if (!expr_is_scalar(v) || !expr_to_string(m->mem, v, &text) || text.len == 0)
		return;
	expr_text_add(out, *first ? " (" : ", ", 2);
	expr_text_add(out, text.text, text.len);
	*first = false;
}

/* At most 100 units; what is longer ends in "...". */
static const char *cut_name(struct matrix_reading *m, const char *name, size_t len)
{
	const char *at = name, *end = name + len;

	if (text_units(name, len) <= NAME_UNITS)
		return name;
	for (size_t units = 0; at < end;) {
		const char *next = at;
		units += text_next(&next, end) >= 0x10000 ? 2 : 1;
		if (units > NAME_UNITS - 3)
			break;
		at = next;
	}
	return arena_printf(m->mem->arena, "%.*s...", (int)(at - name), name);
}

static const char *name_of(struct matrix_reading *m, const struct expr_value *matrix)
{
	struct expr_text out = { .mem = m->mem };
	const char *name;
	size_t len;
	bool first = true;

	if (!m->job_name)
		return NULL;
	expr_text_add(&out, m->job_name, strlen(m->job_name));
	name_leaves(m, matrix, &out, &first);
	if (!first)
		expr_text_add(&out, ")", 1);
	return expr_text_take(&out, &name, &len) ? cut_name(m, name, len) : NULL;
}

static bool push(struct matrix_reading *m, struct expr_value matrix, const char *name)
{
	struct wf_matrix *out = m->out;

	if (out->n == WF_COMBINATIONS_MAX) {
		(void)wf_error_add(m->errors, WF_MATRIX_SIZE, m->matrix->mark,
		                   "more than %d combinations", WF_COMBINATIONS_MAX);
		m->failed = true;
		return false;
	}
	if (!expr_reserve(m->mem, &out->combinations, &m->cap, out->n, out->n + 1,
	                  sizeof(*out->combinations)))
		return over_memory(m);
	out->combinations[out->n++] = (struct wf_combination){ .name = name, .matrix = matrix };
	return true;
}

/* The further keys of all includes that fit go behind; a later one overwrites what an earlier one
 * gave. The name is that of the vectors alone. */
static bool add_combination(struct matrix_reading *m, struct expr_value vectors)
{
	const char *name = name_of(m, &vectors);
	struct expr_value all;

	if (!expr_object_new(m->mem, false, &all))
		return over_memory(m);
	for (size_t i = 0; i < vectors.object->n; i++) {
		const struct expr_member *member = &vectors.object->members[i];
		if (!expr_object_set(m->mem, all.object, member->key, member->key_len,
		                     member->value))
			return over_memory(m);
	}
	for (size_t i = 0; i < m->n_entries; i++) {
		struct entry *entry = &m->entries[i];
		if (!include_fits(m, entry, &vectors)) {
			if (m->failed)
				return false;
			continue;
		}
		entry->matched = true;
		for (size_t k = 0; k < entry->map->n; k++) {
			const struct template_pair *pair = &entry->map->pairs[k];
			struct expr_value v;
			if (find_vector(m, pair->key))
				continue;
			if (!value_of(m, pair->value, &v) || !set(m, &all, pair->key, v))
				return false;
		}
	}
	return push(m, all, name);
}

static bool cross(struct matrix_reading *m, size_t crossings)
{
	for (size_t i = 0; i < crossings; i++) {
		struct expr_value vectors;
		size_t block = crossings;
		if (!expr_object_new(m->mem, false, &vectors))
			return over_memory(m);
		for (size_t k = 0; k < m->n_vectors; k++) {
			const struct expr_array *values = m->vectors[k].value.array;
			block /= values->n;
			if (!set(m, &vectors, m->vectors[k].key,
			         values->items[i / block % values->n]))
				return false;
		}
		if (is_excluded(m, &vectors))
			continue;
		if (m->failed || !add_combination(m, vectors))
			return false;
	}
	return true;
}

/* An include that fitted nothing: first its vectors, then the rest. */
static bool add_own(struct matrix_reading *m, const struct entry *entry)
{
	struct expr_value own, v;

	if (!expr_object_new(m->mem, false, &own))
		return over_memory(m);
	for (int vectors = 1; vectors >= 0; vectors--)
		for (size_t i = 0; i < entry->map->n; i++) {
			const struct template_pair *pair = &entry->map->pairs[i];
			if (!!find_vector(m, pair->key) != vectors)
				continue;
			if (!value_of(m, pair->value, &v) || !set(m, &own, pair->key, v))
				return false;
		}
	return push(m, own, name_of(m, &own));
}

/* ---- checks ---- */

static void check_includes(struct matrix_reading *m)
{
	size_t n = m->include ? m->include->n : 0;
	m->entries = expr_alloc(m->mem, n * sizeof(*m->entries));

	for (size_t i = 0; m->entries && i < n; i++) {
		const struct template_node *entry = m->include->items[i];
		if (entry->n == 0)
			(void)matrix_error(m, WF_MATRIX_INCLUDE_EMPTY, entry,
			                   "an entry of `include` is empty");
		else
			m->entries[m->n_entries++] = (struct entry){ .map = entry };
	}
	if (!m->entries)
		(void)over_memory(m);
}

static void check_excludes(struct matrix_reading *m)
{
	for (size_t i = 0; m->exclude && i < m->exclude->n; i++) {
		const struct template_node *entry = m->exclude->items[i];
		if (entry->n == 0)
			(void)matrix_error(m, WF_MATRIX_EXCLUDE_EMPTY, entry,
			                   "an entry of `exclude` is empty");
		for (size_t k = 0; k < entry->n; k++) {
			const struct template_node *key = entry->pairs[k].key;
			if (find_vector(m, key))
				continue;
			(void)wf_error_add(m->errors, WF_MATRIX_EXCLUDE_KEY, key->mark,
			                   "`%.100s` of `exclude` is no key of the matrix",
			                   key->text);
			m->failed = true;
		}
	}
}

static bool count_crossings(struct matrix_reading *m, size_t *ret)
{
	*ret = m->n_vectors > 0;
	for (size_t i = 0; i < m->n_vectors; i++) {
		if (!value_of(m, m->vectors[i].values, &m->vectors[i].value))
			return false;
		*ret *= m->vectors[i].value.array->n;
		if (*ret > CROSSINGS_MAX)
			return matrix_error(m, WF_MATRIX_SIZE, m->matrix,
			                    "more than 65536 combinations before `exclude`");
	}
	return true;
}

/* ---- reading ---- */

static bool read_vector(struct matrix_reading *m, const struct template_pair *pair)
{
	if (pair->value->kind != TEMPLATE_LIST || pair->value->n == 0) {
		(void)wf_error_add(m->errors, WF_MATRIX_VECTOR_EMPTY, pair->value->mark,
		                   "`%.100s` of the matrix has no values", pair->key->text);
		m->failed = true;
		return false;
	}
	m->vectors[m->n_vectors++] = (struct vector){ .key = pair->key, .values = pair->value };
	return true;
}

/* Keys and values of a matrix; what is an expression counts as there, and is left for later. */
static bool read_matrix(struct matrix_reading *m, bool *ret_later)
{
	bool has_vector = false, has_include = false;

	m->vectors = expr_alloc(m->mem, m->matrix->n * sizeof(*m->vectors));
	if (!m->vectors)
		return over_memory(m);
	for (size_t i = 0; i < m->matrix->n; i++) {
		const struct template_pair *pair = &m->matrix->pairs[i];
		bool later = template_has_expression(pair->value) ||
		             template_has_expression(pair->key);
		bool include = template_is(pair->key, "include"),
		     exclude = template_is(pair->key, "exclude");
		*ret_later |= later;
		has_vector |= !include && !exclude;
		has_include |= include && (later || pair->value->n > 0);
		if (later)
			continue;
		if (include)
			m->include = pair->value;
		else if (exclude)
			m->exclude = pair->value;
		else
			(void)read_vector(m, pair);
	}
	if (!has_vector && !has_include)
		return matrix_error(m, WF_MATRIX_NO_VECTOR, m->matrix,
		                    "a matrix needs a key with values, or an `include`");
	return !m->failed;
}

static bool build(struct matrix_reading *m)
{
	size_t crossings = 0;

	check_includes(m);
	check_excludes(m);
	if (m->failed || !count_crossings(m, &crossings) || !cross(m, crossings))
		return false;
	for (size_t i = 0; i < m->n_entries; i++)
		if (!m->entries[i].matched && !add_own(m, &m->entries[i]))
			return false;
	return true;
}

/* ---- the strategy around it ---- */

static bool put_member(struct expr_memory *mem, struct expr_value *object, const char *key,
                       struct expr_value v)
{
	return expr_object_set(mem, object->object, key, strlen(key), v);
}

static bool finish(struct expr_memory *mem, struct wf_matrix *out, bool has_matrix)
{
	unsigned parallel = out->max_parallel ? out->max_parallel : (unsigned)out->n;

	for (size_t i = 0; i < out->n; i++) {
		struct expr_value *strategy = &out->combinations[i].strategy;
		if (!expr_object_new(mem, false, strategy) ||
		    !put_member(mem, strategy, "fail-fast", expr_bool(out->fail_fast)) ||
		    !put_member(mem, strategy, "job-index", expr_number((double)i)) ||
		    !put_member(mem, strategy, "job-total", expr_number((double)out->n)) ||
		    !put_member(mem, strategy, "max-parallel",
		                expr_number(has_matrix ? parallel : 1)))
			return false;
	}
	return true;
}

/* Whole numbers from 1 on; anything else is as if nothing were written, as at GitHub. */
static unsigned parallel_of(double number)
{
	return number >= 1 && number <= INT_MAX ? (unsigned)number : 0;
}

static void read_strategy(struct matrix_reading *m, const struct template_node *strategy,
                          bool *ret_later)
{
	struct wf_matrix *out = m->out;

	for (size_t i = 0; strategy->kind == TEMPLATE_MAP && i < strategy->n; i++) {
		const struct template_pair *pair = &strategy->pairs[i];
		bool matrix = template_is(pair->key, "matrix");
		*ret_later |= pair->key->kind == TEMPLATE_EXPRESSION ||
		              pair->value->kind == TEMPLATE_EXPRESSION;
		if (template_is(pair->key, "fail-fast") && pair->value->kind == TEMPLATE_BOOL)
			out->fail_fast = pair->value->truth;
		else if (template_is(pair->key, "max-parallel") &&
		         pair->value->kind == TEMPLATE_NUMBER)
			out->max_parallel = parallel_of(pair->value->number);
		else if (matrix && pair->value->kind == TEMPLATE_MAP)
			m->matrix = pair->value;
	}
	if (m->matrix)
		(void)read_matrix(m, ret_later);
}

int wf_matrix_expand(const struct template_node *strategy, const char *job_name,
                     struct expr_memory *mem, struct wf_matrix *ret, struct wf_errors *errors)
{
	struct wf_matrix out = { .fail_fast = true };
	struct matrix_reading m = {
		.mem = mem, .errors = errors, .job_name = job_name, .out = &out
	};
	bool later = strategy && strategy->kind == TEMPLATE_EXPRESSION;

	if (strategy && !later)
		read_strategy(&m, strategy, &later);
	if (m.failed)
		return -EINVAL;
	out.computed_later = later;
	if (!later && m.matrix && !build(&m))
		return -EINVAL;
	bool has_matrix = out.n > 0;
	/* without a matrix, or when everything is excluded, it is one job */
	if (!later && !has_matrix) {
		const struct template_node none = { .kind = TEMPLATE_NULL };
		m.matrix = m.matrix ? m.matrix : &none;
		if (!push(&m, expr_null(), job_name))
			return -EINVAL;
	}
	if (!finish(mem, &out, has_matrix)) {
		(void)wf_error_add(errors, WF_SIZE,
		                   strategy ? strategy->mark : (struct diag_mark){ 0 },
		                   "the matrix takes too much memory");
		return -EINVAL;
	}
	*ret = out;
	return 0;
}

int wf_matrix_compute(const struct template_node *strategy, const char *job_name,
                      const struct expr_scope *scope, struct expr_memory *mem,
                      struct wf_matrix *ret, struct wf_errors *errors)
{
	struct template_node *resolved = NULL;
	struct schema_walk walk = {
		.split = { .arena = mem->arena, .errors = errors },
		.account = { .bytes_max = EXPR_MEMORY_MAX, .events_max = 1000000, .depth_max = 50 },
		.computed = true,
	};
	size_t before = errors->n;

	if (!strategy)
		return wf_matrix_expand(NULL, job_name, mem, ret, errors);
	if (template_resolve(strategy, scope, mem, &resolved, errors) < 0)
		return -EINVAL;
	resolved = schema_apply(&walk, resolved, SCHEMA_STRATEGY);
	if (!resolved || errors->n > before)
		return -EINVAL;
	return wf_matrix_expand(resolved, job_name, mem, ret, errors);
}
