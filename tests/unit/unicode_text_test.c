// SPDX-License-Identifier: Apache-2.0
/* unicode_text_test.c - characters, blanks, and comparison without case or language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/unicode_text.h"

#include "drydock/err.h"

static const struct order_row {
	const char *a, *b;
	int order;
} orders[] = {
	{ "", "", 0 },
	{ "", "a", -1 },
	{ "a", "A", 0 },
	{ "a", "B", -1 },
	{ "Z", "[", -1 },
	{ "z", "[", -1 },
	{ "abc", "AB", 1 },
	{ "ä", "Ä", 0 },
	{ "ß", "SS", 1 },
	{ "ß", "ẞ", -1 },
	{ "ı", "I", 1 },
	{ "i", "İ", -1 },
	{ "ſ", "S", 1 },
	{ "ǆ", "Ǆ", 0 },
	{ "ς", "Σ", 0 },
	{ "µ", "Μ", 0 },
	{ "\U00010428", "\U00010400", 0 },
	{ "\U0001f600", "\uffee", -1 }, /* as UTF-16: a surrogate is less */
	{ "\ud7ff", "\U00010000", -1 },
	{ "\xff", "\xfe", 1 }, /* bytes that are no characters stay apart */
	{ "\xc3", "\xc3", 0 },
	{ "\xc3\xa4", "\xc3", -1 },
};

static void texts_are_ordered_by_upper_cased_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		const char *a = orders[i].a, *b = orders[i].b;
		int r = text_compare(a, strlen(a), b, strlen(b));
		if (r != orders[i].order)
			fail_msg("`%s` to `%s`: %d", a, b, r);
		assert_int_equal(text_compare(b, strlen(b), a, strlen(a)), -r);
		if (r == 0)
			assert_int_equal(text_hash(a, strlen(a)), text_hash(b, strlen(b)));
	}
}

static void overlong_and_surrogate_forms_are_no_characters(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xc0\xaf",         "\xe0\x80\xaf", "\xed\xa0\x80",
		                           "\xf4\x90\x80\x80", "\xe2\x82",     "\x80" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *at = bad[i];
		assert_int_equal(text_next(&at, bad[i] + strlen(bad[i])),
		                 0xdc00 + (unsigned char)bad[i][0]);
		assert_ptr_equal(at, bad[i] + 1);
	}
}

static void every_character_survives_being_taken_and_put(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x110000; code++) {
		char bytes[4];
		if (code >= 0xd800 && code < 0xe000)
			continue;
		size_t n = text_put(bytes, code);
		const char *at = bytes;
		assert_int_equal(text_next(&at, bytes + n), code);
		assert_ptr_equal(at, bytes + n);
		assert_int_equal(text_upper(text_upper(code)), text_upper(code));
	}
}

static void lengths_count_units(void **state)
{
	(void)state;
	assert_int_equal(text_units("aä\u20ac\U0001f600", 10), 5);
	assert_int_equal(text_units("", 0), 0);
}

static void blanks_are_trimmed_at_both_ends(void **state)
{
	(void)state;
	static const char text[] = "\t\u00a0 a b \u2009\r\n";
	const char *at = text;
	size_t len = sizeof(text) - 1;
	text_trim(&at, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(at, "a b", 3);
	at = " \n";
	len = 2;
	text_trim(&at, &len);
	assert_int_equal(len, 0);
	assert_false(text_is_blank(0x200b)); /* zero width, and no blank */
}

static void beginnings_and_ends_ignore_case_and_width(void **state)
{
	(void)state;
	/* ɐ takes two bytes, its upper case three */
	assert_true(text_starts("\u0250x", 3, "\u2c6fX", 4));
	assert_true(text_ends("x\u0250", 3, "X\u2c6f", 4));
	assert_true(text_ends("\u2c6f", 3, "\u0250", 2));
	assert_false(text_ends("\u0250", 2, "x\u2c6f", 4));
	assert_true(text_starts("a", 1, "", 0) && text_ends("a", 1, "", 0));
	assert_false(text_starts("", 0, "a", 1));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_ordered_by_upper_cased_units),
		cmocka_unit_test(overlong_and_surrogate_forms_are_no_characters),
		cmocka_unit_test(every_character_survives_being_taken_and_put),
		cmocka_unit_test(lengths_count_units),
		cmocka_unit_test(blanks_are_trimmed_at_both_ends),
		cmocka_unit_test(beginnings_and_ends_ignore_case_and_width),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
