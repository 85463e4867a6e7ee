// SPDX-License-Identifier: Apache-2.0
/* command_files_test.c - what a step writes into GITHUB_ENV and its kin is taken apart as GitHub
 * does, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/engine/command_files.h"
#include "runner/forges/engine/env_carry.h"

#include "drydock/err.h"

#include <stdio.h>
#include <string.h>

/* "NAME[VALUE]" of each pair. */
static const char *shown(const struct command_pairs *pairs)
{
	static char text[4096];
	size_t at = 0;
	text[0] = '\0';
	for (size_t i = 0; i < pairs->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s[%s]",
		                       pairs->items[i].name ? pairs->items[i].name : "",
		                       pairs->items[i].value);
	return text;
}

static const struct {
	const char *bytes, *want; /* NULL: an error */
} pair_rows[] = {
	{ "", "" },
	{ "A=1", "A[1]" },
	{ "A=1\n", "A[1]" },
	{ "\n\nA=1\n\n", "A[1]" },
	{ "\xef\xbb\xbf"
	  "A=1\n",
	  "A[1]" },
	{ "A=\n", "A[]" },
	{ "A==\n", "A[=]" },
	{ "A=b<<c\n", "A[b<<c]" },
	{ " A = b \n", " A [ b ]" },
	{ "A=1\r\n", "A[1\r]" },
	{ "A=1\nA=2\n", "A[1]A[2]" },
	{ "A<<E\nx\nE\n", "A[x]" },
	{ "A<<E\nE\n", "A[]" },
	{ "A<<E\n\nE\n", "A[]" },
	{ "A<<E\n\n\nE\n", "A[\n]" },
	{ "A<<E\nx\ny\nE", "A[x\ny]" },
	{ "A<<E\nB=1\nE\nC=2\n", "A[B=1]C[2]" },
	{ "A<<E\n E\nE \nE\n", "A[ E\nE ]" },
	{ "A<<E\r\nx\r\nE\r\n", "A[x\r]" },
	{ "A<<B<<C\nx\nB<<C\n", "A[x]" },
	{ "A<<=\nx\n=\n", "A[x]" },
	{ "A<< E\nx\n E\n", "A[x]" },
	{ "A=\xff\n", "A[\xef\xbf\xbd]" },
	{ "nonsense\n", NULL },
	{ "A\n", NULL },
	{ "\r\n", NULL },
	{ "=1\n", NULL },
	{ "<<E\nx\nE\n", NULL },
	{ "A<<\nx\n\n", NULL },
	{ "A<<E\nx\n", NULL },
	{ "A<<E\nx", NULL },
	{ "A<<E", NULL },
	{ "A<<E\r\nx\nE\n", NULL },
	{ "A=1\nB<<E\nx\n", NULL },
};

static void pairs_are_as_github_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pair_rows); i++) {
		struct plan_arena *arena = arena_new();
		struct command_pairs pairs;
		bool read = command_pairs_read(arena, pair_rows[i].bytes,
		                               strlen(pair_rows[i].bytes), &pairs);
		if (read != (pair_rows[i].want != NULL) ||
		    (read && strcmp(shown(&pairs), pair_rows[i].want) != 0))
			fail_msg("`%s`: %s %s", pair_rows[i].bytes, read ? shown(&pairs) : "error",
			         pairs.why);
		if (!read)
			assert_non_null(strstr(pairs.why, "line "));
		arena_free(arena);
	}
}

static const struct {
	const char *bytes, *want;
} path_rows[] = {
	{ "", "" },
	{ "/a", "[/a]" },
	{ "/a\n/b\n", "[/a][/b]" },
	{ "\n\n/a\n", "[/a]" },
	{ "/a\r\n/b\r/c", "[/a][/b][/c]" },
	{ " /a \n", "[ /a ]" },
};

static void paths_end_at_any_line_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(path_rows); i++) {
		struct plan_arena *arena = arena_new();
		struct command_pairs pairs;
		assert_true(command_paths_read(arena, path_rows[i].bytes,
		                               strlen(path_rows[i].bytes), &pairs));
		assert_string_equal(shown(&pairs), path_rows[i].want);
		arena_free(arena);
	}
	struct plan_arena *arena = arena_new();
	struct command_pairs pairs;
	assert_false(command_paths_read(arena, "/a\0b\n", 5, &pairs));
	arena_free(arena);
}

static void a_nul_in_a_value_stays_and_its_length_is_told(void **state)
{
	(void)state;
	struct plan_arena *arena = arena_new();
	struct command_pairs pairs;
	assert_true(command_pairs_read(arena, "A=x\0y\n", 6, &pairs));
	assert_int_equal(pairs.items[0].value_len, 3);
	assert_memory_equal(pairs.items[0].value, "x\0y", 4);
	arena_free(arena);
}

static void more_entries_than_anybody_needs_are_an_error(void **state)
{
	(void)state;
	static char bytes[4 * (COMMAND_PAIRS_MAX + 1)];
	struct plan_arena *arena = arena_new();
	struct command_pairs pairs;
	for (size_t i = 0; i <= COMMAND_PAIRS_MAX; i++)
		memcpy(bytes + 4 * i, "A=1\n", 4);
	assert_true(command_pairs_read(arena, bytes, sizeof(bytes) - 4, &pairs));
	assert_int_equal(pairs.n, COMMAND_PAIRS_MAX);
	assert_false(command_pairs_read(arena, bytes, sizeof(bytes), &pairs));
	arena_free(arena);
}

static void what_loads_code_does_not_cross_by_itself_and_data_does(void **state)
{
	(void)state;
	static const char *const loads[] = {
		"LD_PRELOAD",
		"LD_LIBRARY_PATH",
		"LD_AUDIT",
		"BASH_ENV",
		"BASH_FUNC_ls%%",
		"ENV",
		"env",
		"PATH",
		"PYTHONPATH",
		"PYTHONSTARTUP",
		"NODE_OPTIONS",
		"NODE_PATH",
		"GIT_SSH_COMMAND",
		"GIT_CONFIG_GLOBAL",
		"SSH_AUTH_SOCK",
		"IFS",
		"PS4",
		"PERL5OPT",
		"PERL5LIB",
		"RUBYOPT",
		"JAVA_TOOL_OPTIONS",
		"_JAVA_OPTIONS",
		"JDK_JAVA_OPTIONS",
		"MAVEN_OPTS",
		"npm_config_registry",
		"https_proxy",
		"HOME",
		"GOFLAGS",
		"RUSTC_WRAPPER",
		"MAKEFLAGS",
		"CFLAGS",
		"SSL_CERT_FILE",
		"SUDO_ASKPASS",
		"JAVA_HOME",
		"ACTIONS_RUNTIME_URL",
	};
	static const char *const data[] = { "VERSION",   "TAG", "IMAGE_NAME", "RELEASE_NOTES",
		                            "my-option", "LDX", "HOMEPAGE",   "A" };
	for (size_t i = 0; i < ARRAY_LEN(loads); i++)
		if (!env_carry_reason(loads[i], strlen(loads[i])))
			fail_msg("%s crosses", loads[i]);
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if (env_carry_reason(data[i], strlen(data[i])))
			fail_msg("%s does not cross", data[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_as_github_reads_them),
		cmocka_unit_test(paths_end_at_any_line_end),
		cmocka_unit_test(a_nul_in_a_value_stays_and_its_length_is_told),
		cmocka_unit_test(more_entries_than_anybody_needs_are_an_error),
		cmocka_unit_test(what_loads_code_does_not_cross_by_itself_and_data_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
