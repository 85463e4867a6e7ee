// SPDX-License-Identifier: Apache-2.0
/* template_eval.c - computes nodes: values, texts, whole trees, and texts in pieces. Runs in:
 * command line and supervisor, on commit content and on what steps wrote. */
#include "template.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <string.h>

/* ---- values and nodes ---- */

static int over_memory(struct wf_errors *errors, struct diag_mark mark)
{
	(void)wf_error_add(errors, WF_SIZE, mark, "its value needs more memory than it may use");
	return -EINVAL;
}

static struct expr_value scalar_value(const struct template_node *node)
{
	struct expr_value v = expr_null();

	if (node->kind == TEMPLATE_STRING) {
		v = expr_string(node->text, node->len);
		v.outsider = node->outsider;
	} else if (node->kind == TEMPLATE_BOOL) {
		v = expr_bool(node->truth);
	} else if (node->kind == TEMPLATE_NUMBER) {
		v = expr_number(node->number);
	}
	return v;
}

static struct template_node *node_new(struct expr_memory *mem, enum template_kind kind,
                                      struct diag_mark mark)
{
	struct template_node *node = expr_alloc(mem, sizeof(*node));
	if (node) {
		node->kind = kind;
		node->mark = mark;
	}
	return node;
}

static struct template_node *scalar_node(struct expr_memory *mem, const struct expr_value *v,
                                         struct diag_mark mark)
{
	static const enum template_kind kinds[EXPR_KIND__COUNT] = {
		[EXPR_NULL] = TEMPLATE_NULL,
		[EXPR_BOOL] = TEMPLATE_BOOL,
		[EXPR_NUMBER] = TEMPLATE_NUMBER,
		[EXPR_STRING] = TEMPLATE_STRING,
	};
	struct template_node *node = node_new(mem, kinds[v->kind], mark);

	if (!node)
		return NULL;
	if (v->kind == EXPR_STRING) {
		node->text = v->text;
		node->len = v->len;
		node->outsider = v->outsider;
	}
	node->truth = v->kind == EXPR_BOOL && v->truth;
	node->number = v->kind == EXPR_NUMBER ? v->number : 0;
	return node;
}

enum { VALUE_DEPTH_MAX = 200 };

static struct template_node *value_node(struct expr_memory *mem, const struct expr_value *v,
                                        struct diag_mark mark, unsigned depth)
{
	bool list = v->kind == EXPR_ARRAY;

	if (expr_is_scalar(v))
		return scalar_node(mem, v, mark);
	if (depth > VALUE_DEPTH_MAX) {
		mem->exceeded = true;
		return NULL;
	}
	struct template_node *node = node_new(mem, list ? TEMPLATE_LIST : TEMPLATE_MAP, mark);
	if (!node)
		return NULL;
	node->outsider = v->outsider;
	node->n = list ? v->array->n : v->object->n;
	if (list)
		node->items = expr_alloc(mem, node->n * sizeof(struct template_node *));
	else
		node->pairs = expr_alloc(mem, node->n * sizeof(*node->pairs));
	for (size_t i = 0; i < node->n && !mem->exceeded; i++) {
		if (list) {
			node->items[i] = value_node(mem, &v->array->items[i], mark, depth + 1);
			continue;
		}
		const struct expr_member *member = &v->object->members[i];
		struct expr_value key = expr_string(member->key, member->key_len);
		key.outsider = v->outsider;
		node->pairs[i].key = scalar_node(mem, &key, mark);
		node->pairs[i].value = value_node(mem, &member->value, mark, depth + 1);
	}
	return mem->exceeded ? NULL : node;
}

struct template_node *template_of_value(struct expr_memory *mem, const struct expr_value *value,
                                        struct diag_mark mark)
{
	return value_node(mem, value, mark, 0);
}

/* ---- pieces ---- */

struct piece_list {
	struct template_piece *items;
	size_t n, cap;
};

static bool add_piece(struct expr_memory *mem, struct piece_list *list, struct template_piece piece)
{
	if (!expr_reserve(mem, &list->items, &list->cap, list->n, list->n + 1,
	                  sizeof(*list->items)))
		return false;
	list->items[list->n++] = piece;
	return true;
}

static int eval_part(const struct template_node *node, const struct template_part *part,
                     const struct expr_scope *scope, struct expr_memory *mem,
                     struct piece_list *list, struct wf_errors *errors)
{
	struct expr_piece *pieces = NULL;
	struct expr_error err;
	size_t n = 0;

