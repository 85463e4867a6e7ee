// SPDX-License-Identifier: Apache-2.0
/* expr_test.c - GitHub's expression language, written from its rules: what each text is worth,
 * which error it is and where, and that nothing in it can cost without bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/expr.h"

#include "drydock/err.h"

#include <math.h>
#include <stdlib.h>

static const char contexts[] =
	"{\"github\": {\"ref\": \"refs/heads/main\", \"event\": {\"title\": \"a title\", "
	"\"labels\":"
	" [{\"name\": \"bug\", \"id\": 1}, {\"name\": \"help\"}, {\"id\": 3}], \"nothing\": null}},"
	" \"list\": [\"zero\", \"one\", \"two\"], \"deep\": [[1, 2], [3]], \"map\": {\"Key\": "
	"\"v\","
	" \"1\": \"one\", \"1.5\": \"x\", \"true\": \"t\", \"\": \"empty\"}, \"number\": 3.10,"
	" \"text\": \"Some Text\", \"no\": false, \"none\": null, \"lines\": \"a\\nb\"}";

struct world {
	struct expr_memory mem;
	struct expr_value contexts;
	struct expr_error err;
	struct expr_value value;
};

static const char *const names[] = { "list", "deep", "map",   "number", "text",
	                             "no",   "none", "lines", NULL };

static void world_open(struct world *w)
{
	size_t at;
	const char *why;
	*w = (struct world){ .mem = { .arena = arena_new() } };
	assert_int_equal(expr_json_parse(&w->mem, contexts, sizeof(contexts) - 1, NULL,
	                                 &w->contexts, &at, &why),
	                 0);
}

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	const struct world *w = user;
	const struct expr_value *found = expr_object_get(w->contexts.object, name, strlen(name));
	(void)err;
	if (found)
		*ret = *found;
	return 0;
}

/* Job `a` failed, all others succeeded; nothing is cancelled. */
static int ask_status(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
                      bool *ret, struct expr_error *err)
{
	bool failed = n == 0;
	(void)user;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(ids[i].text, "missing") == 0) {
			(void)snprintf(err->text, sizeof(err->text), "no job `missing`");
			return -ENOENT;
		}
		failed |= strcmp(ids[i].text, "a") == 0;
	}
	*ret = which == EXPR_FAILURE ? failed : which == EXPR_SUCCESS ? !failed : false;
	return 0;
}

static int hash(void *user, struct expr_memory *mem, const struct expr_value *patterns, size_t n,
                struct expr_value *ret, struct expr_error *err)
{
	(void)user;
	(void)err;
	return expr_copy_string(mem, patterns[n - 1].text, patterns[n - 1].len, ret) ? 0 : -ENOMEM;
}

static int compute(struct world *w, const char *text, unsigned functions)
{
	const struct expr_rules rules = { .contexts = EXPR_GITHUB | EXPR_ENV,
		                          .functions = functions,
		                          .more = names };
	const struct expr_scope scope = {
		.context = find, .status = ask_status, .hash_files = hash, .user = w
	};
	const struct expr *expr = NULL;
	int r = expr_parse(w->mem.arena, text, strlen(text), &rules, &expr, &w->err);
	return r < 0 ? r : expr_eval(expr, &scope, &w->mem, &w->value, &w->err);
}

/* A value as JSON on one line, so that a table can say it. */
static void assert_value(struct world *w, const char *text, const char *want)
{
	struct expr_value json;
	char line[4096];
	size_t n = 0;

	if (compute(w, text, EXPR_STATUS | EXPR_HASH_FILES) < 0)
		fail_msg("%s: %s (%s at %zu)", text, w->err.text, expr_fault_name(w->err.fault),
		         w->err.position);
	assert_true(expr_json_write(&w->mem, &w->value, NULL, NULL, &json));
	for (size_t i = 0; i < json.len && n + 1 < sizeof(line); i++)
		if (json.text[i] != '\n' && !(json.text[i] == ' ' && i && json.text[i - 1] == '\n'))
			line[n++] = json.text[i];
		else
			while (i + 1 < json.len && json.text[i + 1] == ' ')
				i++;
	line[n] = '\0';
	if (strcmp(line, want) != 0)
		fail_msg("%s is %s, not %s", text, line, want);
}

