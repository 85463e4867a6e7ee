// SPDX-License-Identifier: Apache-2.0
/* own_env_test.c - a process that was forked forgets the environment, and the one that forked it
 * does not. */
#include "drydock/own_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

/* Zero bytes only, in what the kernel shows of it and where its strings were. */
static bool is_clean(char *const strings[], size_t n)
{
	static char text[65536];
	dd_auto_fd int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));
	for (ssize_t i = 0; i < got; i++)
		if (text[i])
			return false;
	for (size_t i = 0; i < n; i++)
		if (strings[i][0])
			return false;
	return got >= 0;
}

static void the_child_forgets_and_the_parent_does_not(void **state)
{
	(void)state;
	char *strings[512];
	size_t n = 0;
	assert_int_equal(setenv("DD_CANARY", "made by setenv, so on the heap", 1), 0);
	assert_int_equal(own_env_find(NULL), 0);
	for (char **e = environ; *e && n < ARRAY_LEN(strings); e++)
		strings[n++] = *e;
	pid_t pid = fork();
	if (pid == 0) {
		own_env_clear();
		_exit(is_clean(strings, n) && !getenv("DD_CANARY") && !getenv("PATH") ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(getenv("DD_CANARY"), "made by setenv, so on the heap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_forgets_and_the_parent_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
