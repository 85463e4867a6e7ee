// SPDX-License-Identifier: Apache-2.0
/* probe_syscalls.c - tries, from inside a step, what a step may not ask of the kernel, and prints
 * what came of it.
 *
 * usage: probe_syscalls [CASE...]     one line per probe: NAME RESULT ERRNO, for example
 * "K-01.unshare_user refused EPERM" RESULT  allowed (the call succeeded, or got past the filter far
 * enough to fail on its arguments), refused (EPERM, ENOSYS, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT,
 * EROFS, ENOTTY), killed (the probe's own child died of SIGSYS), absent (ENOENT) CASE    prints
 * only names that begin with it Exit 0 always: the judge is the test that reads the lines. Static,
 * no sanitizer, nothing is changed if a call gets through, as far as arguments can see to that.
 * Each probe runs in a child.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH  0x5a5a5a5a00000000UL
#define MINUS ((unsigned long)-1)

struct probe {
	const char *name;
	long nr;
	unsigned long a[5];
};

static const struct probe probes[] = {
	{ "K-01.unshare_user", SYS_unshare, { CLONE_NEWUSER } },
	{ "K-01.unshare_net", SYS_unshare, { CLONE_NEWNET } },
	{ "K-01.unshare_ns", SYS_unshare, { CLONE_NEWNS } },
	{ "K-01.unshare_pid", SYS_unshare, { CLONE_NEWPID } },
	{ "K-01.setns", SYS_setns, { MINUS } },
	{ "K-01.clone_newuser", SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
	{ "K-01.clone_newuser_high_bits", SYS_clone, { HIGH | CLONE_NEWUSER | SIGCHLD } },
	{ "K-01.clone_newnet", SYS_clone, { CLONE_NEWNET | SIGCHLD } },
	{ "K-01.clone3", SYS_clone3, { 0 } },
	{ "K-02.io_uring_setup", SYS_io_uring_setup, { 0 } },
	{ "K-02.io_uring_enter", SYS_io_uring_enter, { MINUS } },
	{ "K-02.io_uring_register", SYS_io_uring_register, { MINUS } },
	{ "K-03.bpf", SYS_bpf, { MINUS } },
	{ "K-03.perf_event_open", SYS_perf_event_open, { 0 } },
	{ "K-03.userfaultfd", SYS_userfaultfd, { MINUS } },
	{ "K-03.kexec_load", SYS_kexec_load, { 0, 99 } },
	{ "K-03.kexec_file_load", SYS_kexec_file_load, { MINUS, MINUS } },
	{ "K-03.init_module", SYS_init_module, { 0 } },
	{ "K-03.finit_module", SYS_finit_module, { MINUS } },
	{ "K-03.delete_module", SYS_delete_module, { 0 } },
	{ "K-03.open_by_handle_at", SYS_open_by_handle_at, { MINUS } },
	{ "K-03.name_to_handle_at", SYS_name_to_handle_at, { MINUS } },
	{ "K-03.keyctl", SYS_keyctl, { 99999 } },
	{ "K-03.add_key", SYS_add_key, { 0 } },
	{ "K-03.request_key", SYS_request_key, { 0 } },
	{ "K-03.mount", SYS_mount, { 0 } },
	{ "K-03.umount2", SYS_umount2, { 0 } },
	{ "K-03.pivot_root", SYS_pivot_root, { 0 } },
	{ "K-03.chroot", SYS_chroot, { 0 } },
	{ "K-03.open_tree", SYS_open_tree, { MINUS } },
	{ "K-03.move_mount", SYS_move_mount, { MINUS } },
	{ "K-03.fsopen", SYS_fsopen, { 0 } },
	{ "K-03.fsconfig", SYS_fsconfig, { MINUS } },
	{ "K-03.fsmount", SYS_fsmount, { MINUS } },
	{ "K-03.fspick", SYS_fspick, { MINUS } },
	{ "K-03.mount_setattr", SYS_mount_setattr, { MINUS } },
	{ "K-03.swapon", SYS_swapon, { 0 } },
	{ "K-03.swapoff", SYS_swapoff, { 0 } },
	{ "K-03.reboot", SYS_reboot, { 0 } },
	{ "K-03.acct", SYS_acct, { MINUS } },
	{ "K-03.quotactl", SYS_quotactl, { MINUS } },
	{ "K-03.ptrace_init", SYS_ptrace, { 0x4206 /* SEIZE */, 1 } },
	{ "K-03.process_vm_readv", SYS_process_vm_readv, { 1 } },
	{ "K-03.process_vm_writev", SYS_process_vm_writev, { 1 } },
	{ "K-03.pidfd_getfd", SYS_pidfd_getfd, { MINUS } },
	{ "K-03.kcmp", SYS_kcmp, { 1, 1 } },
	{ "K-03.personality_no_randomize", SYS_personality, { 0x0040000 } },
#ifdef __x86_64__
	{ "K-03.lookup_dcookie", SYS_lookup_dcookie, { 0 } },
	{ "K-03.modify_ldt", SYS_modify_ldt, { 99 } },
	{ "K-03.iopl", SYS_iopl, { 3 } },
	{ "K-03.ioperm", SYS_ioperm, { 0, 1, 1 } },
	{ "K-04.x32_getpid", 0x40000000 | SYS_getpid, { 0 } },
