// SPDX-License-Identifier: Apache-2.0
/* github_protocol_test.c - small parts of GitHub's runner protocol: addresses, pauses, times, a
 * configuration, and what a client says to prove who it is. */
#include "forges/github/github_ask.h"
#include "forges/github/github_register.h"
#include "forges/github/github_runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_name_is_relative_to_the_last_slash_of_its_base(void **state)
{
	(void)state;
	static const struct {
		const char *base, *want;
	} rows[] = {
		{ "https://a.test", "https://a.test/session" },
		{ "https://a.test/", "https://a.test/session" },
		{ "https://a.test/x/", "https://a.test/x/session" },
		{ "https://a.test/x", "https://a.test/session" },
		{ "https://a.test:8443/x/y?q=1", "https://a.test:8443/x/session" },
		{ "HTTPS://a.test/x/", "HTTPS://a.test/x/session" },
	};
	char url[GITHUB_URL_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(github_url(rows[i].base, "session", url));
		assert_string_equal(url, rows[i].want);
	}
}

static void a_base_that_is_not_https_gives_no_address(void **state)
{
	(void)state;
	static const char *const rows[] = { "", "http://a.test/", "ftp://a.test/", "https://",
		                            "a" };
	char url[GITHUB_URL_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(github_url(rows[i], "session", url));
}

static void the_first_failure_is_free_and_pauses_grow_to_a_minute(void **state)
{
	(void)state;
	assert_int_equal(github_pause_ms(0), 0);
	assert_int_equal(github_pause_ms(1), 1000);
	assert_int_equal(github_pause_ms(2), 2000);
	assert_int_equal(github_pause_ms(6), 32000);
	assert_int_equal(github_pause_ms(7), 60000);
	assert_int_equal(github_pause_ms(4000000000u), 60000);
}

static void a_time_has_milliseconds(void **state)
{
	(void)state;
	char text[32];
	github_time(1788258030123, text);
	assert_string_equal(text, "2026-09-01T10:20:30.123Z");
}

static void base64_is_read_with_blanks_in_it_and_refused_when_it_is_none(void **state)
{
	(void)state;
	size_t len = 0;
	char *bytes = github_unbase64("aGVs\nbG8=\n", 10, &len);
	assert_non_null(bytes);
	assert_int_equal(len, 5);
	assert_string_equal(bytes, "hello");
	free(bytes);
	assert_null(github_unbase64("aGVsbG8", 7, &len));
	assert_null(github_unbase64("a!Vs", 4, &len));
	assert_null(github_unbase64("", 0, &len));
	assert_null(github_unbase64("==", 2, &len));
}

static void a_configuration_that_is_none_says_so(void **state)
{
	(void)state;
	static const char *const rows[] = { "", "nonsense", "W10=", "e30=" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct github_runner runner;
		struct dd_err err = { 0 };
		assert_true(github_runner_of_jit(rows[i], strlen(rows[i]), &runner, &err) < 0);
		assert_int_equal(err.blame, DD_BLAME_CALLER);
		assert_non_null(strstr(err.msg, "just-in-time configuration"));
		github_runner_done(&runner);
	}
}

static json_t *configuration(const char *broker, const char *v2)
{
	return json_pack("{s:{s:s, s:s, s:s, s:s}, s:{s:{s:s, s:s}}, s:{s:s}}", ".runner",
	                 "AgentId", "42", "agentName", "r", "ServerUrlV2", broker, "UseV2Flow", v2,
	                 ".credentials", "data", "clientId", "c", "authorizationUrl",
	                 "https://a.test/oauth", ".credentials_rsaparams", "modulus", "AQAB");
}

static void names_in_any_case_and_numbers_as_texts_are_read(void **state)
{
	(void)state;
	struct github_runner runner;
	struct dd_err err = { 0 };
	assert_int_equal(
		github_runner_of_json(configuration("https://b.test/", "True"), &runner, &err), 0);
	assert_int_equal(runner.id, 42);
	assert_string_equal(runner.name, "r");
	assert_true(runner.pss);
	assert_false(runner.ephemeral);
	github_runner_done(&runner);
}

static void the_older_protocol_and_plain_http_are_refused_with_words(void **state)
{
	(void)state;
	static const struct {
		const char *broker, *v2, *words;
	} rows[] = {
		{ "https://b.test/", "False", "older protocol" },
		{ "http://b.test/", "True", "not https" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct github_runner runner;
		struct dd_err err = { 0 };
		json_t *document = configuration(rows[i].broker, rows[i].v2);
		assert_true(github_runner_of_json(document, &runner, &err) < 0);
		assert_non_null(strstr(err.msg, rows[i].words));
		github_runner_done(&runner);
	}
}

static void an_address_says_whom_to_ask_and_for_what(void **state)
{
	(void)state;
	static const struct {
		const char *url, *api, *entity;
	} rows[] = {
		{ "https://github.com/acme", "https://api.github.com", "/orgs/acme/actions" },
		{ "https://github.com/acme/app/", "https://api.github.com",
		  "/repos/acme/app/actions" },
		{ "https://acme.ghe.com/a/b", "https://api.acme.ghe.com", "/repos/a/b/actions" },
		{ "https://git.test:8443/enterprises/big", "https://git.test:8443/api/v3",
		  "/enterprises/big/actions" },
		{ "https://notgithub.com/a/b", "https://notgithub.com/api/v3",
		  "/repos/a/b/actions" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct github_place place;
		struct dd_err err = { 0 };
		assert_int_equal(github_place(rows[i].url, &place, &err), 0);
		assert_string_equal(place.api, rows[i].api);
		assert_string_equal(place.entity, rows[i].entity);
	}
}

static void an_address_of_nothing_that_has_runners_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = { "",
		                            "http://github.com/a/b",
		                            "https://github.com",
		                            "https://github.com/a/b/c",
		                            "https://u@github.com/a",
		                            "https://github.com/a/../b",
		                            "https://github.com/a?b",
		                            "https:///a/b" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct github_place place;
		struct dd_err err = { 0 };
		assert_int_equal(github_place(rows[i], &place, &err), -EINVAL);
		assert_int_equal(err.blame, DD_BLAME_CALLER);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_relative_to_the_last_slash_of_its_base),
		cmocka_unit_test(a_base_that_is_not_https_gives_no_address),
		cmocka_unit_test(the_first_failure_is_free_and_pauses_grow_to_a_minute),
		cmocka_unit_test(a_time_has_milliseconds),
		cmocka_unit_test(base64_is_read_with_blanks_in_it_and_refused_when_it_is_none),
		cmocka_unit_test(a_configuration_that_is_none_says_so),
		cmocka_unit_test(names_in_any_case_and_numbers_as_texts_are_read),
		cmocka_unit_test(the_older_protocol_and_plain_http_are_refused_with_words),
		cmocka_unit_test(an_address_says_whom_to_ask_and_for_what),
		cmocka_unit_test(an_address_of_nothing_that_has_runners_is_refused),
	};
	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