static const struct value_row {
	const char *text, *json;
} values[] = {
	/* literals */
	{ "", "null" },
	{ " \t\r\n ", "null" },
	{ "null", "null" },
	{ "true", "true" },
	{ "0xff", "255" },
	{ "0xFFFFFFFF", "-1" },
	{ "0o17", "15" },
	{ "0o37777777777", "-1" },
	{ "1.", "1" },
	{ "+.5e+1", "5" },
	{ "1e400", "Infinity" },
	{ "'it''s'", "\"it's\"" },
	{ "''''", "\"'\"" },
	/* the order of operators */
	{ "1 || 0 && 0", "1" },
	{ "(1 || 0) && 0", "0" },
	{ "!0 == true", "true" },
	{ "!(0 == true)", "true" },
	{ "1 < 2 == true", "true" },
	{ "1 == 1 < 2", "true" },
	{ "3 > 2 > 1", "false" },
	{ "!!'a' && 'b'", "\"b\"" },
	{ "1 && (2 && (3 && 4))", "4" },
	{ "0 || ('' || (null || 'x'))", "\"x\"" },
	/* what && and || give */
	{ "no && x.y.z || 'else'", NULL },
	{ "no && 'a'", "false" },
	{ "'' || 0", "0" },
	{ "github.event.nothing || 'default'", "\"default\"" },
	{ "list && 'there'", "\"there\"" },
	{ "'false' && 1", "1" },
	{ "-0 || NaN || 7", "7" },
	/* loose comparison */
	{ "null == 0", "true" },
	{ "null == ''", "true" },
	{ "'  ' == 0", "true" },
	{ "'0x10' == 16", "true" },
	{ "' 1e1 ' == 10", "true" },
	{ "'1_0' == 10", "false" },
	{ "'infinity' == Infinity", "false" },
	{ "'a' == 'A'", "true" },
	{ "'a' < 'B'", "true" },
	{ "'_' > 'a'", "true" },
	{ "'ab' > 'a'", "true" },
	{ "'straße' == 'STRASSE'", "false" },
	{ "'ÿ' == 'Ÿ'", "true" },
	{ "'ſ' == 'S'", "false" },
	{ "'\U0001f600' < '\uffee'", "true" },
	{ "NaN == NaN", "false" },
	{ "NaN != NaN", "true" },
	{ "list == list", "true" },
	{ "list == 'Array'", "false" },
	{ "map >= map", "true" },
	{ "map > map", "false" },
	{ "fromJSON('[]') == fromJSON('[]')", "false" },
	{ "none <= none", "true" },
	/* index, property, filter */
	{ "github.REF", "\"refs/heads/main\"" },
	{ "GitHub['ref']", "\"refs/heads/main\"" },
	{ "github.nothing.at.all", "null" },
	{ "env.A", "null" },
	{ "text.length", "null" },
	{ "list[1]", "\"one\"" },
	{ "list['1']", "\"one\"" },
	{ "list[1.9]", "\"one\"" },
	{ "list[-1]", "null" },
	{ "list[3]", "null" },
	{ "list[Infinity]", "null" },
	{ "list['x']", "null" },
	{ "map[1]", "\"one\"" },
	{ "map[1.5]", "\"x\"" },
	{ "map[true]", "\"t\"" },
	{ "map[null]", "\"empty\"" },
	{ "map[list]", "null" },
	{ "map.*", "[\"v\",\"one\",\"x\",\"t\",\"empty\"]" },
	{ "github.event.labels.*.name", "[\"bug\",\"help\"]" },
	{ "github.event.labels[*].id", "[1,3]" },
	{ "github.event.labels.*.name[0]", "[]" },
	{ "deep.*.*", "[1,2,3]" },
	{ "deep.*[0]", "[1,3]" },
	{ "text.*", "[]" },
	{ "none[*].x", "[]" },
	{ "list[github.event.labels[0].id]", "\"one\"" },
	/* functions */
	{ "contains('Hello World', 'o w')", "true" },
	{ "contains('abc', '')", "true" },
	{ "contains(list, 'ONE')", "true" },
	{ "contains(list, 'on')", "false" },
	{ "contains(map, 'v')", "false" },
	{ "contains('x', list)", "false" },
	{ "contains(github.event.labels.*.name, 'bug')", "true" },
	{ "contains('straße', 'SSE')", "false" },
	{ "startsWith(github.ref, 'REFS/HEADS/')", "true" },
	{ "startsWith('a', 'ab')", "false" },
	{ "startsWith(list, 'z')", "false" },
	{ "endsWith('file.TAR.gz', '.tar.GZ')", "true" },
	{ "endsWith('z', 'yz')", "false" },
	{ "endsWith(123, 3)", "true" },
	{ "format('{0}-{1}-{0}', 'a', 2)", "\"a-2-a\"" },
	{ "format('{{{0}}}', true)", "\"{true}\"" },
	{ "format('{0}{1}{2}{3}', null, list, map, 1e20)", "\"ArrayObject1E+20\"" },
	{ "format('{0:}', 1)", "\"1\"" },
	{ "format('{255}{00000}', 1)", NULL },
	{ "format('{0000}', 1)", "\"1\"" },
	{ "join(list)", "\"zero,one,two\"" },
	{ "join(list, '')", "\"zeroonetwo\"" },
	{ "join(deep, '-')", "\"Array-Array\"" },
	{ "join(map)", "\"\"" },
	{ "join('x', '-')", "\"x\"" },
	{ "join(fromJSON('[]'), '-')", "\"\"" },
	{ "join(fromJSON('[null, 1.50, true]'), '|')", "\"|1.5|true\"" },
	{ "toJSON(lines)", "\"\\\"a\\\\nb\\\"\"" },
	{ "toJson(deep)", "\"[\\n  [\\n    1,\\n    2\\n  ],\\n  [\\n    3\\n  ]\\n]\"" },
	{ "fromJSON('{\"a\": 1, \"A\": 2, \"b\": {}}')", "{\"a\": 2,\"b\": {}}" },
	{ "fromJSON('[1e2, -0.5, \"\\u00e9\\ud83d\\ude00\\ud83d\"]')",
	  "[100,-0.5,\"\u00e9\U0001f600\ufffd\"]" },
	{ "fromJSON(' \"x\" ')", "\"x\"" },
	{ "fromJSON(toJSON(map)).KEY", "\"v\"" },
	{ "fromJSON('12').x", "null" },
	{ "case(no, 1, 2 > 1, 'two', 3)", "\"two\"" },
	{ "case(true, 1, 'never', fromJSON('{'), 3)", "1" },
	{ "ALWAYS()", "true" },
	{ "success()", "false" },
	{ "!cancelled() && failure()", "true" },
	{ "hashFiles('a', '**/b')", "\"**/b\"" },
	{ "number", "3.1" },
	{ "format('{0}', number)", "\"3.1\"" },
	/* the same word as name and as property */
	{ "github.null", "null" },
	{ "map.true", "\"t\"" },
	{ "fromJSON('{\"a-b\": 1}').a-b", "1" },
};

