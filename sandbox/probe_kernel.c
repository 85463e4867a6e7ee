// SPDX-License-Identifier: Apache-2.0
/* probe_kernel.c - the questions about namespaces, mounts, the network's rules and the locks of a
 * step.
 *
 * Runs in: a short-lived child of the supervisor, made with the namespaces of its row, mapped as a
 * launch maps them. Each question is put by the same calls that a launch makes; nothing is inferred
 * from version numbers but the floor itself.
 */
#include "probe.h"

#include "drydock/fd.h"
#include "inside.h"
#include "landlock_abi.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { CHILD_SEC = 10 };

static int check_kernel(char found[PROBE_FOUND])
{
	struct utsname u;
	if (uname(&u) < 0)
		return -errno;
	probe_note(found, "%.80s", u.release);
	char *dot = NULL;
	unsigned long major = strtoul(u.release, &dot, 10),
		      minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	if (major < 5 || (major == 5 && minor < 15))
		return -ENOSYS;
	bool tested = major > 6 || (major == 6 && minor >= 1);
	probe_note(found, "%.80s%s", u.release,
	           tested ? "" : ": supported, but the tests run on 6.1 and newer");
	return 0;
}

/* Ubuntu's AppArmor grants the namespace and takes the capabilities in it: only using one tells. */
static int check_userns(char found[PROBE_FOUND])
{
	int r = unshare(CLONE_NEWUTS) < 0 ? -errno : 0;
	probe_note(found,
	           r == 0 ? "can be made, with capabilities in it"
	                  : "can be made, but without power in it: %s",
	           strerrordesc_np(-r));
	return r;
}

/* The child was made with all seven flags at once: it only has to show that it may use them. */
static int check_namespaces(char found[PROBE_FOUND])
{
	if (getpid() != 1)
		return -EINVAL;
	probe_note(found, "user mnt pid net ipc uts cgroup in one clone3");
	return sethostname("probe", 5) < 0 ? -errno : 0;
}

static int clone_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	int tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	return tree < 0 ? -errno : tree;
}

static int check_open_tree(char found[PROBE_FOUND])
{
	(void)found;
	dd_auto_fd int tree = clone_root();
	return tree < 0 ? tree : 0;
}

static int check_mount_setattr(char found[PROBE_FOUND])
{
	(void)found;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		                               MOUNT_ATTR_NODEV };
	dd_auto_fd int tree = clone_root();
	if (tree < 0)
		return tree;
	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0
	               ? -errno
	               : 0;
}

static int check_proc(char found[PROBE_FOUND])
{
	(void)found;
	dd_auto_fd int fs = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	dd_auto_fd int mnt = fsmount(fs, FSMOUNT_CLOEXEC,
	                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? -errno : 0;
}

/* The real rule set with one name allowed: that takes the sets, tproxy, log and reject expressions,
 * and the NFLOG socket. */
static int check_nftables(char found[PROBE_FOUND])
{
	static const struct egress_entry entry = { .host = "probe.invalid",
		                                   .port = 443,
		                                   .origin = "doctor" };
	static const struct egress_list list = { .entries = &entry, .n = 1, .connections = 1 };
	struct net_plan *plan = NULL;
	struct dd_err err = { .code = 0 };
	int fds[NET_FD__COUNT];

	int r = net_plan_new(&list, &plan, &err);
	if (r == 0)
		r = net_inside_setup(plan, fds, &err);
	for (size_t i = 0; r == 0 && i < NET_FD__COUNT; i++)
		dd_close(fds[i]);
	net_plan_free(plan);
	probe_note(found, "%s", r == 0 ? "rules with tproxy, log and reject; sockets" : err.msg);
	return r;
}

static int kernel_check_capabilities(char found[PROBE_FOUND])
{
	struct dd_err err = { .code = 0 };
	int r = inside_drop_capabilities(&err);
	if (r == 0)
		r = inside_no_new_privs(&err);
	probe_note(found, "%s", r == 0 ? "can be emptied, bounding set included" : err.msg);
	return r;
}

static int check_seccomp(char found[PROBE_FOUND])
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
	probe_note(found, "filters load");
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER ? 0 : -EPERM;
}

/* What later versions added that steps notice. Version 4 adds network rules, which a namespace with
 * only lo does not need. */
static const struct landlock_step {
	int abi;
	const char *adds;
} landlock_steps[] = {
	{ 2, "renames across directories (2)" },
	{ 3, "truncate (3)" },
	{ 5, "device ioctl (5)" },
	{ 6, "abstract sockets and signals (6)" },
};

