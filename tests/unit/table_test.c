// SPDX-License-Identifier: Apache-2.0
/* table_test.c - tables of a terminal: escaped, as wide as they may be, and never broken between a
 * number and its unit. */
#include "view/table.h"

#include "drydock/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct table_column three[] = { { "n", TABLE_RIGHT },
	                                     { "name", TABLE_LEFT },
	                                     { "text", TABLE_WRAP } };

static char *printed(struct table *t)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_int_equal(table_print(t, out), 0);
	assert_int_equal(fclose(out), 0);
	table_free(t);
	return text;
}

static void becomes(const char *text, unsigned width, const char *want)
{
	struct table *t = table_new(three, 3, 2, width);
	table_row(t, (const char *const[]){ "7", "x", text });
	char *got = printed(t);
	assert_string_equal(got, want);
	free(got);
}

static void numbers_stand_right_and_sentences_wrap_between_words(void **state)
{
	(void)state;
	becomes("one two", 60, "  n  name  text\n  7  x     one two\n");
	becomes("one two three four", 25,
	        "  n  name  text\n  7  x     one two three\n           four\n");
}

static void no_line_ends_between_a_number_and_its_unit(void **state)
{
	(void)state;
	becomes("it may take 12 KiB", 27,
	        "  n  name  text\n  7  x     it may take\n           12 KiB\n");
	becomes("it takes 1024", 23, "  n  name  text\n  7  x     it takes\n           1024\n");
}

static void a_word_longer_than_its_column_is_cut_and_none_of_it_lost(void **state)
{
	(void)state;
	becomes("abcdefghijklmnopqrstuvwxyz", 23,
	        "  n  name  text\n  7  x     abcdefghijkl\n           mnopqrstuvwx\n           "
	        "yz\n");
	becomes("\303\244bcdefghijkl", 23, "  n  name  text\n  7  x     \303\244bcdefghijkl\n");
}

static void what_a_terminal_would_obey_is_spelled(void **state)
{
	(void)state;
	becomes("a\033[2J\nb\tc", 60, "  n  name  text\n  7  x     a\\x1b[2J\\x0ab c\n");
	becomes("\342\200\256x \\x1b", 60, "  n  name  text\n  7  x     \\xe2\\x80\\xaex \\x1b\n");
}

static void characters_beyond_ascii_are_one_mark_each_where_there_is_no_utf8(void **state)
{
	(void)state;
	struct table *t = table_new(three, 3, 0, 60);
	table_ascii(t);
	table_row(t, (const char *const[]){ "1", "\303\244\342\202\254", NULL });
	char *got = printed(t);
	assert_string_equal(got, "n  name  text\n1  ??\n");
	free(got);
}

static void a_table_without_rows_is_nothing_and_without_memory_says_so(void **state)
{
	(void)state;
	char *got = printed(table_new(three, 3, 0, 60));
	assert_string_equal(got, "");
	free(got);
	assert_int_equal(table_print(NULL, stdout), -ENOMEM);
	table_row(NULL, NULL);
	table_tint(NULL, 0, "");
	table_free(NULL);
}

static void the_width_is_what_the_caller_says_within_reason(void **state)
{
	(void)state;
	static const struct {
		const char *columns;
		unsigned width;
	} rows[] = { { "132", 132 }, { "1", 60 }, { "9999", 400 }, { "12x", 0 }, { "99999", 0 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(setenv("COLUMNS", rows[i].columns, 1), 0);
		if (rows[i].width)
			assert_int_equal(view_width(), rows[i].width);
		else
			assert_true(view_width() >= 60);
	}
	assert_int_equal(unsetenv("COLUMNS"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stand_right_and_sentences_wrap_between_words),
		cmocka_unit_test(no_line_ends_between_a_number_and_its_unit),
		cmocka_unit_test(a_word_longer_than_its_column_is_cut_and_none_of_it_lost),
		cmocka_unit_test(what_a_terminal_would_obey_is_spelled),
		cmocka_unit_test(characters_beyond_ascii_are_one_mark_each_where_there_is_no_utf8),
		cmocka_unit_test(a_table_without_rows_is_nothing_and_without_memory_says_so),
		cmocka_unit_test(the_width_is_what_the_caller_says_within_reason),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
