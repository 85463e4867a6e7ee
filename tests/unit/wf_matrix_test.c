// SPDX-License-Identifier: Apache-2.0
/* wf_matrix_test.c - which jobs a strategy makes, in which order, and how they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/taint.h"
#include "runner/forges/actions/wf_doc.h"
#include "runner/forges/actions/wf_matrix.h"

#include "drydock/err.h"

#include <stdlib.h>

struct world {
	struct wf_doc *doc;
	struct wf_errors errors;
	struct expr_memory mem;
	struct expr_value needs;
};

static void world_open(struct world *w, const char *strategy)
{
	const struct wf_options options = { .skip_calls = true };
	char text[4000];
	(void)snprintf(text, sizeof(text), "jobs:\n  j:\n    runs-on: x\n    strategy: %s\n",
	               strategy);
	*w = (struct world){ .mem = { .arena = arena_new() } };
	if (wf_parse("w.yml", text, strlen(text), &options, &w->doc, &w->errors) < 0)
		fail_msg("%s: %s", text, w->errors.items[0].text);
}

static void world_close(struct world *w)
{
	wf_free(w->doc);
	wf_errors_done(&w->errors);
	arena_free(w->mem.arena);
}

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	(void)err;
	*ret = strcmp(name, "needs") == 0 ? ((struct world *)user)->needs : expr_null();
	return 0;
}

/* All combinations, one on a line: its name, and its values as JSON without blanks. */
static const char *list(struct world *w, const struct wf_matrix *m)
{
	char *all = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&all, &len);
	assert_non_null(f);
	for (size_t i = 0; i < m->n; i++) {
		struct expr_value json;
		assert_true(
			expr_json_write(&w->mem, &m->combinations[i].matrix, NULL, NULL, &json));
		(void)fprintf(f, "%s ", m->combinations[i].name);
		for (const char *p = json.text; *p; p++)
			if (*p != ' ' && *p != '\n')
				(void)fputc(*p, f);
		(void)fputc('\n', f);
	}
	(void)fclose(f);
	const char *kept = arena_strdup(w->mem.arena, all);
	free(all);
	return kept;
}

