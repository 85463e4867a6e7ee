// SPDX-License-Identifier: Apache-2.0
/* gitlab_keep_test.c - keys of caches as every runner of GitLab reads them. */
#include "forges/gitlab/gl_keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct plan_arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void a_key_is_what_is_left_after_dots_and_slashes(void **state)
{
	static const char *const rows[][2] = {
		{ "some%2f../job/some/ref/.", "job/some/ref" },
		{ "fallback_key/ / \\  \\", "fallback_key" },
		{ "something %2F something", "something / something" },
		{ "a/../../b", "b" },
		{ "deps-1-non_protected", "deps-1-non_protected" },
		{ "%2E%2Ex", "..x" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(gl_cache_key(arena, rows[i][0]), rows[i][1]);
}

static void a_key_of_which_nothing_is_left_is_none(void **state)
{
	static const char *const rows[] = { "..", "/", " ", "%2E%2E", "", "a/..", " / " };
	char longest[600];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_null(gl_cache_key(arena, rows[i]));
	memset(longest, 'k', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(gl_cache_key(arena, longest));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_is_what_is_left_after_dots_and_slashes, begin,
		                                end),
		cmocka_unit_test_setup_teardown(a_key_of_which_nothing_is_left_is_none, begin, end),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
