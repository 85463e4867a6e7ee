// SPDX-License-Identifier: Apache-2.0
/* probe.c - asks this kernel, one feature at a time, what drydock can enforce here; each answer comes with its remedy.
 *
 * Runs in: supervisor, after identity_enter(), with the rights that it will build sandboxes with. Each question is put in a short-lived
 * child, by the same calls that a launch makes (nothing is inferred from version numbers but the floor itself), so that a yes means that
 * the launch will get past this point. DRYDOCK_FAULT names take rows away, as they take the call away in a launch.
 */
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "inside.h"
#include "landlock_abi.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { FOUND = sizeof(((struct sandbox_feature *)NULL)->found), CHILD_SEC = 30 };

#define SEVEN (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

struct finding {
	int  r; /* 0, or -errno; a child that dies leaves no finding at all */
	char found[FOUND];
};

__attribute__((format(printf, 2, 3))) static void note(char found[FOUND], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(found, FOUND, fmt, ap);
	va_end(ap);
}

/* Returns the length read; the buffer is terminated, and ends before a newline. */
static ssize_t read_line(const char *path, char *buf, size_t size)
{
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return n;
}

static long read_sysctl(const char *path, long otherwise)
{
	char text[32];
	return read_line(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : otherwise;
}

static int write_text(const char *path, const char *text)
{
	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* --- the questions: 0 for yes, -errno for no; @found may be left empty ------------------------------------------------ */

static int check_kernel(char found[FOUND])
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	if (uname(&u) < 0)
		return -errno;
	note(found, "%.80s", u.release);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return -EINVAL;
	return major > 5 || (major == 5 && minor >= 15) ? 0 : -ENOSYS;
}

/* Ubuntu's AppArmor grants the namespace and takes the capabilities in it: only using one tells. */
static int check_userns(char found[FOUND])
{
	int r = unshare(CLONE_NEWUTS) < 0 ? -errno : 0;
	note(found, r == 0 ? "can be made, with capabilities in it" : "can be made, but without power in it: %s", strerrordesc_np(-r));
	return r;
}

/* The child was made with all seven flags at once: it only has to show that it may use them. */
static int check_namespaces(char found[FOUND])
{
	if (getpid() != 1)
		return -EINVAL;
	note(found, "user mnt pid net ipc uts cgroup in one clone3");
	return sethostname("probe", 5) < 0 ? -errno : 0;
}

static int clone_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	int tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	return tree < 0 ? -errno : tree;
}

static int check_open_tree(char found[FOUND])
{
	(void)found;
	dd_auto_fd int tree = clone_root();
	return tree < 0 ? tree : 0;
}

static int check_mount_setattr(char found[FOUND])
{
	(void)found;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	dd_auto_fd int tree = clone_root();
	if (tree < 0)
		return tree;
	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int check_proc(char found[FOUND])
{
	(void)found;
	dd_auto_fd int fs = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	dd_auto_fd int mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? -errno : 0;
}

/* The real rule set with one name allowed: that takes the sets, tproxy, log and reject expressions, and the NFLOG socket. */
static int check_nftables(char found[FOUND])
{
	static const struct egress_entry entry = { .host = "probe.invalid", .port = 443, .origin = "doctor" };
	static const struct egress_list list = { .entries = &entry, .n = 1, .connections = 1, .wildcard_names = 1 };
	struct net_plan *plan = NULL;
	struct dd_err err = { .code = 0 };
	int fds[NET_FD__COUNT];

	int r = net_plan_new(&list, &plan, &err);
	if (r == 0)
		r = net_inside_setup(plan, fds, &err);
	for (size_t i = 0; r == 0 && i < NET_FD__COUNT; i++)
		dd_close(fds[i]);
	net_plan_free(plan);
	note(found, "%s", r == 0 ? "rules with tproxy, log and reject; sockets" : err.msg);
	return r;
}

static int check_capabilities(char found[FOUND])
{
	struct dd_err err = { .code = 0 };
	int r = inside_drop_capabilities(&err);
	if (r == 0)
		r = inside_no_new_privs(&err);
	note(found, "%s", r == 0 ? "can be emptied, bounding set included" : err.msg);
	return r;
}

static int check_seccomp(char found[FOUND])
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
		return errno ? -errno : -ESRCH;
	note(found, "filters load");
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER ? 0 : -EPERM;
}