/* The whole lock is put on: knowing the version takes one call of three. */
static int lock_with_landlock(void)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs =
		                                            LANDLOCK_ACCESS_FS_WRITE_FILE };
	dd_auto_fd int root = open("/", O_PATH | O_CLOEXEC);
	dd_auto_fd int rules = (int)syscall(SYS_landlock_create_ruleset, &attr,
	                                    sizeof(attr.handled_access_fs), 0);
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE, .parent_fd = root
	};
	if (root < 0 || rules < 0 ||
	    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -errno;
	return 0;
}

static int check_landlock(char found[PROBE_FOUND])
{
	int abi = landlock_abi(NULL);
	int r = abi < 0 ? abi : lock_with_landlock();
	if (r < 0)
		return r;
	int len = snprintf(found, PROBE_FOUND, "version %d", abi);
	for (size_t i = 0; i < ARRAY_LEN(landlock_steps); i++)
		len += snprintf(found + len, PROBE_FOUND - (size_t)len, "%s%s%s", i ? ", " : ": ",
		                landlock_steps[i].abi <= abi ? "" : "no ", landlock_steps[i].adds);
	return 0;
}

/* What a step prints is searched for secrets in locked memory, so that none of it is ever swapped
 * out; every run needs some, credentials or not. */
static int check_mlock(char found[PROBE_FOUND])
{
	enum { LOCKED = 64 * 1024 };
	struct rlimit limit = { 0, 0 };
	void *page = mmap(NULL, LOCKED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	/* not the function: AddressSanitizer's own answers without asking the kernel */
	int r = syscall(SYS_mlock, page, (size_t)LOCKED) < 0 ? -errno
	        : madvise(page, LOCKED, MADV_DONTDUMP) < 0   ? -errno
	        : madvise(page, LOCKED, MADV_WIPEONFORK) < 0 ? -errno
	                                                     : 0;
	(void)munmap(page, LOCKED);
	if (r < 0)
		return r;
	if (limit.rlim_cur == RLIM_INFINITY)
		probe_note(found, "memory can be locked, without a limit");
	else
		probe_note(found, "%llu KiB can be locked",
		           (unsigned long long)limit.rlim_cur / 1024);
	return 0;
}

static int check_close_range(char found[PROBE_FOUND])
{
	(void)found;
	return syscall(SYS_close_range, 1U << 30, ~0U, 0) < 0 ? -errno : 0;
}

static int check_pidfd(char found[PROBE_FOUND])
{
	(void)found;
	dd_auto_fd int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return fd < 0 || syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? -errno : 0;
}

static int check_openat2(char found[PROBE_FOUND])
{
	(void)found;
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
	dd_auto_fd int root = open("/", O_PATH | O_CLOEXEC);
	dd_auto_fd int fd = (int)syscall(SYS_openat2, root, "proc", &how, sizeof(how));
	return fd < 0 ? -errno : 0;
}

/* No policy uses it yet; the child's own tmpfs holds the layers, so nothing of the host is touched.
 */
static int check_overlayfs(char found[PROBE_FOUND])
{
	(void)found;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("probe", "/tmp", "tmpfs", 0, "size=64k") < 0)
		return -errno;
	if (mkdir("/tmp/lower", 0700) < 0 || mkdir("/tmp/upper", 0700) < 0 ||
	    mkdir("/tmp/work", 0700) < 0)
		return -errno;
	return mount("probe", "/tmp/lower", "overlay", 0,
	             "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr") < 0
	               ? -errno
	               : 0;
}

/* The whole round: a child is stopped in a system call, its listener reads which one, and lets it
 * continue. */
static int notify_child(int sock)
{
	struct sock_filter code[] = {
		{ .code = BPF_LD | BPF_W | BPF_ABS, .k = offsetof(struct seccomp_data, nr) },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .jf = 1, .k = SYS_getppid },
		{ .code = BPF_RET | BPF_K, .k = SECCOMP_RET_USER_NOTIF },
		{ .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW },
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	/* With the flags of inside_seccomp(): TSYNC_ESRCH is what lets a listener and TSYNC go
	 * together (Linux 5.7). */
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
	                              SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
	                      &prog);
	if (fd < 0)
		return errno;
	if (dd_send_msg(sock, "l", 1, &fd, 1) < 0)
		return EPIPE;
	return syscall(SYS_getppid) > 0 ? 0 : EPROTO;
}

static int notify_answer(int sock)
{
	char byte;
	dd_auto_fd int listener = -1;
	int r = dd_recv_msg(sock, &byte, 1, &listener, 1);
	if (r != 1)
		return -ECHILD;
	struct seccomp_notif asked = { .id = 0 };
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
		return -errno;
	struct seccomp_notif_resp go_on = { .id = asked.id,
		                            .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	return asked.data.nr != SYS_getppid                            ? -EPROTO
	       : ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on) < 0 ? -errno
	                                                               : 0;
}

