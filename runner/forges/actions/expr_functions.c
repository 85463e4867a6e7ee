// SPDX-License-Identifier: Apache-2.0
/* expr_functions.c - one row per function of GitHub's expression language. Runs in: command line
 * and supervisor, on values that hostile text chose.
 *
 * Arguments are evaluated when a function needs them: what `case` does not choose, and what no
 * placeholder of `format` names, is never computed. */
#include "expr_parts.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <ctype.h>
#include <string.h>

enum { BYTES_A_STEP = 16 };

/* ---- texts that contain, begin, end ---- */

/* Both arguments as texts; *@ret_scalar false when either is an array or an object. The second is
 * not looked at when the first decides. */
static bool two_texts(struct eval *e, const struct expr_node *node, unsigned level,
                      const struct expr_value *first, struct expr_value texts[2], bool *ret_scalar)
{
	struct expr_value second;

	*ret_scalar = false;
	if (!expr_is_scalar(first))
		return true;
	if (!eval_node(e, node->args[1], level + 1, &second))
		return false;
	if (!expr_is_scalar(&second))
		return true;
	*ret_scalar = true;
	if (!expr_to_string(e->mem, first, &texts[0]) ||
	    !expr_to_string(e->mem, &second, &texts[1]))
		return eval_over_memory(e);
	return eval_steps(e, (texts[0].len + texts[1].len) / BYTES_A_STEP);
}

/* Upper-cased copies, so that the library's linear search can do it. */
static bool holds_text(struct eval *e, const struct expr_value texts[2], bool *ret)
{
	char *folded[2];
	size_t len[2];

	for (int i = 0; i < 2; i++) {
		len[i] = text_fold(texts[i].text, texts[i].len, NULL);
		folded[i] = expr_alloc(e->mem, len[i] + 1);
		if (!folded[i])
			return eval_over_memory(e);
		(void)text_fold(texts[i].text, texts[i].len, folded[i]);
	}
	*ret = len[1] == 0 || memmem(folded[0], len[0], folded[1], len[1]);
	return true;
}

static bool holds_item(struct eval *e, const struct expr_node *node, unsigned level,
                       const struct expr_array *array, bool *ret)
{
	struct expr_value item;

	*ret = false;
	if (array->n == 0)
		return true;
	if (!eval_node(e, node->args[1], level + 1, &item))
		return false;
	for (size_t i = 0; i < array->n && !*ret; i++) {
		const struct expr_value *v = &array->items[i];
		if (!eval_steps(e, 1 + (v->kind == EXPR_STRING ? v->len / BYTES_A_STEP : 0)))
			return false;
		*ret = expr_equal(&item, v);
	}
	return true;
}

static bool call_contains(struct eval *e, const struct expr_node *node, unsigned level,
                          struct expr_value *ret)
{
	struct expr_value first, texts[2];
	bool scalar, found = false;

	if (!eval_node(e, node->args[0], level + 1, &first))
		return false;
	if (first.kind == EXPR_ARRAY) {
		if (!holds_item(e, node, level, first.array, &found))
			return false;
	} else {
		if (!two_texts(e, node, level, &first, texts, &scalar) ||
		    (scalar && !holds_text(e, texts, &found)))
			return false;
	}
	*ret = expr_bool(found);
	return true;
}

static bool call_edge(struct eval *e, const struct expr_node *node, unsigned level,
                      bool (*holds)(const char *, size_t, const char *, size_t),
                      struct expr_value *ret)
{
	struct expr_value first, texts[2];
	bool scalar;

	if (!eval_node(e, node->args[0], level + 1, &first) ||
	    !two_texts(e, node, level, &first, texts, &scalar))
		return false;
	*ret = expr_bool(scalar && holds(texts[0].text, texts[0].len, texts[1].text, texts[1].len));
	return true;
}

static bool call_starts_with(struct eval *e, const struct expr_node *node, unsigned level,
                             struct expr_value *ret)
{
	return call_edge(e, node, level, text_starts, ret);
}

static bool call_ends_with(struct eval *e, const struct expr_node *node, unsigned level,
                           struct expr_value *ret)
{
	return call_edge(e, node, level, text_ends, ret);
}

/* ---- format ---- */

struct format_part {
	size_t at, len; /* literal text; of a placeholder: its specifier */
	int argument;   /* -1: literal text */
};

