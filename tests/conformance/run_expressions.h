// SPDX-License-Identifier: Apache-2.0
/* run_expressions.h - runs GitHub's own test data of the expression language (expressions/\*.json,
 * MIT): each case has an expression, contexts, and a result with its kind or an error with its
 * stage.
 *
 * Our sentences are our own, so of an error the class is compared, and symbol and position where
 * the data names them. Read with jansson, not with the reader under test. */
#ifndef TESTS_CONFORMANCE_RUN_EXPRESSIONS_H
#define TESTS_CONFORMANCE_RUN_EXPRESSIONS_H

#include "tally.h"

#include "runner/forges/actions/expr.h"

#include "drydock/err.h"

#include <jansson.h>
#include <math.h>

/* How the data's sentences begin, and what we call that. */
static const struct sentence_row {
	const char *begins;
	const char *fault;
} sentences[] = {
	{ "Unexpected symbol", "unexpected symbol" },
	{ "Unexpected end of expression", "unexpected end" },
	{ "Unrecognized named-value", "unknown context" },
	{ "Unrecognized function", "unknown function" },
	{ "Too few parameters", "too few arguments" },
	{ "Too many parameters", "too many arguments" },
	{ "Even number of parameters", "even number of arguments" },
	{ "Exceeded max expression length", "too long" },
	{ "Exceeded max expression depth", "too deep" },
	{ "The following format string is invalid", "invalid format" },
	{ "The following format string references more", "format names a missing argument" },
	{ "The format specifiers", "format specifier" },
	{ "case predicate must", "no predicate" },
	{ "The maximum allowed memory", "memory" },
	{ "Error parsing fromJson", "invalid JSON" },
	{ "Error reading JToken", "invalid JSON" },
	{ "Unexpected character encountered", "invalid JSON" },
};

static const char *const stages[] = { "lexing", "parsing", "evaluation" };

static inline struct expr_value value_of_json(struct expr_memory *mem, const json_t *json)
{
	struct expr_value v = expr_null();
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_boolean(json))
		v = expr_bool(json_is_true(json));
	else if (json_is_number(json))
		v = expr_number(json_number_value(json));
	else if (json_is_string(json))
		(void)expr_copy_string(mem, json_string_value(json), json_string_length(json), &v);
	else if (json_is_array(json) && expr_array_new(mem, &v))
		json_array_foreach(json, i, item)(void)
			expr_array_add(mem, v.array, value_of_json(mem, item));
	else if (json_is_object(json) && expr_object_new(mem, false, &v))
		json_object_foreach((json_t *)(uintptr_t)json, key, item)(void)
			expr_object_set(mem, v.object, key, strlen(key), value_of_json(mem, item));
	return v;
}

static inline bool same_as_json(const struct expr_value *v, const json_t *json)
{
	const char *key;
	json_t *item;

	if (v->kind == EXPR_NULL)
		return json_is_null(json);
	if (v->kind == EXPR_BOOL)
		return json_is_boolean(json) && json_is_true(json) == v->truth;
	if (v->kind == EXPR_NUMBER && json_is_string(json)) {
		double want = expr_number_parse(json_string_value(json), json_string_length(json));
		return isnan(want) ? isnan(v->number) : want == v->number;
	}
	if (v->kind == EXPR_NUMBER)
		return json_is_number(json) && json_number_value(json) == v->number;
	if (v->kind == EXPR_STRING)
		return json_is_string(json) && json_string_length(json) == v->len &&
		       memcmp(json_string_value(json), v->text, v->len) == 0;
	if (v->kind == EXPR_ARRAY) {
		bool same = json_is_array(json) && json_array_size(json) == v->array->n;
		for (size_t i = 0; same && i < v->array->n; i++)
			same = same_as_json(&v->array->items[i], json_array_get(json, i));
		return same;
	}
	size_t i = 0;
	bool same = json_is_object(json) && json_object_size(json) == v->object->n;
	json_object_foreach((json_t *)(uintptr_t)json, key, item)
	{
		same = same && strcmp(v->object->members[i].key, key) == 0 &&
		       same_as_json(&v->object->members[i].value, item);
		i++;
	}
	return same;
}

static inline int context_of_case(void *user, const char *name, struct expr_value *ret,
                                  struct expr_error *err)
{
	const struct expr_value *contexts = user;
	const struct expr_value *found = contexts->kind == EXPR_OBJECT
	                                         ? expr_object_get(contexts->object, name,
	                                                           strlen(name))
	                                         : NULL;
	(void)err;
	if (found)
		*ret = *found;
	return 0;
}