static void every_expression_has_its_value(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (values[i].json)
			assert_value(&w, values[i].text, values[i].json);
		else
			assert_int_equal(compute(&w, values[i].text, 0), -EINVAL);
	arena_free(w.mem.arena);
}

static const struct wrong_row {
	const char *text, *fault;
	size_t position; /* of the symbol; 0: of the whole */
} wrongs[] = {
	{ "1 @ 2", "unexpected symbol", 3 },
	{ "'open", "unexpected symbol", 1 },
	{ "'it''s", "unexpected symbol", 1 },
	{ "\"text\"", "unexpected symbol", 1 },
	{ "1.2.3", "unexpected symbol", 1 },
	{ "-0xFF", "unexpected symbol", 1 },
	{ "0xFFFFFFFFF", "unexpected symbol", 1 },
	{ "1 - 2", "unexpected symbol", 3 },
	{ "a = b", "unknown context", 1 },
	{ "text = 1", "unexpected symbol", 6 },
	{ "text & 1", "unexpected symbol", 6 },
	{ "\u00e9\u00e9 == \u00e9", "unexpected symbol", 1 },
	{ "'\U0001f600' text", "unexpected symbol", 6 },
	{ "text text", "unexpected symbol", 6 },
	{ "'a'.b", "unexpected symbol", 4 },
	{ "'a'[0]", "unexpected symbol", 4 },
	{ "list.1", "unexpected symbol", 6 },
	{ "list[1", "unexpected end", 6 },
	{ "list[]", "unexpected symbol", 6 },
	{ "list.", "unexpected end", 5 },
	{ "* == 1", "unexpected symbol", 1 },
	{ "(1]", "unexpected symbol", 3 },
	{ "(1", "unexpected end", 2 },
	{ "1)", "unexpected symbol", 2 },
	{ "()", "unexpected symbol", 2 },
	{ "1, 2", "unexpected symbol", 2 },
	{ "! ", "unexpected end", 1 },
	{ "1 ! 2", "unexpected symbol", 3 },
	{ "&& 1", "unexpected symbol", 1 },
	{ "format(", "unexpected end", 7 },
	{ "format('a',)", "unexpected symbol", 12 },
	{ "format", "unknown context", 1 },
	{ "text('a')", "unknown function", 1 },
	{ "nothing()", "unknown function", 1 },
	{ "no && nothing()", "unknown function", 7 },
	{ "secrets.A", "unknown context", 1 },
	{ "contains('a')", "too few arguments", 9 },
	{ "contains('a', 'b', 'c')", "too many arguments", 9 },
	{ "toJSON()", "too few arguments", 7 },
	{ "case(true, 1)", "too few arguments", 5 },
	{ "case(true, 1, no, 2)", "even number of arguments", 5 },
	{ "success('a')", "too many arguments", 8 },
	{ "format('{0}')", "format names a missing argument", 1 },
	{ "format('{')", "invalid format", 1 },
	{ "format('{a}', 1)", "invalid format", 1 },
	{ "format('{-1}', 1)", "invalid format", 1 },
	{ "format('{256}', 1)", "invalid format", 1 },
	{ "1 && format('{0:N}', 1)", "format specifier", 6 },
	{ "format('}', 1)", "invalid format", 1 },
	{ "case('true', 1, 2)", "no predicate", 6 },
	{ "fromJSON('')", "invalid JSON", 1 },
	{ "fromJSON('{')", "invalid JSON", 1 },
	{ "fromJSON('[1,]')", "invalid JSON", 1 },
	{ "fromJSON('01')", "invalid JSON", 1 },
	{ "fromJSON('1 2')", "invalid JSON", 1 },
	{ "fromJSON('nul')", "invalid JSON", 1 },
	{ "fromJSON('{''a'': 1}')", "invalid JSON", 1 },
	{ "fromJSON(format('\"{0}\"', lines))", "invalid JSON", 1 },
	{ "fromJSON('\"\\x\"')", "invalid JSON", 1 },
	{ "fromJSON('\"\\u12\"')", "invalid JSON", 1 },
	{ "fromJSON('NaN')", "invalid JSON", 1 },
};