struct formatting {
	struct eval *e;
	const struct expr_node *node;
	struct expr_value format;
	struct format_part *parts;
	size_t n, cap;
};

static bool format_wrong(struct formatting *f, enum expr_fault fault, const char *what)
{
	return eval_fault(f->e, fault, f->node, "%s: %.*s", what,
	                  (int)(f->format.len < 200 ? f->format.len : 200), f->format.text);
}

static bool format_push(struct formatting *f, struct format_part part)
{
	if (part.argument < 0 && part.len == 0)
		return true;
	if (!expr_reserve(f->e->mem, &f->parts, &f->cap, f->n, f->n + 1, sizeof(*f->parts)))
		return eval_over_memory(f->e);
	f->parts[f->n++] = part;
	return eval_steps(f->e, 1);
}

/* A NUL stands behind the text, so looking one ahead is always allowed. */
static char format_at(const struct formatting *f, size_t at)
{
	if (at >= f->format.len)
		return '\0';
	return f->format.text[at];
}

/* Behind "{": digits up to 255, a specifier or none, "}". Where the placeholder ends, or 0. */
static size_t read_placeholder(struct formatting *f, size_t at, struct format_part *ret)
{
	int argument = 0;
	size_t from = at;

	for (; isdigit((unsigned char)format_at(f, at)); at++) {
		argument = argument * 10 + (format_at(f, at) - '0');
		if (argument > ARGS_MAX)
			return 0;
	}
	if (at == from)
		return 0;
	*ret = (struct format_part){ .argument = argument };
	if (format_at(f, at) == '}')
		return at + 1;
	if (format_at(f, at) != ':')
		return 0;
	ret->at = ++at;
	for (; at < f->format.len; at++) {
		if (format_at(f, at) != '}')
			continue;
		if (format_at(f, at + 1) != '}') {
			ret->len = at - ret->at;
			return at + 1;
		}
		at++;
	}
	return 0;
}

static bool format_split(struct formatting *f)
{
	size_t at = 0, from = 0;

	while (at < f->format.len) {
		char c = format_at(f, at);
		struct format_part part = { .at = from, .len = at - from, .argument = -1 };
		if (c != '{' && c != '}') {
			at++;
			continue;
		}
		if (format_at(f, at + 1) == c) { /* doubled: one of them stays */
			part.len++;
			if (!format_push(f, part))
				return false;
			at += 2;
			from = at;
			continue;
		}
		struct format_part place;
		size_t end = c == '{' ? read_placeholder(f, at + 1, &place) : 0;
		if (end == 0)
			return format_wrong(f, EXPR_BAD_FORMAT, "no valid format");
		if ((size_t)place.argument + 1 >= f->node->n)
			return format_wrong(f, EXPR_FORMAT_ARGUMENT,
			                    "the format names more arguments than there are");
		if (!format_push(f, part) || !format_push(f, place))
			return false;
		at = from = end;
	}
	return format_push(f, (struct format_part){ .at = from, .len = at - from, .argument = -1 });
}

/* One part of the outermost format, apart from the others. */
static bool format_piece(struct formatting *f, const struct format_part *part,
                         const struct expr_value *v)
{
	const struct expr_node *from = f->node->args[part->argument + 1];
	struct expr_piece piece = { .text = v->text,
		                    .len = v->len,
		                    .outsider = v->outsider,
		                    .written = part->argument < 0,
		                    .offset = from->at,
		                    .length = from->len };
	if (piece.written)
		piece.text = expr_strndup(f->e->mem, v->text, v->len);
	return piece.text ? eval_add_piece(f->e, piece) : eval_over_memory(f->e);
}

static bool call_format(struct eval *e, const struct expr_node *node, unsigned level,
                        struct expr_value *ret)
{
	struct formatting f = { .e = e, .node = node };
	struct eval_piece account = { .e = e };
	struct expr_text out = { .mem = e->mem };
	struct expr_value *values = expr_alloc(e->mem, node->n * sizeof(*values));
	bool *known = expr_alloc(e->mem, node->n * sizeof(*known));

