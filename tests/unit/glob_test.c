// SPDX-License-Identifier: Apache-2.0
/* glob_test.c - the meaning of globs as a table, and their cost. */
#include "runner/base/glob.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

static const struct row {
	enum glob_kind kind;
	const char *pattern, *text;
	bool match;
} rows[] = {
	{ GLOB_PATH, "dist/**", "dist/a", true },
	{ GLOB_PATH, "dist/**", "dist/a/b", true },
	{ GLOB_PATH, "dist/**", "dist", false },
	{ GLOB_PATH, "dist/**", "xdist/a", false },
	{ GLOB_PATH, "dist/*", "dist/a/b", false },
	{ GLOB_PATH, "*.c", "a.c", true },
	{ GLOB_PATH, "*.c", "d/a.c", false },
	{ GLOB_PATH, "**/*.c", "a.c", true },
	{ GLOB_PATH, "**/*.c", "d/e/a.c", true },
	{ GLOB_PATH, "a/**/b", "a/b", true },
	{ GLOB_PATH, "a/**/b", "a/x/y/b", true },
	{ GLOB_PATH, "a/**/b", "a/xb", false },
	{ GLOB_PATH, "a?c", "a/c", false },
	{ GLOB_PATH, "a?c", "abc", true },
	{ GLOB_PATH, "", "", true },
	{ GLOB_PATH, "*", "", true },
	{ GLOB_PATH, "a[b]\\", "a[b]\\", true },
	{ GLOB_TEXT, "npm ci*", "npm ci ./x\nrm -r /", true },
	{ GLOB_TEXT, "npm ci*", "echo npm ci", false },
	{ GLOB_TEXT, "acme/*", "acme/a/b", true },
};

static void each_row_matches_as_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (glob_match(rows[i].kind, rows[i].pattern, rows[i].text) != rows[i].match)
			fail_msg("%s against %s", rows[i].pattern, rows[i].text);
}

static void a_hostile_pattern_costs_no_more_than_its_length(void **state)
{
	(void)state;
	char pattern[900], text[4000];
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 1] = '\0';
	pattern[sizeof(pattern) - 2] = 'b';
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	clock_t from = clock();
	assert_false(glob_match(GLOB_PATH, pattern, text));
	assert_true(clock() - from < 5 * CLOCKS_PER_SEC); /* backtracking would need centuries */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_matches_as_it_says),
		cmocka_unit_test(a_hostile_pattern_costs_no_more_than_its_length),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