/* A filter with a listener that asks about nothing. */
static int check_seccomp_notify(char found[FOUND])
{
	(void)found;
	uint32_t action = SECCOMP_RET_USER_NOTIF;
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	dd_auto_fd int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                                       SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &prog);
	return listener < 0 ? -errno : 0;
}

static int check_landlock(char found[FOUND])
{
	int abi = landlock_abi(NULL);
	if (abi < 0)
		return abi;
	note(found, "version %d%s", abi, abi == 1 ? ": a rename into another directory fails for steps" : abi < 6 ? ": no scopes" : "");
	return 0;
}

static int check_close_range(char found[FOUND])
{
	(void)found;
	return syscall(SYS_close_range, 1U << 30, ~0U, 0) < 0 ? -errno : 0;
}

static int check_pidfd(char found[FOUND])
{
	(void)found;
	dd_auto_fd int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return fd < 0 || syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? -errno : 0;
}

static int check_openat2(char found[FOUND])
{
	(void)found;
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
	dd_auto_fd int root = open("/", O_PATH | O_CLOEXEC);
	dd_auto_fd int fd = (int)syscall(SYS_openat2, root, "proc", &how, sizeof(how));
	return fd < 0 ? -errno : 0;
}

/* How many ids this process may map into a user namespace that it makes. In single mode identity_enter() enters none, so the map of the
 * namespace alone does not tell: without CAP_SETUID it is the caller's own id, however many there are. */
static unsigned long ids_usable(void)
{
	char text[1024];
	cap_flag_value_t may_map = CAP_CLEAR;
	cap_t caps = cap_get_proc();
	if (caps)
		(void)cap_get_flag(caps, CAP_SETUID, CAP_EFFECTIVE, &may_map);
	(void)cap_free(caps);
	if (may_map != CAP_SET)
		return 1;

	unsigned long total = 0, inside = 0, outside = 0, count = 0;
	dd_auto_fd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3)
			total += count;
	}
	return total;
}

static int check_subids(char found[FOUND])
{
	unsigned long n = ids_usable();
	note(found, n > 1 ? "%lu ids" : "%lu id: single mode", n);
	return n > 1 ? 0 : -ENOENT;
}

/* --- cgroups: make one as a job would, look at it, remove it ------------------------------------------------------------ */

