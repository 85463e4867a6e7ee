// SPDX-License-Identifier: Apache-2.0
/* sandbox_test.c - real sandboxes, probed from inside by shell scripts; each name says what must
 * hold, with the id of its case.
 *
 * Runs as root (identity range) and as an ordinary user (range or single). Everything it makes lies
 * below one directory of its own.
 */
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static struct identity self;
static struct net_plan *plan;
static struct seccomp_program *prog;
static uid_t step_uid;
static gid_t step_gid;
static char base[64]; /* of this run; holds the workspace */
static char work[96];
static char tmp[96], var_tmp[96]; /* what a sandbox sees at /tmp and /var/tmp when its mounts say
                                   nothing else */
static char out[256 * 1024];

/* ---- harness ---- */

static int make_place(const char *path)
{
	return mkdir(path, 0755) < 0 || chown(path, step_uid, step_gid) < 0 ? -1 : 0;
}

static int remove_place(const char *path)
{
	DIR *dir = opendir(path);
	for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
		(void)unlinkat(dirfd(dir), e->d_name, 0); /* files; "." and ".." stay */
	if (dir)
		(void)closedir(dir);
	return rmdir(path);
}

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
	(void)snprintf(base, sizeof(base), "/tmp/drydock-sandbox-test.%d", (int)getpid());
	(void)snprintf(work, sizeof(work), "%s/work", base);
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", base);
	(void)snprintf(var_tmp, sizeof(var_tmp), "%s/var-tmp", base);
	return mkdir(base, 0755) < 0 || make_place(work) < 0 || make_place(tmp) < 0 ||
	                       make_place(var_tmp) < 0
	               ? -1
	               : 0;
}

static int suite_teardown(void **state)
{
	char link[128];
	(void)state;
	(void)snprintf(link, sizeof(link), "%s/link", base);
	(void)unlink(link);
	net_plan_free(plan);
	seccomp_program_free(prog);
	return remove_place(work) < 0 || remove_place(tmp) < 0 || remove_place(var_tmp) < 0 ||
	                       rmdir(base) < 0
	               ? -1
	               : 0;
}

struct run {
	const char *script; /* for /bin/sh -c */
	char *const *argv;  /* instead of it */
	const struct sandbox_mount *mounts;
	size_t n_mounts;
	const char *workdir;
	const char *root;
	struct sandbox_limits limits;
	const struct sandbox_secret_file *files;
	size_t n_files;
	bool released;                /* out: exec happened */
	struct sandbox_status status; /* out */
	struct dd_err err;            /* out */
};

static const struct sandbox_mount temporary[] = {
	{ .source = tmp, .target = "/tmp", .flags = SANDBOX_MOUNT_RW },
	{ .source = var_tmp, .target = "/var/tmp", .flags = SANDBOX_MOUNT_RW },
};

static struct sandbox_spec spec_of(const struct run *run, char *const argv[], int fd)
{
	return (struct sandbox_spec){
		.identity = &self,
		.step_uid = step_uid,
		.step_gid = step_gid,
		.hostname = "box",
		.root = run->root,
		.mounts = run->n_mounts ? run->mounts : temporary,
		.n_mounts = run->n_mounts ? run->n_mounts : ARRAY_LEN(temporary),
		.workdir = run->workdir ? run->workdir : "/tmp",
		.argv = argv,
		.seccomp = prog,
		.secret_files = run->n_files > 0,
		.limits = run->limits,
		.net = plan,
		.name = "test",
		.stdout_fd = fd,
		.stderr_fd = fd,
	};
}

static void read_output(int fd)
{
	size_t len = 0;
	ssize_t n;
	do {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 20000) != 1)
			fail_msg("the output has no end: somebody still holds it open (P-11)");
		n = read(fd, out + len, sizeof(out) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	out[len] = '\0';
}

static char *const test_env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
	                          (char *)(uintptr_t) "CANARY=c-02-value", NULL };

/* Build, release, collect output into `out`, wait for the status, destroy. 0 or the error of the
 * first of them. */