static void every_wrong_expression_is_refused_where_it_is_wrong(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		if (compute(&w, wrongs[i].text, EXPR_STATUS) != -EINVAL)
			fail_msg("accepted: %s", wrongs[i].text);
		if (strcmp(expr_fault_name(w.err.fault), wrongs[i].fault) != 0 ||
		    w.err.position != wrongs[i].position || !w.err.text[0])
			fail_msg("%s: `%s` at %zu: %s", wrongs[i].text,
			         expr_fault_name(w.err.fault), w.err.position, w.err.text);
	}
	arena_free(w.mem.arena);
}

static void what_is_not_available_is_told_with_what_is(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	assert_int_equal(compute(&w, "secrets.A", 0), -EINVAL);
	assert_non_null(
		strstr(w.err.text, "`secrets` is not available here; what is: github, env"));
	assert_int_equal(compute(&w, "success()", 0), -EINVAL);
	assert_non_null(strstr(w.err.text, "`success()` is not available here"));
	assert_int_equal(compute(&w, "sucess()", EXPR_STATUS), -EINVAL);
	assert_non_null(strstr(w.err.text, "there is no function `sucess`"));
	arena_free(w.mem.arena);
}

static void jobs_can_be_asked_for_by_their_ids(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	assert_int_equal(compute(&w, "failure('a', 'b')", EXPR_JOB_STATUS), 0);
	assert_true(w.value.truth);
	assert_int_equal(compute(&w, "success('b')", EXPR_JOB_STATUS), 0);
	assert_true(w.value.truth);
	assert_int_equal(compute(&w, "true && success('missing')", EXPR_JOB_STATUS), -EINVAL);
	assert_int_equal(w.err.fault, EXPR_CALLBACK);
	assert_int_equal(w.err.position, 9);
	assert_non_null(strstr(w.err.text, "no job `missing`"));
	assert_int_equal(compute(&w, "always('a')", EXPR_JOB_STATUS), -EINVAL);
	arena_free(w.mem.arena);
}

