// SPDX-License-Identifier: Apache-2.0
/* process_look_test.c - looking for a process never keeps the supervisor, whatever the looker waits
 * for, and the looker holds nothing that it does not need. */
#include "runner/job/process_look.h"

#include "drydock/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct process_look look;

static int setup(void **state)
{
	(void)state;
	look = (struct process_look)PROCESS_LOOK_NONE;
	return setenv("DD_SECRET_OF_THE_OPERATOR", "canary-7d1f", 1);
}

static int teardown(void **state)
{
	(void)state;
	process_look_end(&look);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void a_process_is_described_and_one_that_is_gone_is_nobody(void **state)
{
	(void)state;
	struct process_hint who;
	process_look_at(&look, getpid(), &who);
	assert_int_equal(who.pid, getpid());
	assert_string_equal(who.exe, "process_look_test");
	pid_t pid = sleeper();
	process_look_at(&look, pid, &who);
	assert_int_equal(who.pid, pid);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	process_look_find(&look, pid, &(struct process_try){ .proto = 17, .src_port = 9 }, &who);
	assert_int_equal(who.pid, 0);
}

/* SIGSTOP stands for a lock that the step holds: the looker does not come back. */
static void a_looker_that_hangs_is_let_go_and_another_one_looks(void **state)
{
	(void)state;
	struct process_hint who;
	process_look_at(&look, getpid(), &who);
	pid_t first = look.pid;
	assert_int_equal(kill(first, SIGSTOP), 0);
	int64_t began = now_ms();
	process_look_at(&look, getpid(), &who);
	assert_int_equal(who.pid, 0);
	assert_true(now_ms() - began < 5 * PROCESS_LOOK_MS);
	for (int i = 0; i < 200 && who.pid == 0; i++) { /* the killed one is dead in a moment */
		process_look_at(&look, getpid(), &who);
		if (who.pid == 0)
			(void)usleep(5000);
	}
	assert_int_equal(who.pid, getpid());
	assert_int_not_equal(look.pid, first);
}

static void nobody_looks_while_an_abandoned_looker_cannot_die(void **state)
{
	(void)state;
	struct process_hint who;
	look.pid = sleeper(); /* stands for one that is killed and waits for a lock in the kernel */
	look.dying = true;
	pid_t stuck = look.pid;
	process_look_at(&look, getpid(), &who);
	assert_int_equal(who.pid, 0);
	assert_int_equal(look.pid, stuck);
	(void)kill(stuck, SIGKILL);
	for (int i = 0; i < 200 && who.pid == 0; i++) {
		process_look_at(&look, getpid(), &who);
		if (who.pid == 0)
			(void)usleep(5000);
	}
	assert_int_equal(who.pid, getpid());
}

static void looks_that_hang_cost_a_bounded_time_in_all(void **state)
{
	(void)state;
	struct process_hint who;
	int64_t began = now_ms(), asked = 0;
	for (; asked < 1000; asked++) {
		process_look_at(&look, getpid(), &who);
		if (look.pid > 0 && !look.dying)
			(void)kill(look.pid, SIGSTOP);
	}
	assert_true(now_ms() - began < 3 * PROCESS_LOOK_BURST_MS);
}

static size_t read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);
	(void)close(fd);
	return n < 0 ? 0 : (size_t)n;
}

static void the_looker_holds_one_socket_and_nothing_of_the_environment(void **state)
{
	(void)state;
	struct process_hint who;
	char path[64];
	static char text[65536];
	process_look_at(&look, getpid(), &who);
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)look.pid);
	size_t n = read_file(path, text, sizeof(text));
	for (size_t i = 0; i < n; i++)
		if (text[i])
			fail_msg("%s holds %.40s", path, text + i);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)look.pid);
	DIR *dir = opendir(path);
	size_t fds = 0;
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
		fds += e->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	assert_int_equal(fds, 1);
	assert_string_equal(getenv("DD_SECRET_OF_THE_OPERATOR"), "canary-7d1f"); /* ours is whole */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_process_is_described_and_one_that_is_gone_is_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_looker_that_hangs_is_let_go_and_another_one_looks,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_looks_while_an_abandoned_looker_cannot_die,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(looks_that_hang_cost_a_bounded_time_in_all, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			the_looker_holds_one_socket_and_nothing_of_the_environment, setup,
			teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("process_look", tests, NULL, NULL);
}
