// SPDX-License-Identifier: Apache-2.0
/* lock_test.c - proves from inside that the locks of a step hold: capabilities, no_new_privs,
 * Landlock, the filter of init.
 *
 * Each case runs in a child in a user namespace of its own (there it holds every capability, so
 * that a drop has something to drop), for root and for an ordinary user alike.
 */
#include "sandbox/inside.h"
#include "sandbox/landlock_abi.h"
#include "drydock/courier_lock.h"
#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

/* In the child: stop with the line number of what did not hold. 77 skips. */
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)dprintf(2, "# line %d: %s (errno %d)\n", __LINE__, #cond, errno);    \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum { SKIPPED = 77 };

static void new_userns(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(SKIPPED);
}

static int status_of(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void must_hold(void (*fn)(void))
{
	int status = status_of(fn);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

/* ---- capabilities ---- */

/* Look at /proc, where the code under test does not: the two must agree. */
static bool status_line_is(const char *key, unsigned long long want)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	bool is = false;
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) == 0)
			is = strtoull(line + strlen(key), NULL,
			              strcmp(key, "NoNewPrivs:") == 0 ||
			                              strcmp(key, "Seccomp:") == 0
			                      ? 10
			                      : 16) == want;
	}
	if (f)
		(void)fclose(f);
	return is;
}

static void raise_ambient(void)
{
	cap_value_t cap = CAP_SYS_ADMIN;
	cap_t caps = cap_get_proc();
	MUST(caps && cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_SET) == 0 &&
	     cap_set_proc(caps) == 0);
	MUST(cap_set_ambient(cap, CAP_SET) == 0);
	(void)cap_free(caps);
}

static void drop_everything(void)
{
	struct dd_err err = { 0 };
	new_userns();
	raise_ambient();
	MUST(!status_line_is("CapEff:", 0) && !status_line_is("CapBnd:", 0) &&
	     !status_line_is("CapAmb:", 0));
	MUST(inside_drop_capabilities(&err) == 0);
	MUST(status_line_is("CapEff:", 0) && status_line_is("CapPrm:", 0) &&
	     status_line_is("CapInh:", 0));
	MUST(status_line_is("CapBnd:", 0) && status_line_is("CapAmb:", 0));
	MUST(unshare(CLONE_NEWUTS) < 0 && errno == EPERM);
}

static void all_five_capability_sets_are_empty_afterwards(void **state)
{
	(void)state;
	must_hold(drop_everything);
}

static void drop_and_try_to_regain(void)
{
	new_userns();
	MUST(inside_drop_capabilities(NULL) == 0);
	int bits = prctl(PR_GET_SECUREBITS);
	MUST(bits & SECBIT_NOROOT && bits & SECBIT_NOROOT_LOCKED &&
	     bits & SECBIT_NO_SETUID_FIXUP_LOCKED);
	MUST(bits & SECBIT_KEEP_CAPS_LOCKED && !(bits & SECBIT_KEEP_CAPS) &&
	     bits & SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
	MUST(prctl(PR_SET_KEEPCAPS, 1) < 0);
	MUST(prctl(PR_SET_SECUREBITS, 0) < 0);
	cap_t caps = cap_get_proc();
	cap_value_t cap = CAP_NET_ADMIN;
	MUST(caps && cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET) == 0 &&
	     cap_set_proc(caps) < 0);
	(void)cap_free(caps);
}

static void nothing_brings_a_capability_back(void **state)
{
	(void)state;
	must_hold(drop_and_try_to_regain);
}

static void drop_and_exec(void)
{
	new_userns();
	/* uid 0 of the namespace, where exec would give everything back if the securebits did not
	 * say otherwise */
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	char map[32];
	(void)snprintf(map, sizeof(map), "0 %s 1", getenv("LOCK_TEST_UID"));
	MUST(fd >= 0 && write(fd, map, strlen(map)) > 0);
	MUST(setresuid(0, 0, 0) == 0);
	MUST(inside_drop_capabilities(NULL) == 0);
	execl("/proc/self/exe", "lock_test", "--no-capabilities", (char *)NULL);
	MUST(false);
}

