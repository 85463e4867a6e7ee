// SPDX-License-Identifier: Apache-2.0
/* gitlab_job_test.c - what a job's message means, and what no message can make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forges/gitlab/gl_job.h"
#include "forges/gitlab/gl_vars.h"

#include <string.h>

static struct plan_arena *arena;
static struct gl_job job;

static int parse(const char *more)
{
	const char *text = arena_printf(arena,
	                                "{\"id\":7,\"token\":\"tok\",\"job_info\":{\"name\":\"n\","
	                                "\"project_full_path\":\"a/b\"}%s%s}",
	                                *more ? "," : "", more);
	return gl_job_parse(arena, text, strlen(text), &job, NULL);
}

static void missing_null_and_unknown_members_mean_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(job.timeout_sec, 7200);
	assert_int_equal(parse("\"variables\":null,\"steps\":null,\"image\":null,\"services\":null,"
	                       "\"git_info\":null,\"runner_info\":{\"timeout\":null},"
	                       "\"dependencies\":null,\"features\":null,\"new\":{\"x\":[1]}"),
	                 0);
	assert_int_equal(parse("\"runner_info\":{\"timeout\":-5}"), 0);
	assert_int_equal(job.timeout_sec, 7200);
}

static void another_type_is_an_error_that_names_the_member(void **state)
{
	(void)state;
	static const char *const rows[] = { "variables", "steps", "git_info", "services",
		                            "features" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dd_err err = { 0 };
		const char *text = arena_printf(arena,
		                                "{\"id\":7,\"token\":\"t\",\"job_info\":"
		                                "{\"name\":\"n\"},\"%s\":3}",
		                                rows[i]);
		assert_int_equal(gl_job_parse(arena, text, strlen(text), &job, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i]));
		assert_int_equal(job.id, 7);
	}
	static const char *const bad[] = { "",
		                           "[]",
		                           "3",
		                           "{",
		                           "{\"id\":7}",
		                           "{\"token\":\"t\"}",
		                           "{\"id\":-1,\"token\":\"t\"}",
		                           "{\"id\":\"7\",\"token\":\"t\"}",
		                           "{\"id\":7,\"token\":\"a\\u0000b\"}" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(gl_job_parse(arena, bad[i], strlen(bad[i]), &job, NULL), -EINVAL);
}

static bool is_trusted(const char *variables, const char *more)
{
	struct event_facts event;
	assert_int_equal(parse(arena_printf(arena, "\"variables\":[%s]%s", variables, more)), 0);
	gl_job_event(&job, &event);
	assert_string_equal(event.repository, "a/b");
	return event_is_trusted(&event, NULL);
}

#define V(k, v) "{\"key\":\"" k "\",\"value\":\"" v "\",\"public\":true}"
#define PUSH    V("CI_PIPELINE_SOURCE", "push")
#define GUARDED V("CI_COMMIT_REF_PROTECTED", "true")

static void trust_is_what_the_server_says_first(void **state)
{
	(void)state;
	assert_true(is_trusted(PUSH "," GUARDED, ""));
	assert_true(is_trusted(PUSH, ",\"git_info\":{\"protected\":true,\"ref\":\"main\"}"));
	assert_false(is_trusted(PUSH, ""));
	assert_false(is_trusted(GUARDED, ""));
	/* the server's own word beats a variable, and its first variable one of the job file */
	assert_false(is_trusted(PUSH "," GUARDED, ",\"git_info\":{\"protected\":false}"));
	assert_false(is_trusted(PUSH "," V("CI_COMMIT_REF_PROTECTED", "false") "," GUARDED, ""));
	assert_false(is_trusted(V("CI_PIPELINE_SOURCE", "something_new") "," PUSH "," GUARDED, ""));
	/* any trace of a merge request */
	assert_false(is_trusted(V("CI_PIPELINE_SOURCE", "merge_request_event") "," GUARDED, ""));
	assert_false(is_trusted(PUSH "," GUARDED "," V("CI_MERGE_REQUEST_IID", "1"), ""));
	assert_false(is_trusted(PUSH "," GUARDED,
	                        ",\"git_info\":{\"ref\":\"refs/merge-requests/1/head\"}"));
}

static struct gl_vars vars;

static const char *plain(const char *name)
{
	for (size_t i = 0; i < vars.n_plain; i++)
		if (strcmp(vars.plain[i].name, name) == 0)
			return vars.plain[i].value;
	return NULL;
}

static const char *secret(const char *name)
{
	for (size_t i = 0; i < vars.n_secrets; i++)
		if (strcmp(vars.secrets[i].name, name) == 0)
			return vars.secrets[i].value;
	return NULL;
}

static void make(const char *variables)
{
	assert_int_equal(parse(arena_printf(arena, "\"variables\":[%s]", variables)), 0);
	assert_int_equal(gl_vars_make(&job, &(struct gl_runner_facts){ .short_token = "short" },
	                              arena, &vars, NULL),
	                 0);
}

static void expansion_is_one_pass(void **state)
{
	(void)state;
	make(V("A", "$B") "," V("B", "x${A}y") "," V("C", "$CI_PROJECT_DIR/o") "," V(
		"D", "a$$b$1$?-$") "," V("E", "${unclosed $NOPE|") "," V("A", "last $B"));
	assert_string_equal(plain("A"), "last x${A}y");
	assert_string_equal(plain("B"), "xlast $By");
	assert_string_equal(plain("C"), "/work/o");
	assert_string_equal(plain("D"), "a$b-$");
	assert_string_equal(plain("E"), "${unclosed |");
}

static void whatever_takes_a_secret_along_is_one(void **state)
{
	(void)state;
	make("{\"key\":\"M\",\"value\":\"masked!!\",\"public\":true,\"masked\":true},"
	     "{\"key\":\"P\",\"value\":\"private\",\"public\":false},"
	     "{\"key\":\"F\",\"value\":\"in a file\\n\",\"public\":true,\"file\":true}," V(
		     "X", "a-$M") "," V("Y", "$X") "," V("T", "xtokx") "," V("G",
	                                                                     "$F") "," V("O",
	                                                                                 "open"));
	assert_string_equal(secret("M"), "masked!!");
	assert_string_equal(secret("P"), "private");
	assert_string_equal(secret("F"), "in a file\n");
	assert_string_equal(secret("X"), "a-masked!!");
	assert_null(plain("X"));
	/* one pass: of X its own text, in which M is a name */
	assert_string_equal(plain("Y"), "a-$M");
	assert_string_equal(secret("T"), "xtokx");
	assert_string_equal(plain("G"), "/work-temp/F");
	assert_string_equal(plain("O"), "open");
	gl_vars_wipe(&vars, true);
	assert_string_equal(secret("M"), "");
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_null_and_unknown_members_mean_nothing,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(another_type_is_an_error_that_names_the_member,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(trust_is_what_the_server_says_first, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(expansion_is_one_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(whatever_takes_a_secret_along_is_one, setup,
		                                teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