static bool asks(struct world *w, const char *text)
{
	const struct expr_rules rules = { .functions = EXPR_STATUS, .more = names };
	const struct expr *expr = NULL;
	assert_int_equal(expr_parse(w->mem.arena, text, strlen(text), &rules, &expr, &w->err), 0);
	return expr_asks_status(expr);
}

static void a_condition_that_asks_how_things_went_is_known_by_it(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	assert_true(asks(&w, "no && (text == 'a' || Always())"));
	assert_true(asks(&w, "!cancelled()"));
	assert_false(asks(&w, "text == 'always()'"));
	assert_false(asks(&w, ""));
	arena_free(w.mem.arena);
}

struct paths {
	char all[400];
};

static bool see_path(void *user, const char *path)
{
	struct paths *p = user;
	size_t used = strlen(p->all);
	(void)snprintf(p->all + used, sizeof(p->all) - used, "%s ", path);
	return true;
}

static void the_paths_that_an_expression_names_can_be_listed(void **state)
{
	(void)state;
	static const char text[] =
		"format('{0}', github.event['issue'].title) || map[text].x.* || list[github.ref]";
	struct world w;
	struct paths p = { "" };
	const struct expr_rules rules = { .contexts = EXPR_GITHUB, .more = names };
	const struct expr *expr = NULL;
	world_open(&w);
	assert_int_equal(expr_parse(w.mem.arena, text, strlen(text), &rules, &expr, &w.err), 0);
	expr_paths(expr, see_path, &p);
	assert_string_equal(p.all, "github.event.issue.title map.*.x.* text list.* github.ref ");
	assert_int_equal(expr_contexts_of(expr), EXPR_GITHUB);
	arena_free(w.mem.arena);
}

/* ---- bounds ---- */

static char *repeated(const char *head, const char *part, size_t n, const char *tail)
{
	char *out = malloc(strlen(head) + n * strlen(part) + strlen(tail) + 1), *at = out;
	assert_non_null(out);
	at = stpcpy(at, head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, part);
	(void)stpcpy(at, tail);
	return out;
}

