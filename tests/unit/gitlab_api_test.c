// SPDX-License-Identifier: Apache-2.0
/* gitlab_api_test.c - what each answer of a GitLab means, and how long a busy one is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forges/gitlab/gl_api.h"

static void a_busy_server_is_asked_again_and_a_refusal_is_not(void **state)
{
	(void)state;
	static const long again[] = { 408, 429, 500, 502, 503, 504, 512, 599 };
	static const long final[] = { 200, 201, 204, 400, 403, 404, 409, 416, 501, 505, 511 };
	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		assert_true(wire_is_retriable(again[i]));
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		assert_false(wire_is_retriable(final[i]));
}

static void the_servers_own_word_beats_our_pause(void **state)
{
	(void)state;
	const long now = 1767323045; /* 2026-01-02 03:04:05 */
	assert_int_equal(wire_pause_ms("Fri, 02 Jan 2026 03:04:15 GMT", "7", 0, now, 9), 10000);
	assert_int_equal(wire_pause_ms("Fri, 02 Jan 2026 03:04:00 GMT", "7", 0, now, 9), 7000);
	assert_int_equal(wire_pause_ms("tomorrow", "7", 0, now, 9), 7000);
	static const char *const bad[] = {
		"", "0", "-1", "soon", "7 seconds", "7.5", "99999999999999999999"
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (unsigned try = 0; try < 20; try++) {
			unsigned long ms = wire_pause_ms("", bad[i], try, now, 12345);
			assert_in_range(ms, 100, 60000);
		}
	assert_in_range(wire_pause_ms("", "", 0, now, UINT32_MAX), 100, 200);
}

static void an_address_is_made_whole_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = { { "https://a.test", "https://a.test/api/v4/" },
		     { "https://a.test/", "https://a.test/api/v4/" },
		     { "https://a.test/ci", "https://a.test/api/v4/" },
		     { "https://a.test:8443/ci/", "https://a.test:8443/api/v4/" },
		     { "https://a.test/git/lab//", "https://a.test/git/lab/api/v4/" },
		     { "HTTPS://a.test", "https://a.test/api/v4/" },
		     { "https://[::1]:1/", "https://[::1]:1/api/v4/" } };
	static const char *const bad[] = { "http://a.test",      "a.test",          "https://",
		                           "https:///x",         "https://:80",     "https://u@a",
		                           "https://a/?x",       "https://a/#x",    "https://a b",
		                           "https://a\nHost: b", "ssh://git@a.test" };
	char url[WIRE_URL_MAX];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(wire_base(rows[i].in, "api/v4/", url, NULL), 0);
		assert_string_equal(url, rows[i].out);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(wire_base(bad[i], "api/v4/", url, NULL), -EINVAL);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	(void)state;
	assert_true(wire_same_origin("https://a.test/x", "https://A.test:443/y"));
	assert_true(wire_same_origin("https://[::1]/x", "https://[::1]:443"));
	assert_false(wire_same_origin("https://a.test/", "https://a.test:444/"));
	assert_false(wire_same_origin("https://a.test/", "http://a.test:443/"));
	assert_false(wire_same_origin("https://a.test/", "https://a.test.evil.test/"));
	assert_false(wire_same_origin("https://a.test@evil.test/", "https://a.test/"));
	assert_true(wire_same_origin("https://u:p@a.test/", "https://a.test/"));
	assert_false(wire_same_origin("nonsense", "nonsense"));
}

