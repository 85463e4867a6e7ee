// SPDX-License-Identifier: Apache-2.0
/* zygote_test.c - steps that are cloned from one tree share it, cannot change it, and share nothing
 * else; and a zygote that ends takes its steps with it.
 *
 * Runs as root (identity range) and as an ordinary user (range or single). Everything it makes lies
 * below one directory of its own.
 */
#include "drydock/clock.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct identity self;
static struct net_plan *plan;
static struct seccomp_program *prog;
static uid_t step_uid;
static gid_t step_gid;
static struct sandbox_zygotes *zygotes; /* of the test at hand */
static char base[64], tree[96], work[110], shown[96];
static struct sandbox_mount mounts[2];
static char out[4096];
static char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };

/* ---- harness ---- */

static int suite_setup(void **state)
{
	static const struct egress_list none;
	struct dd_err err = { 0 };
	uid_t gate;

	(void)state;
	if (identity_enter(&self, &err) < 0 ||
	    identity_slot(&self, 0, &gate, &step_uid, &err) < 0 ||
	    net_plan_new(&none, &plan, &err) < 0 ||
	    seccomp_program_load("configs/seccomp/default.seccomp", &prog, &err) < 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	step_gid = self.mode == IDENTITY_RANGE ? (gid_t)step_uid : getegid();
	return 0;
}

static int suite_teardown(void **state)
{
	(void)state;
	net_plan_free(plan);
	seccomp_program_free(prog);
	return 0;
}

static int make_world(void **state)
{
	struct dd_err err = { 0 };
	(void)state;

	(void)snprintf(base, sizeof(base), "/tmp/drydock-zygote-test.%d", (int)getpid());
	(void)snprintf(tree, sizeof(tree), "%s/tree", base);
	(void)snprintf(work, sizeof(work), "%s/w", tree);
	(void)snprintf(shown, sizeof(shown), "%s/shown", base);
	mounts[0] = (struct sandbox_mount){ work, "/w", SANDBOX_MOUNT_RW | SANDBOX_MOUNT_PLACE };
	mounts[1] = (struct sandbox_mount){ shown, "/opt/shown", SANDBOX_MOUNT_RO };
	return mkdir(base, 0755) < 0 || mkdir(tree, 0755) < 0 || mkdir(work, 0755) < 0 ||
	                       mkdir(shown, 0755) < 0 || chown(work, step_uid, step_gid) < 0 ||
	                       sandbox_zygotes_new(&zygotes, &err) < 0
	               ? -1
	               : 0;
}

static int remove_world(void **state)
{
	char command[128];
	(void)state;

	sandbox_zygotes_free(zygotes);
	zygotes = NULL;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command); /* NOLINT(cert-env33-c): of our own making */
}

static struct sandbox_spec spec_of(char *const argv[], int fd)
{
	return (struct sandbox_spec){
		.zygotes = zygotes,
		.identity = &self,
		.step_uid = step_uid,
		.step_gid = step_gid,
		.hostname = "box",
		.root = tree,
		.mounts = mounts,
		.n_mounts = ARRAY_LEN(mounts),
		.workdir = "/w",
		.argv = argv,
		.seccomp = prog,
		.net = plan,
		.name = "test",
		.stdout_fd = fd,
		.stderr_fd = fd,
	};
}

/* A step that runs @script, released. Its output comes from *@ret_out, which the caller closes. */
static int start(const char *script, const struct sandbox_file *file, struct sandbox *sb,
                 int *ret_out, struct dd_err *err)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		               (char *)(uintptr_t)script, NULL };
	const struct sandbox_delivery d = { .envp = env };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct sandbox_spec spec = spec_of(argv, ends[1]);
	spec.files = file;
	spec.n_files = file != NULL;
	int r = sandbox_build(&spec, sb, err);
	if (r == 0)
		r = sandbox_release(sb, &spec, &d, err);
	dd_close(ends[1]);
	*ret_out = ends[0];
	return r;
}

static void hear(int fd)
{
	size_t len = 0;
	ssize_t n;
	do {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 20000), 1);
		n = read(fd, out + len, sizeof(out) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < sizeof(out) - 1);
	out[len] = '\0';
	dd_close(fd);
}

