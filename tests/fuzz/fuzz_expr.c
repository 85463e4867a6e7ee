// SPDX-License-Identifier: Apache-2.0
/* fuzz_expr.c - any bytes as an expression, and behind a NUL as JSON for its context: a value that
 * can be written, or an error with a name and a sentence; within the bounds. */
#include "runner/forges/actions/expr.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	(void)name;
	(void)err;
	*ret = *(struct expr_value *)user;
	return 0;
}

static bool see(void *user, const char *path)
{
	*(size_t *)user += strlen(path);
	return true;
}

static void write_and_read(struct expr_memory *mem, const struct expr_value *v)
{
	struct expr_value json, again, twice;
	const char *why;
	size_t at;

	if (!expr_json_write(mem, v, NULL, NULL, &json))
		return;
	int r = expr_json_parse(mem, json.text, json.len, NULL, &again, &at, &why);
	if (r == -22 && !memmem(json.text, json.len, "NaN", 3) &&
	    !memmem(json.text, json.len, "Infinity", 8) &&
	    strcmp(why, "nested deeper than 100 levels"))
		abort(); /* what we write we can read */
	if (r == 0 && expr_json_write(mem, &again, NULL, NULL, &twice) && v->kind != EXPR_OBJECT &&
	    v->kind != EXPR_ARRAY &&
	    (json.len != twice.len || memcmp(json.text, twice.text, json.len) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct expr_memory mem = { .arena = arena_new(), .limit = 8 * 1024 * 1024 };
	const struct expr_rules rules = { .contexts = EXPR_CONTEXT__ALL,
		                          .functions = EXPR_JOB_STATUS | EXPR_HASH_FILES };
	struct expr_value context = expr_null(), v;
	struct expr_error err;
	const struct expr *expr = NULL;
	const char *text = (const char *)data, *nul = memchr(text, '\0', size), *why;
	size_t len = nul ? (size_t)(nul - text) : size, at, paths = 0;

	if (nul) {
		char *json = expr_strndup(&mem, nul + 1, size - len - 1);
		(void)expr_json_parse(&mem, json, size - len - 1, "input", &context, &at, &why);
	}
	const struct expr_scope scope = { .context = find, .user = &context, .steps_max = 1000000 };
	int r = expr_parse(mem.arena, text, len, &rules, &expr, &err);
	if (r == 0) {
		expr_paths(expr, see, &paths);
		r = expr_eval(expr, &scope, &mem, &v, &err);
		if (r == 0)
			write_and_read(&mem, &v);
	}
	if (r < 0 &&
	    (err.fault == EXPR_FAULT_NONE || !err.text[0] || err.offset + err.length > len))
		abort(); /* a refusal without a reason, or about something else */
	if (mem.used > mem.limit)
		abort();
	arena_free(mem.arena);
	return 0;
}