static void assert_fault(struct world *w, char *text, enum expr_fault fault)
{
	int r = compute(w, text, EXPR_STATUS);
	if (fault == EXPR_FAULT_NONE ? r != 0 : r != -EINVAL || w->err.fault != fault)
		fail_msg("%.60s...: %d, `%s`", text, r, expr_fault_name(w->err.fault));
	free(text);
}

static void length_and_depth_have_bounds_and_brackets_do_not_count(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	assert_fault(&w, repeated("'", "a", 20998, "'"), EXPR_FAULT_NONE);
	assert_fault(&w, repeated("'", "a", 20999, "'"), EXPR_TOO_LONG);
	assert_fault(&w, repeated("'", "\U0001f600", 10499, "'"), EXPR_FAULT_NONE);
	assert_fault(&w, repeated("'", "\U0001f600", 10500, "'"), EXPR_TOO_LONG);
	assert_fault(&w, repeated("", "!", 49, "1"), EXPR_FAULT_NONE);
	assert_fault(&w, repeated("", "!", 50, "1"), EXPR_TOO_DEEP);
	assert_fault(&w, repeated("", "!", 20000, "1"), EXPR_TOO_DEEP);
	assert_fault(&w, repeated("list", "[0]", 49, ""), EXPR_FAULT_NONE);
	assert_fault(&w, repeated("list", "[0]", 50, ""), EXPR_TOO_DEEP);
	assert_fault(&w, repeated("", "(", 10000, ""), EXPR_UNEXPECTED_END);
	assert_fault(&w, repeated("", "1&&", 6999, "1"), EXPR_FAULT_NONE);
	assert_fault(&w, repeated("", "list[", 4000, ""), EXPR_UNEXPECTED_END);
	assert_fault(&w, repeated("", "format('',", 2000, ""), EXPR_UNEXPECTED_END);
	arena_free(w.mem.arena);
}

static void a_long_chain_costs_what_its_length_costs(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	char *left = repeated("", "1&&", 6999, "1"), *inner = repeated("", "(1&&", 4000, "1");
	char *right = repeated(inner, ")", 4000, "");
	assert_int_equal(compute(&w, left, 0), 0);
	assert_int_equal(compute(&w, right, 0), 0);
	/* one node of some 100 bytes for each word, no copies of lists of lists */
	assert_true(w.mem.used < 64 * 1024);
	free(left);
	free(inner);
	free(right);
	arena_free(w.mem.arena);
}

/* A text of 20 KiB, doubled by format in ever more levels. */
static void a_bomb_of_formats_ends_as_an_error_with_its_name(void **state)
{
	(void)state;
	struct world w;
	char text[2000] = "'0123456789abcdef'";
	world_open(&w);
	for (int i = 0; i < 30; i++) {
		char next[2000];
		(void)snprintf(next, sizeof(next), "format('{0}{0}', %s)", text);
		memcpy(text, next, sizeof(text));
	}
	assert_int_equal(compute(&w, text, 0), -EINVAL);
	assert_int_equal(w.err.fault, EXPR_OVER_MEMORY);
	assert_true(w.mem.used <= EXPR_MEMORY_MAX);
	arena_free(w.mem.arena);
}

static void a_bomb_of_json_ends_as_an_error_with_its_name(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	char *deep = repeated("fromJSON('", "[", 10000, "')");
	assert_int_equal(compute(&w, deep, 0), -EINVAL);
	assert_int_equal(w.err.fault, EXPR_BAD_JSON);
	free(deep);
	/* 3 MiB of "[],[],..." would be 100 MiB of arrays */
	assert_int_equal(
		compute(&w,
	                "fromJSON(format('[{0}[]]', format('{0}{0}{0}{0}{0}{0}{0}{0}',"
	                "format('{0}{0}{0}{0}{0}{0}{0}{0}', format('{0}{0}{0}{0}{0}{0}{0}{0}',"
	                "format('{0}{0}{0}{0}{0}{0}{0}{0}', format('{0}{0}{0}{0}{0}{0}{0}{0}',"
	                "format('{0}{0}{0}{0}{0}{0}{0}{0}', '[],[],[],[],'))))))))",
	                0),
		-EINVAL);
	assert_int_equal(w.err.fault, EXPR_OVER_MEMORY);
	assert_true(w.mem.used <= EXPR_MEMORY_MAX);
	arena_free(w.mem.arena);
}