static void exec_as_root_of_the_namespace_gains_nothing(void **state)
{
	(void)state;
	char uid[16];
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	assert_int_equal(setenv("LOCK_TEST_UID", uid, 1), 0);
	must_hold(drop_and_exec);
}

static void set_no_new_privs(void)
{
	MUST(status_line_is("NoNewPrivs:", 0));
	MUST(inside_no_new_privs(NULL) == 0);
	MUST(status_line_is("NoNewPrivs:", 1));
}

static void no_new_privs_is_set(void **state)
{
	(void)state;
	must_hold(set_no_new_privs);
}

/* ---- Landlock ---- */

static char dir_in[PATH_MAX], dir_out[PATH_MAX]; /* inside and outside a read-write mount of the
                                                    spec */
static bool have_dirs;                           /* false: nowhere to write: the cases skip */

static int make_dirs(void **state)
{
	(void)state;
	char cwd[PATH_MAX - 64];
	if (!getcwd(cwd, sizeof(cwd)))
		return -1;
	if (access(cwd, W_OK) < 0)
		(void)snprintf(cwd, sizeof(cwd), "%s", getenv("HOME") ? getenv("HOME") : "/");
	(void)snprintf(dir_in, sizeof(dir_in), "%s/.lock_test.in.XXXXXX", cwd);
	(void)snprintf(dir_out, sizeof(dir_out), "%s/.lock_test.out.XXXXXX", cwd);
	have_dirs = mkdtemp(dir_in) && mkdtemp(dir_out);
	return 0;
}

static void empty_dir(const char *dir)
{
	static const char *const names[] = { "f", "d", "l", "x", "y", "moved" };
	char path[PATH_MAX + 8];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	(void)rmdir(dir);
}

static int remove_dirs(void **state)
{
	(void)state;
	empty_dir(dir_in);
	empty_dir(dir_out);
	return 0;
}

static struct sandbox_spec spec_of(const struct sandbox_mount *mounts, size_t n)
{
	return (struct sandbox_spec){ .mounts = mounts, .n_mounts = n };
}

static void enforce_landlock(unsigned abi_min)
{
	const struct sandbox_mount mounts[] = {
		{ .source = dir_in, .target = dir_in, .flags = SANDBOX_MOUNT_RW },
		{ .source = dir_out, .target = dir_out, .flags = SANDBOX_MOUNT_RO },
		{ .source = "/nonexistent",
		  .target = "/nonexistent",
		  .flags = SANDBOX_MOUNT_RW | SANDBOX_MOUNT_TRY },
	};
	struct sandbox_spec spec = spec_of(mounts, ARRAY_LEN(mounts));
	struct dd_err err = { 0 };
	spec.landlock_abi_min = abi_min;
	MUST(inside_no_new_privs(&err) == 0);
	if (inside_landlock(&spec, &err) < 0) {
		(void)dprintf(2, "# %s\n", err.msg);
		_exit(2);
	}
}

static void need_landlock(int abi)
{
	if (!have_dirs || landlock_abi(NULL) < abi)
		_exit(SKIPPED);
}

static int create(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dd_close(fd);
	return fd < 0 ? -errno : 0;
}

