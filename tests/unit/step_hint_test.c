// SPDX-License-Identifier: Apache-2.0
/* step_hint_test.c - the sentences of shells and runtimes that name a program that is not there. */
#include "runner/job/step_hint.h"

#include "drydock/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_shell_and_runtime_names_the_program_in_its_own_way(void **state)
{
	(void)state;
	static const struct {
		const char *line, *program; /* NULL: none is named */
	} cases[] = {
		{ "/run/drydock/step/01-run.sh: line 1: kubectl: command not found", "kubectl" },
		{ "bash: line 12: g++-99: command not found", "g++-99" },
		{ "sh: 1: ninja: not found", "ninja" },
		{ "/bin/sh: 3: protoc: not found", "protoc" },
		{ "zsh:1: command not found: pnpm", "pnpm" },
		{ "env: 'node': No such file or directory", "node" },
		{ "/usr/bin/env: \u2018deno\u2019: No such file or directory", "deno" },
		{ "timeout: failed to run command \u2018rg\u2019: No such file or directory",
		  "rg" },
		{ "make: go: No such file or directory", "go" },
		{ "xargs: fd: No such file or directory", "fd" },
		{ "FileNotFoundError: [Errno 2] No such file or directory: 'cargo'", "cargo" },
		{ "Error: spawn yarn ENOENT", "yarn" },
		{ "exec: \"golangci-lint\": executable file not found in $PATH", "golangci-lint" },
		{ "Can't exec \"aclocal\": No such file or directory at /usr/share/x.pm",
		  "aclocal" },
		{ "error: linker `ld.lld` not found", "ld.lld" },
		{ "Cannot run program \"mvnd\": error=2, No such file or directory", "mvnd" },
		/* no program is meant */
		{ "cat: notes.txt: No such file or directory", NULL },
		{ "FileNotFoundError: [Errno 2] No such file or directory: '/opt/x'", NULL },
		{ "404: Not Found", NULL },
		{ "bash: line 1: ./run.sh: command not found", NULL },
		{ "bash: line 1: -x: command not found", NULL },
		{ "bash: line 1: a b: command not found", NULL },
		{ "bash: line 1: \\x1b[2J: command not found", NULL },
		{ ": command not found", NULL },
		{ "command not found", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char name[STEP_HINT_NAME_MAX] = "";
		bool named = step_hint_program(cases[i].line, name);
		if (named != (cases[i].program != NULL) ||
		    (named && strcmp(name, cases[i].program) != 0))
			fail_msg("%s: %s", cases[i].line, named ? name : "none");
	}
}

static void a_name_of_any_length_stays_inside(void **state)
{
	(void)state;
	char line[400], name[STEP_HINT_NAME_MAX];
	for (size_t n = 1; n < 300; n++) {
		char *p = stpcpy(line, "sh: 1: ");
		memset(p, 'a', n);
		(void)stpcpy(p + n, ": not found");
		assert_int_equal(step_hint_program(line, name), n < STEP_HINT_NAME_MAX);
	}
}

static char told[4][2000];
static size_t n_told;

static void hear(void *arg, const char *line)
{
	(void)arg;
	assert_true(n_told < ARRAY_LEN(told));
	(void)stpncpy(told[n_told++], line, sizeof(told[0]) - 1);
}

static void say(const char *const *lines, bool trusted)
{
	static struct step_hint h;
	const struct step_hint_about about = {
		.path = "/usr/bin:/bin", .policy = "p.yml", .trusted = trusted, .tell = hear
	};
	h = (struct step_hint){ .n = 0 };
	n_told = 0;
	memset(told, 0, sizeof(told));
	for (; *lines; lines++)
		step_hint_line(&h, *lines, strlen(*lines));
	step_hint_tell(&h, NULL, &about);
}

static void a_program_and_sudo_get_one_sentence_each_however_often_they_are_named(void **state)
{
	(void)state;
	const char *const lines[] = {
		"sh: 1: no-such-tool-1: not found", "sudo: effective uid is not 0",
		"sudo: a password is required",     "bash: line 2: sudo: command not found",
		"sh: 1: no-such-tool-2: not found", NULL
	};
	say(lines, true);
	assert_int_equal(n_told, 2);
	assert_non_null(strstr(told[0], "no-such-tool-2 was not found, and this host has none"));
	assert_non_null(strstr(told[1], "sudo, su, doas and pkexec have no effect"));
}

static void a_limit_is_named_once_with_the_line_that_raises_it(void **state)
{
	static const struct {
		const char *line, *says; /* NULL: nothing */
	} rows[] = {
		{ "cp: error writing '/dev/shm/x': No space left on device",
		  "limits: { shm: SIZE } in p.yml" },
		{ "OSError: [Errno 28] No space left on device", "ends at 1.0 MiB" },
		{ "RuntimeError: can't start new thread", "limits: { pids: 128 } in p.yml" },
		{ "bash: fork: retry: Resource temporarily unavailable", "at most 64 processes" },
		{ "sh: 0: Cannot fork", "at most 64 processes" },
		{ "java.lang.OutOfMemoryError: unable to create native thread: possibly out of "
		  "memory",
		  "limits: { pids" },
		{ "runtime: failed to create new OS thread (have 60 already; errno=11)",
		  "limits: { pids" },
		{ "head: error writing 'standard output': File too large",
		  "limits.disk, which is 2.0 MiB" },
		{ "ls: cannot access 'core': No such file or directory", "writes no core dumps" },
		{ "gdb: core.1234: No such file or directory.", "writes no core dumps" },
		{ "read: Resource temporarily unavailable", NULL },
		{ "corepack: No such file or directory", NULL },
		{ "tests/core/x.c: No such file or directory", NULL },
		{ "all is well", NULL },
	};
	const struct step_limits limits = { .sandbox = { .pids = 64, .shm_bytes = 1 << 20 },
		                            .disk_bytes = 2 << 20 };
	const struct step_hint_about about = { .path = "/nonexistent",
		                               .policy = "p.yml",
		                               .limits = &limits,
		                               .trusted = true,
		                               .tell = hear };
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct step_hint h;
		h.n = n_told = 0;
		memset(told, 0, sizeof(told));
		step_hint_line(&h, rows[i].line, strlen(rows[i].line));
		step_hint_line(&h, rows[i].line, strlen(rows[i].line));
		step_hint_tell(&h, NULL, &about);
		if (n_told != (rows[i].says ? 1 : 0) ||
		    (rows[i].says && !strstr(told[0], rows[i].says)))
			fail_msg("%s: %zu lines: %s", rows[i].line, n_told, told[0]);
	}
}

