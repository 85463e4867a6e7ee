// SPDX-License-Identifier: Apache-2.0
/* expr_number_test.c - numbers as GitHub writes and reads them, against a table that node computed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/expr_value.h"

#include "drydock/err.h"

#include <inttypes.h>
#include <math.h>

static void numbers_are_written_with_fifteen_digits(void **state)
{
	(void)state;
	char line[200], want[64], got[EXPR_NUMBER_TEXT];
	uint64_t bits;
	double number;
	size_t rows = 0;
	FILE *f = fopen("tests/unit/data/expr_numbers.tsv", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		assert_int_equal(sscanf(line, "%16" SCNx64 "\t%63s", &bits, want), 2);
		memcpy(&number, &bits, sizeof(number));
		size_t len = expr_number_format(number, got);
		assert_int_equal(len, strlen(got));
		if (strcmp(got, want) != 0)
			fail_msg("%016" PRIx64 " is written %s, not %s", bits, got, want);
		rows++;
	}
	(void)fclose(f);
	assert_true(rows > 3000);
}

static void what_is_written_is_read_as_the_same_text_again(void **state)
{
	(void)state;
	char line[200], want[64], got[EXPR_NUMBER_TEXT];
	FILE *f = fopen("tests/unit/data/expr_numbers.tsv", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		assert_int_equal(sscanf(line, "%*s %63s", want), 1);
		double number = expr_number_parse(want, strlen(want));
		(void)expr_number_format(number, got);
		if (fabs(number) < 1.7e308) /* 15 digits of the largest ones lie beyond them */
			assert_string_equal(got, want);
	}
	(void)fclose(f);
}

static const struct read_row {
	const char *text;
	double number; /* NAN: none */
} reads[] = {
	{ "", 0 },
	{ " \t\u00a0\u3000", 0 },
	{ "12", 12 },
	{ " \n12\u2028", 12 },
	{ "+12", 12 },
	{ "-12", -12 },
	{ "007", 7 },
	{ "1.", 1 },
	{ ".5", .5 },
	{ "-.5e-1", -.05 },
	{ "1E+2", 100 },
	{ "1e2", 100 },
	{ "0x1F", 31 },
	{ "0xffffffff", -1 },
	{ "0x7fffffff", 2147483647 },
	{ "0o777", 511 },
	{ "0o20000000000", -2147483648.0 },
	{ "Infinity", INFINITY },
	{ "+Infinity", INFINITY },
	{ "-Infinity", -INFINITY },
	{ "1e999", INFINITY },
	{ ".", NAN },
	{ "+", NAN },
	{ "-", NAN },
	{ "e5", NAN },
	{ "1e", NAN },
	{ "1e+", NAN },
	{ "1 2", NAN },
	{ "1,000", NAN },
	{ "1_000", NAN },
	{ "--1", NAN },
	{ "- 1", NAN },
	{ "0x", NAN },
	{ "0X1F", NAN },
	{ "-0x1F", NAN },
	{ "0x1G", NAN },
	{ "0x100000000", NAN },
	{ "0x1p3", NAN },
	{ "0o8", NAN },
	{ "0O7", NAN },
	{ "0b1", NAN },
	{ "infinity", NAN },
	{ "inf", NAN },
	{ "NaN", NAN },
	{ "nan", NAN },
	{ "true", NAN },
	{ "\u0661", NAN },
};

static void texts_are_read_as_github_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		double got = expr_number_parse(reads[i].text, strlen(reads[i].text));
		if (isnan(reads[i].number) ? !isnan(got) : got != reads[i].number)
			fail_msg("`%s` is %g", reads[i].text, got);
	}
	assert_true(isnan(expr_number_parse("1\0", 2)));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_with_fifteen_digits),
		cmocka_unit_test(what_is_written_is_read_as_the_same_text_again),
		cmocka_unit_test(texts_are_read_as_github_reads_them),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