/* One step from beginning to end, its output in `out`. */
static void run_ok(const char *script, const struct sandbox_file *file)
{
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd;

	if (start(script, file, &sb, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	hear(fd);
	if (sandbox_destroy(&sb, &err) < 0)
		fail_msg("%s", err.msg);
}

/* The same beside a parked one, of whose zygote nothing can be asked now. */
static void run_apart(const char *script)
{
	struct sandbox_zygotes *kept = zygotes;

	zygotes = NULL;
	run_ok(script, NULL);
	zygotes = kept;
}

static pid_t parent_of(pid_t pid)
{
	char path[48], text[512];
	int parent = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %d", &parent), 1);
	return parent;
}

/* Which zygote a step comes from. */
static pid_t zygote_of_a_step(void)
{
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd;

	if (start("exit 0", NULL, &sb, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	pid_t zygote = parent_of(sb.pid);
	hear(fd);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	return zygote;
}

/* ---- which ---- */

static void steps_of_one_tree_come_from_one_zygote_and_those_of_another_do_not(void **state)
{
	(void)state;
	pid_t first = zygote_of_a_step();
	assert_int_equal(zygote_of_a_step(), first);
	mounts[1].target = "/opt/elsewhere";
	pid_t second = zygote_of_a_step();
	assert_int_not_equal(second, first);
	mounts[1].target = "/opt/shown";
	assert_int_equal(zygote_of_a_step(), first);
	assert_int_equal(parent_of(first), getpid());
}

static void a_directory_that_is_another_by_now_makes_another_tree(void **state)
{
	char old[128];
	(void)state;

	(void)snprintf(old, sizeof(old), "%s.old", shown);
	run_ok("touch /w/a; ls /opt/shown", NULL);
	assert_string_equal(out, "");
	assert_int_equal(rename(shown, old), 0);
	assert_int_equal(mkdir(shown, 0755), 0);
	assert_int_equal(chdir(shown), 0);
	dd_close(open("new", O_CREAT | O_WRONLY, 0644));
	assert_int_equal(chdir("/"), 0);
	run_ok("ls /w /opt/shown | tr '\n' ' '", NULL);
	assert_string_equal(out, "/opt/shown: new  /w: a ");
}

static size_t count_children(void)
{
	char path[64];
	size_t n = 0;
	int pid;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		n++;
	(void)fclose(f);
	return n;
}

static size_t count_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void zygotes_that_nobody_asks_any_more_end_and_leave_nothing(void **state)
{
	char targets[12][24];
	size_t fds = count_fds();
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		(void)snprintf(targets[i], sizeof(targets[i]), "/opt/shown-%zu", i);
		mounts[1].target = targets[i];
		(void)zygote_of_a_step();
	}
	assert_true(count_children() <= 4);
	sandbox_zygotes_free(zygotes);
	zygotes = NULL;
	assert_int_equal(count_children(), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- what steps share, and what not ---- */

static void a_step_finds_nothing_of_the_one_before_but_what_lies_in_its_places(void **state)
{
	static const char text[] = "echo from the file\n";
	const struct sandbox_file file = { SANDBOX_FILES_DIR "/script", text, sizeof(text) - 1,
		                           0444 };
	(void)state;

	run_ok("echo kept >/w/kept; echo gone >/dev/shm/gone; sh " SANDBOX_FILES_DIR "/script; "
	       "echo x >" SANDBOX_FILES_DIR "/script; echo x >" SANDBOX_FILES_DIR "/more; "
	       "mkdir /dev/mqueue/x; true",
	       &file);
	assert_non_null(strstr(out, "from the file\n"));
	assert_non_null(strstr(out, "more: "));
	assert_null(strstr(out, "x\n"));
	run_ok("cat /w/kept; ls -A /dev/shm " SANDBOX_FILES_DIR " /dev/mqueue /run/drydock/cred "
	       "2>/dev/null | grep -v : | tr -d '\n'",
	       NULL);
	assert_string_equal(out, "kept\n");
}

static void two_steps_at_once_see_neither_process_nor_memory_of_each_other(void **state)
{
	struct sandbox one = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd;
	(void)state;

	if (start("echo x >/dev/shm/x; echo ready; exec sleep 1000", NULL, &one, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	char ready[6];
	assert_int_equal(read(fd, ready, sizeof(ready)), 6);
	run_ok("ls /dev/shm; cat /proc/[0-9]*/comm | grep -c sleep; kill -KILL -1 2>/dev/null; "
	       "echo alive",
	       NULL);
	assert_string_equal(out, "0\nalive\n");
	assert_int_equal(pidfd_send_signal(one.pidfd, 0, NULL, 0), 0);
	assert_int_equal(sandbox_destroy(&one, &err), 0);
	hear(fd);
}

/* ---- locks ---- */

static pid_t child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	(void)fclose(f);
	return child;
}

/* All that a process could do that has every capability in the namespaces of a step. Exit status:
 * the first that went well, or 0. */
_Noreturn static void try_everything(int pidfd)
{
	static const char *const covers[] = { "/usr", "/etc",      "/run",
		                              "/dev", "/dev/null", "/opt/shown" };

	if (setns(pidfd, CLONE_NEWUSER) < 0 || setns(pidfd, CLONE_NEWNS) < 0)
		_exit(100);
	/* the proof that we have the power: what the step's own launcher mounted comes off */
	if (umount2("/dev/shm", MNT_DETACH) < 0)
		_exit(101);
	for (size_t i = 0; i < ARRAY_LEN(covers); i++) {
		if (umount2(covers[i], MNT_DETACH) == 0 || errno != EINVAL)
			_exit(1);
		struct mount_attr rw = { .attr_clr = MOUNT_ATTR_RDONLY };
		struct mount_attr suid = { .attr_clr = MOUNT_ATTR_NOSUID };
		if (i != 4 &&
		    (mount_setattr(AT_FDCWD, covers[i], 0, &rw, sizeof(rw)) == 0 || errno != EPERM))
			_exit(2);
		if (mount_setattr(AT_FDCWD, covers[i], 0, &suid, sizeof(suid)) == 0 ||
		    errno != EPERM)
			_exit(3);
		if (mount(NULL, covers[i], NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
			_exit(4);
	}
	/* one that holds mounts cannot be copied without them: it would show what they cover */
	if (open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) >= 0)
		_exit(5);
	if (syscall(SYS_pivot_root, "/w", "/w") == 0)
		_exit(6);
	_exit(0);
}

static void what_steps_share_stays_as_it_is_even_for_one_with_every_capability_F01(void **state)
{
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd, status = 0;
	(void)state;

	if (start("exec sleep 1000", NULL, &sb, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	int step = pidfd_open(child_of(sb.pid), 0);
	assert_true(step >= 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		try_everything(step);
	dd_close(step);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	hear(fd);
}

static void no_step_can_see_or_reach_the_job_s_own_proc_P02(void **state)
{
	(void)state;
	run_ok("ls /dev/pts; grep -c ' /proc proc ' /proc/mounts; cat /proc/1/comm", NULL);
	assert_string_equal(out, "ptmx\n1\ndrydock-init\n");
}

/* ---- locks before the delivery ---- */

static bool status_has(pid_t pid, const char *line)
{
	char path[48], text[4096];
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, line) != NULL;
}

/* Built and not released: it has no byte of its environment yet, and nothing that it could abuse.
 */
static void what_waits_for_the_delivery_has_every_lock_on_P07(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	const struct sandbox_delivery d = { .envp = env };
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct sandbox_spec spec = spec_of(argv, null);
	(void)state;

	if (sandbox_build(&spec, &sb, &err) < 0)
		fail_msg("%s", err.msg);
	pid_t step = child_of(sb.pid);
	/* it is the last lock */
	for (int64_t until = dd_now_ms() + 20000; !status_has(step, "\nSeccomp:\t2\n");)
		if (dd_now_ms() > until)
			fail_msg("no filter");
	assert_true(status_has(step, "\nCapEff:\t0000000000000000\n"));
	assert_true(status_has(step, "\nCapPrm:\t0000000000000000\n"));
	assert_true(status_has(step, "\nCapBnd:\t0000000000000000\n"));
	assert_true(status_has(step, "\nNoNewPrivs:\t1\n"));
	if (sandbox_release(&sb, &spec, &d, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	dd_close(null);
}

static void files_that_the_spec_does_not_announce_are_not_delivered(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	const struct sandbox_secret_file file = { "token", "secret", 6, false };
	const struct sandbox_delivery d = { .envp = env, .files = &file, .n_files = 1 };
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct sandbox_spec spec = spec_of(argv, null);
	(void)state;

	for (int announced = 0; announced < 2; announced++) {
		spec.secret_files = announced;
		if (sandbox_build(&spec, &sb, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(sandbox_release(&sb, &spec, &d, &err), announced ? 0 : -EINVAL);
		assert_int_equal(sandbox_destroy(&sb, &err), 0);
	}
	dd_close(null);
}

/* ---- parked ---- */

/* A spec of nothing late, then of all: what is known when a step is parked, and when its turn
 * comes. */
struct parking {
	struct sandbox_file file;
	struct sandbox_spec spec;
	struct sandbox sb;
	int out;
	char *argv[4];
};

static char *const unknown[] = { (char *)(uintptr_t) "?", NULL };

static void park(struct parking *p)
{
	struct dd_err err = { 0 };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p->sb = (struct sandbox)SANDBOX_NONE;
	p->file = (struct sandbox_file){ .path = SANDBOX_FILES_DIR "/script", .mode = 0444 };
	p->spec = spec_of(unknown, ends[1]);
	p->spec.workdir = "/nowhere";
	p->spec.files = &p->file;
	p->spec.n_files = 1;
	if (sandbox_park(&p->spec, &p->sb, &err) != 1)
		fail_msg("%s", err.msg);
	p->out = ends[0];
	dd_close(ends[1]);
}

/* Its turn has come: it runs @script, in @workdir. */
static int take_over(struct parking *p, const char *script, const char *workdir, struct dd_err *err)
{
	const struct sandbox_delivery d = { .envp = env };

	p->argv[0] = (char *)(uintptr_t) "/bin/sh";
	p->argv[1] = (char *)(uintptr_t)SANDBOX_FILES_DIR "/script";
	p->spec.argv = p->argv;
	p->spec.workdir = workdir;
	p->file.content = script;
	p->file.len = strlen(script);
	int r = sandbox_unpark(&p->spec, &p->sb, err);
	if (r == 0)
		r = sandbox_built(&p->spec, &p->sb, err);
	return r < 0 ? r : sandbox_release(&p->sb, &p->spec, &d, err);
}

static void a_parked_sandbox_runs_what_comes_only_with_its_turn(void **state)
{
	struct parking p = { .out = -1 };
	struct dd_err err = { 0 };
	(void)state;

	run_ok("mkdir -p /w/late", NULL); /* and so there is a zygote */
	park(&p);
	assert_int_equal(p.sb.pid, 0);
	if (take_over(&p, "pwd; cat $0 | wc -c", "/w/late", &err) < 0)
		fail_msg("%s", err.msg);
	hear(p.out);
	assert_string_equal(out, "/w/late\n19\n");
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);
}

static void without_a_zygote_of_its_tree_nothing_is_parked(void **state)
{
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	struct sandbox_spec spec = spec_of(unknown, 1);
	size_t fds = count_fds(), children = count_children();
	(void)state;

	assert_int_equal(sandbox_park(&spec, &sb, &err), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_children(), children);
	assert_null(sb.asked_of);
}

static void a_parked_sandbox_is_for_no_step_that_differs_in_what_it_may(void **state)
{
	struct sandbox_file other_file = { SANDBOX_FILES_DIR "/other", "", 0, 0444 };
	struct sandbox_spec other[10];
	struct parking p = { .out = -1 };
	struct dd_err err = { 0 };
	(void)state;

	run_ok(":", NULL);
	park(&p);
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = p.spec;
	other[0].name = "other";
	other[1].secret_files = true;
	other[2].terminal = true;
	other[3].limits.pids = 7;
	other[4].limits.file_size_bytes = 7;
	other[5].files = &other_file;
	other[6].n_files = 0;
	other[7].n_mounts--;
	other[8].stdin_fd = 5;
	other[9].landlock_abi_min = 3;
	assert_true(sandbox_fits(&p.sb, &p.spec));
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (sandbox_fits(&p.sb, &other[i]))
			fail_msg("it fits %zu", i);
	/* and what the caller did not ask about is not believed */
	assert_int_equal(sandbox_unpark(&other[0], &p.sb, &err), -EINVAL);
	hear(p.out);
	assert_string_equal(out, "");
}

static void a_parked_sandbox_does_not_fit_when_a_directory_of_it_is_another_by_now(void **state)
{
	char old[sizeof(work) + 8];
	struct parking p = { .out = -1 };
	struct dd_err err = { 0 };
	(void)state;

	run_ok(":", NULL);
	park(&p);
	(void)snprintf(old, sizeof(old), "%s.old", work);
	assert_int_equal(rename(work, old), 0);
	assert_int_equal(mkdir(work, 0755), 0);
	assert_false(sandbox_fits(&p.sb, &p.spec));
	assert_int_equal(rmdir(work), 0);
	assert_int_equal(rename(old, work), 0);
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);
	hear(p.out);
	assert_string_equal(out, "");
}

/* The step before has the tree to itself until it ends. */
static void a_parked_sandbox_walks_to_its_working_directory_when_its_turn_comes_F08(void **state)
{
	struct parking p = { .out = -1 };
	struct dd_err err = { 0 };
	(void)state;

	run_ok("mkdir -p /w/d; echo old >/w/d/name", NULL);
	park(&p);
	run_apart("mv /w/d /w/gone; mkdir /w/d; echo new >/w/d/name");
	if (take_over(&p, "cat name; pwd", "/w/d", &err) < 0)
		fail_msg("%s", err.msg);
	hear(p.out);
	assert_string_equal(out, "new\n/w/d\n");
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);

	park(&p);
	run_apart("rm -r /w/d; ln -s /proc/1/root /w/d");
	assert_int_equal(take_over(&p, "echo ran", "/w/d", &err), -ENOTDIR);
	hear(p.out);
	assert_string_equal(out, "");
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);

	park(&p);
	run_apart("rm /w/d");
	assert_int_equal(take_over(&p, "echo ran", "/w/d", &err), -ENOTDIR);
	hear(p.out);
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);
}

static void what_is_parked_and_never_used_leaves_nothing(void **state)
{
	struct parking p = { .out = -1 };
	struct dd_err err = { 0 };
	(void)state;

	run_ok(":", NULL);
	size_t fds = count_fds();
	for (int i = 0; i < 20; i++) {
		park(&p);
		if (sandbox_destroy(&p.sb, &err) < 0)
			fail_msg("%s", err.msg);
		hear(p.out); /* whoever could write is gone */
	}
	assert_int_equal(count_fds(), fds);
	run_ok("echo ran", NULL);
	assert_string_equal(out, "ran\n");
}

/* Its group is killed as soon as the answer is heard, with the maker of its launcher, if that has
 * not ended yet: hence so many. */
static void what_is_said_of_a_parked_sandbox_that_went_is_no_answer_for_the_next(void **state)
{
	struct dd_err err = { 0 };
	char job[256], name[32];
	(void)state;

	(void)snprintf(name, sizeof(name), "zygote-%d", (int)getpid());
	assert_int_equal(cgroup_job_plan(name, job, &err), 0);
	assert_int_equal(cgroup_job_make(job, &err), 0);
	if (!job[0]) {
		print_message("SKIPPED: no cgroup v2 directory is delegated to this user\n");
		skip();
	}
	run_ok(":", NULL);
	for (int i = 0; i < 60; i++) {
		struct sandbox parked = SANDBOX_NONE, next = SANDBOX_NONE;
		struct sandbox_spec spec = spec_of(unknown, 1);
		spec.cgroup_parent = job;
		if (sandbox_park(&spec, &parked, &err) != 1 || sandbox_destroy(&parked, &err) < 0 ||
		    sandbox_build(&spec, &next, &err) < 0 || sandbox_destroy(&next, &err) < 0) {
			(void)cgroup_job_remove(job, NULL);
			fail_msg("after %d: %s", i, err.msg);
		}
	}
	assert_int_equal(cgroup_job_remove(job, &err), 0);
}

static void a_supervisor_that_dies_with_one_parked_leaves_none_G07(void **state)
{
	struct parking p = { .out = -1 };
	int lives[2];
	(void)state;

	assert_int_equal(pipe2(lives, O_CLOEXEC), 0);
	pid_t supervisor = fork();
	assert_true(supervisor >= 0);
	if (supervisor == 0) {
		struct dd_err err = { 0 };
		run_ok(":", NULL);
		struct sandbox_spec spec = spec_of(unknown, lives[1]);
		if (sandbox_park(&spec, &p.sb, &err) == 1 && write(lives[1], "p", 1) == 1)
			(void)pause();
		_exit(1);
	}
	dd_close(lives[1]);
	char byte = 0;
	assert_int_equal(read(lives[0], &byte, 1), 1);
	assert_int_equal(byte, 'p');
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	hear(lives[0]); /* its end: nobody holds the output of the parked step any more */
	assert_string_equal(out, "");
}

/* The one that runs is alone: it counts its own processes, sees its own, reaches its own. */
static void a_step_neither_sees_nor_pays_for_the_one_that_is_parked_P02_R01(void **state)
{
	struct parking p = { .out = -1 };
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	const struct sandbox_delivery d = { .envp = env };
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		               (char *)(uintptr_t) "set -- /proc/[0-9]*; echo $#;"
		                                   "sleep 9 & sleep 9 & echo two; sleep 0;"
		                                   "kill -9 -1; echo alone",
		               NULL };
	int ends[2];
	(void)state;

	run_ok(":", NULL);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct sandbox_spec spec = spec_of(argv, ends[1]);
	spec.limits.pids = 4; /* the shell, two that sleep, one that comes and goes */
	if (sandbox_build(&spec, &sb, &err) < 0)
		fail_msg("%s", err.msg);
	park(&p);
	/* it stands before the other runs */
	struct pollfd built = { .fd = p.sb.ctl, .events = POLLIN };
	assert_int_equal(poll(&built, 1, 20000), 1);
	if (sandbox_release(&sb, &spec, &d, &err) < 0)
		fail_msg("%s", err.msg);
	dd_close(ends[1]);
	hear(ends[0]);
	/* init and the shell; SIGKILL spares the caller and whoever is not there */
	assert_string_equal(out, "2\ntwo\nalone\n");
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	if (take_over(&p, "echo unharmed", "/w", &err) < 0)
		fail_msg("%s", err.msg);
	hear(p.out);
	assert_string_equal(out, "unharmed\n");
	assert_int_equal(sandbox_destroy(&p.sb, &err), 0);
}

static void every_fault_of_parking_ends_the_step_and_none_falls_back_X09(void **state)
{
	static const char *const points[] = { "park", "zygote_request", "unpark" };
	(void)state;

	run_ok(":", NULL);
	size_t fds = count_fds();
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct parking p = { .out = -1 };
		struct dd_err err = { 0 };
		const bool late = i == 2;
		if (late)
			park(&p);
		assert_int_equal(setenv("DRYDOCK_FAULT", points[i], 1), 0);
		dd_fault_init();
		int r;
		if (late) {
			r = take_over(&p, "echo ran", "/w", &err);
			hear(p.out);
		} else {
			p.spec = spec_of(unknown, 1);
			p.sb = (struct sandbox)SANDBOX_NONE;
			r = sandbox_park(&p.spec, &p.sb, &err);
			*out = '\0';
		}
		assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
		dd_fault_init();
		if (r >= 0 || *out || !*err.msg)
			fail_msg("with %s taken away it went on", points[i]);
	}
	assert_int_equal(count_fds(), fds);
}

static void a_zygote_that_is_begun_ahead_serves_the_first_sandbox_of_its_tree(void **state)
{
	struct sandbox_spec spec = spec_of(unknown, 1);
	struct dd_err err = { 0 };
	(void)state;

	assert_int_equal(sandbox_zygote_ahead(&spec, &err), 0);
	assert_int_equal(count_children(), 1);
	run_ok("echo ran", NULL);
	assert_string_equal(out, "ran\n");
	assert_int_equal(count_children(), 1); /* no second one */
}

static void a_zygote_that_could_not_be_begun_ahead_ends_the_first_step_with_its_reason_X09(
	void **state)
{
	static const char *const points[] = { "zygote", "zygote_maps", "open_tree", "pivot_root" };
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct sandbox_spec spec = spec_of(unknown, 1);
		struct sandbox sb = SANDBOX_NONE;
		struct dd_err err = { 0 };
		int fd;
		assert_int_equal(setenv("DRYDOCK_FAULT", points[i], 1), 0);
		dd_fault_init();
		assert_int_equal(sandbox_zygote_ahead(&spec, &err), 0);
		/* nothing is taken away any more: it is not tried again in silence */
		assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
		dd_fault_init();
		int r = start("echo ran", NULL, &sb, &fd, &err);
		hear(fd);
		if (r >= 0 || *out || !*err.msg)
			fail_msg("with %s taken away the step ran", points[i]);
		assert_int_equal(count_children(), 0);
		run_ok("echo ran", NULL);
		assert_string_equal(out, "ran\n");
		sandbox_zygotes_free(zygotes);
		assert_int_equal(sandbox_zygotes_new(&zygotes, &err), 0);
	}
}

/* ---- ends ---- */

static void a_zygote_that_ends_takes_its_steps_along_and_the_next_step_gets_another(void **state)
{
	struct sandbox one = SANDBOX_NONE, none = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd, other;
	(void)state;

	if (start("exec sleep 1000", NULL, &one, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	pid_t zygote = parent_of(one.pid);
	assert_int_equal(kill(zygote, SIGKILL), 0);
	struct pollfd gone = { .fd = one.pidfd, .events = POLLIN };
	assert_int_equal(poll(&gone, 1, 10000), 1);
	hear(fd);
	assert_int_equal(sandbox_destroy(&one, &err), 0);

	/* it is not tried twice in silence: this step ends */
	assert_true(start("echo ran", NULL, &none, &other, &err) < 0);
	assert_non_null(strstr(err.msg, "zygote"));
	hear(other);
	assert_string_equal(out, "");
	run_ok("echo ran", NULL);
	assert_string_equal(out, "ran\n");
}

static void a_supervisor_that_dies_leaves_neither_zygote_nor_step_G07(void **state)
{
	int fds[2];
	pid_t pids[2];
	(void)state;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t supervisor = fork();
	assert_true(supervisor >= 0);
	if (supervisor == 0) {
		struct sandbox sb = SANDBOX_NONE;
		struct dd_err err = { 0 };
		int fd;
		if (start("trap '' TERM HUP; sleep 1000", NULL, &sb, &fd, &err) < 0)
			_exit(1);
		const pid_t mine[] = { sb.pid, parent_of(sb.pid) };
		if (write(fds[1], mine, sizeof(mine)) == sizeof(mine))
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], pids, sizeof(pids)), sizeof(pids));
	struct pollfd p[] = { { .fd = pidfd_open(pids[0], 0), .events = POLLIN },
		              { .fd = pidfd_open(pids[1], 0), .events = POLLIN } };
	assert_true(p[0].fd >= 0 && p[1].fd >= 0);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		assert_int_equal(poll(&p[i], 1, 10000), 1);
		dd_close(p[i].fd);
	}
	dd_close(fds[0]);
	dd_close(fds[1]);
}

static void every_fault_of_a_zygote_ends_the_step_and_none_falls_back_X09(void **state)
{
	static const char *const points[] = { "zygote", "zygote_maps",  "zygote_request", "clone3",
		                              "maps",   "cgroup_clone", "files_cover" };
	const struct sandbox_file file = { SANDBOX_FILES_DIR "/script", "", 0, 0444 };
	(void)state;

	for (size_t standing = 0; standing < 2; standing++) {
		size_t fds = count_fds(), children = count_children();
		for (size_t i = 0; i < ARRAY_LEN(points); i++) {
			struct sandbox sb = SANDBOX_NONE;
			struct dd_err err = { 0 };
			int fd;
			/* one that stands already took its own faults along when it began */
			if (standing && i != 2)
				continue;
			assert_int_equal(setenv("DRYDOCK_FAULT", points[i], 1), 0);
			dd_fault_init();
			int r = start("echo ran", &file, &sb, &fd, &err);
			assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
			dd_fault_init();
			hear(fd);
			if (r >= 0 || *out || !*err.msg)
				fail_msg("with %s taken away the step ran", points[i]);
			sandbox_zygotes_free(standing ? NULL : zygotes);
			if (!standing)
				assert_int_equal(sandbox_zygotes_new(&zygotes, &err), 0);
		}
		assert_int_equal(count_fds(), fds);
		assert_int_equal(count_children(), children);
		run_ok("echo ran", NULL);
		assert_string_equal(out, "ran\n");
	}
}

/* It ends while its maps are written: whose files vanish is not what the person must know. */
static void a_launcher_that_fails_says_why_itself(void **state)
{
	(void)state;

	assert_int_equal(setenv("DRYDOCK_FAULT", "nftables", 1), 0);
	dd_fault_init();
	for (size_t i = 0; i < 30; i++) {
		struct sandbox sb = SANDBOX_NONE;
		struct dd_err err = { 0 };
		int fd;
		int r = start("echo ran", NULL, &sb, &fd, &err);
		hear(fd);
		if (r >= 0 || !strstr(err.msg, "nftables"))
			fail_msg("%zu: %s", i, err.msg);
	}
	assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
	dd_fault_init();
}

static void a_step_that_is_too_long_for_its_delivery_is_refused_and_the_next_one_runs(void **state)
{
	const size_t len = 9u << 20;
	char *text = calloc(1, len);
	struct sandbox_file file = { SANDBOX_FILES_DIR "/script", text, 3u << 20, 0444 };
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err err = { 0 };
	int fd;
	(void)state;

	assert_non_null(text);
	memset(text, 'x', len - 1);
	assert_int_equal(start(text, &file, &sb, &fd, &err), -E2BIG);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	hear(fd);
	run_ok("wc -c <" SANDBOX_FILES_DIR "/script", &file);
	assert_string_equal(out, "3145728\n");
	free(text);
}

/* Below the read-only mount lies one that is not: it was needed to open the files. */
static void nothing_of_a_step_can_write_its_files_or_reach_what_is_below_them(void **state)
{
	const struct sandbox_file file = { SANDBOX_FILES_DIR "/script", "text", 4, 0444 };
	(void)state;

	run_ok("d=" SANDBOX_FILES_DIR "; cat $d/script;"
	       "for f in /proc/self/fd/*; do case $(readlink $f) in $d*) echo open;; esac; done;"
	       "chmod 600 $d/script 2>/dev/null && echo chmod; (echo y >$d/script) 2>/dev/null && "
	       "echo wrote; (>$d/new) 2>/dev/null && echo made; mv $d/script $d/x 2>/dev/null && "
	       "echo moved; umount $d 2>/dev/null && echo off; mount -o remount,rw $d 2>/dev/null "
	       "&& "
	       "echo rw; :",
	       &file);
	assert_string_equal(out, "text");
}

static void a_file_of_a_step_lies_in_its_directory_or_is_refused(void **state)
{
	static const char *const elsewhere[] = {
		"/etc/passwd",           SANDBOX_FILES_DIR,        SANDBOX_FILES_DIR "/",
		SANDBOX_FILES_DIR "/..", SANDBOX_FILES_DIR "/a/b", SANDBOX_FILES_DIR "/../cred/x"
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		const struct sandbox_file file = { elsewhere[i], "x", 1, 0444 };
		struct sandbox sb = SANDBOX_NONE;
		struct dd_err err = { 0 };
		int fd;
		assert_int_equal(start("echo ran", &file, &sb, &fd, &err), -EINVAL);
		hear(fd);
		assert_string_equal(out, "");
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, make_world, remove_world)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(steps_of_one_tree_come_from_one_zygote_and_those_of_another_do_not),
		T(a_directory_that_is_another_by_now_makes_another_tree),
		T(zygotes_that_nobody_asks_any_more_end_and_leave_nothing),
		T(a_step_finds_nothing_of_the_one_before_but_what_lies_in_its_places),
		T(two_steps_at_once_see_neither_process_nor_memory_of_each_other),
		T(what_steps_share_stays_as_it_is_even_for_one_with_every_capability_F01),
		T(no_step_can_see_or_reach_the_job_s_own_proc_P02),
		T(what_waits_for_the_delivery_has_every_lock_on_P07),
		T(files_that_the_spec_does_not_announce_are_not_delivered),
		T(a_parked_sandbox_runs_what_comes_only_with_its_turn),
		T(without_a_zygote_of_its_tree_nothing_is_parked),
		T(a_parked_sandbox_is_for_no_step_that_differs_in_what_it_may),
		T(a_parked_sandbox_does_not_fit_when_a_directory_of_it_is_another_by_now),
		T(a_parked_sandbox_walks_to_its_working_directory_when_its_turn_comes_F08),
		T(what_is_parked_and_never_used_leaves_nothing),
		T(what_is_said_of_a_parked_sandbox_that_went_is_no_answer_for_the_next),
		T(a_supervisor_that_dies_with_one_parked_leaves_none_G07),
		T(a_step_neither_sees_nor_pays_for_the_one_that_is_parked_P02_R01),
		T(every_fault_of_parking_ends_the_step_and_none_falls_back_X09),
		T(a_zygote_that_is_begun_ahead_serves_the_first_sandbox_of_its_tree),
		T(a_zygote_that_could_not_be_begun_ahead_ends_the_first_step_with_its_reason_X09),
		T(a_zygote_that_ends_takes_its_steps_along_and_the_next_step_gets_another),
		T(a_supervisor_that_dies_leaves_neither_zygote_nor_step_G07),
		T(every_fault_of_a_zygote_ends_the_step_and_none_falls_back_X09),
		T(a_launcher_that_fails_says_why_itself),
		T(a_step_that_is_too_long_for_its_delivery_is_refused_and_the_next_one_runs),
		T(nothing_of_a_step_can_write_its_files_or_reach_what_is_below_them),
		T(a_file_of_a_step_lies_in_its_directory_or_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("zygote", tests, suite_setup, suite_teardown);
}