static void strangers_hear_nothing_of_what_the_host_has(void **state)
{
	(void)state;
	const char *const lines[] = { "cat: /etc/hostname.not: No such file or directory",
		                      "cat: /proc/version: No such file or directory",
		                      "cat: /var/log: No such file or directory",
		                      "sh: 1: no-such-tool: not found", NULL };
	say(lines, false);
	assert_int_equal(n_told, 1);
	assert_null(strstr(told[0], "this host has"));
}

static void a_flood_of_lines_keeps_the_last_ones(void **state)
{
	(void)state;
	static struct step_hint h;
	const struct step_hint_about about = {
		.path = "/usr/bin:/bin", .policy = "p.yml", .trusted = true, .tell = hear
	};
	static char line[20000];
	n_told = 0;
	for (size_t i = 0; i < 5000; i++) {
		memset(line, 'x', i % sizeof(line));
		step_hint_line(&h, line, i % sizeof(line));
		assert_true(h.n <= sizeof(h.text));
	}
	step_hint_line(&h, line, sizeof(line));
	step_hint_line(&h, "sh: 1: no-such-tool: not found",
	               strlen("sh: 1: no-such-tool: not found"));
	step_hint_tell(&h, NULL, &about);
	assert_int_equal(n_told, 1);
	assert_non_null(strstr(told[0], "no-such-tool"));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_shell_and_runtime_names_the_program_in_its_own_way),
		cmocka_unit_test(a_name_of_any_length_stays_inside),
		cmocka_unit_test(
			a_program_and_sudo_get_one_sentence_each_however_often_they_are_named),
		cmocka_unit_test(a_limit_is_named_once_with_the_line_that_raises_it),
		cmocka_unit_test(strangers_hear_nothing_of_what_the_host_has),
		cmocka_unit_test(a_flood_of_lines_keeps_the_last_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