/* No mount stands between the test and dir_out: Landlock alone has to refuse. */
static void write_outside(void)
{
	need_landlock(1);
	int out = open(dir_out, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    in = open(dir_in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(create(out, "f") == 0 && mkdirat(out, "d", 0700) == 0);
	enforce_landlock(0);
	MUST(create(out, "x") == -EACCES);
	MUST(create(out, "f") == -EACCES);
	MUST(mkdirat(out, "x", 0700) < 0 && errno == EACCES);
	MUST(symlinkat("a", out, "l") < 0 && errno == EACCES);
	MUST(unlinkat(out, "f", 0) < 0 && errno == EACCES);
	MUST(unlinkat(out, "d", AT_REMOVEDIR) < 0 && errno == EACCES);
	MUST(mknodat(out, "x", S_IFIFO | 0600, 0) < 0 && errno == EACCES);
	MUST(renameat(out, "f", in, "moved") < 0 && (errno == EACCES || errno == EXDEV));
	MUST(faccessat(out, "f", R_OK, 0) == 0 && openat(out, "f", O_RDONLY | O_CLOEXEC) >= 0);
}

static void landlock_refuses_a_write_outside_although_no_mount_does(void **state)
{
	(void)state;
	must_hold(write_outside);
}

static void truncate_outside(void)
{
	need_landlock(3);
	char path[PATH_MAX + 8];
	(void)snprintf(path, sizeof(path), "%s/f", dir_out);
	dd_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	MUST(truncate(path, 0) == 0);
	enforce_landlock(0);
	MUST(truncate(path, 0) < 0 && errno == EACCES);
}

static void landlock_refuses_to_truncate_outside(void **state)
{
	(void)state;
	must_hold(truncate_outside);
}

static void work_inside(void)
{
	need_landlock(1);
	int in = open(dir_in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enforce_landlock(0);
	MUST(create(in, "f") == 0 && mkdirat(in, "d", 0700) == 0 && symlinkat("a", in, "l") == 0);
	MUST(landlock_abi(NULL) < 2 ||
	     (renameat(in, "f", in, "d/f") == 0 && renameat(in, "d/f", in, "f") == 0));
	MUST(unlinkat(in, "f", 0) == 0 && unlinkat(in, "d", AT_REMOVEDIR) == 0 &&
	     unlinkat(in, "l", 0) == 0);
	/* a 0:0 character device is an overlay's whiteout, which needs no capability: no rule
	 * grants devices */
	MUST(mknodat(in, "x", S_IFCHR | 0600, 0) < 0 && (errno == EACCES || errno == EPERM));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	MUST(null >= 0 && write(null, "x", 1) == 1);
	MUST(open("/proc/self/comm", O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0);
	char name[] = "/dev/shm/.lock_test.XXXXXX";
	int shm = mkostemp(name, O_CLOEXEC);
	MUST(shm >= 0 && unlink(name) == 0);
	MUST(access("/usr/bin/env", X_OK) == 0 && open("/usr/bin/env", O_RDONLY | O_CLOEXEC) >= 0);
}

static void landlock_lets_a_build_work_in_its_mounts_and_shared_memory(void **state)
{
	(void)state;
	must_hold(work_inside);
}

static void scopes(void)
{
	need_landlock(6);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr.sun_family); /* autobind picks an abstract name */
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(bind(listener, (struct sockaddr *)&addr, len) == 0 && listen(listener, 1) == 0);
	len = sizeof(addr);
	MUST(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	enforce_landlock(6);
	MUST(kill(getppid(), 0) < 0 && errno == EPERM);
	MUST(connect(client, (struct sockaddr *)&addr, len) < 0 && errno == EPERM);
}

static void landlock_scopes_signals_and_abstract_sockets(void **state)
{
	(void)state;
	must_hold(scopes);
}

static void ask_for_too_much(void)
{
	struct sandbox_spec spec = spec_of(NULL, 0);
	struct dd_err err = { 0 };
	if (landlock_abi(NULL) < 0)
		_exit(SKIPPED);
	spec.landlock_abi_min = 9999;
	MUST(inside_no_new_privs(&err) == 0);
	MUST(inside_landlock(&spec, &err) == -ENOSYS && strstr(err.msg, "9999"));
}

static void an_older_landlock_than_the_spec_asks_for_is_refused(void **state)
{
	(void)state;
	must_hold(ask_for_too_much);
}

static void lose_a_mount(void)
{
	const struct sandbox_mount gone = { .source = "/x",
		                            .target = "/nonexistent",
		                            .flags = SANDBOX_MOUNT_RW };
	struct sandbox_spec spec = spec_of(&gone, 1);
	struct dd_err err = { 0 };
	if (landlock_abi(NULL) < 0)
		_exit(SKIPPED);
	MUST(inside_no_new_privs(&err) == 0);
	MUST(inside_landlock(&spec, &err) == -ENOENT && strstr(err.msg, "/nonexistent"));
}

static void a_mount_that_is_not_there_ends_the_launch(void **state)
{
	(void)state;
	must_hold(lose_a_mount);
}

/* ---- faults ---- */

static const char *fault_name;

static void one_fault(void)
{
	struct sandbox_spec spec = spec_of(NULL, 0);
	struct dd_err err = { 0 };
	MUST(setenv("DRYDOCK_FAULT", fault_name, 1) == 0);
	dd_fault_init();
	new_userns();
	int r = inside_drop_capabilities(&err);
	r = r ? r : inside_no_new_privs(&err);
	r = r ? r : inside_landlock(&spec, &err);
	r = r ? r : inside_seccomp(NULL, &err);
	MUST(r == -ENOSYS && err.code == ENOSYS && strlen(err.msg) > 10);
}

static void each_lock_that_is_taken_away_ends_the_launch(void **state)
{
	(void)state;
	static const char *const names[] = { "capabilities", "no_new_privs", "landlock",
		                             "seccomp" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		fault_name = names[i];
		must_hold(one_fault);
	}
}

static void no_filter(void)
{
	struct dd_err err = { 0 };
	MUST(inside_seccomp(NULL, &err) == -EINVAL && strstr(err.msg, "filter"));
}

static void a_step_without_a_filter_is_refused(void **state)
{
	(void)state;
	must_hold(no_filter);
}

static void filter_without_nnp(void)
{
	struct seccomp_program *prog = NULL;
	struct dd_err err = { 0 };
	MUST(seccomp_program_load("configs/seccomp/default.seccomp", &prog, &err) == 0);
	new_userns();
	MUST(inside_drop_capabilities(&err) == 0);
	MUST(inside_seccomp(prog, &err) == -EACCES && strstr(err.msg, "no_new_privs"));
}

static void a_filter_before_no_new_privs_is_an_error_and_not_a_warning(void **state)
{
	(void)state;
	must_hold(filter_without_nnp);
}

/* ---- init ---- */

static void init_works(void)
{
	int status = 0, ends[2];
	struct dd_err err = { 0 };
	new_userns();
	MUST(pipe2(ends, O_CLOEXEC) == 0);
	pid_t pid = fork();
	if (pid == 0)
		(void)pause();
	int r = inside_init_lock(&err);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	MUST(r == 0);
	struct pollfd p = { .fd = ends[0], .events = POLLIN };
	MUST(write(ends[1], "x", 1) == 1 && poll(&p, 1, 1000) == 1);
	char c = 0;
	MUST(read(ends[0], &c, 1) == 1 && c == 'x');
	MUST(kill(pid, SIGKILL) == 0 && wait4(pid, &status, 0, NULL) == pid);
	/* not _exit(3): under AddressSanitizer that asks for sigaltstack first, which init may not
	 */
	(void)syscall(SYS_exit_group, 0);
}

static void init_can_reap_signal_and_talk(void **state)
{
	(void)state;
	must_hold(init_works);
}

static long forbidden_nr;

static void init_tries(void)
{
	new_userns();
	MUST(inside_init_lock(NULL) == 0);
	(void)syscall(forbidden_nr, -1, 0, 0, 0, 0, 0);
}

static void init_dies_of_any_other_call(void **state)
{
	(void)state;
	static const long nrs[] = { SYS_openat,  SYS_socket,  SYS_execve,  SYS_clone, SYS_clone3,
		                    SYS_ptrace,  SYS_mount,   SYS_connect, SYS_mmap,  SYS_prctl,
		                    SYS_seccomp, SYS_unshare, SYS_ioctl,   1000 };
	for (size_t i = 0; i < ARRAY_LEN(nrs); i++) {
		forbidden_nr = nrs[i];
		int status = status_of(init_tries);
		if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
			skip();
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("system call %ld: status %#x", nrs[i], (unsigned)status);
	}
}

static void init_stays(int tell)
{
	enum { NOBODY = 65534 };
	if (geteuid() == 0)
		MUST(setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		     setresuid(NOBODY, NOBODY, NOBODY) == 0);
	new_userns();
	/* changing ids took it away; the lock has to do that by itself */
	MUST(prctl(PR_SET_DUMPABLE, 1) == 0);
	MUST(inside_init_lock(NULL) == 0);
	MUST(write(tell, "y", 1) == 1);
	(void)poll(NULL, 0, 10000);
	_exit(0);
}

/* The files below /proc/PID of a process that is not dumpable belong to root: nobody with its uid
 * can open its memory. */
static void init_is_closed_to_its_own_user(void **state)
{
	(void)state;
	int ends[2];
	char c = 0, path[64];
	struct stat st = { .st_uid = 1 };
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		init_stays(ends[1]);
	(void)close(ends[1]);
	ssize_t n = read(ends[0], &c, 1);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int r = stat(path, &st), status = 0;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)close(ends[0]);
	if (n == 0 && WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(n, 1);
	assert_int_equal(r, 0);
	assert_int_equal(st.st_uid, 0);
}

/* ---- a courier ---- */

static void courier_child(void)
{
	char own[64];

	new_userns();
	(void)snprintf(own, sizeof(own), "/tmp/drydock-lock-%d", (int)getpid());
	MUST(courier_lock(NULL) == 0);
	MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0); /* services of the host */
	MUST(open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
	MUST(open("/dev/null", O_WRONLY | O_CLOEXEC) < 0);
	MUST(syscall(SYS_fork) < 0 && errno == ENOSYS);
	MUST(execl("/bin/true", "true", (char *)NULL) < 0 && errno == ENOSYS);
	MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == ENOSYS);
	/* what it is there for */
	dd_auto_fd int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(tcp >= 0);
	dd_auto_fd int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	MUST(file >= 0);
}

static void a_courier_reads_and_dials_and_does_nothing_else(void **state)
{
	(void)state;
	must_hold(courier_child);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--no-capabilities") == 0)
		_exit(status_line_is("CapEff:", 0) && status_line_is("CapPrm:", 0) ? 0 : 1);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_five_capability_sets_are_empty_afterwards),
		cmocka_unit_test(nothing_brings_a_capability_back),
		cmocka_unit_test(exec_as_root_of_the_namespace_gains_nothing),
		cmocka_unit_test(no_new_privs_is_set),
		cmocka_unit_test_setup_teardown(
			landlock_refuses_a_write_outside_although_no_mount_does, make_dirs,
			remove_dirs),
		cmocka_unit_test_setup_teardown(landlock_refuses_to_truncate_outside, make_dirs,
		                                remove_dirs),
		cmocka_unit_test_setup_teardown(
			landlock_lets_a_build_work_in_its_mounts_and_shared_memory, make_dirs,
			remove_dirs),
		cmocka_unit_test_setup_teardown(landlock_scopes_signals_and_abstract_sockets,
		                                make_dirs, remove_dirs),
		cmocka_unit_test(an_older_landlock_than_the_spec_asks_for_is_refused),
		cmocka_unit_test(a_mount_that_is_not_there_ends_the_launch),
		cmocka_unit_test(each_lock_that_is_taken_away_ends_the_launch),
		cmocka_unit_test(a_step_without_a_filter_is_refused),
		cmocka_unit_test(a_filter_before_no_new_privs_is_an_error_and_not_a_warning),
		cmocka_unit_test(init_can_reap_signal_and_talk),
		cmocka_unit_test(init_dies_of_any_other_call),
		cmocka_unit_test(init_is_closed_to_its_own_user),
		cmocka_unit_test(a_courier_reads_and_dials_and_does_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
