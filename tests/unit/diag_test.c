// SPDX-License-Identifier: Apache-2.0
/* diag_test.c - a complaint shows the place, and no byte of the file reaches the terminal raw. */
#include "complaint.h"

static void print(const struct diag_list *list, const char *source, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");
	assert_non_null(f);
	diag_print(f, list, source, strlen(source));
	assert_int_equal(fclose(f), 0);
}

static void the_offending_token_is_underlined(void **state)
{
	(void)state;
	struct diag_list list = { 0 };
	char out[1000] = "";
	diag_add(&list, (struct diag_mark){ "f.yml", 2, 4, 5 }, "did you mean `egress`?",
	         "unknown key `%s`", "egres");
	print(&list, "a\n\xc3\xa4  egres: x\n", out, sizeof(out));
	assert_string_equal(out, "f.yml:2:4: error: unknown key `egres`\n    \xc3\xa4  egres: x\n  "
	                         "     ^~~~~\n    hint: did you mean `egress`?\n");
	diag_list_done(&list);
}

static void control_bytes_of_the_file_are_escaped(void **state)
{
	(void)state;
	struct diag_list list = { 0 };
	char out[1000] = "";
	diag_add(&list, (struct diag_mark){ "f\x1b[2J", 1, 1, 1 }, NULL,
	         "text \x1b]0;x\x07 \xe2\x80\xae");
	print(&list, "\x1b[31m\r\x9b\xc2\x9b\xff k", out, sizeof(out));
	for (const char *p = out; *p; p++)
		assert_true((*p >= 0x20 && *p < 0x7f) || *p == '\n');
	assert_non_null(strstr(out, "\\x1b[31m\\x0d\\x9b\\xc2\\x9b\\xff k"));
	assert_non_null(strstr(out, "\\xe2\\x80\\xae"));
	diag_list_done(&list);
}

static void marks_outside_of_the_source_and_long_lines_are_harmless(void **state)
{
	(void)state;
	static char source[5000], out[4000];
	static const struct diag_mark marks[] = {
		{ "f", 0, 0, 0 },         { "f", 99, 1, 1 },    { "f", 1, 4999, 1000 },
		{ "f", 1, 2500, 100000 }, { "f", 1, 60000, 1 },
	};
	memset(source, '\x01', sizeof(source) - 1);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct diag_list list = { 0 };
		diag_add(&list, marks[i], NULL, "x");
		print(&list, source, out, sizeof(out));
		assert_non_null(strstr(out, "error: x"));
		diag_list_done(&list);
	}
}

static void the_list_is_bounded_and_says_so(void **state)
{
	(void)state;
	struct diag_list list = { 0 };
	for (int i = 0; i < DIAG_MAX + 5; i++)
		diag_add(&list, (struct diag_mark){ "f", 1, 1, 1 }, NULL, "x");
	assert_int_equal(list.n, DIAG_MAX);
	assert_true(list.truncated);
	diag_list_done(&list);
}

static void the_nearest_word_is_within_a_third(void **state)
{
	(void)state;
	static const char *const words[] = { "egress", "upload", "env" };
	assert_string_equal(diag_nearest("egres", words, 3), "egress");
	assert_string_equal(diag_nearest("eng", words, 3), "env");
	assert_null(diag_nearest("abc", words, 3));
	assert_string_equal(diag_nearest("en", words, 3), "env");
	/* two neighbours swapped are one mistake */
	assert_string_equal(diag_nearest("evn", words, 3), "env");
	assert_string_equal(diag_nearest("gerses", words, 3), "egress");
	assert_null(diag_nearest("connections", words, 3));
	assert_null(diag_nearest("", words, 0));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_offending_token_is_underlined),
		cmocka_unit_test(control_bytes_of_the_file_are_escaped),
		cmocka_unit_test(marks_outside_of_the_source_and_long_lines_are_harmless),
		cmocka_unit_test(the_list_is_bounded_and_says_so),
		cmocka_unit_test(the_nearest_word_is_within_a_third),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