static void garbage_counts_although_it_is_dead(void **state)
{
	(void)state;
	/* each half a MiB, none of them alive when the next one is made */
	static const char big[] =
		"contains(format('{0}{0}{0}{0}{0}{0}{0}{0}', format('{0}{0}{0}{0}{0}{0}{0}{0}',"
		"format('{0}{0}{0}{0}{0}{0}{0}{0}', format('{0}{0}{0}{0}{0}{0}{0}{0}',"
		"'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef')))), 'x') || ";
	struct world w;
	world_open(&w);
	char *few = repeated("", big, 2, "1"), *many = repeated("", big, 90, "1");
	assert_int_equal(compute(&w, few, 0), 0);
	assert_int_equal(compute(&w, many, 0), -EINVAL);
	assert_int_equal(w.err.fault, EXPR_OVER_MEMORY);
	free(few);
	free(many);
	arena_free(w.mem.arena);
}

static void steps_end_what_memory_would_not(void **state)
{
	(void)state;
	struct world w;
	struct expr_value list, item;
	world_open(&w);
	const struct expr_scope scope = { .context = find, .user = &w, .steps_max = 100000 };
	const struct expr_rules rules = { .more = names };
	const struct expr *expr = NULL;
	char *text = repeated("", "contains(list, 'x') || ", 800, "1");
	assert_true(expr_array_new(&w.mem, &list));
	for (int i = 0; i < 1000; i++) {
		assert_true(expr_copy_string(&w.mem, "item", 4, &item));
		assert_true(expr_array_add(&w.mem, list.array, item));
	}
	assert_true(expr_object_set(&w.mem, w.contexts.object, "list", 4, list));
	assert_int_equal(expr_parse(w.mem.arena, text, strlen(text), &rules, &expr, &w.err), 0);
	assert_int_equal(expr_eval(expr, &scope, &w.mem, &w.value, &w.err), -EINVAL);
	assert_int_equal(w.err.fault, EXPR_OVER_STEPS);
	free(text);
	arena_free(w.mem.arena);
}

static void keys_that_fall_on_one_another_end_as_an_error(void **state)
{
	(void)state;
	struct expr_memory mem = { .arena = arena_new() };
	struct expr_value object;
	bool ok = true;
	size_t n = 0;
	assert_true(expr_object_new(&mem, true, &object));
	/* all hashes equal in their low bits: found by trying, as an attacker would */
	for (unsigned i = 0; ok && n < 2000; i++) {
		char key[32];
		uint32_t h = 2166136261u;
		int len = snprintf(key, sizeof(key), "k%u", i);
		for (int k = 0; k < len; k++)
			h = (h ^ (unsigned char)key[k]) * 16777619u;
		if (h & 0x3fff)
			continue;
		n++;
		ok = expr_object_set(&mem, object.object, arena_strdup(mem.arena, key), (size_t)len,
		                     expr_null());
	}
	assert_false(ok);
	assert_true(mem.exceeded);
	assert_true(n > 200 && n < 2000);
	arena_free(mem.arena);
}