static const struct matrix_row {
	const char *strategy, *list;
} matrices[] = {
	{ "{ matrix: { os: [ linux, mac ], n: [ 1, 2.50, true ] } }",
	  "j (linux, 1) {\"os\":\"linux\",\"n\":1}\nj (linux, 2.5) {\"os\":\"linux\",\"n\":2.5}\n"
	  "j (linux, true) {\"os\":\"linux\",\"n\":true}\nj (mac, 1) {\"os\":\"mac\",\"n\":1}\n"
	  "j (mac, 2.5) {\"os\":\"mac\",\"n\":2.5}\nj (mac, true) {\"os\":\"mac\",\"n\":true}\n" },
	/* GitHub's own example of `include` */
	{ "{ matrix: { fruit: [ apple, pear ], animal: [ cat, dog ], include: [ { color: green }, "
	  "{ color: pink,"
	  " animal: cat }, { fruit: apple, shape: circle }, { fruit: banana }, { fruit: banana, "
	  "animal: cat } ]"
	  " } }",
	  "j (apple, cat) "
	  "{\"fruit\":\"apple\",\"animal\":\"cat\",\"color\":\"pink\",\"shape\":\"circle\"}\n"
	  "j (apple, dog) "
	  "{\"fruit\":\"apple\",\"animal\":\"dog\",\"color\":\"green\",\"shape\":\"circle\"}\n"
	  "j (pear, cat) {\"fruit\":\"pear\",\"animal\":\"cat\",\"color\":\"pink\"}\n"
	  "j (pear, dog) {\"fruit\":\"pear\",\"animal\":\"dog\",\"color\":\"green\"}\n"
	  "j (banana) {\"fruit\":\"banana\"}\nj (banana, cat) "
	  "{\"fruit\":\"banana\",\"animal\":\"cat\"}\n" },
	/* only includes, in their own order of keys, vectors first */
	{ "{ matrix: { include: [ { a: 1, b: 2 }, { b: 3 } ] } }",
	  "j (1, 2) {\"a\":1,\"b\":2}\nj (3) {\"b\":3}\n" },
	{ "{ matrix: { v: [ 1 ], include: [ { x: 1, v: 2 } ] } }",
	  "j (1) {\"v\":1}\nj (2, 1) {\"v\":2,\"x\":1}\n" },
	/* comparison is loose, and without case */
	{ "{ matrix: { node: [ 16, 18 ], OS: [ Linux, mac ], exclude: [ { node: '16', os: LINUX } "
	  "] } }",
	  "j (16, mac) {\"node\":16,\"OS\":\"mac\"}\nj (18, Linux) {\"node\":18,\"OS\":\"Linux\"}\n"
	  "j (18, mac) {\"node\":18,\"OS\":\"mac\"}\n" },
	/* a part is enough, also of a map, also of a list */
	{ "{ matrix: { c: [ { a: 1, b: [ x, y ] }, { a: 2, b: [ x ] }, { a: 1, b: [ z ] } ], "
	  "exclude: [ { c: { b: [ x,"
	  " y ] } } ] } }",
	  "j (2, x) {\"c\":{\"a\":2,\"b\":[\"x\"]}}\nj (1, z) {\"c\":{\"a\":1,\"b\":[\"z\"]}}\n" },
	/* an include cannot be excluded, and what is excluded takes no extras */
	{ "{ matrix: { v: [ 1, 2 ], exclude: [ { v: 1 } ], include: [ { v: 1, x: y } ] } }",
	  "j (2) {\"v\":2}\nj (1, y) {\"v\":1,\"x\":\"y\"}\n" },
	/* later extras overwrite earlier ones; vectors are never overwritten */
	{ "{ matrix: { v: [ 1 ], include: [ { x: 1 }, { x: 2, y: 3 } ] } }",
	  "j (1) {\"v\":1,\"x\":2,\"y\":3}\n" },
	/* null and empty texts are no part of a name */
	{ "{ matrix: { a: [ '', ~, x ], b: [ '' ] } }",
	  "j {\"a\":\"\",\"b\":\"\"}\nj {\"a\":null,\"b\":\"\"}\nj (x) "
	  "{\"a\":\"x\",\"b\":\"\"}\n" },
	/* all excluded: one job, as without a matrix */
	{ "{ matrix: { v: [ 1 ], exclude: [ { v: 1 } ] } }", "j null\n" },
	{ "{ fail-fast: false }", "j null\n" },
	{ "{}", "j null\n" },
};

static void combinations_come_in_githubs_order_with_githubs_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(matrices); i++) {
		struct world w;
		struct wf_matrix m;
		world_open(&w, matrices[i].strategy);
		assert_int_equal(
			wf_matrix_expand(w.doc->jobs[0].strategy, "j", &w.mem, &m, &w.errors), 0);
		const char *all = list(&w, &m);
		if (strcmp(all, matrices[i].list) != 0)
			fail_msg("%s:\n%s", matrices[i].strategy, all);
		world_close(&w);
	}
}

static void a_long_name_is_cut_at_a_hundred_characters(void **state)
{
	(void)state;
	struct world w;
	struct wf_matrix m;
	world_open(&w,
	           "{ matrix: { v: [ "
	           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	           "aaaaaaaaaaaaaaaaaaaaaaaaaa ] } }");
	assert_int_equal(
		wf_matrix_expand(w.doc->jobs[0].strategy, "a \u00e4", &w.mem, &m, &w.errors), 0);
	assert_int_equal(strlen(m.combinations[0].name), 101);
	assert_string_equal(m.combinations[0].name + 90, "aaaaaaaa...");
	assert_int_equal(wf_matrix_expand(w.doc->jobs[0].strategy, NULL, &w.mem, &m, &w.errors), 0);
	assert_null(m.combinations[0].name);
	world_close(&w);
}

static double number_in(const struct expr_value *v, const char *key)
{
	const struct expr_value *found = expr_object_get(v->object, key, strlen(key));
	assert_non_null(found);
	return expr_to_number(found);
}