static int run_step(struct run *run)
{
	char *const shell[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		                (char *)(uintptr_t)run->script, NULL };
	struct sandbox sb = SANDBOX_NONE;
	struct dd_err late = { 0 };
	int pipe_fds[2];

	out[0] = '\0';
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	struct sandbox_spec spec = spec_of(run, run->argv ? run->argv : shell, pipe_fds[1]);
	int r = sandbox_build(&spec, &sb, &run->err);
	dd_close(pipe_fds[1]);
	if (r == 0) {
		const struct sandbox_delivery d = { .envp = test_env,
			                            .files = run->files,
			                            .n_files = run->n_files };
		r = sandbox_release(&sb, &spec, &d, &run->err);
		run->released = r == 0;
	}
	if (r == 0) {
		read_output(pipe_fds[0]);
		struct pollfd p = { .fd = sb.ctl, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(sandbox_recv_status(&sb, &run->status, &late), 1);
	} else {
		read_output(pipe_fds[0]);
	}
	dd_close(pipe_fds[0]);
	if (sandbox_destroy(&sb, &late) < 0)
		fail_msg("%s", late.msg);
	return r;
}

/* The script must end with 0; its output is in `out`. */
static void run_ok(const char *script)
{
	struct run run = { .script = script };
	if (run_step(&run) < 0)
		fail_msg("%s", run.err.msg);
	if (!run.status.exited || run.status.code != 0)
		fail_msg("script ended with %d/%d: %s", run.status.code, run.status.signal, out);
}

static void run_in_work(const char *script)
{
	const struct sandbox_mount mounts[] = {
		{ .source = work, .target = "/home/runner/work", .flags = SANDBOX_MOUNT_RW }
	};
	struct run run = {
		.script = script, .mounts = mounts, .n_mounts = 1, .workdir = "/home/runner/work"
	};
	if (run_step(&run) < 0)
		fail_msg("%s", run.err.msg);
	if (!run.status.exited || run.status.code != 0)
		fail_msg("script ended with %d/%d: %s", run.status.code, run.status.signal, out);
}

static void refused(struct run *run, const char *word)
{
	int r = run_step(run);
	assert_true(r < 0);
	if (!strstr(run->err.msg, word))
		fail_msg("'%s' is not in: %s", word, run->err.msg);
	assert_string_equal(out, "");
}

/* ---- what a step is ---- */

static void a_step_has_our_pid_1_no_capability_no_new_privs_and_a_filter_P07(void **state)
{
	(void)state;
	run_ok("set -e; test $(cat /proc/1/comm) = drydock-init; grep -q 'NoNewPrivs:.1' "
	       "/proc/self/status;"
	       "grep -q 'Seccomp:.2' /proc/self/status;"
	       "test $(grep -c 'Cap....*0000000000000000' /proc/self/status) = 5; id -u; id -g");
	assert_string_equal(out, "1001\n1001\n");
}

static void a_step_sees_no_foreign_process_P02(void **state)
{
	(void)state;
	run_ok("cd /proc; for p in [0-9]*; do test $p = 1 || test $p = 2 || echo $p; done");
	assert_string_equal(out, "");
	run_ok("for f in mem maps environ fd/0 root/etc exe cwd; do head -c1 /proc/1/$f >/dev/null "
	       "2>&1 && echo $f; done;"
	       "ls /proc/1/fd 2>/dev/null; tr -d '\\0' </proc/1/cmdline");
	assert_string_equal(out, "drydock-init");
}

static void a_step_inherits_exactly_descriptors_0_1_2_P06_F08(void **state)
{
	(void)state;
	/* test(1) is built in, so that the shell opens nothing of its own while it looks. */
	run_ok("for i in $(seq 0 1024); do test -h /proc/$$/fd/$i && echo $i; done; readlink "
	       "/proc/$$/fd/0");
	assert_string_equal(out, "0\n1\n2\n/dev/null\n");
}

static void a_step_has_no_controlling_terminal_and_its_own_session_P05(void **state)
{
	(void)state;
	run_ok("cat /dev/tty 2>/dev/null && echo tty; set -- $(cat /proc/$$/stat); echo $6 $7");
	assert_string_equal(out, "2 0\n");
}

static void a_step_starts_with_default_signals_and_an_empty_mask(void **state)
{
	(void)state;
	sigset_t usr1;
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL);
	(void)signal(SIGUSR2, SIG_IGN);
	struct run run = {
		.script =
			"grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -v 0000000000000000; true"
	};
	int r = run_step(&run);
	(void)signal(SIGUSR2, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	assert_int_equal(r, 0);
	assert_string_equal(out, "");
}

static void a_step_is_another_host_uid_than_the_supervisor_and_never_root(void **state)
{
	struct run run = { .script = "true" };
	char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	struct sandbox sb = SANDBOX_NONE;
	(void)state;

	struct sandbox_spec spec = spec_of(&run, argv, 1);
	spec.step_uid = 0;
	assert_int_equal(sandbox_build(&spec, &sb, &run.err), -EPERM);
	assert_non_null(strstr(run.err.msg, "never"));
	spec = spec_of(&run, argv, 1);
	spec.step_gid = 0;
	assert_int_equal(sandbox_build(&spec, &sb, &run.err), -EPERM);
}

/* ---- files ---- */

static void a_step_sees_only_the_listed_top_directories_F02(void **state)
{
	(void)state;
	run_ok("cd /; for d in *; do case $d in bin|sbin|lib*|usr|etc|dev|proc|run|tmp|var|mnt) ;; "
	       "*) echo $d;; esac; done;"
	       "ls -A /mnt /run/drydock/cred; ls -A /run");
	assert_string_equal(out, "/mnt:\n\n/run/drydock/cred:\ndrydock\n");
	run_ok("for f in /root /home /etc/shadow /etc/gshadow /etc/ssh /etc/ssl/private "
	       "/etc/apt/auth.conf /etc/gitconfig /sys/kernel "
	       "/var/lib/docker /run/systemd /run/dbus /boot /opt /srv; do test -e $f && echo $f; "
	       "done; true");
	assert_string_equal(out, "");
}

static void writing_outside_tmp_and_workspace_is_refused_F01(void **state)
{
	(void)state;
	run_ok("for d in / /usr /usr/bin /etc /etc/ssl/certs /etc/alternatives /var /run "
	       "/run/drydock/cred /dev /home /var/lib/dpkg /proc/sys; do "
	       "(: >$d/x) 2>/dev/null && echo $d; done; (: >/etc/passwd) 2>/dev/null && echo "
	       "passwd;"
	       "touch /tmp/a /var/tmp/b /dev/shm/c && ls /tmp /var/tmp /dev/shm");
	assert_string_equal(out, "/dev/shm:\nc\n\n/tmp:\na\n\n/var/tmp:\nb\n");
}

static void made_up_etc_files_point_to_the_gate(void **state)
{
	(void)state;
	run_ok("grep -c 'nameserver 198.18.0.1' /etc/resolv.conf; grep hosts: /etc/nsswitch.conf; "
	       "id -un; cat /etc/hostname; uname -n");
	assert_string_equal(out, "1\nhosts: files dns\nrunner\nbox\nbox\n");
}

/* What covers a file of /proc is /dev/null, which a write only goes nowhere through. */
#define BUT_NULL                                                                                   \
	"case $t in /proc/*) test -c $t && test $(stat -c %t:%T $t) = 1:3 && continue;; esac;"

static void every_mount_is_nosuid_and_all_but_six_devices_nodev_F10(void **state)
{
	(void)state;
	run_ok("while read s t f o r; do case ,$o, in *,nosuid,*) ;; *) echo suid $t;; "
	       "esac;" BUT_NULL "case ,$o, in *,nodev,*) ;; *) echo $t;; esac; done </proc/mounts "
	       "| grep -v '^/dev/'; true");
	assert_string_equal(out, "");
}

/* By the mount flags themselves: Landlock and the uid would also refuse a write, and this lock must
 * hold alone. */
static void every_mount_but_places_proc_and_terminals_is_read_only_F01_P08(void **state)
{
	(void)state;
	run_ok("while read s t f o r; do " BUT_NULL "case ,$o, in *,rw,*) echo $t;; esac; done "
	       "</proc/mounts | grep -v -e '^/dev/' -e '^/tmp$' -e '^/var/tmp$' -e '^/proc$'; "
	       "true");
	assert_string_equal(out, "");
}

static void the_workspace_is_writable_and_setuid_bits_have_no_effect_F10_F05(void **state)
{
	char path[128];
	struct stat st;
	(void)state;

	run_in_work("cp /bin/true setuid && chmod 4755 setuid 2>/dev/null; ln /usr/bin/su link "
	            "2>/dev/null && echo linked;"
	            "mknod dev c 1 3 2>/dev/null && echo mknod; grep ' /home/runner/work ' "
	            "/proc/mounts | grep -c nosuid,nodev; ls");
	assert_string_equal(out, "1\nsetuid\n");
	(void)snprintf(path, sizeof(path), "%s/setuid", work);
	assert_int_equal(stat(path, &st), 0);
	assert_int_not_equal(st.st_uid, 0);
	assert_int_equal(st.st_uid, step_uid);
	assert_int_equal(unlink(path), 0);
}

static void mounting_from_inside_is_refused_F13(void **state)
{
	(void)state;
	run_ok("mount -t tmpfs x /tmp 2>/dev/null && echo mount; umount /proc/sys 2>/dev/null && "
	       "echo umount;"
	       "umount -l /usr 2>/dev/null && echo umount; unshare -m true 2>/dev/null && echo "
	       "unshare;"
	       "mount -o remount,rw / 2>/dev/null && echo remount; true");
	assert_string_equal(out, "");
}

static void a_symlinked_mount_source_is_refused_F06(void **state)
{
	char link[96], below[128];
	(void)state;

	(void)snprintf(link, sizeof(link), "%s/link", base);
	(void)snprintf(below, sizeof(below), "%s/work/..", link);
	assert_int_equal(symlink("/etc", link), 0);
	struct sandbox_mount m = { .source = link, .target = "/w", .flags = SANDBOX_MOUNT_RW };
	struct run run = { .script = "echo ran", .mounts = &m, .n_mounts = 1 };
	refused(&run, "symbolic link");
	(void)snprintf(below, sizeof(below), "%s/ssl", link);
	m.source = below;
	struct run deeper = { .script = "echo ran", .mounts = &m, .n_mounts = 1 };
	refused(&deeper, "symbolic link");
	assert_int_equal(unlink(link), 0);
}

static void a_mount_target_through_a_symlink_is_refused_and_nothing_is_made_behind_it_F06(
	void **state)
{
	char link[128], made[128];
	(void)state;

	(void)snprintf(link, sizeof(link), "%s/link", work);
	(void)snprintf(made, sizeof(made), "%s/made", base);
	assert_int_equal(symlink(base, link), 0);
	const struct sandbox_mount mounts[] = {
		{ .source = work, .target = "/w", .flags = SANDBOX_MOUNT_RW },
		{ .source = work, .target = "/w/link/made", .flags = SANDBOX_MOUNT_RW },
	};
	struct run run = { .script = "echo ran", .mounts = mounts, .n_mounts = 2 };
	refused(&run, "symbolic link");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(access(made, F_OK), -1);

	const struct sandbox_mount nested[] = {
		{ .source = work, .target = "/w", .flags = SANDBOX_MOUNT_RW },
		{ .source = work, .target = "/w/made", .flags = SANDBOX_MOUNT_RW },
	};
	struct run into = { .script = "echo ran", .mounts = nested, .n_mounts = 2 };
	refused(&into, "nothing is created in host trees");
	(void)snprintf(made, sizeof(made), "%s/made", work);
	assert_int_equal(access(made, F_OK), -1);

	const struct sandbox_mount lib = { .source = work, .target = "/lib/x", .flags = 0 };
	struct run through = { .script = "echo ran", .mounts = &lib, .n_mounts = 1 };
	refused(&through, "mount target /lib/x");
	const struct sandbox_mount dots = { .source = work, .target = "/a/../../b", .flags = 0 };
	struct run up = { .script = "echo ran", .mounts = &dots, .n_mounts = 1 };
	refused(&up, "..");
}

/* A root tree as the supervisor makes it: its own, with two places of the step's. */
static char tree[96], tree_a[128], tree_b[128];
static const struct sandbox_mount places[] = {
	{ .source = tree_a, .target = "/a", .flags = SANDBOX_MOUNT_RW | SANDBOX_MOUNT_PLACE },
	{ .source = tree_b, .target = "/b", .flags = SANDBOX_MOUNT_RW | SANDBOX_MOUNT_PLACE },
};

static int make_tree(void **state)
{
	(void)state;
	(void)snprintf(tree, sizeof(tree), "%s/tree", base);
	(void)snprintf(tree_a, sizeof(tree_a), "%s/a", tree);
	(void)snprintf(tree_b, sizeof(tree_b), "%s/b", tree);
	return mkdir(tree, 0755) < 0 || make_place(tree_a) < 0 || make_place(tree_b) < 0 ? -1 : 0;
}

static int remove_tree_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_tree(void **state)
{
	(void)state;
	return nftw(tree, remove_tree_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct run in_tree(const char *script)
{
	return (struct run){
		.script = script, .mounts = places, .n_mounts = 2, .workdir = "/a", .root = tree
	};
}

static void a_root_tree_holds_places_between_which_files_are_renamed(void **state)
{
	struct run first = in_tree("echo x >/a/f && ln /a/f /b/l && perl -e 'rename \"/a/f\", "
	                           "\"/b/f\" or die $!' && stat -c %h /b/f; cut -d' ' -f5 "
	                           "</proc/self/mountinfo | grep -c '^/[ab]$'");
	struct run second = in_tree("cat /b/l; cd /; for d in *; do echo $d; done | tr '\n' ' '");
	(void)state;
	assert_int_equal(run_step(&first), 0);
	assert_string_equal(out, "2\n0\n");
	/* the same tree again: what set-up made in it is there already */
	assert_int_equal(run_step(&second), 0);
	assert_non_null(strstr(out, "x\na b bin dev etc "));
}

static void a_root_tree_is_writable_in_its_places_only_F01(void **state)
{
	struct run run = in_tree(
		"for d in / /etc /run /dev /mnt /tmp /var /usr /proc; do (: >$d/x) "
		"2>/dev/null && echo $d; mkdir $d/y 2>/dev/null && echo $d; done; "
		"rmdir /mnt /tmp 2>/dev/null; test -d /mnt -a -d /tmp && echo held");
	struct run mounts = in_tree("while read s t f o r; do " BUT_NULL
	                            "case ,$o, in *,rw,*) echo "
	                            "$t;; esac; done </proc/mounts | grep -v -e '^/dev/' -e "
	                            "'^/proc$'");
	(void)state;
	assert_int_equal(run_step(&run), 0);
	assert_string_equal(out, "held\n");
	assert_int_equal(run_step(&mounts), 0);
	assert_string_equal(out, "/\n");
}

static void a_link_in_a_root_tree_where_something_is_mounted_is_refused_F06(void **state)
{
	static const char *const names[] = { "etc", "dev", "proc", "run", "usr", "mnt" };
	char path[160];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct run run = in_tree("echo ran");
		(void)snprintf(path, sizeof(path), "%s/%s", tree, names[i]);
		assert_int_equal(symlink(work, path), 0);
		refused(&run, names[i]);
		assert_int_equal(remove_tree(state) | make_tree(state), 0);
	}
	DIR *dir = opendir(work);
	size_t n = 0;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	assert_int_equal(n, 2); /* nothing was made behind a link */
}

static void a_place_that_a_mount_would_hide_is_refused(void **state)
{
	const struct sandbox_mount mounts[] = {
		{ .source = work, .target = "/a", .flags = SANDBOX_MOUNT_RO },
		{ .source = tree_b,
		  .target = "/a/b",
		  .flags = SANDBOX_MOUNT_RW | SANDBOX_MOUNT_PLACE },
	};
	struct run run = {
		.script = "echo ran", .mounts = mounts, .n_mounts = 2, .workdir = "/", .root = tree
	};
	(void)state;
	refused(&run, "mounted over it");
}

static void a_working_directory_outside_the_root_is_refused_F08(void **state)
{
	static const char *const bad[] = {
		"/proc/self/fd/3", "/proc/self/cwd", "/nowhere", "/tmp/../..", "tmp", "/etc/passwd"
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct run run = { .script = "echo ran", .workdir = bad[i] };
		refused(&run, "working directory");
	}
}

static void the_binary_behind_pid_1_cannot_be_opened_F09(void **state)
{
	(void)state;
	run_ok("(: >>/proc/1/exe) 2>/dev/null && echo exe; (: >>/proc/self/exe) 2>/dev/null && "
	       "echo self; true");
	assert_string_equal(out, "");
}

/* ---- /proc, /dev, kernel ---- */

static void sysctls_and_kernel_files_are_read_only_or_empty_P08(void **state)
{
	(void)state;
	run_ok("for f in sys/kernel/core_pattern sys/kernel/modprobe sys/kernel/hostname "
	       "sys/net/ipv4/ip_forward sys/user/max_user_namespaces; "
	       "do (echo 1 >/proc/$f) 2>/dev/null && echo $f; done;"
	       "(echo b >/proc/sysrq-trigger) 2>/dev/null && test -s /proc/sysrq-trigger && echo "
	       "sysrq;"
	       "for f in kallsyms kmsg keys timer_list kcore; do test -e /proc/$f && head -c1 "
	       "/proc/$f; done; ls /proc/acpi /proc/scsi 2>/dev/null "
	       "| grep -v :; true");
	assert_string_equal(out, "");
}

static void nested_user_namespaces_are_off_K07(void **state)
{
	(void)state;
	run_ok("cat /proc/sys/user/max_user_namespaces /proc/sys/user/max_net_namespaces; unshare "
	       "-U true 2>/dev/null && echo nested; true");
	assert_string_equal(out, "0\n0\n");
}

static void neither_sysfs_nor_a_cgroup_tree_is_mounted_K08(void **state)
{
	(void)state;
	run_ok("grep -E ' (sysfs|cgroup2?) ' /proc/mounts; test -e /sys && echo sys; grep '^0::' "
	       "/proc/self/cgroup | grep -v '^0::/'; true");
	assert_string_equal(out, "");
}

static void proc_is_a_procfs_K10(void **state)
{
	(void)state;
	run_ok("stat -f -c %T /proc /proc/sys");
	assert_string_equal(out, "proc\nproc\n");
}

static void dev_holds_exactly_the_six_devices_and_own_terminals_K11(void **state)
{
	(void)state;
	run_ok("cd /dev; echo *; stat -c '%n %t:%T' full null random tty urandom zero; ls pts");
	assert_string_equal(
		out,
		"fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero\n"
		"full 1:7\nnull 1:3\nrandom 1:8\ntty 5:0\nurandom 1:9\nzero 1:5\nptmx\n");
}

static void ipc_objects_of_the_host_are_not_visible_S04(void **state)
{
	char host[64], inside[64];
	ssize_t n = readlink("/proc/self/ns/ipc", host, sizeof(host) - 1);
	(void)state;
	assert_true(n > 0);
	host[n] = '\0';
	run_ok("printf %s $(readlink /proc/self/ns/ipc)");
	(void)snprintf(inside, sizeof(inside), "%.63s", out);
	assert_string_not_equal(inside, host);
	run_ok("tail -n +2 /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg | grep -v -e ==  "
	       "-e '^$'; true");
	assert_string_equal(out, "");
}

/* ---- delivery, exec, limits ---- */

static void secret_files_are_private_read_only_and_never_in_the_tree_of_another_step_C10(
	void **state)
{
	const struct sandbox_secret_file file = { .name = "token", .content = "s3cret", .len = 6 };
	struct run run = {
		.script = "cat /run/drydock/cred/token; stat -c ' %a %n' /run/drydock/cred "
			  "/run/drydock/cred/token; echo $CANARY;"
			  "(: >/run/drydock/cred/y) 2>/dev/null && echo wrote; chmod 700 "
			  "/run/drydock/cred 2>/dev/null && echo chmod; true",
		.files = &file,
		.n_files = 1,
	};
	(void)state;
	assert_int_equal(run_step(&run), 0);
	assert_string_equal(
		out, "s3cret 500 /run/drydock/cred\n 400 /run/drydock/cred/token\nc-02-value\n");
	run_ok("ls -A /run/drydock/cred");
	assert_string_equal(out, "");
	const struct sandbox_secret_file bad = { .name = "../x", .content = "s", .len = 1 };
	struct run escape = { .script = "echo ran", .files = &bad, .n_files = 1 };
	refused(&escape, "credential file name");
}

static void a_missing_program_is_named_with_the_path_that_was_searched(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "no-such-program", NULL };
	struct run run = { .argv = argv };
	(void)state;
	refused(&run, "no-such-program");
	assert_non_null(strstr(run.err.msg, "/usr/bin:/bin"));
}

static void limits_reach_the_step_P09_R01(void **state)
{
	struct run run = {
		.script = "ulimit -c; ulimit -n; ulimit -f; for i in 1 2 3 4 5 6 7 8 9 10 11 12; "
			  "do sleep 5 & done",
		.limits = { .open_files = 100, .file_size_bytes = 1 << 20, .pids = 6 },
	};
	(void)state;
	assert_int_equal(run_step(&run), 0);
	assert_memory_equal(out, "0\n100\n2048\n", 11);
	assert_non_null(strstr(out, "fork"));
}

static void memory_and_cpu_limits_without_a_controller_are_refused_by_name(void **state)
{
	struct run memory = { .script = "echo ran", .limits = { .memory_bytes = 1 << 30 } };
	struct run cpu = { .script = "echo ran", .limits = { .cpu_millis = 500 } };
	(void)state;
	refused(&memory, "limits.memory needs the cgroup v2 memory controller");
	refused(&cpu, "limits.cpus needs the cgroup v2 cpu controller");
}

static void shared_memory_is_bounded_R03(void **state)
{
	struct run run = { .script = "head -c 2M /dev/zero >/dev/shm/y; du -sm /dev/shm | cut -f1",
		           .limits = { .shm_bytes = 1 << 20 } };
	(void)state;
	assert_int_equal(run_step(&run), 0);
	assert_non_null(strstr(out, "No space left"));
}

static void a_spec_without_network_plan_is_refused(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	struct run run = { 0 };
	struct sandbox sb = SANDBOX_NONE;
	(void)state;
	struct sandbox_spec spec = spec_of(&run, argv, 1);
	spec.net = NULL;
	assert_int_equal(sandbox_build(&spec, &sb, &run.err), -EINVAL);
	assert_non_null(strstr(run.err.msg, "net missing"));
	assert_int_equal(sb.pid, 0);
}

static void a_step_is_killed_before_the_supervisor_when_memory_runs_out_R02(void **state)
{
	(void)state;
	run_ok("cat /proc/self/oom_score_adj");
	assert_string_equal(out, "500\n");
}

/* ---- cgroup ---- */

static void a_step_lives_and_dies_in_a_cgroup_of_its_own_where_one_is_to_be_had_P01(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		               (char *)(uintptr_t) "sleep 1000 & wait", NULL };
	const struct sandbox_delivery d = { .envp = test_env };
	struct sandbox sb = SANDBOX_NONE;
	struct run run = { 0 };
	char job[256], name[32], procs[300], text[64] = "";
	(void)state;

	(void)snprintf(name, sizeof(name), "unit-%d", (int)getpid());
	assert_int_equal(cgroup_job_plan(name, job, &run.err), 0);
	assert_int_equal(cgroup_job_make(job, &run.err), 0);
	if (!job[0]) {
		print_message("SKIPPED: no cgroup v2 directory is delegated to this user\n");
		skip();
	}
	struct sandbox_spec spec = spec_of(&run, argv, 1);
	spec.cgroup_parent = job;
	if (sandbox_build(&spec, &sb, &run.err) < 0 ||
	    sandbox_release(&sb, &spec, &d, &run.err) < 0)
		fail_msg("%s", run.err.msg);
	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", sb.cgroup);
	int fd = open(procs, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	dd_close(fd);
	assert_int_equal(atoi(text), sb.pid);
	assert_int_equal(sandbox_destroy(&sb, &run.err), 0);
	assert_int_equal(access(procs, F_OK), -1);

	/* as after a crash: the job's group is removed with a step alive in it */
	struct sandbox left = SANDBOX_NONE;
	if (sandbox_build(&spec, &left, &run.err) < 0)
		fail_msg("%s", run.err.msg);
	if (cgroup_job_remove(job, &run.err) < 0)
		fail_msg("%s", run.err.msg);
	assert_int_equal(access(job, F_OK), -1);
	assert_int_equal(sandbox_destroy(&left, &run.err), 0);
	assert_int_equal(cgroup_job_remove(job, &run.err), 0);
	assert_int_equal(cgroup_job_remove("/sys/fs/cgroup/system.slice", &run.err), -EINVAL);
}

/* ---- life and death ---- */

static void start(struct sandbox *sb, const char *script, int fd)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		               (char *)(uintptr_t)script, NULL };
	const struct sandbox_delivery d = { .envp = test_env };
	struct run run = { 0 };
	struct sandbox_spec spec = spec_of(&run, argv, fd);

	if (sandbox_build(&spec, sb, &run.err) < 0 || sandbox_release(sb, &spec, &d, &run.err) < 0)
		fail_msg("%s", run.err.msg);
}