static void an_object_of_many_members_keeps_their_order_and_finds_all(void **state)
{
	(void)state;
	struct expr_memory mem = { .arena = arena_new() };
	struct expr_value object;
	char key[32];
	assert_true(expr_object_new(&mem, false, &object));
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof(key), "Key-%u", i);
		assert_true(expr_object_set(&mem, object.object, arena_strdup(mem.arena, key),
		                            strlen(key), expr_number(i)));
	}
	assert_int_equal(object.object->n, 20000);
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof(key), "kEY-%u", i);
		const struct expr_value *v = expr_object_get(object.object, key, strlen(key));
		assert_non_null(v);
		assert_true(v->number == i && object.object->members[i].value.number == i);
	}
	assert_null(expr_object_get(object.object, "key", 3));
	arena_free(mem.arena);
}

/* ---- who wrote it ---- */

static void assert_origin(struct world *w, const char *text, const char *want)
{
	if (compute(w, text, 0) < 0)
		fail_msg("%s: %s", text, w->err.text);
	if (want ? !w->value.outsider || strcmp(w->value.outsider, want) != 0
	         : w->value.outsider != NULL)
		fail_msg("%s: %s", text, w->value.outsider ? w->value.outsider : "(nobody's)");
}

static void an_origin_follows_text_through_every_function(void **state)
{
	(void)state;
	static const char title[] = "github.event.title";
	struct world w;
	world_open(&w);
	const struct expr_value *github = expr_object_get(w.contexts.object, "github", 6);
	const struct expr_value *event = expr_object_get(github->object, "event", 5);
	for (size_t i = 0; i < event->object->n; i++)
		if (strcmp(event->object->members[i].key, "title") == 0)
			event->object->members[i].value.outsider = title;

	assert_origin(&w, "github.event.title", title);
	assert_origin(&w, "github.event.title || 'x'", title);
	assert_origin(&w, "no || github.event.title", title);
	assert_origin(&w, "github.event.title && 'x'", NULL);
	assert_origin(&w, "format('{0}', github.event.title)", title);
	assert_origin(&w, "format('{1}', github.event.title, 'x')", NULL);
	assert_origin(&w, "format(github.event.title, 'x')", title);
	assert_origin(&w, "join(github.event.*, ',')", title);
	assert_origin(&w, "join(list, github.event.title)", title);
	assert_origin(&w, "toJSON(github)", title);
	assert_origin(&w, "toJSON(list)", NULL);
	assert_origin(&w, "fromJSON(toJSON(github)).event", title);
	assert_origin(&w, "fromJSON(toJSON(github)).ref", title);
	assert_origin(&w, "github.event.*[0]", NULL);
	assert_origin(&w, "github.event.title == 'a title'", NULL);
	assert_origin(&w, "contains(github.event.title, 'a')", NULL);
	assert_origin(&w, "case(true, github.event.title, 'x')", title);
	assert_origin(&w, "github.ref", NULL);
	arena_free(w.mem.arena);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_expression_has_its_value),
		cmocka_unit_test(every_wrong_expression_is_refused_where_it_is_wrong),
		cmocka_unit_test(what_is_not_available_is_told_with_what_is),
		cmocka_unit_test(jobs_can_be_asked_for_by_their_ids),
		cmocka_unit_test(a_condition_that_asks_how_things_went_is_known_by_it),
		cmocka_unit_test(the_paths_that_an_expression_names_can_be_listed),
		cmocka_unit_test(length_and_depth_have_bounds_and_brackets_do_not_count),
		cmocka_unit_test(a_long_chain_costs_what_its_length_costs),
		cmocka_unit_test(a_bomb_of_formats_ends_as_an_error_with_its_name),
		cmocka_unit_test(a_bomb_of_json_ends_as_an_error_with_its_name),
		cmocka_unit_test(garbage_counts_although_it_is_dead),
		cmocka_unit_test(steps_end_what_memory_would_not),
		cmocka_unit_test(keys_that_fall_on_one_another_end_as_an_error),
		cmocka_unit_test(an_object_of_many_members_keeps_their_order_and_finds_all),
		cmocka_unit_test(an_origin_follows_text_through_every_function),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
