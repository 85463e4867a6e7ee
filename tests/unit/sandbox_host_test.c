// SPDX-License-Identifier: Apache-2.0
/* sandbox_host_test.c - hosts that are not as they should be: set-up must end with a sentence,
 * before the first byte of a step.
 *
 * Each case spoils a mount namespace of its own (root only), enters the identity there and tries to
 * build a sandbox.
 */
#include "drydock/fd.h"
#include "drydock/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>

/* In a child of its own; never returns. The answer is the error of sandbox_build(). */
static _Noreturn void build_on_spoiled_host(int fd, void (*spoil)(void))
{
	static const struct egress_list none;
	char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	struct seccomp_program *prog = NULL;
	struct sandbox sb = SANDBOX_NONE;
	struct net_plan *plan = NULL;
	struct identity id;
	struct dd_err err = { 0 };
	uid_t gate, step;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(2);
	spoil();
	if (seccomp_program_load("configs/seccomp/default.seccomp", &prog, &err) < 0 ||
	    identity_enter(&id, &err) < 0 || identity_slot(&id, 0, &gate, &step, &err) < 0 ||
	    net_plan_new(&none, &plan, &err) < 0)
		_exit(3);
	const struct sandbox_spec spec = {
		.identity = &id,
		.step_uid = step,
		.step_gid = (gid_t)step,
		.hostname = "box",
		.workdir = "/",
		.argv = argv,
		.seccomp = prog,
		.net = plan,
		.name = "test",
		.stdout_fd = 1,
		.stderr_fd = 2,
	};
	if (sandbox_build(&spec, &sb, &err) == 0) {
		(void)sandbox_destroy(&sb, NULL);
		err.msg[0] = '\0';
	}
	_exit(write(fd, &err, sizeof(err)) == sizeof(err) ? 0 : 4);
}

static struct dd_err refusal_on(void (*spoil)(void))
{
	struct dd_err err;
	int fds[2], status = 0;

	if (geteuid() != 0) {
		print_message("SKIPPED: needs root to spoil a mount namespace\n");
		skip();
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		build_on_spoiled_host(fds[1], spoil);
	dd_close(fds[1]);
	ssize_t n = read(fds[0], &err, sizeof(err));
	dd_close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(n, sizeof(err));
	return err;
}

static void nothing(void)
{
}

static void file_over_dev_zero(void)
{
	if (mount("/etc/hosts", "/dev/zero", NULL, MS_BIND, NULL) < 0)
		_exit(2);
}

static void other_device_over_dev_null(void)
{
	if (mount("/dev/full", "/dev/null", NULL, MS_BIND, NULL) < 0)
		_exit(2);
}

/* What systemd's ProtectKernelTunables= does. */
static void covered_proc(void)
{
	if (mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		_exit(2);
}

static void an_ordinary_host_is_accepted(void **state)
{
	(void)state;
	assert_string_equal(refusal_on(nothing).msg, "");
}

static void a_file_in_the_place_of_a_device_is_refused_F07(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal_on(file_over_dev_zero).msg,
	                       "/dev/zero: is not character device 1:5"));
}

static void another_device_in_the_place_of_null_is_refused_F07(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal_on(other_device_over_dev_null).msg,
	                       "/dev/null: is not character device 1:3"));
}

static void a_partly_covered_proc_is_refused_with_the_remedy(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal_on(covered_proc).msg, "ProtectKernelTunables"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_host_is_accepted),
		cmocka_unit_test(a_file_in_the_place_of_a_device_is_refused_F07),
		cmocka_unit_test(another_device_in_the_place_of_null_is_refused_F07),
		cmocka_unit_test(a_partly_covered_proc_is_refused_with_the_remedy),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("sandbox_host", tests, NULL, NULL);
}