/* The symbol and the position that a sentence of the data names: "...: 'X'. Located at position N".
 */
static inline bool same_place(const char *sentence, const char *expression,
                              const struct expr_error *err)
{
	const char *at = strstr(sentence, "'. Located at position ");
	const char *from = strstr(sentence, ": '");

	if (!at || !from)
		return true;
	from += 3;
	return strtoul(strstr(at, "position ") + 9, NULL, 10) == err->position &&
	       (size_t)(at - from) == err->length &&
	       memcmp(from, expression + err->offset, err->length) == 0;
}

static inline bool same_error(const json_t *want, const char *expression,
                              const struct expr_error *err)
{
	const char *stage = json_string_value(json_object_get(want, "kind"));
	const char *sentence = json_string_value(json_object_get(want, "value"));

	if (!stage || strcmp(stage, stages[expr_fault_stage(err->fault)]) != 0)
		return false;
	for (size_t i = 0; sentence && i < ARRAY_LEN(sentences); i++)
		if (strncmp(sentence, sentences[i].begins, strlen(sentences[i].begins)) == 0)
			return strcmp(expr_fault_name(err->fault), sentences[i].fault) == 0 &&
			       same_place(sentence, expression, err);
	return !sentence || !*sentence;
}

static inline void run_expression(const char *where, const json_t *one, struct tally *t)
{
	struct expr_memory mem = { .arena = arena_new() };
	const char *text = json_string_value(json_object_get(one, "expr")), *names[64] = { NULL };
	const json_t *result = json_object_get(one, "result"), *wrong = json_object_get(one, "err");
	struct expr_value contexts = value_of_json(&mem, json_object_get(one, "contexts"));
	struct expr_scope scope = { .context = context_of_case,
		                    .user = &contexts,
		                    .live_max = 1024 * 1024 };
	struct expr_rules rules = { .more = names };
	struct expr_value v = expr_null();
	struct expr_error err;
	const struct expr *expr = NULL;

	for (size_t i = 0; contexts.kind == EXPR_OBJECT && i < contexts.object->n && i < 63; i++)
		names[i] = contexts.object->members[i].key;
	int r = expr_parse(mem.arena, text, strlen(text), &rules, &expr, &err);
	if (r == 0)
		r = expr_eval(expr, &scope, &mem, &v, &err);
	const char *kind = json_string_value(json_object_get(result, "kind"));
	if (r < 0 && (!wrong || !same_error(wrong, text, &err)))
		tally_fail(t, "%s: %.200s: error `%s` at %zu: %s", where, text,
		           expr_fault_name(err.fault), err.position, err.text);
	else if (r == 0 && (!kind || strcmp(kind, expr_kind_name(v.kind)) != 0 ||
	                    !same_as_json(&v, json_object_get(result, "value"))))
		tally_fail(t, "%s: %.200s: %s %.*s", where, text, expr_kind_name(v.kind),
		           v.kind == EXPR_STRING ? (int)v.len : 0,
		           v.kind == EXPR_STRING ? v.text : "");
	else
		tally_pass(t);
	arena_free(mem.arena);
}

static inline void run_expression_file(const char *dir, const char *name, struct tally *t)
{
	size_t len = 0;
	char *text = tally_read(dir, name, &len);
	json_error_t err;
	const char *group;
	json_t *cases, *one;
	size_t i;

	for (char *line = text; line && *line;) { /* comment lines */
		char *end = strchr(line, '\n');
		if (strncmp(line + strspn(line, " \t"), "//", 2) == 0)
			memset(line, ' ', end ? (size_t)(end - line) : strlen(line));
		line = end ? end + 1 : NULL;
	}
	json_t *root = text ? json_loadb(text, len, JSON_ALLOW_NUL, &err) : NULL;
	if (!root)
		tally_fail(t, "%s: cannot be read", name);
	json_object_foreach(root, group, cases) json_array_foreach(cases, i, one)
	{
		char where[300];
		(void)snprintf(where, sizeof(where), "%s: %s", name, group);
		run_expression(where, one, t);
	}
	json_decref(root);
	free(text);
}

static inline bool run_expressions(const char *dir, struct tally *t)
{
	return tally_files(dir, ".json", t, run_expression_file);
}

#endif
