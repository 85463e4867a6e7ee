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

/* anybody may comment, fork, star, open an issue, have a run of his own end. */
static void an_event_that_strangers_can_cause_is_not_trusted(void **state)
{
	(void)state;
	static const struct {
		const char *json, *name, *also;
		bool trusted;
	} rows[] = {
#define OK                                                                                         \
	"\"ref_protected\":true,\"ref\":\"refs/heads/main\",\"repository\":{\"full_name\":\"a/"    \
	"b\"}"
		{ "{\"event_name\":\"workflow_dispatch\"," OK "}", "workflow_dispatch", NULL,
		  true },
		{ "{\"inputs\":{}," OK "}", "workflow_dispatch", NULL, true },
		{ "{\"schedule\":\"0 0 * * *\"," OK "}", "schedule", NULL, true },
		{ "{\"event_name\":\"issue_comment\"," OK "}", "issue_comment", NULL, false },
		{ "{\"event_name\":\"issue_comment\"," OK "}", "issue_comment", "issue_comment",
		  true },
		{ "{\"event_name\":\"issue_comment\"," OK "}", "issue_comment", "issues", false },
		{ "{\"event_name\":\"issues\"," OK "}", "issues", NULL, false },
		{ "{\"event_name\":\"discussion\"," OK "}", "discussion", NULL, false },
		{ "{\"event_name\":\"discussion_comment\"," OK "}", "discussion_comment", NULL,
		  false },
		{ "{\"event_name\":\"watch\"," OK "}", "watch", NULL, false },
		{ "{\"event_name\":\"fork\"," OK "}", "fork", NULL, false },
		{ "{\"event_name\":\"check_run\"," OK "}", "check_run", NULL, false },
		{ "{\"event_name\":\"check_suite\"," OK "}", "check_suite", NULL, false },
		{ "{\"event_name\":\"status\"," OK "}", "status", NULL, false },
		{ "{\"event_name\":\"gollum\"," OK "}", "gollum", NULL, false },
		{ "{\"event_name\":\"repository_dispatch\"," OK "}", "repository_dispatch", NULL,
		  false },
		{ "{\"event_name\":\"registry_package\"," OK "}", "registry_package", NULL, false },
		{ "{\"event_name\":\"an_event_of_next_year\"," OK "}", "an_event_of_next_year",
		  NULL, false },
		{ "{\"event_name\":\"workflow_run\"," OK "}", "workflow_run", NULL, false },
		{ "{\"event_name\":\"pull_request_review\"," OK "}", "pull_request_review",
		  "pull_request_review", false },
		/* the policy counts workflow_run, and this one is of a fork, of nobody knows whom,
		   of a pull request */
		{ "{\"event_name\":\"workflow_run\",\"workflow_run\":{\"event\":\"push\",\"head_"
		  "repository\":{\"full_name\":\"a/b\"}}," OK "}",
		  "workflow_run", "workflow_run", true },
		{ "{\"event_name\":\"workflow_run\",\"workflow_run\":{\"event\":\"push\",\"head_"
		  "repository\":{\"full_name\":\"x/b\"}}," OK "}",
		  "workflow_run", "workflow_run", false },
		{ "{\"event_name\":\"workflow_run\",\"workflow_run\":{}," OK "}", "workflow_run",
		  "workflow_run", false },
		{ "{\"event_name\":\"workflow_run\",\"workflow_run\":{\"event\":\"pull_request\","
		  "\"head_repository\":{\"full_name\":\"a/b\"}}," OK "}",
		  "workflow_run", "workflow_run", false },
		/* a release is of a tag */
		{ "{\"release\":{}," OK "}", "release", NULL, false },
		{ "{\"release\":{},\"ref_protected\":true,\"ref\":\"refs/tags/v1\"}", "release",
		  NULL, true },
		{ "{\"release\":{},\"ref_protected\":false,\"ref\":\"refs/tags/v1\"}", "release",
		  NULL, false },
		/* no name: what the message holds says what it is, and only a push is one */
		{ "{\"comment\":{},\"issue\":{}," OK "}", "issues", NULL, false },
		{ "{\"comment\":{}," OK "}", "commit_comment", NULL, false },
		{ "{\"workflow_run\":{},\"workflow\":{}," OK "}", "workflow_run", NULL, false },
		{ "{\"client_payload\":{}," OK "}", "repository_dispatch", NULL, false },
		{ "{\"forkee\":{}," OK "}", "fork", NULL, false },
		{ "{\"action\":\"started\"," OK "}", "unknown", NULL, false },
		{ "{\"commits\":[],\"pusher\":{},\"forced\":false," OK "}", "push", NULL, true },
		/* a name that counts beside what no such event has */
		{ "{\"event_name\":\"push\",\"comment\":{}," OK "}", "push", NULL, false },
		{ "{\"event_name\":\"workflow_dispatch\",\"workflow_run\":{\"event\":\"push\","
		  "\"head_repository\":{\"full_name\":\"a/b\"}}," OK "}",
		  "workflow_dispatch", "workflow_run", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event_facts ev = { 0 };
		struct dd_err err = { 0 };
		const char *const also[] = { rows[i].also, NULL }, *why = NULL;
		assert_int_equal(event_parse(rows[i].json, strlen(rows[i].json), &ev, &err), 0);
		assert_string_equal(ev.name, rows[i].name);
		if (event_is_trusted_with(&ev, also, &why) != rows[i].trusted)
			fail_msg("%s, also %s: %s", rows[i].json, rows[i].also ? rows[i].also : "-",
			         why);
		assert_non_null(why);
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
		"{\"event_name\":\"push \"}",
		"{\"event_name\":\"Push\"}",
		"{\"workflow_run\":7}",
		"{\"workflow_run\":{\"event\":{}}}",
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
		cmocka_unit_test(an_event_that_strangers_can_cause_is_not_trusted),
		cmocka_unit_test(anything_of_the_wrong_type_is_an_error_and_leaves_ret_alone),
		cmocka_unit_test(a_local_run_is_the_operators_own),
		cmocka_unit_test(an_event_that_is_no_file_is_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
