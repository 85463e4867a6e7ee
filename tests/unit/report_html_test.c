// SPDX-License-Identifier: Apache-2.0
/* report_html_test.c - nothing that a record holds can become markup, and the head of the page lets
 * in its own style and nothing else. */
#include "runner/view/record_view.h"
#include "runner/view/report_files.h"
#include "runner/view/report_html.h"

#include "runner/record/record_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
	const struct record_facts facts = { .job = "</title><script>{{tables}}" };
	assert_int_equal(record_report_html(&facts, f, &err), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(out, "<title>Job &lt;/title&gt;&lt;script&gt;{{tables}}: "));
	const char *policy = strstr(out, "content=\"default-src 'none'; style-src 'sha256-");
	assert_non_null(policy);
	assert_null(strstr(out, "unsafe"));
	assert_null(strstr(out, "<script"));
	assert_null(strstr(out, "http:"));
	assert_null(strstr(out, "url("));
	free(out);
}

static int put_nothing(FILE *out, const void *page, struct dd_err *err)
{
	(void)out;
	(void)page;
	(void)err;
	return 0;
}

static void a_page_that_asks_for_what_nobody_gives_is_not_made(void **state)
{
	(void)state;
	const struct report_part other[] = { { "other", put_nothing } };
	struct dd_err err = { 0 };
	FILE *f = fopen("/dev/null", "w");
	assert_non_null(f);
	assert_int_equal(report_html_page(f, other, 1, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "{{title}}"));
	(void)fclose(f);
}

static void the_files_are_whole_and_the_sheet_loads_nothing(void **state)
{
	(void)state;
	const struct report_file html = report_file_html(), css = report_file_css();
	assert_true(html.len > 500 && memcmp(html.text, "<!doctype html>", 15) == 0);
	assert_memory_equal(html.text + html.len - 8, "</html>\n", 8);
	assert_null(memmem(html.text, html.len, "http", 4) ==
	                            memmem(html.text, html.len, "http-equiv", 10)
	                    ? NULL
	                    : "the page names an address");
	assert_true(css.len > 500);
	assert_null(memmem(css.text, css.len, "url(", 4));
	assert_null(memmem(css.text, css.len, "@import", 7));
	assert_null(memmem(css.text, css.len, "</", 2));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_becomes_text),
		cmocka_unit_test(bytes_that_are_no_text_are_spelled_out),
		cmocka_unit_test(the_title_is_escaped_and_the_policy_names_a_hash),
		cmocka_unit_test(a_page_that_asks_for_what_nobody_gives_is_not_made),
		cmocka_unit_test(the_files_are_whole_and_the_sheet_loads_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