	if (!values || !known)
		return eval_over_memory(e);
	if (!eval_string(e, node->args[0], level + 1, &f.format) || !format_split(&f))
		return false;
	const char *outsider = f.format.outsider;
	bool apart = e->wants_pieces && node == e->expr->root &&
	             node->args[0]->kind == NODE_LITERAL;
	for (size_t i = 0; i < f.n; i++) {
		const struct format_part *part = &f.parts[i];
		struct expr_value v = expr_string(f.format.text + part->at, part->len);
		if (part->argument >= 0) {
			size_t k = (size_t)part->argument + 1;
			if (!known[k] && !eval_string(e, node->args[k], level + 1, &values[k]))
				return false;
			known[k] = true;
			if (part->len)
				return format_wrong(&f, EXPR_FORMAT_SPECIFIER,
				                    "a format may not say how a value is written");
			v = values[k];
		}
		if (v.len && !eval_piece_add(&account, text_units(v.text, v.len)))
			return false;
		expr_text_add(&out, v.text, v.len);
		outsider = outsider ? outsider : v.outsider;
		if (apart && !format_piece(&f, part, &v))
			return false;
	}
	const char *text;
	size_t len;
	if (!expr_text_take(&out, &text, &len))
		return eval_over_memory(e);
	*ret = expr_string(text, len);
	ret->outsider = outsider;
	return true;
}

/* ---- join ---- */

static bool join_piece(struct eval_piece *account, struct expr_text *out,
                       const struct expr_value *v, const char **outsider)
{
	struct expr_value text;

	if (!expr_to_string(account->e->mem, v, &text))
		return eval_over_memory(account->e);
	if (!eval_piece_add(account, text_units(text.text, text.len)))
		return false;
	expr_text_add(out, text.text, text.len);
	*outsider = *outsider ? *outsider : text.outsider;
	return true;
}

static bool call_join(struct eval *e, const struct expr_node *node, unsigned level,
                      struct expr_value *ret)
{
	struct expr_value items, separator = expr_text(","), given;
	struct eval_piece account = { .e = e };
	struct expr_text out = { .mem = e->mem };
	const char *outsider = NULL, *text;
	size_t len;

	if (!eval_node(e, node->args[0], level + 1, &items))
		return false;
	if (items.kind != EXPR_ARRAY) {
		*ret = expr_text("");
		return !expr_is_scalar(&items) || expr_to_string(e->mem, &items, ret) ||
		       eval_over_memory(e);
	}
	if (items.array->n > 1 && node->n > 1) {
		if (!eval_node(e, node->args[1], level + 1, &given))
			return false;
		if (expr_is_scalar(&given))
			separator = given;
	}
	for (size_t i = 0; i < items.array->n; i++)
		if ((i && !join_piece(&account, &out, &separator, &outsider)) ||
		    !join_piece(&account, &out, &items.array->items[i], &outsider))
			return false;
	if (!expr_text_take(&out, &text, &len))
		return eval_over_memory(e);
	*ret = expr_string(text, len);
	ret->outsider = outsider;
	return true;
}

/* ---- JSON ---- */

static bool call_to_json(struct eval *e, const struct expr_node *node, unsigned level,
                         struct expr_value *ret)
{
	struct eval_piece account = { .e = e };
	struct expr_value v;

	if (!eval_node(e, node->args[0], level + 1, &v))
		return false;
	if (expr_json_write(e->mem, &v, eval_piece_add, &account, ret))
		return true;
	return e->err->fault == EXPR_FAULT_NONE ? eval_over_memory(e) : false;
}

static bool call_from_json(struct eval *e, const struct expr_node *node, unsigned level,
                           struct expr_value *ret)
{
	struct expr_value text;
	const char *why = NULL;
	size_t at = 0;

	if (!eval_string(e, node->args[0], level + 1, &text) ||
	    !eval_steps(e, text.len / BYTES_A_STEP))
		return false;
	int r = expr_json_parse(e->mem, text.text, text.len, text.outsider, ret, &at, &why);
	if (r == -EINVAL)
		return eval_fault(e, EXPR_BAD_JSON, node, "no valid JSON at character %zu: %s",
		                  text_units(text.text, at) + 1, why);
	return r == 0 || eval_over_memory(e);
}

/* ---- case ---- */

static bool call_case(struct eval *e, const struct expr_node *node, unsigned level,
                      struct expr_value *ret)
{
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		struct expr_value when;
		if (!eval_node(e, node->args[i], level + 1, &when))
			return false;
		if (when.kind != EXPR_BOOL)
			return eval_fault(e, EXPR_NOT_A_PREDICATE, node->args[i],
			                  "a condition of `case` must be true or false");
		if (when.truth)
			return eval_node(e, node->args[i + 1], level + 1, ret);
	}
	return eval_node(e, node->args[node->n - 1], level + 1, ret);
}

