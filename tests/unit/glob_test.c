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
	{ GLOB_PATH, "**/**/x", "x", true },
	{ GLOB_PATH, "**/**/x", "a/b/c/x", true },
	{ GLOB_PATH, "**/*", "a", true },
	{ GLOB_PATH, "**/*/c", "a/b/c", true },
	{ GLOB_PATH, "a**/b", "a/x/b", true },
	{ GLOB_PATH, "***/b", "x/y/b", true },
	{ GLOB_PATH, "***/b", "b", false },
	{ GLOB_LINE, "npm ci*", "npm ci --omit=dev", true },
	{ GLOB_LINE, "npm ci*", "npm ci\ncurl evil", false },
	{ GLOB_LINE, "*", "a\nb", false },
	{ GLOB_LINE, "a?b", "a\nb", false },
	{ GLOB_LINE, "a*\n*b", "ax\nyb", true },
	{ GLOB_LINE, "a*\n*b", "ax\ny\nb", false },
	{ GLOB_LINE, "a*c*e", "abcde", true },
	{ GLOB_LINE, "a*c", "abcd", false },
	{ GLOB_LINE, "**", "x", true },
	{ GLOB_LINE, "aa*aa", "aaa", false },
};

static void each_row_matches_as_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (glob_match(rows[i].kind, rows[i].pattern, rows[i].text) != rows[i].match)
			fail_msg("%s against %s", rows[i].pattern, rows[i].text);
}

static void a_pattern_covers_another_only_if_it_matches_all_of_it(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *other;
		bool covers;
	} pairs[] = {
		{ "npm ci*", "npm ci --*", true },
		{ "npm ci --*", "npm ci*", false },
		{ "*", "a?c*", true },
		{ "?", "*", false },
		{ "a?c", "a?c", true },
		{ "a?c", "abc", true },
		{ "abc", "a?c", false },
		{ "*", "a\nb", false },
		{ "*a", "*a", true },
		{ "*a*", "*a", true },
		{ "*a", "*a*", false },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (glob_covers(GLOB_LINE, pairs[i].pattern, pairs[i].other) != pairs[i].covers)
			fail_msg("%s over %s", pairs[i].pattern, pairs[i].other);
	assert_false(glob_covers(GLOB_PATH, "**", "a"));
}

static void a_class_is_one_byte_of_those_it_names(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text;
		bool matches;
	} classes[] = {
		{ "a[bc]d", "abd", true },
		{ "a[bc]d", "aed", false },
		{ "log-[0-9].txt", "log-7.txt", true },
		{ "log-[0-9].txt", "log-77.txt", false },
		{ "[!a-c]x", "dx", true },
		{ "[!a-c]x", "bx", false },
		{ "[^a]", "/", false },
		{ "a[/]b", "a/b", false },
		{ "**/[A-Z]*.md", "docs/README.md", true },
		{ "**/[A-Z]*.md", "docs/readme.md", false },
		{ "[]a]", "]", true },
		{ "[a-]", "-", true },
		{ "a[b", "a[b", true },
		{ "a[b", "ab", false },
		{ "a]b[c", "a]b[c", true },
		{ "x[a]y[b", "xay[b", true },
		{ "[\xc3\xb6]", "\xc3", true },
	};
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (glob_match(GLOB_FILES, classes[i].pattern, classes[i].text) !=
		    classes[i].matches)
			fail_msg("%s and %s", classes[i].pattern, classes[i].text);
	/* everywhere else it means itself */
	assert_true(glob_match(GLOB_PATH, "a[bc]d", "a[bc]d"));
	assert_false(glob_match(GLOB_PATH, "a[bc]d", "abd"));
}

/* Literal ends may be as long as they like; between the wildcards there is a limit. */
static void a_pattern_that_is_too_long_matches_nothing_and_says_so(void **state)
{
	(void)state;
	char pattern[2000], text[2000];
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(pattern, text, sizeof(text));
	assert_true(glob_match(GLOB_LINE, pattern, text));
	pattern[1000] = '*';
	assert_true(glob_is_usable(GLOB_LINE, pattern));
	assert_true(glob_match(GLOB_LINE, pattern, text));
	pattern[1000 + GLOB_WILD_MAX - 1] = '?';
	assert_true(glob_is_usable(GLOB_LINE, pattern));
	assert_true(glob_match(GLOB_LINE, pattern, text));
	pattern[1000 + GLOB_WILD_MAX] = '?';
	assert_false(glob_is_usable(GLOB_LINE, pattern));
	assert_false(glob_match(GLOB_LINE, pattern, text));
}

static void a_hostile_pattern_costs_no_more_than_its_length(void **state)
{
	(void)state;
	enum { TEXT = 1 << 20 };
	char pattern[GLOB_WILD_MAX + 2], *text = malloc(TEXT + 1);
	assert_non_null(text);
	for (size_t i = 0; i < GLOB_WILD_MAX; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[GLOB_WILD_MAX - 1] = '?';
	pattern[GLOB_WILD_MAX - 2] = 'b';
	pattern[GLOB_WILD_MAX] = '\0';
	memset(text, 'a', TEXT);
	text[TEXT] = '\0';
	clock_t from = clock();
	for (int kind = GLOB_PATH; kind <= GLOB_LINE; kind++)
		assert_false(glob_match((enum glob_kind)kind, pattern, text));
	assert_true(clock() - from < 2 * CLOCKS_PER_SEC); /* backtracking would need centuries */
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_matches_as_it_says),
		cmocka_unit_test(a_pattern_covers_another_only_if_it_matches_all_of_it),
		cmocka_unit_test(a_class_is_one_byte_of_those_it_names),
		cmocka_unit_test(a_pattern_that_is_too_long_matches_nothing_and_says_so),
		cmocka_unit_test(a_hostile_pattern_costs_no_more_than_its_length),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