static int check_seccomp_notify(char found[PROBE_FOUND])
{
	int ends[2], status = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	dd_auto_fd int mine = ends[0], theirs = ends[1];
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)alarm(CHILD_SEC);
		_exit(notify_child(theirs));
	}
	dd_close_p(&theirs);
	int r = notify_answer(mine);
	if (r < 0)
		(void)kill(child, SIGKILL);
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	if (r == -ECHILD && WIFEXITED(status) && WEXITSTATUS(status))
		r = -WEXITSTATUS(status); /* the child could not install its filter */
	if (r == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		r = -EPROTO;
	probe_note(found, "%s",
	           r == 0 ? "a call was caught, read and continued" : strerrordesc_np(-r));
	return r;
}

/* Where nothing filters drydock the kernel's word is enough: TSYNC_ESRCH is older than the oldest
 * kernel that a run accepts. A filter around drydock may have the one listener that a process can
 * have (EBUSY), and only trying tells. */
static int quick_seccomp_notify(char found[PROBE_FOUND])
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	if (probe_calls_filtered())
		return -EAGAIN;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return -errno;
	probe_note(found, "the kernel has it");
	return 0;
}

static int check_io_uring(char found[PROBE_FOUND])
{
	long disabled = probe_read_sysctl("/proc/sys/kernel/io_uring_disabled", -1);
	if (disabled < 0)
		probe_note(found, "no such sysctl (before Linux 6.6); steps are refused io_uring "
		                  "by the filter");
	else
		probe_note(found,
		           "kernel.io_uring_disabled=%ld; steps are refused io_uring by the filter",
		           disabled);
	return 0;
}

/* ---- remedies that depend on what is in the way ---- */

static const struct switch_row {
	const char *path;
	long bad;
	const char *remedy;
} userns_switches[] = {
	{ "/proc/sys/kernel/unprivileged_userns_clone", 0,
	  "sysctl kernel.unprivileged_userns_clone=1 (Debian)" },
	{ "/proc/sys/user/max_user_namespaces", 0, "sysctl user.max_user_namespaces=10000" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1,
	  "Ubuntu 23.10 and newer: write /etc/apparmor.d/drydock with `profile drydock "
	  "/usr/local/bin/drydock flags=(unconfined) { userns, }` (the "
	  "path of your binary), then apparmor_parser -r /etc/apparmor.d/drydock; or, for every "
	  "program of this host, "
	  "sysctl kernel.apparmor_restrict_unprivileged_userns=0" },
};

static const char *userns_remedy(void)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER)
		return "drydock itself runs under a seccomp filter. In its unit: no "
		       "RestrictNamespaces=, ProtectHostname= or SystemCallFilter= that takes "
		       "namespaces or mounts away. In a container: a seccomp profile that allows "
		       "clone3, unshare and the mount calls";
	for (size_t i = 0; i < ARRAY_LEN(userns_switches); i++) {
		if (probe_read_sysctl(userns_switches[i].path, -1) == userns_switches[i].bad)
			return userns_switches[i].remedy;
	}
	return "a kernel with CONFIG_USER_NS; inside a container, a seccomp profile that allows "
	       "clone3 and unshare of user namespaces";
}

/* ---- the table ---- */

#define PROC_REMEDY                                                                                \
	"a wholly visible /proc where drydock starts. In its unit: no ProtectKernelTunables=, "    \
	"ProtectKernelLogs= or InaccessiblePaths= below /proc "                                    \
	"(ProcSubset=pid makes the first two harmless). In docker: --security-opt "                \
	"systempaths=unconfined"
