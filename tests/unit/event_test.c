// SPDX-License-Identifier: Apache-2.0
/* event_test.c - trust follows from the forge's facts, and whatever is missing counts against it.
 */
#include "runner/model/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *json;
	bool trusted, fork, pr;
	const char *name;
} good[] = {
	{ "{}", false, false, false, "push" },
	{ "{\"ref_protected\":true,\"ref\":\"refs/heads/main\"}", true, false, false, "push" },
	{ "{\"ref_protected\":null}", false, false, false, "push" },
	{ "{\"event_name\":\"schedule\",\"ref_protected\":true}", true, false, false, "schedule" },
	{ "{\"pull_request\":{},\"ref_protected\":true}", false, true, true, "pull_request" },
	{ "{\"event_name\":\"push\",\"pull_request\":{},\"ref_protected\":true}", false, true, true,
	  "push" },
	{ "{\"event_name\":\"pull_request_target\",\"ref_protected\":true}", false, false, true,
	  "pull_request_target" },
	{ "{\"ref_protected\":true,\"pull_request\":{\"head\":{\"repo\":{\"full_name\":\"a/"
	  "b\"}},\"base\":{\"repo\":{\"full_name\":\"a/b\"}}}}",
	  false, false, true, "pull_request" },
	{ "{\"ref_protected\":true,\"pull_request\":{\"head\":{\"repo\":null},\"base\":{\"repo\":{"
	  "\"full_name\":\"a/b\"}}}}",
	  false, true, true, "pull_request" },
};

static void trust_needs_a_protected_ref_no_fork_and_no_pull_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct event_facts ev = { 0 };
		struct dd_err err = { 0 };
		assert_int_equal(event_parse(good[i].json, strlen(good[i].json), &ev, &err), 0);
		assert_int_equal(event_is_trusted(&ev, NULL), good[i].trusted);
		assert_int_equal(ev.fork, good[i].fork);
		assert_int_equal(ev.pull_request, good[i].pr);
		assert_string_equal(ev.name, good[i].name);
	}
}

static void anything_of_the_wrong_type_is_an_error_and_leaves_ret_alone(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"ref_protected\":\"true\"}",
		"{\"ref_protected\":1}",
		"{\"ref\":{}}",
		"{\"pull_request\":true}",
		"{\"repository\":\"a\"}",
		"{\"event_name\":5}",
		"{\"ref\":\"a\\nb\"}",
		"{\"ref_protected\":false,\"ref_protected\":true}",
		"{} x",
		("{\"event_name\":"
		 "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}"),
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct event_facts ev = { .name = "untouched" };
		struct dd_err err = { 0 };
		assert_int_equal(event_parse(bad[i], strlen(bad[i]), &ev, &err), -EINVAL);
		assert_string_equal(ev.name, "untouched");
		assert_int_equal(err.code, EINVAL);
	}
}

static void a_local_run_is_the_operators_own(void **state)
{
	(void)state;
	struct event_facts ev;
	const char *why = NULL;
	event_local(&ev);
	assert_true(event_is_trusted(&ev, &why));
	assert_non_null(strstr(why, "local"));
}

static void an_event_that_is_no_file_is_refused(void **state)
{
	(void)state;
	struct event_facts ev;
	struct dd_err err = { 0 };
	assert_int_equal(event_load("/nonexistent", &ev, &err), -ENOENT);
	assert_int_equal(event_load("/dev/zero", &ev, &err), -EINVAL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_needs_a_protected_ref_no_fork_and_no_pull_request),
		cmocka_unit_test(anything_of_the_wrong_type_is_an_error_and_leaves_ret_alone),
		cmocka_unit_test(a_local_run_is_the_operators_own),
		cmocka_unit_test(an_event_that_is_no_file_is_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