static void an_update_of_a_job_is_judged_in_order(void **state)
{
	(void)state;
	static const struct {
		long status;
		const char *job;
		enum gl_put later, first;
	} rows[] = {
		{ 200, "", GL_PUT_DONE, GL_PUT_DONE },
		{ 200, "running", GL_PUT_DONE, GL_PUT_DONE },
		{ 200, "canceling", GL_PUT_DONE, GL_PUT_DONE },
		{ 200, "canceled", GL_PUT_ABORT, GL_PUT_DECLINED },
		{ 200, "failed", GL_PUT_ABORT, GL_PUT_DECLINED },
		{ 200, "something new", GL_PUT_DONE, GL_PUT_DONE },
		{ 202, "running", GL_PUT_LATER, GL_PUT_DONE },
		{ 412, "running", GL_PUT_RESEND, GL_PUT_TRY_AGAIN },
		{ 403, "", GL_PUT_ABORT, GL_PUT_DECLINED },
		{ 404, "", GL_PUT_ABORT, GL_PUT_DECLINED },
		{ 400, "", GL_PUT_TRY_AGAIN, GL_PUT_DECLINED },
		{ 409, "", GL_PUT_TRY_AGAIN, GL_PUT_DECLINED },
		{ 500, "", GL_PUT_TRY_AGAIN, GL_PUT_TRY_AGAIN },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(gl_put_means(rows[i].status, rows[i].job, false), rows[i].later);
		assert_int_equal(gl_put_means(rows[i].status, rows[i].job, true), rows[i].first);
	}
}

static void a_patch_of_the_trace_is_judged_in_order(void **state)
{
	(void)state;
	assert_int_equal(gl_patch_means(202, "running"), GL_PATCH_TAKEN);
	assert_int_equal(gl_patch_means(202, "canceling"), GL_PATCH_TAKEN);
	assert_int_equal(gl_patch_means(202, "canceled"), GL_PATCH_ABORT);
	assert_int_equal(gl_patch_means(403, ""), GL_PATCH_ABORT);
	assert_int_equal(gl_patch_means(404, ""), GL_PATCH_GIVE_UP);
	assert_int_equal(gl_patch_means(416, "running"), GL_PATCH_RANGE);
	assert_int_equal(gl_patch_means(500, ""), GL_PATCH_FAILED);
	assert_int_equal(gl_patch_means(200, ""), GL_PATCH_FAILED);
}

static void headers_that_make_no_sense_mean_nothing(void **state)
{
	(void)state;
	assert_int_equal(gl_range_end("0-42"), 42);
	static const char *const no_range[] = {
		"", "42", "0-", "1-42", "0--1", "0-4x", "0-99999999999999999999"
	};
	for (size_t i = 0; i < ARRAY_LEN(no_range); i++)
		assert_int_equal(gl_range_end(no_range[i]), 0);
	assert_int_equal(gl_interval("10"), 10);
	assert_int_equal(gl_interval("901"), 900);
	static const char *const no_interval[] = { "", "0", "-3", "text", "3s" };
	for (size_t i = 0; i < ARRAY_LEN(no_interval); i++)
		assert_int_equal(gl_interval(no_interval[i]), 0);
}

static void times_of_tokens_are_read_with_their_zone(void **state)
{
	(void)state;
	assert_int_equal(gl_time("2026-01-02T03:04:05Z"), 1767323045);
	assert_int_equal(gl_time("2026-01-02T03:04:05.123Z"), 1767323045);
	assert_int_equal(gl_time("2026-01-02T04:04:05.1+01:00"), 1767323045);
	assert_int_equal(gl_time("2026-01-01T22:04:05-05:00"), 1767323045);
	assert_int_equal(gl_time("2026-01-02"), 0);
	assert_int_equal(gl_time("2026-01-02T03:04:05"), 0);
	assert_int_equal(gl_time(NULL), 0);
}

static void a_token_is_shown_without_its_kind_and_short(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = { { "glrt-t1_abcdefghijkl", "abcdefghi" },
		     { "glrt-abcdefghijkl", "abcdefghi" },
		     { "glcbt-abcdefghijkl", "abcdefghi" },
		     { "GR1348941abcdefghijkl", "abcdefghi" },
		     { "short", "short" },
		     { "a/b", "a" } };
	char shown[16];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gl_short_token(rows[i].in, shown);
		assert_string_equal(shown, rows[i].out);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_server_is_asked_again_and_a_refusal_is_not),
		cmocka_unit_test(the_servers_own_word_beats_our_pause),
		cmocka_unit_test(an_address_is_made_whole_or_refused),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(an_update_of_a_job_is_judged_in_order),
		cmocka_unit_test(a_patch_of_the_trace_is_judged_in_order),
		cmocka_unit_test(headers_that_make_no_sense_mean_nothing),
		cmocka_unit_test(times_of_tokens_are_read_with_their_zone),
		cmocka_unit_test(a_token_is_shown_without_its_kind_and_short),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