static void the_strategy_context_counts(void **state)
{
	(void)state;
	struct world w;
	struct wf_matrix m;
	world_open(&w, "{ fail-fast: false, max-parallel: 2, matrix: { v: [ 1, 2, 3 ] } }");
	assert_int_equal(wf_matrix_expand(w.doc->jobs[0].strategy, "j", &w.mem, &m, &w.errors), 0);
	assert_false(m.fail_fast);
	assert_int_equal(m.max_parallel, 2);
	assert_true(number_in(&m.combinations[2].strategy, "job-index") == 2);
	assert_true(number_in(&m.combinations[2].strategy, "job-total") == 3);
	assert_true(number_in(&m.combinations[2].strategy, "max-parallel") == 2);
	assert_true(number_in(&m.combinations[2].strategy, "fail-fast") == 0);
	assert_int_equal(wf_matrix_expand(NULL, "j", &w.mem, &m, &w.errors), 0);
	assert_true(m.fail_fast);
	assert_true(number_in(&m.combinations[0].strategy, "job-total") == 1);
	assert_true(number_in(&m.combinations[0].strategy, "max-parallel") == 1);
	world_close(&w);
}

static const struct computed_row {
	const char *strategy, *list; /* NULL: an error that holds @error */
	const char *error;
} computed[] = {
	{ "\"${{ fromJSON(needs.a.outputs.all) }}\"", "j (1) {\"v\":1}\nj (2) {\"v\":2}\n", NULL },
	{ "{ matrix: \"${{ fromJSON(needs.a.outputs.matrix) }}\" }",
	  "j (1) {\"v\":1}\nj (2) {\"v\":2}\n", NULL },
	{ "{ matrix: { w: [ 0 ], v: \"${{ fromJSON('[3]') }}\" } }", "j (0, 3) {\"w\":0,\"v\":3}\n",
	  NULL },
	{ "{ matrix: { \"${{ insert }}\": \"${{ fromJSON(needs.a.outputs.matrix) }}\" } }",
	  "j (1) {\"v\":1}\nj (2) {\"v\":2}\n", NULL },
	{ "{ matrix: { v: [ 1, \"${{ 'x' == 'X' }}\" ] } }",
	  "j (1) {\"v\":1}\nj (true) {\"v\":true}\n", NULL },
	{ "{ matrix: { v: [ 1 ], include: \"${{ fromJSON('[{\\\"x\\\": 2}]') }}\" } }",
	  "j (1) {\"v\":1,\"x\":2}\n", NULL },
	{ "{ matrix: { v: \"${{ needs.a.outputs.text }}\" } }", NULL,
	  "`${{ x }}` cannot stand here" },
	{ "{ matrix: { v: [ \"${{ needs.a.outputs.text }}\" ] } }",
	  "j (${{ x }}) {\"v\":\"${{x}}\"}\n", NULL },
	{ "{ matrix: \"${{ fromJSON('[]') }}\" }", NULL, "a list cannot stand here" },
	{ "{ matrix: { v: \"${{ fromJSON('[]') }}\" } }", NULL, "`v` of the matrix has no values" },
	{ "\"${{ fromJSON('{\\\"matrx\\\": 1}') }}\"", NULL, "unknown key `matrx`" },
	{ "{ matrix: \"${{ fromJSON(needs.b) }}\" }", NULL, "no valid JSON" },
	{ "{ max-parallel: \"${{ needs.a.outputs.text }}\" }", NULL, "cannot stand here" },
};

static void what_is_computed_is_held_against_the_same_rules(void **state)
{
	(void)state;
	static const char needs[] = "{\"a\": {\"outputs\": {\"matrix\": \"{\\\"v\\\": [1, 2]}\", "
				    "\"text\": \"${{ x }}\","
				    " \"all\": \"{\\\"matrix\\\": {\\\"v\\\": [1, 2]}}\"}}}";
	for (size_t i = 0; i < ARRAY_LEN(computed); i++) {
		struct world w;
		struct wf_matrix m;
		const char *why;
		size_t at;
		world_open(&w, computed[i].strategy);
		const struct expr_scope scope = { .context = find, .user = &w };
		assert_int_equal(expr_json_parse(&w.mem, needs, sizeof(needs) - 1, NULL, &w.needs,
		                                 &at, &why),
		                 0);
		int r = wf_matrix_expand(w.doc->jobs[0].strategy, "j", &w.mem, &m, &w.errors);
		assert_int_equal(r, 0);
		assert_true(m.computed_later && m.n == 0);
		r = wf_matrix_compute(w.doc->jobs[0].strategy, "j", &scope, &w.mem, &m, &w.errors);
		if ((r == 0) != !!computed[i].list)
			fail_msg("%s: %s", computed[i].strategy,
			         r ? w.errors.items[0].text : list(&w, &m));
		if (r == 0)
			assert_string_equal(list(&w, &m), computed[i].list);
		else if (!strstr(w.errors.items[0].text, computed[i].error))
			fail_msg("%s: %s", computed[i].strategy, w.errors.items[0].text);
		world_close(&w);
	}
}

