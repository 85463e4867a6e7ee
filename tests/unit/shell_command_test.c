// SPDX-License-Identifier: Apache-2.0
/* shell_command_test.c - scripts start exactly as GitHub's runner starts them. */
#include "runner/forges/actions/shell_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void join(const char *const *argv, const char *between, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; argv[i]; i++) {
		size_t len = strlen(out);
		(void)snprintf(out + len, size - len, "%s%s", i ? between : "", argv[i]);
	}
}

static void every_shell_has_the_arguments_that_github_gives_it(void **state)
{
	(void)state;
	static const struct {
		const char *shell, *want, *script;
	} rows[] = {
		/* no pipefail: differs from an explicit bash */
		{ NULL, "bash -e /t/1.sh", "/t/1.sh" },
		{ "bash", "bash --noprofile --norc -e -o pipefail /t/1.sh", "/t/1.sh" },
		{ "sh", "sh -e /t/1.sh", "/t/1.sh" },
		{ "pwsh", "pwsh -command . '/t/1.ps1'", "/t/1.ps1" },
		{ "perl -w {0} x", "perl -w /t/1 x", "/t/1" },
		{ "script -qec \"bash {0}\" x", "script|-qec|bash /t/1|x", "/t/1" },
		{ "a \"\" \"b\"\"c\" \\\"d e\\f \"x\\\\\" {0}", "a||b\"c|\"d|e\\f|x\\|/t/1",
		  "/t/1" },
		{ "env A=1  bash --rcfile={0}", "env A=1 bash --rcfile=/t/1", "/t/1" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct plan_arena *arena = arena_new();
		const char *const *argv = NULL;
		const char *script = NULL;
		char got[200];
		assert_int_equal(shell_command(arena, rows[i].shell, "/t/1", &argv, &script, NULL),
		                 0);
		join(argv, strchr(rows[i].want, '|') ? "|" : " ", got, sizeof(got));
		assert_string_equal(got, rows[i].want);
		assert_string_equal(script, rows[i].script);
		arena_free(arena);
	}
}

static void shells_that_cannot_be_started_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *shell;
		int r;
	} rows[] = {
		{ "cmd", -ENOTSUP }, { "zsh", -EINVAL },    { "perl 'a b' {0}", -EINVAL },
		{ "{0}", -EINVAL },  { " {0} x", -EINVAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct plan_arena *arena = arena_new();
		const char *const *argv = NULL;
		const char *script = NULL;
		struct dd_err err = { 0 };
		assert_int_equal(shell_command(arena, rows[i].shell, "/t/1", &argv, &script, &err),
		                 rows[i].r);
		assert_null(script);
		assert_non_null(strstr(err.msg, "shell"));
		arena_free(arena);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shell_has_the_arguments_that_github_gives_it),
		cmocka_unit_test(shells_that_cannot_be_started_are_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