/* ---- what the engine knows ---- */

/* All arguments as texts. */
static bool string_args(struct eval *e, const struct expr_node *node, unsigned level,
                        struct expr_value **ret)
{
	struct expr_value *args = expr_alloc(e->mem, node->n * sizeof(*args));

	if (!args)
		return eval_over_memory(e);
	for (size_t i = 0; i < node->n; i++)
		if (!eval_string(e, node->args[i], level + 1, &args[i]))
			return false;
	*ret = args;
	return true;
}

static bool callback_failed(struct eval *e, const struct expr_node *node)
{
	char text[sizeof(e->err->text)];
	(void)snprintf(text, sizeof(text), "%s", e->err->text);
	return eval_fault(e, EXPR_CALLBACK, node, "%s", text);
}

static bool call_status(struct eval *e, const struct expr_node *node, unsigned level,
                        enum expr_status which, struct expr_value *ret)
{
	struct expr_value *ids = NULL;
	bool truth = which == EXPR_ALWAYS || which == EXPR_SUCCESS;

	if (!string_args(e, node, level, &ids))
		return false;
	if (which != EXPR_ALWAYS && e->scope->status &&
	    e->scope->status(e->scope->user, which, ids, node->n, &truth, e->err) < 0)
		return callback_failed(e, node);
	*ret = expr_bool(truth);
	return true;
}

static bool call_always(struct eval *e, const struct expr_node *node, unsigned level,
                        struct expr_value *ret)
{
	return call_status(e, node, level, EXPR_ALWAYS, ret);
}

static bool call_cancelled(struct eval *e, const struct expr_node *node, unsigned level,
                           struct expr_value *ret)
{
	return call_status(e, node, level, EXPR_CANCELLED, ret);
}

static bool call_failure(struct eval *e, const struct expr_node *node, unsigned level,
                         struct expr_value *ret)
{
	return call_status(e, node, level, EXPR_FAILURE, ret);
}

static bool call_success(struct eval *e, const struct expr_node *node, unsigned level,
                         struct expr_value *ret)
{
	return call_status(e, node, level, EXPR_SUCCESS, ret);
}

static bool call_hash_files(struct eval *e, const struct expr_node *node, unsigned level,
                            struct expr_value *ret)
{
	struct expr_value *patterns = NULL;

	if (!string_args(e, node, level, &patterns))
		return false;
	if (!e->scope->hash_files)
		return eval_fault(e, EXPR_CALLBACK, node, "there are no files to hash yet");
	if (e->scope->hash_files(e->scope->user, e->mem, patterns, node->n, ret, e->err) < 0)
		return callback_failed(e, node);
	return true;
}

/* ---- the table ---- */

enum { STATUS = EXPR_STATUS | EXPR_JOB_STATUS };

static const struct function_row functions[] = {
	{ "contains", call_contains, .min = 2, .max = 2 },
	{ "startsWith", call_starts_with, .min = 2, .max = 2 },
	{ "endsWith", call_ends_with, .min = 2, .max = 2 },
	{ "format", call_format, .min = 1, .max = ARGS_MAX },
	{ "join", call_join, .min = 1, .max = 2 },
	{ "toJSON", call_to_json, .min = 1, .max = 1 },
	{ "fromJSON", call_from_json, .min = 1, .max = 1 },
	{ "case", call_case, .min = 3, .max = ARGS_MAX },
	{ "hashFiles", call_hash_files, .needs = EXPR_HASH_FILES, .min = 1, .max = ARGS_MAX },
	{ "always", call_always, .needs = STATUS, .status = true },
	{ "cancelled", call_cancelled, .needs = STATUS, .status = true },
	{ "failure", call_failure, .needs = STATUS, .max = ARGS_ANY, .status = true },
	{ "success", call_success, .needs = STATUS, .max = ARGS_ANY, .status = true },
};

const struct function_row *expr_function(const char *name, size_t len, unsigned offered)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strlen(functions[i].name) == len &&
		    strncasecmp(functions[i].name, name, len) == 0)
			return !functions[i].needs || (functions[i].needs & offered) ? &functions[i]
			                                                             : NULL;
	return NULL;
}

unsigned expr_function_max(const struct function_row *row, unsigned offered)
{
	return row->status && !(offered & EXPR_JOB_STATUS) ? 0 : row->max;
}
