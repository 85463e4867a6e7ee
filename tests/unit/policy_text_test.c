// SPDX-License-Identifier: Apache-2.0
/* policy_text_test.c - a key of a policy is found where it is written, in block and in flow style.
 */
#include "runner/policy/policy_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct policy_text parse(const char *text)
{
	struct policy_text t = { .arena = NULL };
	struct dd_err err = { 0 };
	if (policy_text_parse("p.yml", text, strlen(text), &t, &err) < 0)
		fail_msg("%s", err.msg);
	return t;
}

static void a_key_is_found_with_its_line_and_column(void **state)
{
	(void)state;
	struct policy_text t = parse("version: 1\nlimits:\n  pids: 3\n  memory: 1GiB\n");
	const struct tree_node *key = NULL;
	const struct tree_node *value = policy_text_at(&t, "limits.memory", &key);
	assert_string_equal(value->text, "1GiB");
	assert_int_equal(key->mark.line, 4);
	assert_int_equal(key->mark.column, 3);
	assert_string_equal(key->mark.file, "p.yml");
	policy_text_done(&t);
}

static void flow_style_is_the_same(void **state)
{
	(void)state;
	struct policy_text t = parse("{ version: 1, limits: { memory: 1GiB } }\n");
	const struct tree_node *key = NULL;
	assert_non_null(policy_text_at(&t, "limits.memory", &key));
	assert_int_equal(key->mark.column, 25);
	policy_text_done(&t);
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	struct policy_text t =
		parse("version: 1\nphases: { fetch: { egress: [ { host: a.test } ] } }\n");
	const struct tree_node *key = t.root;
	assert_null(policy_text_at(&t, "limits.memory", &key));
	assert_null(key);
	/* a list has no keys */
	assert_null(policy_text_at(&t, "phases.fetch.egress.host", NULL));
	assert_null(policy_text_at(&t, "phases.fetch.egre", NULL));
	assert_null(policy_text_at(&t, "version.x", NULL));
	policy_text_done(&t);
}

static void a_broken_file_names_its_place(void **state)
{
	(void)state;
	struct policy_text t = { .arena = NULL };
	struct dd_err err = { 0 };
	assert_int_equal(policy_text_parse("p.yml", "a: [\n", 5, &t, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "p.yml:"));
	assert_true(policy_text_load("/nonexistent/p.yml", &t, &err) < 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_found_with_its_line_and_column),
		cmocka_unit_test(flow_style_is_the_same),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(a_broken_file_names_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