static const struct probe_row rows[] = {
	{ .name = "kernel",
	  .area = "host",
	  .need = "oldest supported: 5.15",
	  .required = true,
	  .check = check_kernel,
	  .quick = check_kernel,
	  .remedy = "a kernel of 5.15 or later" },
	{ .name = "userns",
	  .area = "isolation",
	  .need = "sandboxes without host root",
	  .required = true,
	  .namespaces = CLONE_NEWUSER,
	  .check = check_userns,
	  .remedy_now = userns_remedy,
	  .calls = "unshare" },
	{ .name = "namespaces",
	  .area = "isolation",
	  .need = "one of each kind for every step",
	  .required = true,
	  .namespaces = PROBE_SEVEN,
	  .check = check_namespaces,
	  .fault = "netns",
	  .remedy = "CONFIG_NAMESPACES with all kinds. In a unit: no RestrictNamespaces=, no "
	            "ProtectHostname=. In a container: a seccomp profile "
	            "that allows clone3",
	  .calls = "sethostname" },
	{ .name = "open_tree",
	  .area = "isolation",
	  .need = "views of the host's files",
	  .required = true,
	  .namespaces = PROBE_SEVEN,
	  .check = check_open_tree,
	  .remedy = "Linux 5.2 or later; in a container, a seccomp profile that allows mount calls",
	  .calls = "mount open_tree" },
	{ .name = "mount_setattr",
	  .area = "isolation",
	  .need = "a root that is read-only in one step",
	  .required = true,
	  .namespaces = PROBE_SEVEN,
	  .check = check_mount_setattr,
	  .remedy = "Linux 5.12 or later; in a container, a seccomp profile that allows mount "
	            "calls",
	  .calls = "mount open_tree mount_setattr" },
	{ .name = "proc",
	  .area = "isolation",
	  .need = "a /proc that shows only the step",
	  .required = true,
	  .namespaces = PROBE_SEVEN,
	  .check = check_proc,
	  .remedy = PROC_REMEDY,
	  .calls = "fsopen fsconfig fsmount" },
	{ .name = "overlayfs",
	  .area = "isolation",
	  .need = "overlay workspaces (no policy can ask for one yet)",
	  .namespaces = PROBE_SEVEN,
	  .check = check_overlayfs,
	  .remedy = "modprobe overlay; Linux 5.11 or later",
	  .told = true },
	{ .name = "nftables",
	  .area = "network",
	  .need = "the wall around a step's network",
	  .required = true,
	  .namespaces = PROBE_SEVEN,
	  .check = check_nftables,
	  .remedy = "modprobe nf_tables nft_tproxy nft_log nft_limit nft_reject_inet "
	            "nfnetlink_log, and list them in a file of /etc/modules-load.d. "
	            "In a unit: AF_NETLINK in RestrictAddressFamilies=" },
	{ .name = "capabilities",
	  .area = "locks",
	  .need = "a step holds none",
	  .required = true,
	  .namespaces = CLONE_NEWUSER,
	  .check = kernel_check_capabilities,
	  .remedy = "a kernel with no_new_privs and ambient capabilities (4.3)",
	  .fault = "no_new_privs",
	  .calls = "capset prctl" },
	{ .name = "seccomp",
	  .area = "locks",
	  .need = "the system call allowlist",
	  .required = true,
	  .check = check_seccomp,
	  .remedy = "CONFIG_SECCOMP_FILTER",
	  .calls = "seccomp prctl" },
	{ .name = "seccomp_notify",
	  .area = "locks",
	  .need = "telling which system call was refused; run --observe",
	  .check = check_seccomp_notify,
	  .quick = quick_seccomp_notify,
	  .remedy = "Linux 5.7 or later with CONFIG_SECCOMP_FILTER",
	  .calls = "seccomp" },
	{ .name = "landlock",
	  .area = "locks",
	  .need = "a second lock on writing files",
	  .required = true,
	  .check = check_landlock,
	  .remedy = "CONFIG_SECURITY_LANDLOCK, and landlock in the lsm= list of the kernel command "
	            "line",
	  .calls = "landlock_create_ruleset landlock_add_rule landlock_restrict_self prctl" },
	{ .name = "mlock",
	  .area = "locks",
	  .need = "secrets are never swapped out",
	  .required = true,
	  .check = check_mlock,
	  .quick = check_mlock,
	  .remedy = "64 KiB of lockable memory: `ulimit -l`, LimitMEMLOCK= in the unit, --ulimit "
	            "memlock=1048576 in docker and podman",
	  .calls = "mlock madvise" },
	{ .name = "close_range",
	  .area = "locks",
	  .need = "no descriptor leaks into a step",
	  .required = true,
	  .check = check_close_range,
	  .quick = check_close_range,
	  .remedy = "Linux 5.9 or later",
	  .calls = "close_range" },
	{ .name = "pidfd",
	  .area = "locks",
	  .need = "signals that cannot hit a stranger",
	  .required = true,
	  .check = check_pidfd,
	  .quick = check_pidfd,
	  .remedy = "Linux 5.3 or later",
	  .calls = "pidfd_open pidfd_send_signal" },
	{ .name = "openat2",
	  .area = "locks",
	  .need = "paths of hostile trees",
	  .required = true,
	  .check = check_openat2,
	  .quick = check_openat2,
	  .remedy = "Linux 5.6 or later",
	  .calls = "openat2" },
	{ .name = "io_uring",
	  .area = "locks",
	  .need = "noted only",
	  .check = check_io_uring,
	  .remedy = "sysctl kernel.io_uring_disabled=2",
	  .told = true },
};

const struct probe_table probe_kernel_table = { rows, ARRAY_LEN(rows) };