static void a_matrix_of_what_an_outsider_wrote_says_so(void **state)
{
	(void)state;
	static const char needs[] =
		"{\"a\": {\"outputs\": {\"matrix\": \"{\\\"v\\\": [\\\"x\\\"]}\"}}}";
	struct world w;
	struct wf_matrix m;
	const char *why;
	size_t at;
	world_open(&w,
	           "{ matrix: { \"${{ insert }}\": \"${{ fromJSON(needs.a.outputs.matrix) }}\", "
	           "w: [ y ] } }");
	const struct expr_scope scope = { .context = find, .user = &w };
	assert_int_equal(
		expr_json_parse(&w.mem, needs, sizeof(needs) - 1, NULL, &w.needs, &at, &why), 0);
	assert_true(taint_mark_all(&w.mem, &w.needs, "needs.a.outputs"));
	assert_int_equal(
		wf_matrix_compute(w.doc->jobs[0].strategy, "j", &scope, &w.mem, &m, &w.errors), 0);
	const struct expr_object *all = m.combinations[0].matrix.object;
	const char *outsider = expr_object_get(all, "v", 1)->outsider;
	assert_non_null(outsider);
	assert_non_null(strstr(outsider, "needs.a.outputs"));
	assert_null(expr_object_get(all, "w", 1)->outsider);
	world_close(&w);
}

static enum wf_class class_of(const char *strategy)
{
	const struct wf_options options = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	char *text = malloc(strlen(strategy) + 100);
	assert_non_null(text);
	(void)sprintf(text, "jobs:\n  j:\n    runs-on: x\n    strategy: %s\n", strategy);
	enum wf_class class = WF_NO_CLASS;
	if (wf_parse("w.yml", text, strlen(text), &options, &doc, &errors) < 0)
		class = errors.items[0].class;
	wf_free(doc);
	wf_errors_done(&errors);
	free(text);
	return class;
}

static char *numbers(char *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%u, ", i);
	return at;
}

static void combinations_and_comparisons_are_bounded(void **state)
{
	(void)state;
	char *text = malloc(400000), *at;
	assert_non_null(text);
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 256);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_NO_CLASS);
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 257);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_MATRIX_SIZE);
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 300);
	at = numbers(stpcpy(at, "], w: [ "), 300);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_MATRIX_SIZE);
	/* all but 200 excluded, and that at a bounded price */
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 200);
	at = numbers(stpcpy(at, "], w: [ "), 200);
	at = stpcpy(at, "], exclude: [ ");
	for (unsigned i = 1; i < 200; i++)
		at += sprintf(at, "{ w: %u }, ", i);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_NO_CLASS);
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 250);
	at = numbers(stpcpy(at, "], w: [ "), 250);
	at = stpcpy(at, "], exclude: [ ");
	for (unsigned i = 1; i < 250; i++)
		at += sprintf(at, "{ v: x%u, w: y }, ", i);
	for (unsigned i = 0; i < 250; i++)
		at += sprintf(at, "{ v: %u }, ", i);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_MATRIX_SIZE);
	/* one left of too many before `exclude` */
	at = numbers(stpcpy(text, "{ matrix: { v: [ "), 40);
	at = numbers(stpcpy(at, "], w: [ "), 40);
	at = numbers(stpcpy(at, "], x: [ "), 41);
	at = stpcpy(at, "], exclude: [ ");
	for (unsigned i = 1; i < 41; i++)
		at += sprintf(at, "{ x: %u }, { v: %u }, { w: %u }, ", i, i < 40 ? i : 1,
		              i < 40 ? i : 1);
	(void)stpcpy(at, "] } }");
	assert_int_equal(class_of(text), WF_MATRIX_SIZE);
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(combinations_come_in_githubs_order_with_githubs_names),
		cmocka_unit_test(a_long_name_is_cut_at_a_hundred_characters),
		cmocka_unit_test(the_strategy_context_counts),
		cmocka_unit_test(what_is_computed_is_held_against_the_same_rules),
		cmocka_unit_test(a_matrix_of_what_an_outsider_wrote_says_so),
		cmocka_unit_test(combinations_and_comparisons_are_bounded),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