	if (!part->expr)
		return add_piece(mem, list,
		                 (struct template_piece){ .text = part->text,
		                                          .len = part->len,
		                                          .written = true,
		                                          .at = node->mark })
		               ? 0
		               : over_memory(errors, node->mark);
	if (expr_eval_pieces(part->expr, scope, mem, &pieces, &n, &err) < 0) {
		(void)wf_error_expression(errors, &err, node->mark, part->at);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		struct template_piece piece = { .text = pieces[i].text,
			                        .len = pieces[i].len,
			                        .outsider = pieces[i].outsider,
			                        .written = pieces[i].written,
			                        .at = part->at };
		if (!piece.written) {
			piece.expression = part->text;
			piece.expression_len = part->len;
		}
		if (!add_piece(mem, list, piece))
			return over_memory(errors, node->mark);
	}
	return 0;
}

int template_pieces(const struct template_node *node, const struct expr_scope *scope,
                    struct expr_memory *mem, struct template_piece **ret, size_t *ret_n,
                    struct wf_errors *errors)
{
	struct piece_list list = { 0 };
	struct expr_value v = scalar_value(node), text;

	for (size_t i = 0; node->kind == TEMPLATE_EXPRESSION && i < node->n; i++)
		if (eval_part(node, &node->parts[i], scope, mem, &list, errors) < 0)
			return -EINVAL;
	if (node->kind != TEMPLATE_EXPRESSION) {
		if (!expr_to_string(mem, &v, &text) ||
		    !add_piece(mem, &list,
		               (struct template_piece){ .text = text.text,
		                                        .len = text.len,
		                                        .outsider = text.outsider,
		                                        .written = !text.outsider,
		                                        .at = node->mark }))
			return over_memory(errors, node->mark);
	}
	*ret = list.items;
	*ret_n = list.n;
	return 0;
}

/* ---- scalars ---- */

static int join_parts(const struct template_node *node, const struct expr_scope *scope,
                      struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors)
{
	struct expr_text out = { .mem = mem };
	const char *outsider = NULL, *text;
	size_t len;

	for (size_t i = 0; i < node->n; i++) {
		const struct template_part *part = &node->parts[i];
		struct expr_value v = expr_string(part->text, part->len);
		struct expr_error err;
		if (part->expr && expr_eval(part->expr, scope, mem, &v, &err) < 0) {
			(void)wf_error_expression(errors, &err, node->mark, part->at);
			return -EINVAL;
		}
		if (!expr_to_string(mem, &v, &v))
			return over_memory(errors, node->mark);
		expr_text_add(&out, v.text, v.len);
		outsider = outsider ? outsider : v.outsider;
	}
	if (!expr_text_take(&out, &text, &len))
		return over_memory(errors, node->mark);
	*ret = expr_string(text, len);
	ret->outsider = outsider;
	return 0;
}

static int scalar(const struct template_node *node, const struct expr_scope *scope,
                  struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors)
{
	struct expr_error err;

	if (node->kind != TEMPLATE_EXPRESSION) {
		*ret = scalar_value(node);
		return 0;
	}
	if (node->n != 1)
		return join_parts(node, scope, mem, ret, errors);
	if (expr_eval(node->parts[0].expr, scope, mem, ret, &err) == 0)
		return 0;
	(void)wf_error_expression(errors, &err, node->mark, node->parts[0].at);
	return -EINVAL;
}

int template_string(const struct template_node *node, const struct expr_scope *scope,
                    struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors)
{
	struct expr_value v = expr_null();

	if (template_is_collection(node) || scalar(node, scope, mem, &v, errors) < 0)
		return -EINVAL;
	if (!expr_is_scalar(&v)) {
		(void)wf_error_add(errors,
		                   v.kind == EXPR_ARRAY ? WF_UNEXPECTED_LIST : WF_UNEXPECTED_MAP,
		                   node->mark, "%s where a text belongs",
		                   v.kind == EXPR_ARRAY ? "a list" : "a map");
		return -EINVAL;
	}
	return expr_to_string(mem, &v, ret) ? 0 : over_memory(errors, node->mark);
}

/* ---- trees ---- */

struct resolving {
	const struct expr_scope *scope;
	struct expr_memory *mem;
	struct wf_errors *errors;
};

static struct template_node *resolve(struct resolving *r, const struct template_node *node);

struct pair_list {
	struct template_pair *items;
	size_t n, cap;
};