static int with_job_cgroup(const char *file, const char *word, char found[FOUND])
{
	char run[40], dir[256] = "", path[300], text[256];
	struct dd_err err = { .code = 0 };
	(void)snprintf(run, sizeof(run), "probe-%d", (int)getpid());
	int r = cgroup_job_plan(run, dir, &err);
	if (r == 0)
		r = cgroup_job_make(dir, &err);
	if (r < 0 || !dir[0]) {
		note(found, "%s", r < 0 ? err.msg : "no cgroup v2 directory that this user may use");
		return r < 0 ? r : -ENOENT;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	r = access(path, F_OK) < 0 ? -errno : 0;
	if (r == 0 && word) {
		if (read_line(path, text, sizeof(text)) < 0)
			text[0] = '\0';
		r = -ENOENT;
		char *rest = NULL;
		for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
			r = strcmp(w, word) == 0 ? 0 : r;
	}
	int removed = cgroup_job_remove(dir, &err);
	if (r < 0)
		note(found, "not in the cgroup of a job: %s", word ? word : file);
	return r < 0 ? r : removed;
}

static int check_cgroup2(char found[FOUND])
{
	return with_job_cgroup("cgroup.procs", NULL, found);
}

static int check_cgroup_kill(char found[FOUND])
{
	return with_job_cgroup("cgroup.kill", NULL, found);
}

static int check_memory(char found[FOUND])
{
	return with_job_cgroup("cgroup.controllers", "memory", found);
}

static int check_pids(char found[FOUND])
{
	return with_job_cgroup("cgroup.controllers", "pids", found);
}

static int check_cpu(char found[FOUND])
{
	return with_job_cgroup("cgroup.controllers", "cpu", found);
}

static int check_io_uring(char found[FOUND])
{
	long disabled = read_sysctl("/proc/sys/kernel/io_uring_disabled", -1);
	if (disabled < 0)
		note(found, "no such sysctl (before Linux 6.6); steps are refused io_uring by the filter");
	else
		note(found, "kernel.io_uring_disabled=%ld; steps are refused io_uring by the filter", disabled);
	return 0;
}

/* --- remedies that depend on what is in the way -------------------------------------------------------------------------- */

static const struct switch_row {
	const char *path;
	long        bad;
	const char *remedy;
} userns_switches[] = {
	{ "/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl kernel.unprivileged_userns_clone=1 (Debian)" },
	{ "/proc/sys/user/max_user_namespaces", 0, "sysctl user.max_user_namespaces=10000" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1,
	  "grant `userns` to drydock in an AppArmor profile, or sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)" },
};

static const char *userns_remedy(void)
{
	for (size_t i = 0; i < ARRAY_LEN(userns_switches); i++) {
		if (read_sysctl(userns_switches[i].path, -1) == userns_switches[i].bad)
			return userns_switches[i].remedy;
	}
	return "a kernel with CONFIG_USER_NS; inside a container, a seccomp profile that allows clone3 and unshare of user namespaces";
}

/* --- the table --------------------------------------------------------------------------------------------------------- */

#define CGROUP_REMEDY "a systemd unit or user session with Delegate=yes on a host with only cgroup v2"
static const struct probe_row {
	const char *name, *need;
	bool        required;
	uint64_t    namespaces; /* the child that asks is made with these */
	int       (*check)(char found[FOUND]);
	const char *remedy;
	const char *fault;      /* another name in DRYDOCK_FAULT that takes this row away */
} probe_rows[] = {
	{ "kernel", "oldest supported: 5.15", true, 0, check_kernel, "a kernel of 5.15 or later", NULL },
	{ "userns", "sandboxes without host root", true, CLONE_NEWUSER, check_userns, NULL /* userns_remedy() */, NULL },
	{ "namespaces", "one of each kind for every step", true, SEVEN, check_namespaces,
	  "CONFIG_NAMESPACES with all kinds; inside a container, a seccomp profile that allows clone3", "netns" },
	{ "open_tree", "views of the host's files", true, SEVEN, check_open_tree, "Linux 5.2 or later", NULL },
	{ "mount_setattr", "a root that is read-only in one step", true, SEVEN, check_mount_setattr, "Linux 5.12 or later", NULL },
	{ "proc", "a /proc that shows only the step", true, SEVEN, check_proc,
	  "a fully visible /proc where drydock starts: no ProtectKernelTunables=, ProtectKernelLogs=, ProcSubset= in its unit; in docker "
	  "--security-opt systempaths=unconfined", NULL },
	{ "nftables", "the wall around a step's network", true, SEVEN, check_nftables,
	  "modprobe nf_tables nft_tproxy nft_log nft_reject_inet nfnetlink_log (and list them in modules-load.d)", NULL },
	{ "capabilities", "a step holds none", true, CLONE_NEWUSER, check_capabilities, "a kernel with no_new_privs and ambient capabilities (4.3)",
	  "no_new_privs" },
	{ "seccomp", "the system call allowlist", true, 0, check_seccomp, "CONFIG_SECCOMP_FILTER", NULL },
	{ "seccomp_notify", "run --observe: seeing system calls outside the profile", false, 0, check_seccomp_notify,
	  "Linux 5.7 or later with CONFIG_SECCOMP_FILTER", NULL },
	{ "landlock", "a second lock on writing files", true, 0, check_landlock,
	  "CONFIG_SECURITY_LANDLOCK, and landlock in the lsm= list of the kernel command line", NULL },
	{ "close_range", "no descriptor leaks into a step", true, 0, check_close_range, "Linux 5.9 or later", NULL },
	{ "pidfd", "signals that cannot hit a stranger", true, 0, check_pidfd, "Linux 5.3 or later", NULL },
	{ "openat2", "paths of hostile trees", true, 0, check_openat2, "Linux 5.6 or later", NULL },
	{ "subids", "ids of their own for launcher, gate and steps", false, 0, check_subids,
	  "a line for this user in /etc/subuid and /etc/subgid, and newuidmap (package uidmap)", NULL },
	{ "cgroup2", "limits, and one kill for a whole step", false, 0, check_cgroup2, CGROUP_REMEDY, NULL },
	{ "cgroup_kill", "one kill for a whole step", false, 0, check_cgroup_kill, "Linux 5.14 or later; " CGROUP_REMEDY, NULL },
	{ "memory", "limits.memory", false, 0, check_memory, CGROUP_REMEDY, NULL },
	{ "pids", "limits.pids beyond the rlimit", false, 0, check_pids, CGROUP_REMEDY, NULL },
	{ "cpu", "limits.cpus", false, 0, check_cpu, CGROUP_REMEDY, NULL },
	{ "io_uring", "noted only", false, 0, check_io_uring, "sysctl kernel.io_uring_disabled=2", NULL },
};

/* --- asking in a child --------------------------------------------------------------------------------------------------- */

/* The ids of a child in a new user namespace, as a launch maps them: one id of the range that is not the supervisor's, or in single mode the
 * supervisor's own. (Parent id 0 could not be mapped here: since Linux 5.12 that takes CAP_SETFCAP, which identity_enter() gave up.) */
static int map_child(pid_t pid)
{
	const struct {
		const char *file;
		int         inside;
		unsigned    own;
	} maps[] = { { "uid_map", SANDBOX_UID, (unsigned)geteuid() }, { "gid_map", SANDBOX_GID, (unsigned)getegid() } };
	bool range = ids_usable() > 2;
	char path[64], line[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	int r = write_text(path, "deny");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(maps); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, maps[i].file);
		(void)snprintf(line, sizeof(line), "%d %u 1", maps[i].inside, range ? 2U : maps[i].own);
		r = write_text(path, line);
	}
	return r;
}

