// SPDX-License-Identifier: Apache-2.0
/* argv_clean_test.c - what of a command line may stand in a record (L-08). */
#include "runner/base/argv_clean.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct row {
	const char *in; /* "|" between the arguments */
	const char *out;
};

static const char *cleaned(const char *in, size_t size)
{
	static char out[400];
	char args[400];
	size_t len = strlen(in);
	memcpy(args, in, len + 1);
	for (size_t i = 0; i < len; i++)
		if (args[i] == '|')
			args[i] = '\0';
	argv_clean(args, len + 1, out, size);
	return out;
}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(cleaned(rows[i].in, 400), rows[i].out);
		if (strstr(cleaned(rows[i].in, 400), "s3cret"))
			fail_msg("%s", rows[i].in);
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void a_command_without_secrets_stays_as_it_is(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "" },
		{ "curl|-sSfL|https://h.test/p", "curl -sSfL https://h.test/p" },
		{ "git|clone|--depth=1|git@h.test:a/b.git",
		  "git clone --depth=1 git@h.test:a/b.git" },
		{ "nc|-v|h.test|443", "nc -v h.test 443" },
		{ "python3|-m|pip|install|requests", "python3 -m pip install requests" },
		{ "wget|localhost:8080/x", "wget localhost:8080/x" },
		{ "cargo|build|--registry=https://h.test/i",
		  "cargo build --registry=https://h.test/i" },
		{ "npm ci   ", "npm ci" },
		{ "why?", "why?" },
		{ "a| |b", "a b" },
	};
	CHECK(rows);
}

static void urls_lose_user_info_query_and_fragment_with_and_without_a_scheme(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "curl|https://u:s3cret@h.test/x?token=s3cret#s3cret", "curl https://h.test/x" },
		{ "curl|h.test/x?token=s3cret", "curl h.test/x" },
		{ "curl|u:s3cret@h.test/x", "curl u:..." },
		{ "curl|me.you:s3cret@h.test/x", "curl h.test/x" },
		{ "curl|u:1234@h.test", "curl u:..." },
		{ "x|--url=https://u:s3cret@h.test/?s3cret", "x --url=https://h.test/" },
		{ "sh|-c|x https://a.test/?1 y https://u:p@b.test/",
		  "sh -c x https://a.test/ y https://b.test/" },
	};
	CHECK(rows);
}

static void header_values_do_not_stay(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "curl|-H|Authorization: Bearer s3cret|https://h.test/",
		  "curl -H ... https://h.test/" },
		{ "curl|-HX-Key: s3cret|h.test", "curl -H... h.test" },
		{ "curl|-sSH|X-Key: s3cret|h.test", "curl -sSH ... h.test" },
		{ "curl|--header|X-Key: s3cret|h.test", "curl --header ... h.test" },
		{ "curl|--header=X-Key: s3cret|h.test", "curl --header=... h.test" },
		{ "http|h.test|X-Key:s3cret", "http h.test X-Key:..." },
		{ "http|h.test|X-Key: the s3cret", "http h.test X-Key: ..." },
		{ "sh|-c|curl -H 'Authorization: Bearer s3cret' https://h.test/?q",
		  "sh -c curl -H ... https://h.test/" },
		{ "sh|-c|curl --header=\"X-Key: s3cret\" h.test",
		  "sh -c curl --header=... h.test" },
		{ "sh|-c|curl -H\"X-Key: s3cret\" h.test", "sh -c curl -H... h.test" },
		{ "sh|-c|sh -c \"curl -H 'A: s3cret' h.test\"", "sh -c sh -c curl -H ... h.test" },
		{ "sh|-c|curl -H 'A: s3cret", "sh -c curl -H ..." },
	};
	CHECK(rows);
}

static void neither_do_passwords_bodies_cookies_and_assignments(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "curl|-u|s3cret:|h.test", "curl -u ... h.test" },
		{ "curl|-uu:s3cret|h.test", "curl -u... h.test" },
		{ "curl|-d|s3cret|h.test", "curl -d ... h.test" },
		{ "curl|--data-raw|{\"a\":\"s3cret\"}|h.test", "curl --data-raw ... h.test" },
		{ "curl|{\"a\":\"s3cret\"}", "curl ..." },
		{ "curl|-b|sid=s3cret; b=s3cret|h.test", "curl -b sid=... b=... h.test" },
		{ "mysql|-ps3cret|-h|h.test", "mysql -p... -h h.test" },
		{ "mysql|-psecret|-h|h.test", "mysql -p... -h h.test" },
		{ "x|-password|s3cret", "x -p... ..." },
		{ "x|-token=s3cret", "x -t..." },
		{ "java|-Dpw=s3cret|-jar|x.jar", "java -D... -jar x.jar" },
		{ "x|--api-key|s3cret|--oauth2-bearer=s3cret",
		  "x --api-key ... --oauth2-bearer=..." },
		{ "env|TOKEN=s3cret|make", "env TOKEN=... make" },
		{ "sh|-c|TOKEN=s3cret make", "sh -c TOKEN=... make" },
		{ "sh|-c|x=\"a s3cret\" make", "sh -c x=... make" },
		{ "sh|-c|echo \"a s3cret\"b make", "sh -c echo ... make" },
	};
	CHECK(rows);
}

static void control_bytes_are_not_shown_and_a_long_line_is_cut(void **state)
{
	(void)state;
	char in[300];
	assert_string_equal(cleaned("x|\033[31mred", 400), "x ?[31mred");
	memset(in, 'a', sizeof(in) - 1);
	in[sizeof(in) - 1] = '\0';
	assert_int_equal(strlen(cleaned(in, 20)), 19);
	/* whatever is cut, wherever: never a byte behind the room */
	for (size_t size = 1; size < 60; size++)
		assert_true(strlen(cleaned("curl|-H|A: b|--x=y|u:p@h|sh -c 'a b: c'", size)) <
		            size);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_without_secrets_stays_as_it_is),
		cmocka_unit_test(urls_lose_user_info_query_and_fragment_with_and_without_a_scheme),
		cmocka_unit_test(header_values_do_not_stay),
		cmocka_unit_test(neither_do_passwords_bodies_cookies_and_assignments),
		cmocka_unit_test(control_bytes_are_not_shown_and_a_long_line_is_cut),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("argv_clean", tests, NULL, NULL);
}