static void background_processes_die_with_the_step_and_do_not_delay_its_end_P01_P11(void **state)
{
	struct sandbox sb = SANDBOX_NONE;
	struct sandbox_status status;
	struct dd_err err = { 0 };
	char byte;
	int fds[2];
	(void)state;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	start(&sb,
	      "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000' >/dev/null 2>&1 &) ; exec >&- 2>&-; "
	      "sleep 0.2; exit 3",
	      fds[1]);
	dd_close(fds[1]);
	struct pollfd end = { .fd = fds[0] };
	assert_int_equal(poll(&end, 1, 10000), 1); /* init holds no copy */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	dd_close(fds[0]);
	struct pollfd p = { .fd = sb.ctl, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(sandbox_recv_status(&sb, &status, &err), 1);
	assert_true(status.exited);
	assert_int_equal(status.code, 3);
	pid_t init = sb.pid;
	assert_int_equal(kill(init, 0), 0); /* waits until the gate is closed */
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
	assert_int_equal(kill(init, 0), -1);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
}

static void signals_are_forwarded_to_every_process_of_the_step(void **state)
{
	struct sandbox sb = SANDBOX_NONE;
	struct sandbox_status status;
	struct dd_err err = { 0 };
	(void)state;

	start(&sb, "exec sleep 1000", 1);
	assert_int_equal(sandbox_recv_status(&sb, &status, &err), -EAGAIN);
	assert_int_equal(sandbox_signal(&sb, SIGTERM, &err), 0);
	struct pollfd p = { .fd = sb.ctl, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(sandbox_recv_status(&sb, &status, &err), 1);
	assert_false(status.exited);
	assert_int_equal(status.signal, SIGTERM);
	assert_int_equal(sandbox_destroy(&sb, &err), 0);
}

static void init_survives_signals_from_inside_P04(void **state)
{
	struct run run = { .script = "exec 3>&2 2>/dev/null; kill -TERM 1; kill -KILL 1; kill "
		                     "-STOP 1; kill -KILL -1; sleep 0.1; echo alive" };
	(void)state;
	assert_int_equal(run_step(&run), 0); /* run_step() has heard init's status */
	assert_string_equal(out, "alive\n");
}

static void killing_the_supervisor_leaves_no_process_G07(void **state)
{
	int fds[2];
	pid_t init = 0;
	(void)state;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t supervisor = fork();
	assert_true(supervisor >= 0);
	if (supervisor == 0) {
		struct sandbox sb = SANDBOX_NONE;
		start(&sb, "trap '' TERM HUP; sleep 1000", 1);
		if (write(fds[1], &sb.pid, sizeof(sb.pid)) == sizeof(sb.pid))
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], &init, sizeof(init)), sizeof(init));
	int pidfd = pidfd_open(init, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	dd_close(pidfd);
	dd_close(fds[0]);
	dd_close(fds[1]);
}

static void a_supervisor_that_is_not_dumpable_can_still_write_the_maps(void **state)
{
	struct run run = { .script = "echo ran" };
	(void)state;
	int was = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	assert_int_equal(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
	int r = run_step(&run);
	assert_int_equal(prctl(PR_SET_DUMPABLE, was, 0, 0, 0), 0);
	if (r < 0)
		fail_msg("%s", run.err.msg);
	assert_string_equal(out, "ran\n");
}

static size_t count_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void every_fault_is_refused_before_the_first_byte_and_leaves_nothing_X09(void **state)
{
	static const char *const points[] = {
		"netns",
		"clone3",
		"maps",
		"mounts",
		"open_tree",
		"mount_setattr",
		"proc",
		"dev",
		"pivot_root",
		"cgroup",
		"max_user_namespaces",
		"rlimits",
		"nftables",
		"capabilities",
		"no_new_privs",
		"landlock",
		"seccomp",
	};
	(void)state;

	size_t before = count_fds();
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct run run = { .script = "echo ran" };
		assert_int_equal(setenv("DRYDOCK_FAULT", points[i], 1), 0);
		dd_fault_init();
		int r = run_step(&run);
		assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
		dd_fault_init();
		if (r >= 0 || *out || !*run.err.msg)
			fail_msg("with %s taken away the step ran", points[i]);
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, not even a zombie */
	assert_int_equal(errno, ECHILD);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_has_our_pid_1_no_capability_no_new_privs_and_a_filter_P07),
		cmocka_unit_test(a_step_sees_no_foreign_process_P02),
		cmocka_unit_test(a_step_inherits_exactly_descriptors_0_1_2_P06_F08),
		cmocka_unit_test(a_step_has_no_controlling_terminal_and_its_own_session_P05),
		cmocka_unit_test(a_step_starts_with_default_signals_and_an_empty_mask),
		cmocka_unit_test(a_step_is_another_host_uid_than_the_supervisor_and_never_root),
		cmocka_unit_test(a_step_sees_only_the_listed_top_directories_F02),
		cmocka_unit_test(writing_outside_tmp_and_workspace_is_refused_F01),
		cmocka_unit_test(made_up_etc_files_point_to_the_gate),
		cmocka_unit_test(every_mount_is_nosuid_and_all_but_six_devices_nodev_F10),
		cmocka_unit_test(every_mount_but_places_proc_and_terminals_is_read_only_F01_P08),
		cmocka_unit_test(the_workspace_is_writable_and_setuid_bits_have_no_effect_F10_F05),
		cmocka_unit_test(mounting_from_inside_is_refused_F13),
		cmocka_unit_test(a_symlinked_mount_source_is_refused_F06),
		cmocka_unit_test(
			a_mount_target_through_a_symlink_is_refused_and_nothing_is_made_behind_it_F06),
		cmocka_unit_test_setup_teardown(
			a_root_tree_holds_places_between_which_files_are_renamed, make_tree,
			remove_tree),
		cmocka_unit_test_setup_teardown(a_root_tree_is_writable_in_its_places_only_F01,
		                                make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(
			a_link_in_a_root_tree_where_something_is_mounted_is_refused_F06, make_tree,
			remove_tree),
		cmocka_unit_test_setup_teardown(a_place_that_a_mount_would_hide_is_refused,
		                                make_tree, remove_tree),
		cmocka_unit_test(a_working_directory_outside_the_root_is_refused_F08),
		cmocka_unit_test(the_binary_behind_pid_1_cannot_be_opened_F09),
		cmocka_unit_test(sysctls_and_kernel_files_are_read_only_or_empty_P08),
		cmocka_unit_test(nested_user_namespaces_are_off_K07),
		cmocka_unit_test(neither_sysfs_nor_a_cgroup_tree_is_mounted_K08),
		cmocka_unit_test(proc_is_a_procfs_K10),
		cmocka_unit_test(dev_holds_exactly_the_six_devices_and_own_terminals_K11),
		cmocka_unit_test(ipc_objects_of_the_host_are_not_visible_S04),
		cmocka_unit_test(
			secret_files_are_private_read_only_and_never_in_the_tree_of_another_step_C10),
		cmocka_unit_test(a_missing_program_is_named_with_the_path_that_was_searched),
		cmocka_unit_test(limits_reach_the_step_P09_R01),
		cmocka_unit_test(memory_and_cpu_limits_without_a_controller_are_refused_by_name),
		cmocka_unit_test(shared_memory_is_bounded_R03),
		cmocka_unit_test(a_step_is_killed_before_the_supervisor_when_memory_runs_out_R02),
		cmocka_unit_test(
			a_step_lives_and_dies_in_a_cgroup_of_its_own_where_one_is_to_be_had_P01),
		cmocka_unit_test(a_spec_without_network_plan_is_refused),
		cmocka_unit_test(
			background_processes_die_with_the_step_and_do_not_delay_its_end_P01_P11),
		cmocka_unit_test(signals_are_forwarded_to_every_process_of_the_step),
		cmocka_unit_test(init_survives_signals_from_inside_P04),
		cmocka_unit_test(killing_the_supervisor_leaves_no_process_G07),
		cmocka_unit_test(a_supervisor_that_is_not_dumpable_can_still_write_the_maps),
		cmocka_unit_test(
			every_fault_is_refused_before_the_first_byte_and_leaves_nothing_X09),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("sandbox", tests, suite_setup, suite_teardown);
}