_Noreturn static void answer_in_child(const struct probe_row *row, int sock)
{
	struct finding f = { .r = 0 };
	int mapped = 0;
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(CHILD_SEC); /* loading kernel modules can take a second; a hang must not hang the doctor */
	if (row->namespaces & CLONE_NEWUSER) {
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* otherwise /proc/PID belongs to root, and the maps cannot be written */
		if (write(sock, &mapped, sizeof(mapped)) < 0 || read(sock, &mapped, sizeof(mapped)) != (ssize_t)sizeof(mapped))
			_exit(1);
		f.r = mapped < 0 ? mapped : setresgid(SANDBOX_GID, SANDBOX_GID, SANDBOX_GID) < 0 ? -errno : 0;
		if (f.r == 0 && setresuid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) < 0)
			f.r = -errno;
		if (f.r < 0)
			note(f.found, "an id cannot be mapped: %s", strerrordesc_np(-f.r));
	}
	if (f.r == 0)
		f.r = row->check(f.found);
	_exit(write(sock, &f, sizeof(f)) == (ssize_t)sizeof(f) ? 0 : 1);
}

static int hear(const struct probe_row *row, pid_t pid, int sock, struct finding *ret)
{
	int ready = 0;
	if (row->namespaces & CLONE_NEWUSER) {
		if (read(sock, &ready, sizeof(ready)) != (ssize_t)sizeof(ready))
			return -ECHILD;
		int mapped = map_child(pid);
		if (send(sock, &mapped, sizeof(mapped), MSG_NOSIGNAL) < 0)
			return -ECHILD;
	}
	return read(sock, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? ret->r : -ECHILD;
}

static int ask(const struct probe_row *row, struct finding *ret)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	dd_auto_fd int mine = ends[0], theirs = ends[1];

	struct clone_args args = { .flags = row->namespaces, .exit_signal = SIGCHLD };
	pid_t pid = row->namespaces ? (pid_t)syscall(SYS_clone3, &args, sizeof(args)) : fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(mine);
		answer_in_child(row, theirs);
	}
	dd_close_p(&theirs);
	int r = hear(row, pid, mine, ret);
	if (r == -ECHILD)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

static void probe_one(const struct probe_row *row, struct sandbox_feature *ret)
{
	struct finding f = { .r = 0 };
	*ret = (struct sandbox_feature){ .name = row->name, .need = row->need, .required = row->required, .remedy = row->remedy };
	if (!ret->remedy)
		ret->remedy = userns_remedy();
	if (dd_fault(row->name) || (row->fault && dd_fault(row->fault))) {
		note(ret->found, "taken away by DRYDOCK_FAULT");
		return;
	}
	int r = ask(row, &f);
	ret->present = r == 0;
	f.found[FOUND - 1] = '\0';
	if (f.found[0])
		note(ret->found, "%s", f.found);
	else
		note(ret->found, "%s", r == 0 ? "yes" : r == -ECHILD ? "the probe died or hung" : strerrordesc_np(-r));
}

int sandbox_probe(const struct sandbox_feature **ret, struct dd_err *err)
{
	static struct sandbox_feature features[ARRAY_LEN(probe_rows)];
	if (!ret)
		return dd_err_set(err, EINVAL, "probe this host");
	for (size_t i = 0; i < ARRAY_LEN(probe_rows); i++)
		probe_one(&probe_rows[i], &features[i]);
	*ret = features;
	return (int)ARRAY_LEN(probe_rows);
}
