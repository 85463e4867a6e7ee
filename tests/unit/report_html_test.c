// SPDX-License-Identifier: Apache-2.0
/* report_html_test.c - nothing that a record holds can become markup, and the head of the page lets
 * in its own style and nothing else. */
#include "runner/view/report_html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void becomes(const char *in, const char *want)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	report_html_text(f, in);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(out, want);
	free(out);
}

static void markup_becomes_text(void **state)
{
	(void)state;
	becomes("</style><script>alert(1)</script>",
	        "&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
	becomes("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;");
	becomes("plain, with umlaut \xc3\xa4", "plain, with umlaut \xc3\xa4");
	becomes("", "");
	becomes(NULL, "");
}

static void bytes_that_are_no_text_are_spelled_out(void **state)
{
	(void)state;
	becomes("\x1b[31m", "\\x1b[31m");
	becomes("\xff<", "\\xff&lt;");
	becomes("a\nb", "a\\x0ab");
	becomes("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right-to-left override */
}

static void the_title_is_escaped_and_the_policy_names_a_hash(void **state)
{
	(void)state;
	char *out = NULL;
	size_t len = 0;
	struct dd_err err = { 0 };
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	assert_int_equal(report_html_begin(f, "</title><script>", &err), 0);
	report_html_end(f);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(out, "<title>&lt;/title&gt;&lt;script&gt;</title>"));
	const char *policy = strstr(out, "content=\"default-src 'none'; style-src 'sha256-");
	assert_non_null(policy);
	assert_null(strstr(out, "unsafe"));
	assert_null(strstr(out, "<script"));
	assert_null(strstr(out, "http:"));
	assert_null(strstr(out, "url("));
	free(out);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_becomes_text),
		cmocka_unit_test(bytes_that_are_no_text_are_spelled_out),
		cmocka_unit_test(the_title_is_escaped_and_the_policy_names_a_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