static bool add_pair(struct resolving *r, struct pair_list *list, struct template_node *key,
                     struct template_node *value)
{
	if (!key || !value)
		return false;
	if (!expr_reserve(r->mem, &list->items, &list->cap, list->n, list->n + 1,
	                  sizeof(*list->items)))
		return over_memory(r->errors, key->mark) == 0;
	list->items[list->n++] = (struct template_pair){ key, value };
	return true;
}

static bool resolve_pair(struct resolving *r, const struct template_pair *pair,
                         struct pair_list *list)
{
	struct template_node *value = resolve(r, pair->value);

	if (!value)
		return false;
	if (pair->key->kind != TEMPLATE_INSERT)
		return add_pair(r, list, resolve(r, pair->key), value);
	if (value->kind != TEMPLATE_MAP) {
		(void)wf_error_add(r->errors, WF_WANTS_MAP, pair->value->mark,
		                   "what `insert` puts here must be a map");
		return false;
	}
	for (size_t i = 0; i < value->n; i++)
		if (!add_pair(r, list, value->pairs[i].key, value->pairs[i].value))
			return false;
	return true;
}

static struct template_node *resolve_map(struct resolving *r, const struct template_node *node)
{
	struct template_node *ret = expr_alloc(r->mem, sizeof(*ret));
	struct pair_list list = { 0 };

	if (!ret) {
		(void)over_memory(r->errors, node->mark);
		return NULL;
	}
	*ret = *node;
	for (size_t i = 0; i < node->n; i++)
		if (!resolve_pair(r, &node->pairs[i], &list))
			return NULL;
	ret->pairs = list.items;
	ret->n = list.n;
	return ret;
}

static struct template_node *resolve_list(struct resolving *r, const struct template_node *node)
{
	struct template_node *ret = expr_alloc(r->mem, sizeof(*ret));
	struct template_node **items = expr_alloc(r->mem, node->n * sizeof(struct template_node *));

	if (!ret || !items) {
		(void)over_memory(r->errors, node->mark);
		return NULL;
	}
	*ret = *node;
	ret->items = items;
	for (size_t i = 0; i < node->n; i++) {
		items[i] = resolve(r, node->items[i]);
		if (!items[i])
			return NULL;
	}
	return ret;
}

static struct template_node *resolve(struct resolving *r, const struct template_node *node)
{
	struct expr_value v;

	if (node->kind == TEMPLATE_LIST)
		return resolve_list(r, node);
	if (node->kind == TEMPLATE_MAP)
		return resolve_map(r, node);
	if (scalar(node, r->scope, r->mem, &v, r->errors) < 0)
		return NULL;
	struct template_node *ret = template_of_value(r->mem, &v, node->mark);
	if (!ret)
		(void)over_memory(r->errors, node->mark);
	return ret;
}

int template_resolve(const struct template_node *node, const struct expr_scope *scope,
                     struct expr_memory *mem, struct template_node **ret, struct wf_errors *errors)
{
	struct resolving r = { .scope = scope, .mem = mem, .errors = errors };
	struct template_node *resolved = resolve(&r, node);
	if (!resolved)
		return -EINVAL;
	*ret = resolved;
	return 0;
}

/* ---- collections as values ---- */

static int node_value(const struct template_node *node, struct expr_memory *mem,
                      struct expr_value *ret)
{
	struct expr_value item;

	if (!template_is_collection(node)) {
		*ret = scalar_value(node);
		return 0;
	}
	if (node->kind == TEMPLATE_LIST) {
		if (!expr_array_new(mem, ret))
			return -ENOMEM;
		for (size_t i = 0; i < node->n; i++)
			if (node_value(node->items[i], mem, &item) < 0 ||
			    !expr_array_add(mem, ret->array, item))
				return -ENOMEM;
	} else {
		if (!expr_object_new(mem, false, ret))
			return -ENOMEM;
		for (size_t i = 0; i < node->n; i++) {
			struct expr_value key = scalar_value(node->pairs[i].key);
			if (!expr_to_string(mem, &key, &key) ||
			    node_value(node->pairs[i].value, mem, &item) < 0 ||
			    !expr_object_set(mem, ret->object, key.text, key.len, item))
				return -ENOMEM;
		}
	}
	ret->outsider = node->outsider;
	return 0;
}

int template_value(const struct template_node *node, const struct expr_scope *scope,
                   struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors)
{
	struct template_node *resolved = NULL;

	if (!template_is_collection(node))
		return scalar(node, scope, mem, ret, errors);
	if (template_resolve(node, scope, mem, &resolved, errors) < 0)
		return -EINVAL;
	return node_value(resolved, mem, ret) < 0 ? over_memory(errors, node->mark) : 0;
}
