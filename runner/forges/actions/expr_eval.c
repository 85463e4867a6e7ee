// SPDX-License-Identifier: Apache-2.0
/* expr_eval.c - values of expressions. Runs in: command line and supervisor; what it computes was
 * chosen by commit content and by what steps wrote.
 *
 * Recursion is as deep as the tree, which the parser bounds. Two accounts of memory are kept:
 * GitHub's, of what is alive at a time, so that what ends there ends here; and ours, of all that
 * was ever made, since nothing is given back before the arena goes. Steps bound the time. */
#include "expr_parts.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum {
	LIVE_MAX = 10 * 1024 * 1024,
	OBJECT_BYTES = 24, /* what GitHub counts for anything */
	STRING_BYTES = 26, /* for a text besides two bytes a unit */
	POINTER_BYTES = 8,
	BYTES_A_STEP = 16,
};

bool eval_fault(struct eval *e, enum expr_fault fault, const struct expr_node *node,
                const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	expr_fault_at(e->err, fault, e->expr->text, node ? node->at : 0, node ? node->len : 0);
	(void)vsnprintf(e->err->text, sizeof(e->err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool eval_over_memory(struct eval *e)
{
	return eval_fault(e, EXPR_OVER_MEMORY, NULL,
	                  "its value would need more memory than an "
	                  "expression may use");
}

bool eval_steps(struct eval *e, size_t steps)
{
	e->steps += steps;
	if (e->steps <= e->steps_max)
		return true;
	return eval_fault(e, EXPR_OVER_STEPS, NULL,
	                  "computing it would take longer than an expression may run");
}

/* ---- GitHub's account of live memory ---- */

/* What lies deeper in the tree than @level is dead once a plain value has been made of it. */
static bool count_live(struct eval *e, unsigned level, size_t bytes, bool drop_deeper)
{
	for (; drop_deeper && e->deepest > level; e->deepest--) {
		e->live -= e->live_at[e->deepest];
		e->live_at[e->deepest] = 0;
	}
	if (level > e->deepest)
		e->deepest = level;
	e->live_at[level] += bytes;
	e->live += bytes;
	return e->live <= e->live_max || eval_over_memory(e);
}

static size_t size_of(const struct expr_value *v)
{
	return v->kind == EXPR_STRING ? STRING_BYTES + 2 * text_units(v->text, v->len)
	                              : OBJECT_BYTES;
}

/* Values that are a part of something else keep that alive. */
static bool count_result(struct eval *e, const struct expr_node *node, unsigned level,
                         const struct expr_value *v)
{
	bool part = node->kind == NODE_CONTEXT || node->kind == NODE_INDEX;
	size_t bytes = size_of(v);

	if (v->kind == EXPR_STRING && !eval_steps(e, v->len / BYTES_A_STEP))
		return false;
	if (v->kind == EXPR_ARRAY && v->array->filtered)
		bytes += v->array->n * POINTER_BYTES;
	if (part && expr_is_scalar(v) && v->kind != EXPR_NULL)
		bytes += OBJECT_BYTES;
	return count_live(e, level, bytes, !part && expr_is_scalar(v));
}

bool eval_piece_add(void *piece, size_t units)
{
	struct eval_piece *p = piece;
	p->used += STRING_BYTES + 2 * units;
	if (p->used > p->e->live_max)
		return eval_over_memory(p->e);
	return eval_steps(p->e, 1 + units / BYTES_A_STEP);
}

/* ---- operators ---- */

static bool eval_context(struct eval *e, const struct expr_node *node, struct expr_value *ret)
{
	*ret = expr_null();
	if (!e->scope->context)
		return true;
	if (e->scope->context(e->scope->user, node->value.text, ret, e->err) < 0) {
		e->err->fault = EXPR_CALLBACK;
		return false;
	}
	return true;
}

/* && gives the first operand that is false, || the first that is true; or else the last one. */
static bool eval_chain(struct eval *e, const struct expr_node *node, unsigned level,
                       struct expr_value *ret)
{
	for (const struct expr_node *arg = node->first; arg; arg = arg->next) {
		if (!eval_node(e, arg, level + 1, ret))
			return false;
		if (expr_is_true(ret) == (node->kind == NODE_ANY))
			break;
	}
	return true;
}

static bool eval_binary(struct eval *e, const struct expr_node *node, unsigned level,
                        struct expr_value *ret)
{
	struct expr_value a, b;

	if (!eval_node(e, node->first, level + 1, &a) ||
	    !eval_node(e, node->first->next, level + 1, &b))
		return false;
	bool equal = expr_equal(&a, &b), truth = false;
	switch (node->op) {
	case OP_EQUAL:
		truth = equal;
		break;
	case OP_NOT_EQUAL:
		truth = !equal;
		break;
	case OP_LESS:
		truth = expr_less(&a, &b);
		break;
	case OP_LESS_EQUAL:
		truth = equal || expr_less(&a, &b);
		break;
	case OP_GREATER:
		truth = expr_greater(&a, &b);
		break;
	case OP_GREATER_EQUAL:
		truth = equal || expr_greater(&a, &b);
		break;
	case OP_NONE:
	case OP_OR:
	case OP_AND:
		break;
	}
	*ret = expr_bool(truth);
	return true;
}

/* ---- index and filter ---- */

struct index_key {
	bool star;
	struct expr_value name; /* null: arrays and objects name nothing */
	double place;           /* negative: none */
};

static bool index_key(struct eval *e, const struct expr_node *node, unsigned level,
                      struct index_key *ret)
{
	struct expr_value key;

	*ret = (struct index_key){ .star = node->kind == NODE_STAR, .place = -1 };
	if (ret->star)
		return true;
	if (!eval_node(e, node, level, &key))
		return false;
	if (expr_is_scalar(&key) && !expr_to_string(e->mem, &key, &ret->name))
		return eval_over_memory(e);
	double place = floor(expr_to_number(&key));
	if (place >= 0 && place <= INT_MAX)
		ret->place = place;
	return true;
}

static bool filter_add(struct eval *e, struct expr_array *out, const struct expr_value *item)
{
	if (!eval_steps(e, 1))
		return false;
	return expr_array_add(e->mem, out, *item) || eval_over_memory(e);
}

/* What @key finds in @v goes into @out: nothing, one value, or with a star all of them. */
static bool find_into(struct eval *e, const struct expr_value *v, const struct index_key *key,
                      struct expr_array *out)
{
	bool list = v->kind == EXPR_ARRAY, map = v->kind == EXPR_OBJECT;
	size_t n = list ? v->array->n : map ? v->object->n : 0;

	for (size_t i = 0; key->star && i < n; i++)
		if (!filter_add(e, out, list ? &v->array->items[i] : &v->object->members[i].value))
			return false;
	if (key->star)
		return true;
	const struct expr_value *found = NULL;
	if (map && key->name.kind == EXPR_STRING)
		found = expr_object_get(v->object, key->name.text, key->name.len);
	if (list && key->place >= 0 && key->place < (double)n)
		found = &v->array->items[(size_t)key->place];
	return !found || filter_add(e, out, found);
}

static bool eval_index(struct eval *e, const struct expr_node *node, unsigned level,
                       struct expr_value *ret)
{
	const struct expr_node *key_node = node->first->next;
	struct expr_value left;
	struct expr_array one = { 0 };
	struct index_key key = { .star = key_node->kind == NODE_STAR };

	if (!eval_node(e, node->first, level + 1, &left))
		return false;
	bool collection = !expr_is_scalar(&left);
	bool filter = key.star || (left.kind == EXPR_ARRAY && left.array->filtered);
	*ret = expr_null();
	if (filter && !expr_array_new(e->mem, ret))
		return eval_over_memory(e);
	if (filter)
		ret->array->filtered = true;
	if (!collection)
		return true;
	if (!index_key(e, key_node, level + 1, &key))
		return false;
	if (left.kind == EXPR_ARRAY && left.array->filtered) {
		for (size_t i = 0; i < left.array->n; i++)
			if (!eval_steps(e, 1) ||
			    !find_into(e, &left.array->items[i], &key, ret->array))
				return false;
		return true;
	}
	if (!find_into(e, &left, &key, filter ? ret->array : &one))
		return false;
	if (one.n)
		*ret = one.items[0];
	return true;
}

/* ---- nodes ---- */

static bool eval_kind(struct eval *e, const struct expr_node *node, unsigned level,
                      struct expr_value *ret)
{
	switch (node->kind) {
	case NODE_LITERAL:
		*ret = node->value;
		return true;
	case NODE_CONTEXT:
		return eval_context(e, node, ret);
	case NODE_NOT:
		if (!eval_node(e, node->first, level + 1, ret))
			return false;
		*ret = expr_bool(!expr_is_true(ret));
		return true;
	case NODE_BINARY:
		return eval_binary(e, node, level, ret);
	case NODE_ALL:
	case NODE_ANY:
		return eval_chain(e, node, level, ret);
	case NODE_INDEX:
		return eval_index(e, node, level, ret);
	case NODE_CALL:
		return node->function->call(e, node, level, ret);
	case NODE_STAR:
		break;
	}
	*ret = expr_null();
	return true;
}

bool eval_node(struct eval *e, const struct expr_node *node, unsigned level, struct expr_value *ret)
{
	return eval_steps(e, 1) && eval_kind(e, node, level, ret) &&
	       count_result(e, node, level, ret);
}

bool eval_string(struct eval *e, const struct expr_node *node, unsigned level,
                 struct expr_value *ret)
{
	struct expr_value v;
	if (!eval_node(e, node, level, &v))
		return false;
	return expr_to_string(e->mem, &v, ret) || eval_over_memory(e);
}

static int eval_all(struct eval *e, struct expr_value *ret)
{
	struct expr_value value = expr_null();

	*e->err = (struct expr_error){ 0 };
	e->live_max = e->scope->live_max ? e->scope->live_max : LIVE_MAX;
	e->steps_max = e->scope->steps_max ? e->scope->steps_max : EXPR_STEPS_MAX;
	if (e->expr->root && !eval_node(e, e->expr->root, 0, &value))
		return -EINVAL;
	*ret = value;
	return 0;
}

int expr_eval(const struct expr *expr, const struct expr_scope *scope, struct expr_memory *mem,
              struct expr_value *ret, struct expr_error *err)
{
	struct eval e = { .expr = expr, .scope = scope, .mem = mem, .err = err };
	return eval_all(&e, ret);
}

/* ---- pieces ---- */

bool eval_add_piece(struct eval *e, struct expr_piece piece)
{
	if (!expr_reserve(e->mem, &e->pieces, &e->cap_pieces, e->n_pieces, e->n_pieces + 1,
	                  sizeof(*e->pieces)))
		return eval_over_memory(e);
	e->pieces[e->n_pieces++] = piece;
	return true;
}

/* What came apart is the outermost format, and then it is the whole value. */
int expr_eval_pieces(const struct expr *expr, const struct expr_scope *scope,
                     struct expr_memory *mem, struct expr_piece **ret, size_t *ret_n,
                     struct expr_error *err)
{
	struct eval e = {
		.expr = expr, .scope = scope, .mem = mem, .err = err, .wants_pieces = true
	};
	struct expr_value value, text;
	int r = eval_all(&e, &value);

	if (r < 0)
		return r;
	if (e.n_pieces == 0) {
		struct expr_piece whole = { .length = expr->len };
		if (!expr_to_string(mem, &value, &text)) {
			(void)eval_over_memory(&e);
			return -EINVAL;
		}
		whole.text = text.text;
		whole.len = text.len;
		whole.outsider = text.outsider;
		whole.written = expr->root && expr->root->kind == NODE_LITERAL;
		if (!eval_add_piece(&e, whole))
			return -EINVAL;
	}
	*ret = e.pieces;
	*ret_n = e.n_pieces;
	return 0;
}

/* ---- faults ---- */

static const struct fault_row {
	const char *name;
	enum expr_stage stage;
} faults[] = {
	[EXPR_FAULT_NONE] = { "none", EXPR_EVALUATION },
	[EXPR_BAD_SYMBOL] = { "unexpected symbol", EXPR_LEXING },
	[EXPR_UNEXPECTED_SYMBOL] = { "unexpected symbol", EXPR_PARSING },
	[EXPR_UNEXPECTED_END] = { "unexpected end", EXPR_PARSING },
	[EXPR_UNKNOWN_CONTEXT] = { "unknown context", EXPR_PARSING },
	[EXPR_UNKNOWN_FUNCTION] = { "unknown function", EXPR_PARSING },
	[EXPR_TOO_FEW] = { "too few arguments", EXPR_PARSING },
	[EXPR_TOO_MANY] = { "too many arguments", EXPR_PARSING },
	[EXPR_EVEN] = { "even number of arguments", EXPR_PARSING },
	[EXPR_TOO_LONG] = { "too long", EXPR_PARSING },
	[EXPR_TOO_DEEP] = { "too deep", EXPR_PARSING },
	[EXPR_BAD_FORMAT] = { "invalid format", EXPR_EVALUATION },
	[EXPR_FORMAT_ARGUMENT] = { "format names a missing argument", EXPR_EVALUATION },
	[EXPR_FORMAT_SPECIFIER] = { "format specifier", EXPR_EVALUATION },
	[EXPR_BAD_JSON] = { "invalid JSON", EXPR_EVALUATION },
	[EXPR_NOT_A_PREDICATE] = { "no predicate", EXPR_EVALUATION },
	[EXPR_OVER_MEMORY] = { "memory", EXPR_EVALUATION },
	[EXPR_OVER_STEPS] = { "time", EXPR_EVALUATION },
	[EXPR_CALLBACK] = { "no value", EXPR_EVALUATION },
};
static_assert(ARRAY_LEN(faults) == EXPR_FAULT__COUNT, "a fault has no row");

enum expr_stage expr_fault_stage(enum expr_fault fault)
{
	return faults[fault].stage;
}

const char *expr_fault_name(enum expr_fault fault)
{
	return faults[fault].name;
}
