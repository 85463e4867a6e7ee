// SPDX-License-Identifier: Apache-2.0
/* conformance_test.c - GitHub's own test data, as far as it lies in tests/conformance, and that a
 * wrong result of it would be seen. `make conformance DIR=...` runs the same over other data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conformance/run_expressions.h"
#include "tests/conformance/run_manifests.h"
#include "tests/conformance/run_workflows.h"

static void every_expression_of_githubs_own_data_has_its_result(void **state)
{
	(void)state;
	struct tally t = { 0 };
	assert_true(run_expressions("tests/conformance/expressions", &t));
	assert_int_equal(t.failed, 0);
	assert_true(t.passed >= 531);
}

static const char *const altered[] = {
	"{\"expr\": \"1\", \"result\": {\"kind\": \"Number\", \"value\": 2}}",
	"{\"expr\": \"1\", \"result\": {\"kind\": \"String\", \"value\": \"1\"}}",
	"{\"expr\": \"'a'\", \"result\": {\"kind\": \"String\", \"value\": \"A\"}}",
	"{\"expr\": \"fromJSON('[1]')\", \"result\": {\"kind\": \"Array\", \"value\": [1, 2]}}",
	"{\"expr\": \"1\", \"err\": {\"kind\": \"parsing\", \"value\": \"\"}}",
	"{\"expr\": \"a\", \"result\": {\"kind\": \"Null\", \"value\": null}}",
	"{\"expr\": \"a\", \"err\": {\"kind\": \"lexing\", \"value\": \"Unrecognized named-value: "
	"'a'. "
	"Located at position 1\"}}",
	"{\"expr\": \"a\", \"err\": {\"kind\": \"parsing\", \"value\": \"Unrecognized named-value: "
	"'a'. "
	"Located at position 2\"}}",
	"{\"expr\": \"a\", \"err\": {\"kind\": \"parsing\", \"value\": \"Unrecognized named-value: "
	"'b'. "
	"Located at position 1\"}}",
	"{\"expr\": \"a\", \"err\": {\"kind\": \"parsing\", \"value\": \"Something new\"}}",
};

static void a_result_that_differs_is_counted_as_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(altered); i++) {
		struct tally t = { .quiet = true };
		json_t *one = json_loads(altered[i], 0, NULL);
		assert_non_null(one);
		run_expression("altered", one, &t);
		json_decref(one);
		if (t.failed != 1)
			fail_msg("passed: %s", altered[i]);
	}
}

static void every_manifest_of_githubs_own_data_is_read_or_refused_as_its_lines_say(void **state)
{
	(void)state;
	struct tally t = { 0 };
	assert_true(run_manifests("tests/conformance/action-manifests", &t));
	assert_int_equal(t.failed, 0);
	assert_true(t.passed >= 10);
}

static void every_workflow_of_githubs_own_data_is_read_alike(void **state)
{
	(void)state;
	struct tally t = { 0 };
	assert_true(run_workflows("tests/conformance/workflow-reader", &t));
	assert_int_equal(t.failed, 0);
	assert_true(t.passed >= 89);
}

#define HEAD "include-source: false\n---\non: push\njobs:\n  a:\n    runs-on: x\n"
#define JOB(more)                                                                                  \
	"{ \"jobs\": [ { \"type\": \"job\", \"id\": \"a\", \"name\": \"a\", \"if\": { \"type\": "  \
	"3, "                                                                                      \
	"\"expr\": \"success()\" }, \"runs-on\": \"x\"" more " } ] }"

static const struct altered_row {
	const char *text;
	bool right;
} altered_workflows[] = {
	{ HEAD "---\n" JOB(""), true },
	{ HEAD "---\n" JOB(", \"steps\": []"), false },
	{ HEAD "    env: { A: 1 }\n---\n" JOB(""), false },
	{ HEAD "---\n{ \"jobs\": [] }", false },
	{ HEAD "---\n{ \"errors\": [ { \"Message\": \"x\" } ] }", false },
	{ HEAD "    bad: 1\n---\n" JOB(""), false },
	{ HEAD "    bad: 1\n---\n{ \"errors\": [ { \"Message\": \".github/workflows/t.yml (Line: "
	       "5, Col: 5): "
	       "Unexpected value 'bad'\" } ] }",
	  true },
	{ HEAD "    bad: 1\n---\n{ \"errors\": [ { \"Message\": \".github/workflows/t.yml (Line: "
	       "5, Col: 6): "
	       "Unexpected value 'bad'\" } ] }",
	  false },
	{ HEAD "    bad: 1\n---\n{ \"errors\": [ { \"Message\": \".github/workflows/u.yml (Line: "
	       "5, Col: 5): "
	       "Unexpected value 'bad'\" } ] }",
	  false },
	{ HEAD "    bad: 1\n---\n{ \"errors\": [ { \"Message\": \".github/workflows/t.yml (Line: "
	       "5, Col: 5): "
	       "A mapping was not expected\" } ] }",
	  false },
	{ HEAD "    bad: 1\n---\n{ \"errors\": [] }", false },
};

static void a_workflow_that_is_read_otherwise_is_counted_as_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(altered_workflows); i++) {
		struct tally t = { .quiet = true };
		struct workflow_case c = { .name = "t.yml", .path = ".github/workflows/t.yml" };
		char text[2000];
		(void)snprintf(text, sizeof(text), "%s", altered_workflows[i].text);
		cut_documents(text, &c);
		assert_int_equal(c.n, 3);
		run_case(&c, &t);
		if (altered_workflows[i].right ? t.passed != 1 : t.failed != 1)
			fail_msg("%s", altered_workflows[i].text);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_expression_of_githubs_own_data_has_its_result),
		cmocka_unit_test(a_result_that_differs_is_counted_as_failed),
		cmocka_unit_test(
			every_manifest_of_githubs_own_data_is_read_or_refused_as_its_lines_say),
		cmocka_unit_test(every_workflow_of_githubs_own_data_is_read_alike),
		cmocka_unit_test(a_workflow_that_is_read_otherwise_is_counted_as_failed),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