#endif
	{ "K-05.number_1000", 1000, { 0 } },
	{ "K-05.number_4000", 4000, { 0 } },
	/* the socket may be made; the namespace refuses the packet */
	{ "N-02.udp", SYS_socket, { AF_INET, SOCK_DGRAM, 17 } },
	{ "N-02.raw_253", SYS_socket, { AF_INET, SOCK_RAW, 253 } },
	{ "N-02.raw_icmp", SYS_socket, { AF_INET, SOCK_RAW, 1 } },
	{ "N-02.raw_v6", SYS_socket, { AF_INET6, SOCK_RAW, 58 } },
	{ "N-02.ping", SYS_socket, { AF_INET, SOCK_DGRAM, 1 } },
	{ "N-02.sctp", SYS_socket, { AF_INET, SOCK_STREAM, 132 } },
	{ "N-02.mptcp", SYS_socket, { AF_INET, SOCK_STREAM, 262 } },
	{ "N-22.vsock", SYS_socket, { 40, SOCK_STREAM } },
	{ "N-22.packet", SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "N-22.alg", SYS_socket, { 38, SOCK_SEQPACKET } },
	{ "N-22.bluetooth", SYS_socket, { 31, SOCK_RAW } },
	{ "N-22.xdp", SYS_socket, { 44, SOCK_RAW } },
	{ "N-22.tipc", SYS_socket, { 30, SOCK_STREAM } },
	{ "N-22.netlink_netfilter", SYS_socket, { AF_NETLINK, SOCK_RAW, 12 } },
	{ "N-22.netlink_audit", SYS_socket, { AF_NETLINK, SOCK_RAW, 9 } },
	{ "N-22.netlink_generic", SYS_socket, { AF_NETLINK, SOCK_RAW, 16 } },
	{ "N-22.netlink_sock_diag", SYS_socket, { AF_NETLINK, SOCK_RAW, 4 } },
	{ "P-05.tiocsti", SYS_ioctl, { 0, TIOCSTI, 0 } },
	{ "P-05.tiocsti_high_bits", SYS_ioctl, { 0, HIGH | TIOCSTI, 0 } },
	{ "P-05.tioclinux", SYS_ioctl, { 0, TIOCLINUX, 0 } },
	{ "P-05.tioccons", SYS_ioctl, { 0, TIOCCONS, 0 } },
	{ "P-05.tiocsetd", SYS_ioctl, { 0, TIOCSETD, 0 } },
};

/* Opened for writing, never written: opening is what must fail. */
static const struct {
	const char *name, *path;
} files[] = {
	{ "P-08.core_pattern", "/proc/sys/kernel/core_pattern" },
	{ "P-08.modprobe", "/proc/sys/kernel/modprobe" },
	{ "P-08.hostname", "/proc/sys/kernel/hostname" },
	{ "P-08.max_user_namespaces", "/proc/sys/user/max_user_namespaces" },
	{ "P-08.ip_forward", "/proc/sys/net/ipv4/ip_forward" },
	{ "P-08.unprivileged_port_start", "/proc/sys/net/ipv4/ip_unprivileged_port_start" },
	{ "P-08.sysrq", "/proc/sys/kernel/sysrq" },
	{ "P-08.sysrq_trigger", "/proc/sysrq-trigger" },
	{ "P-08.binfmt_misc", "/proc/sys/fs/binfmt_misc/register" },
	{ "P-08.uevent_helper", "/sys/kernel/uevent_helper" },
};

static const char *result_name(long value, int err)
{
	static const int refusals[] = { EPERM,           ENOSYS, EACCES, EAFNOSUPPORT,
		                        EPROTONOSUPPORT, EROFS,  ENOTTY };
	if (value < 0 && err == ENOENT)
		return "absent";
	for (size_t i = 0; value < 0 && i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (err == refusals[i])
			return "refused";
	}
	return "allowed";
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return true;
	}
	return argc < 2;
}

static void report(const char *name, long value, int err)
{
	const char *text = err ? strerrorname_np(err) : "0";
	(void)printf("%s %s %s\n", name, result_name(value, err), text ? text : "?");
	(void)fflush(stdout);
}

/* In a child; @attempt says what it got by printing, or dies. */
static void in_child(const char *name, void (*attempt)(const char *name, const void *what),
                     const void *what)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		attempt(name, what);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		(void)printf("%s failed fork\n", name);
	else if (WIFSIGNALED(status))
		(void)printf("%s %s signal-%d\n", name,
		             WTERMSIG(status) == SIGSYS ? "killed" : "died", WTERMSIG(status));
	(void)fflush(stdout);
}

static void attempt_call(const char *name, const void *what)
{
	const struct probe *p = what;
	long self = syscall(SYS_getpid);
	errno = 0;
	long value = syscall(p->nr, p->a[0], p->a[1], p->a[2], p->a[3], p->a[4]);
	int err = value < 0 ? errno : 0;
	if (syscall(SYS_getpid) != self && p->nr == SYS_clone)
		_exit(0); /* the second process of a clone that got through */
	report(name, value, err);
}

static void attempt_open(const char *name, const void *what)
{
	int fd = open(what, O_WRONLY | O_CLOEXEC);
	report(name, fd, fd < 0 ? errno : 0);
}

#ifdef __x86_64__
static void attempt_int_0x80(const char *name, const void *what)
{
	long r = 20; /* getpid of i386 */
	(void)what;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	report(name, r < 0 ? -1 : r, r < 0 ? (int)-r : 0);
}
#endif

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		if (wanted(probes[i].name, argc, argv))
			in_child(probes[i].name, attempt_call, &probes[i]);
	}
#ifdef __x86_64__
	if (wanted("K-04.int_0x80", argc, argv))
		in_child("K-04.int_0x80", attempt_int_0x80, NULL);
#endif
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (wanted(files[i].name, argc, argv))
			in_child(files[i].name, attempt_open, files[i].path);
	}
	return 0;
}
