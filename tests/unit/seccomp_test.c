// SPDX-License-Identifier: Apache-2.0
/* seccomp_test.c - what the shipped profiles say about each system call, and what a broken profile
 * says about itself.
 *
 * Every row of the table is asked twice: of the filter bytes, by a small interpreter (exact, and
 * for architectures that this kernel may not run), and of the kernel, in a child under the real
 * filter. Nothing refused is ever tried without a filter.
 */
#include "sandbox/inside.h"
#include "sandbox/seccomp_internal.h"
#include "drydock/fd.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEFAULT_PROFILE "configs/seccomp/default.seccomp"
#define DEBUG_PROFILE   "configs/seccomp/debug.seccomp"
#define HIGH            0x5a5a5a5a00000000UL /* what a step puts above an int that the kernel cuts off */

static struct seccomp_program *prog;

static int load_default(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	if (seccomp_program_load(DEFAULT_PROFILE, &prog, &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

static int free_default(void **state)
{
	(void)state;
	seccomp_program_free(prog);
	return 0;
}

/* ---- the interpreter ---- */

static bool jump_taken(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JSET:
		return (a & f->k) != 0;
	default:
		fail_msg("unexpected jump %#x", f->code);
		return false;
	}
}

/* What the filter answers; only the operations that the compiler emits. */
static uint32_t verdict(const struct seccomp_program *p, uint32_t arch, uint32_t nr,
                        const unsigned long args[6])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	for (size_t i = 0; i < 6; i++)
		data.args[i] = args[i];
	uint32_t a = 0;
	for (size_t pc = 0; pc < p->n_insns; pc++) {
		const struct sock_filter *f = &p->insns[pc];
		if (f->code == (BPF_LD | BPF_W | BPF_ABS))
			memcpy(&a, (const char *)&data + f->k, sizeof(a));
		else if (f->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= f->k;
		else if (f->code == (BPF_RET | BPF_K))
			return f->k;
		else if (f->code == (BPF_JMP | BPF_JA))
			pc += f->k;
		else
			pc += jump_taken(f, a) ? f->jt : f->jf;
	}
	fail_msg("the filter ran off its end");
	return 0;
}

/* ---- asking the kernel ---- */

struct answer {
	long value;
	int err;
	int signal; /* the child died of it */
};

static void lock_or_exit(const struct seccomp_program *p)
{
	if (inside_no_new_privs(NULL) < 0 || inside_seccomp(p, NULL) < 0)
		_exit(99);
}

static struct answer ask_kernel(const struct seccomp_program *p, long nr, const unsigned long a[6])
{
	struct answer got = { 0 };
	int ends[2], status = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t self = (pid_t)syscall(SYS_getpid);
		lock_or_exit(p);
		errno = 0;
		got.value = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		got.err = got.value < 0 ? errno : 0;
		if (syscall(SYS_getpid) != self)
			_exit(0); /* the row was fork-like: only the first process answers */
		_exit(write(ends[1], &got, sizeof(got)) == (ssize_t)sizeof(got) ? 0 : 98);
	}
	(void)close(ends[1]);
	ssize_t n = read(ends[0], &got, sizeof(got));
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	got.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (!got.signal)
		assert_int_equal(n, sizeof(got));
	return got;
}

/* ---- the table ---- */

enum { ALLOW = -1 };

static const struct row {
	const char *id;
	long nr;
	unsigned long args[6];
	int want; /* errno of the filter, or ALLOW */
	/* of an allowed call: the errno that the kernel itself answers to these arguments */
	int live;
} rows[] = {
	{ "K-01 unshare user", SYS_unshare, { CLONE_NEWUSER }, EPERM, 0 },
	{ "K-01 unshare net", SYS_unshare, { CLONE_NEWNET }, EPERM, 0 },
	{ "K-01 setns", SYS_setns, { ULONG_MAX }, EPERM, 0 },
	{ "K-01 clone3", SYS_clone3, { 0 }, ENOSYS, 0 },
	{ "K-01 clone newuser", SYS_clone, { CLONE_NEWUSER | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newuser, high bits",
	  SYS_clone,
	  { HIGH | CLONE_NEWUSER | SIGCHLD },
	  EPERM,
	  0 },
	{ "K-01 clone newns", SYS_clone, { CLONE_NEWNS | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newpid", SYS_clone, { CLONE_NEWPID | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newnet", SYS_clone, { CLONE_NEWNET | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newipc", SYS_clone, { CLONE_NEWIPC | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newuts", SYS_clone, { CLONE_NEWUTS | SIGCHLD }, EPERM, 0 },
	{ "K-01 clone newcgroup", SYS_clone, { CLONE_NEWCGROUP | SIGCHLD }, EPERM, 0 },
	{ "clone of a thread with a wrong flag pair", SYS_clone, { CLONE_THREAD }, ALLOW, EINVAL },
	{ "K-02 io_uring_setup", SYS_io_uring_setup, { 0 }, ENOSYS, 0 },
	{ "K-02 io_uring_enter", SYS_io_uring_enter, { ULONG_MAX }, ENOSYS, 0 },
	{ "K-02 io_uring_register", SYS_io_uring_register, { ULONG_MAX }, ENOSYS, 0 },
	{ "K-03 bpf", SYS_bpf, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 perf_event_open", SYS_perf_event_open, { 0 }, EPERM, 0 },
	{ "K-03 userfaultfd", SYS_userfaultfd, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 kexec_load", SYS_kexec_load, { 0, 99 }, EPERM, 0 },
	{ "K-03 kexec_file_load", SYS_kexec_file_load, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 init_module", SYS_init_module, { 0 }, EPERM, 0 },
	{ "K-03 finit_module", SYS_finit_module, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 delete_module", SYS_delete_module, { 0 }, EPERM, 0 },
	{ "K-03 open_by_handle_at", SYS_open_by_handle_at, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 name_to_handle_at", SYS_name_to_handle_at, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 keyctl", SYS_keyctl, { 99999 }, EPERM, 0 },
	{ "K-03 add_key", SYS_add_key, { 0 }, EPERM, 0 },
	{ "K-03 request_key", SYS_request_key, { 0 }, EPERM, 0 },
	{ "K-03 mount", SYS_mount, { 0 }, EPERM, 0 },
	{ "K-03 umount2", SYS_umount2, { 0 }, EPERM, 0 },
	{ "K-03 pivot_root", SYS_pivot_root, { 0 }, EPERM, 0 },
	{ "K-03 chroot", SYS_chroot, { 0 }, EPERM, 0 },
	{ "K-03 open_tree", SYS_open_tree, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 move_mount", SYS_move_mount, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 fsopen", SYS_fsopen, { 0 }, EPERM, 0 },
	{ "K-03 fsconfig", SYS_fsconfig, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 fsmount", SYS_fsmount, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 fspick", SYS_fspick, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 mount_setattr", SYS_mount_setattr, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 open_tree_attr", 467, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 swapon", SYS_swapon, { 0 }, EPERM, 0 },
	{ "K-03 swapoff", SYS_swapoff, { 0 }, EPERM, 0 },
	{ "K-03 reboot", SYS_reboot, { 0 }, EPERM, 0 },
	{ "K-03 acct", SYS_acct, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 quotactl", SYS_quotactl, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 quotactl_fd", SYS_quotactl_fd, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 ptrace", SYS_ptrace, { 16, 1 }, EPERM, 0 },
	{ "K-03 process_vm_readv", SYS_process_vm_readv, { 1 }, EPERM, 0 },
	{ "K-03 process_vm_writev", SYS_process_vm_writev, { 1 }, EPERM, 0 },
	{ "K-03 kcmp", SYS_kcmp, { 1, 1 }, EPERM, 0 },
	{ "K-03 pidfd_getfd", SYS_pidfd_getfd, { ULONG_MAX }, EPERM, 0 },
	{ "K-03 no randomisation", SYS_personality, { ADDR_NO_RANDOMIZE }, EPERM, 0 },
	{ "K-03 no randomisation, high bits",
	  SYS_personality,
	  { HIGH | ADDR_NO_RANDOMIZE },
	  EPERM,
	  0 },
	{ "asking for the personality", SYS_personality, { 0xffffffff }, ALLOW, 0 },
	{ "clock_settime", SYS_clock_settime, { ULONG_MAX }, EPERM, 0 },
	{ "sethostname", SYS_sethostname, { 0, ULONG_MAX }, EPERM, 0 },
	{ "syslog", SYS_syslog, { 9 }, EPERM, 0 },
	{ "fanotify_init", SYS_fanotify_init, { ULONG_MAX }, EPERM, 0 },
#ifdef __x86_64__
	{ "K-03 modify_ldt", SYS_modify_ldt, { 99 }, EPERM, 0 },
	{ "K-03 iopl", SYS_iopl, { 99 }, EPERM, 0 },
	{ "K-03 ioperm", SYS_ioperm, { 0, ULONG_MAX }, EPERM, 0 },
	{ "K-03 lookup_dcookie", SYS_lookup_dcookie, { 0 }, EPERM, 0 },
#endif
	{ "K-05 number 1000", 1000, { 0 }, ENOSYS, 0 },
	{ "K-05 number 999999", 999999, { 0 }, ENOSYS, 0 },
	{ "K-05 memfd_secret", SYS_memfd_secret, { ULONG_MAX }, ENOSYS, 0 },
	{ "N-22 vsock", SYS_socket, { 40, SOCK_STREAM }, EAFNOSUPPORT, 0 },
	{ "N-22 packet", SYS_socket, { AF_PACKET, SOCK_RAW }, EAFNOSUPPORT, 0 },
	{ "N-22 alg", SYS_socket, { 38, SOCK_SEQPACKET }, EAFNOSUPPORT, 0 },
	{ "N-22 bluetooth", SYS_socket, { 31, SOCK_RAW }, EAFNOSUPPORT, 0 },
	{ "N-22 xdp", SYS_socket, { 44, SOCK_RAW }, EAFNOSUPPORT, 0 },
	{ "N-22 family above 31 bits",
	  SYS_socket,
	  { HIGH | AF_PACKET, SOCK_RAW },
	  EAFNOSUPPORT,
	  0 },
	{ "N-22 nfnetlink", SYS_socket, { AF_NETLINK, SOCK_RAW, 12 }, EAFNOSUPPORT, 0 },
	{ "N-22 netlink audit", SYS_socket, { AF_NETLINK, SOCK_RAW, 9 }, EAFNOSUPPORT, 0 },
	{ "N-22 netlink generic", SYS_socket, { AF_NETLINK, SOCK_RAW, 16 }, EAFNOSUPPORT, 0 },
	{ "N-02 raw", SYS_socket, { AF_INET, SOCK_RAW, 253 }, EPERM, 0 },
	{ "N-02 raw icmp", SYS_socket, { AF_INET, SOCK_RAW, 1 }, EPERM, 0 },
	{ "N-02 ping", SYS_socket, { AF_INET, SOCK_DGRAM, 1 }, EPERM, 0 },
	{ "N-02 ping v6", SYS_socket, { AF_INET6, SOCK_DGRAM, 58 }, EPERM, 0 },
	{ "N-02 raw, flags beside the type",
	  SYS_socket,
	  { AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 1 },
	  EPERM,
	  0 },
	{ "N-02 udplite", SYS_socket, { AF_INET, SOCK_DGRAM, 136 }, EPROTONOSUPPORT, 0 },
	{ "N-02 sctp", SYS_socket, { AF_INET, SOCK_STREAM, 132 }, EPROTONOSUPPORT, 0 },
	{ "N-02 sctp seqpacket", SYS_socket, { AF_INET, SOCK_SEQPACKET, 132 }, ESOCKTNOSUPPORT, 0 },
	{ "N-02 dccp", SYS_socket, { AF_INET6, 6, 33 }, ESOCKTNOSUPPORT, 0 },
	{ "N-02 l2tp",
	  SYS_socket,
	  { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 115 },
	  EPROTONOSUPPORT,
	  0 },
	{ "N-02 packets of old", SYS_socket, { AF_INET, SOCK_PACKET, 3 }, EPERM, 0 },
	{ "A30 send, urgent", SYS_sendto, { ULONG_MAX, 0, 0, MSG_OOB }, EOPNOTSUPP, 0 },
	{ "A30 send, urgent and more",
	  SYS_sendto,
	  { ULONG_MAX, 0, 0, HIGH | MSG_OOB | MSG_NOSIGNAL },
	  EOPNOTSUPP,
	  0 },
	{ "A30 sendmsg, urgent", SYS_sendmsg, { ULONG_MAX, 0, MSG_OOB }, EOPNOTSUPP, 0 },
	{ "A30 sendmmsg, urgent", SYS_sendmmsg, { ULONG_MAX, 0, 1, MSG_OOB }, EOPNOTSUPP, 0 },
	{ "send", SYS_sendto, { ULONG_MAX, 0, 0, MSG_NOSIGNAL }, ALLOW, EBADF },
	{ "sendmsg", SYS_sendmsg, { ULONG_MAX, 0, MSG_DONTWAIT }, ALLOW, EBADF },
	{ "sendmmsg, OOB in the number", SYS_sendmmsg, { ULONG_MAX, 0, MSG_OOB, 0 }, ALLOW, EBADF },
	{ "recv, urgent", SYS_recvfrom, { ULONG_MAX, 0, 0, MSG_OOB }, ALLOW, EBADF },
	{ "N-02 mptcp", SYS_socket, { AF_INET, SOCK_STREAM, 262 }, EPROTONOSUPPORT, 0 },
	{ "W-03 unix", SYS_socket, { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC }, ALLOW, 0 },
	{ "W-03 tcp", SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP }, ALLOW, 0 },
	{ "W-03 tcp, garbage above an int",
	  SYS_socket,
	  { HIGH | AF_INET, HIGH | SOCK_STREAM, HIGH },
	  ALLOW,
	  0 },
	{ "W-03 udp", SYS_socket, { AF_INET, SOCK_DGRAM, IPPROTO_UDP }, ALLOW, 0 },
	{ "netlink route", SYS_socket, { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 }, ALLOW, 0 },
	{ "socketpair inet", SYS_socketpair, { AF_INET, SOCK_STREAM }, EAFNOSUPPORT, 0 },
	{ "socketpair unix", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, 0 }, ALLOW, EFAULT },
	{ "upper layer protocol", SYS_setsockopt, { ULONG_MAX, SOL_TCP, TCP_ULP }, ENOPROTOOPT, 0 },
	{ "nodelay", SYS_setsockopt, { ULONG_MAX, SOL_TCP, TCP_NODELAY }, ALLOW, EBADF },
	{ "P-05 TIOCSTI", SYS_ioctl, { ULONG_MAX, TIOCSTI }, EPERM, 0 },
	{ "P-05 TIOCSTI, high bits", SYS_ioctl, { ULONG_MAX, HIGH | TIOCSTI }, EPERM, 0 },
	{ "P-05 TIOCLINUX", SYS_ioctl, { ULONG_MAX, TIOCLINUX }, EPERM, 0 },
	{ "P-05 TIOCLINUX, high bits", SYS_ioctl, { ULONG_MAX, HIGH | TIOCLINUX }, EPERM, 0 },
	{ "P-05 TIOCCONS", SYS_ioctl, { ULONG_MAX, TIOCCONS }, EPERM, 0 },
	{ "P-05 TIOCSETD", SYS_ioctl, { ULONG_MAX, TIOCSETD }, EPERM, 0 },
	{ "interface up", SYS_ioctl, { ULONG_MAX, SIOCSIFFLAGS }, ENOTTY, 0 },
	{ "ethtool", SYS_ioctl, { ULONG_MAX, SIOCETHTOOL }, EOPNOTSUPP, 0 },
	{ "an ioctl of nobody", SYS_ioctl, { ULONG_MAX, 0xdeadbeef }, ENOTTY, 0 },
	{ "TCGETS", SYS_ioctl, { ULONG_MAX, TCGETS }, ALLOW, EBADF },
	{ "a request with bit 31, sign-extended as musl does",
	  SYS_ioctl,
	  { ULONG_MAX, (unsigned long)(long)(int)TIOCGPTN },
	  ALLOW,
	  EBADF },
	{ "PR_SET_MM", SYS_prctl, { PR_SET_MM }, EPERM, 0 },
	{ "PR_SCHED_CORE", SYS_prctl, { PR_SCHED_CORE }, EPERM, 0 },
	{ "a prctl of nobody", SYS_prctl, { 0x12345678 }, EINVAL, 0 },
	{ "PR_GET_DUMPABLE", SYS_prctl, { PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0 }, ALLOW, 0 },
	{ "K-06 a listener",
	  SYS_seccomp,
	  { SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER },
	  EPERM,
	  0 },
	{ "K-06 a stacked filter", SYS_seccomp, { SECCOMP_SET_MODE_FILTER, 0, 0 }, ALLOW, EFAULT },
	{ "read", SYS_read, { ULONG_MAX }, ALLOW, EBADF },
	{ "openat", SYS_openat, { ULONG_MAX }, ALLOW, EFAULT },
	{ "fchmodat2", 452, { ULONG_MAX, 0, 0, 0 }, ALLOW, EFAULT },
};

static void the_filter_bytes_give_every_row_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t want = rows[i].want == ALLOW ? SECCOMP_RET_ALLOW
		                                      : SECCOMP_RET_ERRNO | (uint32_t)rows[i].want;
		uint32_t got = verdict(prog, seccomp_arch_native(), (uint32_t)rows[i].nr,
		                       rows[i].args);
		if (got != want)
			fail_msg("%s: %#x, not %#x", rows[i].id, got, want);
	}
}

static void the_kernel_agrees_with_every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct answer got = ask_kernel(prog, r->nr, r->args);
		int want = r->want == ALLOW ? r->live : r->want;
		/* the kernel itself does not have it */
		bool newer = r->nr > 450 && r->want == ALLOW && got.err == ENOSYS;
		if (got.signal || (got.err != want && !newer))
			fail_msg("%s: errno %d signal %d, not errno %d", r->id, got.err, got.signal,
			         want);
	}
}

static void no_number_that_a_profile_does_not_name_is_allowed(void **state)
{
	(void)state;
	const unsigned long none[6] = { 0 };
	unsigned allowed = 0;
	for (uint32_t nr = 0; nr < 5000; nr++)
		allowed += verdict(prog, seccomp_arch_native(), nr, none) == SECCOMP_RET_ALLOW;
	struct seccomp_summary s;
	seccomp_program_summary(prog, &s);
	assert_true(allowed <= s.allowed + s.conditional);
	assert_true(allowed >= s.allowed);
	assert_int_equal(s.killed, 0);
}

/* ---- K-04 ---- */

static void x32_numbers_get_enosys(void **state)
{
	(void)state;
	const unsigned long none[6] = { 0 };
	for (uint32_t nr = 0; nr < 600; nr++)
		assert_int_equal(verdict(prog, seccomp_arch_native(), 0x40000000U | nr, none),
		                 SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(verdict(prog, seccomp_arch_native(), 0xffffffffU, none),
	                 SECCOMP_RET_ERRNO | ENOSYS);
#ifdef __x86_64__
	assert_int_equal(ask_kernel(prog, 0x40000000 | SYS_getpid, none).err, ENOSYS);
#endif
}

static void a_foreign_architecture_is_killed(void **state)
{
	(void)state;
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_MIPS,
		                            AUDIT_ARCH_RISCV64, 0 };
	const unsigned long none[6] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		for (uint32_t nr = 0; nr < 500; nr++)
			assert_int_equal(verdict(prog, foreign[i], nr, none),
			                 SECCOMP_RET_KILL_PROCESS);
}

static void int_0x80_ends_the_process(void **state)
{
	(void)state;
#ifdef __x86_64__
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		long r = 20; /* getpid of i386 */
		lock_or_exit(prog);
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	if (WTERMSIG(status) == SIGSEGV)
		skip(); /* a kernel without 32-bit emulation has no such entry at all */
	assert_int_equal(WTERMSIG(status), SIGSYS);
#else
	skip();
#endif
}

/* ---- K-06 ---- */

static int run_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int errno_of_unshare(void)
{
	return syscall(SYS_unshare, CLONE_NEWUSER) < 0 ? errno : 0;
}

static int permissive_on_top(void)
{
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
	struct sock_fprog fprog = { .len = 1, .filter = &allow };
	lock_or_exit(prog);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0)
		return 97;
	return errno_of_unshare();
}

static void a_second_permissive_filter_does_not_help(void **state)
{
	(void)state;
	assert_int_equal(run_child(permissive_on_top), EPERM);
}

static int exec_self(void)
{
	lock_or_exit(prog);
	execl("/proc/self/exe", "seccomp_test", "--after-exec", (char *)NULL);
	return 97;
}

static void the_filter_survives_exec(void **state)
{
	(void)state;
	assert_int_equal(run_child(exec_self), EPERM);
}

static volatile int thread_may_go;

static void *thread_unshare(void *arg)
{
	while (!thread_may_go)
		(void)sched_yield();
	*(int *)arg = errno_of_unshare();
	return NULL;
}

static int older_thread(void)
{
	pthread_t t;
	int got = 96;
	if (pthread_create(&t, NULL, thread_unshare, &got) != 0)
		return 97;
	lock_or_exit(prog);
	thread_may_go = 1;
	(void)pthread_join(t, NULL);
	return got;
}

static void a_thread_that_is_older_than_the_filter_is_under_it(void **state)
{
	(void)state;
	assert_int_equal(run_child(older_thread), EPERM);
}

static int vforked(void)
{
	lock_or_exit(prog);
	int status = 0;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(errno_of_unshare());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
	                                                                       : 97;
}

static void children_inherit_the_filter(void **state)
{
	(void)state;
	assert_int_equal(run_child(vforked), EPERM);
}

/* ---- profiles ---- */

static void the_debug_profile_adds_ptrace_and_nothing_else_of_k_03(void **state)
{
	(void)state;
	struct seccomp_program *debug = NULL;
	struct dd_err err = { 0 };
	assert_int_equal(seccomp_program_load(DEBUG_PROFILE, &debug, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t before = verdict(prog, seccomp_arch_native(), (uint32_t)rows[i].nr,
		                          rows[i].args);
		uint32_t after = verdict(debug, seccomp_arch_native(), (uint32_t)rows[i].nr,
		                         rows[i].args);
		long nr = rows[i].nr;
		bool meant = nr == SYS_ptrace || nr == SYS_process_vm_readv ||
		             nr == SYS_process_vm_writev || nr == SYS_kcmp || nr == SYS_personality;
		assert_int_equal(after, meant ? (uint32_t)SECCOMP_RET_ALLOW : before);
	}
	assert_string_not_equal(seccomp_program_digest(debug), seccomp_program_digest(prog));
	seccomp_program_free(debug);
}

static void the_same_profile_gives_the_same_digest(void **state)
{
	(void)state;
	struct seccomp_program *again = NULL;
	assert_int_equal(seccomp_program_load(DEFAULT_PROFILE, &again, NULL), 0);
	assert_int_equal(strlen(seccomp_program_digest(again)), 64);
	assert_string_equal(seccomp_program_digest(again), seccomp_program_digest(prog));
	seccomp_program_free(again);
}

static const struct bad {
	const char *text, *says;
} bad_profiles[] = {
	{ "", "t:0: `default` is missing" },
	{ "default ENOSYS\ndefault EPERM\n", "t:2: `default` was given in line 1" },
	{ "default\n", "t:1: `` is not the name of an errno" },
	{ "default ALLOW\n", "t:1: `ALLOW` is not the name of an errno" },
	{ "default EPERM EPERM\n", "t:1: `default` takes one" },
	{ "default ENOSYS\nallow read\n", "t:2: this group" },
	{ "default ENOSYS\nwhy x\nallow read\n\nallow write\n", "t:5: this group" },
	{ "default ENOSYS\nwhy x\nalow read\n", "t:3: expected why, tell, allow" },
	{ "default ENOSYS\nwhy x\nallow raed\n", "t:3: no system call is called `raed`" },
	{ "default ENOSYS\nwhy x\nallow\n", "t:3: no system call is named" },
	{ "default ENOSYS\nwhy\n", "t:2: `why` without a sentence" },
	{ "default ENOSYS\nwhy x\nnever read\n", "t:3: `read` is not the name of an errno" },
	{ "default ENOSYS\nnever EPERM read\n", "t:2: this group" },
	{ "default ENOSYS\nwhy x\nallow read\nnever EPERM read\n", "t:4: never reached: line 3" },
	{ "default ENOSYS\nwhy x\nallow read\nrefuse EPERM read\n", "t:4: never reached: line 3" },
	{ "default ENOSYS\nwhy x\nallow read\nrefuse EPERM read if arg0 == 1\n",
	  "t:4: never reached: line 3" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 == 1\n",
	  "t:3: the conditions of system call" },
	{ "default ENOSYS\nwhy x\nallow read write if arg0 == 1\n",
	  "t:3: a condition needs exactly one" },
	{ "default ENOSYS\nwhy x\nallow read if arg6 == 1\n", "t:3: expected arg0 to arg5" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 = 1\n", "t:3: expected ==, !=, has or lacks" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 ==\n", "t:3: a value is missing" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 == TIOCSTY\n", "t:3: `TIOCSTY` is neither" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 == 0x100000000\n",
	  "t:3: `0x100000000` is neither" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 == -1\n", "t:3: `-1` is neither" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 has 0\n", "t:3: a test for no bit" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 ignoring 1 == 3\n",
	  "t:3: a value has bits that are ignored" },
	{ "default ENOSYS\nwhy x\nallow read if arg0 == 1 or arg1 == 1\n", "t:3: expected `and`" },
	{ "default ENOSYS\nwhy x\nallow read if\n", "t:3: expected arg0 to arg5" },
	{ "default ENOSYS\nwhy x\nrefuse read\n", "t:3: `read` is not the name of an errno" },
	{ "default ENOSYS\nwhy x\nallow new=12\n", "t:3: the number of `new` must be 424" },
	{ "default ENOSYS\nwhy x\nallow new=1024\n", "t:3: the number of `new` must be 424" },
	{ "default ENOSYS\nwhy x\nallow read=452\n", "t:3: `read` is system call" },
	{ "default ENOSYS\nwhy x\ntell\nnever EPERM read\n", "t:3: `tell` without a sentence" },
	{ "default ENOSYS\ntell x\nnever EPERM read\n", "t:2: this group" },
	{ "default ENOSYS\nwhy x\ntell x\nallow read\n", "t:3: `tell` without a `refuse`" },
	{ "default ENOSYS\nwhy x\ntell x\n\nwhy y\nallow read\n", "t:3: `tell` without" },
	{ "default ENOSYS\nwhy x\ntell x\nwhy y\nnever EPERM read\n", "t:3: `tell` without" },
	{ "base ../x\n", "t:1: `base` takes the name of one file" },
	{ "base .x\n", "t:1: `base` takes the name of one file" },
	{ "base a\nbase b\n", "t:2: a second `base`" },
	{ "default ENOSYS\nwhy \033[2J\n", "t:2: holds a control character" },
};

static void a_broken_profile_names_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_profiles); i++) {
		struct seccomp_profile *p = calloc(1, sizeof(*p));
		struct dd_err err = { 0 };
		assert_non_null(p);
		int r = seccomp_profile_parse("t", bad_profiles[i].text,
		                              strlen(bad_profiles[i].text), false, p, &err);
		seccomp_profile_done(p);
		free(p);
		if (r != -EINVAL ||
		    strncmp(err.msg, bad_profiles[i].says, strlen(bad_profiles[i].says)) != 0)
			fail_msg("row %zu: %d, %s (wanted: %s)", i, r, err.msg,
			         bad_profiles[i].says);
	}
}

static void a_missing_profile_is_named(void **state)
{
	(void)state;
	struct seccomp_program *p = NULL;
	struct dd_err err = { 0 };
	assert_int_equal(seccomp_program_load("/nonexistent/x.seccomp", &p, &err), -ENOENT);
	assert_null(p);
	assert_non_null(strstr(err.msg, "/nonexistent/x.seccomp"));
	assert_int_equal(seccomp_program_load("/dev/zero", &p, &err), -EINVAL);
}

static struct seccomp_program *compile(const char *text)
{
	struct seccomp_profile *p = calloc(1, sizeof(*p));
	struct seccomp_program *made = NULL;
	struct dd_err err = { 0 };
	assert_non_null(p);
	int r = seccomp_profile_parse("t", text, strlen(text), false, p, &err);
	if (r == 0)
		r = seccomp_profile_compile("t", p, &made, &err);
	seccomp_profile_done(p);
	free(p);
	if (r < 0)
		fail_msg("%s", err.msg);
	return made;
}

static void each_operator_means_what_it_says(void **state)
{
	(void)state;
	static const struct {
		const char *cond;
		unsigned long arg;
		bool holds;
	} cases[] = {
		{ "== 1,2,3", 1, true },
		{ "== 1,2,3", 3, true },
		{ "== 1,2,3", 4, false },
		{ "== 1", 0x100000001, true },
		{ "!= 1,2,3", 1, false },
		{ "!= 1,2,3", 3, false },
		{ "!= 1,2,3", 0, true },
		{ "!= 1", 0x100000001, false },
		{ "has 1,4", 4, true },
		{ "has 1,4", 5, true },
		{ "has 1,4", 2, false },
		{ "has 1", 0x100000000, false },
		{ "lacks 1,4", 2, true },
		{ "lacks 1,4", 4, false },
		{ "lacks 1,4", 1, false },
		{ "lacks 1", 0x100000000, true },
		{ "ignoring 8,16 == 1", 25, true },
		{ "ignoring 8,16 == 1", 33, false },
		{ "ignoring 8 != 1", 9, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[200];
		(void)snprintf(text, sizeof(text),
		               "default ENOSYS\nwhy x\nallow read if arg2 %s\nkill read\n",
		               cases[i].cond);
		struct seccomp_program *p = compile(text);
		const unsigned long args[6] = { 0, 0, cases[i].arg, 0, 0, 0 };
		uint32_t got = verdict(p, seccomp_arch_native(), SYS_read, args);
		seccomp_program_free(p);
		assert_int_equal(got, cases[i].holds ? (uint32_t)SECCOMP_RET_ALLOW
		                                     : (uint32_t)SECCOMP_RET_KILL_PROCESS);
	}
}

/* ---- sandbox.syscalls and observe mode ---- */

static void an_extra_call_is_allowed_whatever_the_profile_said(void **state)
{
	(void)state;
	static const char *const extra[] = { "ptrace", "personality", "memfd_secret", "read",
		                             NULL };
	struct seccomp_program *p = NULL;
	struct dd_err err = { 0 };
	assert_int_equal(
		seccomp_program_load_with(DEFAULT_PROFILE, extra, SECCOMP_ASK_NOTHING, &p, &err),
		0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		long nr = rows[i].nr;
		bool meant = nr == SYS_ptrace || nr == SYS_personality || nr == SYS_memfd_secret ||
		             nr == SYS_read;
		uint32_t before = verdict(prog, seccomp_arch_native(), (uint32_t)nr, rows[i].args);
		assert_int_equal(verdict(p, seccomp_arch_native(), (uint32_t)nr, rows[i].args),
		                 meant ? (uint32_t)SECCOMP_RET_ALLOW : before);
	}
	seccomp_program_free(p);
}

static void an_extra_call_that_is_never_allowed_or_unknown_is_refused_with_the_line(void **state)
{
	(void)state;
	static const struct {
		const char *call, *says;
	} cases[] = {
		{ "io_uring_setup",
		  "the system call `io_uring_setup` can never be allowed: line " },
		{ "mount", "can never be allowed: line " },
		{ "socket", "can never be allowed: line " },
		{ "clone3", "can never be allowed: line " },
		{ "raed", "no system call of this architecture is called `raed`" },
		{ "", "no system call of this architecture is called ``" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const extra[] = { cases[i].call, NULL };
		struct seccomp_program *p = NULL;
		struct dd_err err = { 0 };
		for (int debug = 0; debug < 2; debug++) {
			assert_int_equal(
				seccomp_program_load_with(debug ? DEBUG_PROFILE : DEFAULT_PROFILE,
			                                  extra, SECCOMP_ASK_NOTHING, &p, &err),
				-EINVAL);
			assert_null(p);
			assert_non_null(strstr(err.msg, cases[i].says));
			if (cases[i].call[0] == 'm')
				assert_non_null(strstr(err.msg, "default.seccomp"));
		}
	}
}

/* Every row: what is allowed stays allowed without a question, what is refused is asked about; but
 * for the two that nobody is asked about. */
static void an_observing_filter_asks_about_what_it_would_refuse(void **state)
{
	(void)state;
	struct seccomp_program *p = NULL;
	struct dd_err err = { 0 };
	assert_int_equal(
		seccomp_program_load_with(DEFAULT_PROFILE, NULL, SECCOMP_ASK_ALL, &p, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		bool unheard = r->nr == SYS_clone3 || r->nr == SYS_seccomp;
		uint32_t want = r->want == ALLOW ? SECCOMP_RET_ALLOW
		                : unheard        ? SECCOMP_RET_ERRNO | (uint32_t)r->want
		                                 : SECCOMP_RET_USER_NOTIF;
		uint32_t got = verdict(p, seccomp_arch_native(), (uint32_t)r->nr, r->args);
		if (got != want)
			fail_msg("%s: %#x, not %#x", r->id, got, want);
	}
	const unsigned long none[6] = { 0 };
	assert_int_equal(verdict(p, seccomp_arch_native(), 0x40000000U | SYS_getpid, none),
	                 SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(verdict(p, AUDIT_ARCH_ARM, SYS_ptrace, none), SECCOMP_RET_USER_NOTIF);
	assert_string_not_equal(seccomp_program_digest(p), seccomp_program_digest(prog));
	seccomp_program_free(p);
}

/* The sentence stands between the reason and the rules, and ends with the next reason; what answers
 * without one refuses without a question. */
static void only_what_the_profile_tells_is_asked_about_when_enforcing(void **state)
{
	(void)state;
	static const char text[] =
		"default ENOSYS\nwhy x\nallow execve exit_group sendto sendmsg\n\nwhy a\ntell one\n"
		"tell sentence\nrefuse EPERM ptrace if arg0 == 3\nallow ptrace if arg0 == 4\n"
		"never EACCES ptrace bpf\nkill acct\nwhy b\nrefuse EPERM mount\n"
		"\nwhy c\ntell more\nnever ENOSYS swapon clone3\nnever EPERM seccomp\n";
	static const struct {
		long nr;
		unsigned long arg;
		const char *tell; /* NULL: no question */
		uint32_t want;
	} cases[] = {
		{ SYS_ptrace, 3, "one sentence", SECCOMP_RET_ERRNO | EPERM },
		{ SYS_ptrace, 4, NULL, SECCOMP_RET_ALLOW },
		{ SYS_ptrace, 5, "one sentence", SECCOMP_RET_ERRNO | EACCES },
		{ SYS_bpf, 0, "one sentence", SECCOMP_RET_ERRNO | EACCES },
		{ SYS_acct, 0, NULL, SECCOMP_RET_KILL_PROCESS },
		{ SYS_mount, 0, NULL, SECCOMP_RET_ERRNO | EPERM },
		{ SYS_swapon, 0, "more", SECCOMP_RET_ERRNO | ENOSYS },
		/* nobody is ever asked about these two */
		{ SYS_clone3, 0, NULL, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_seccomp, 0, NULL, SECCOMP_RET_ERRNO | EPERM },
		{ SYS_open, 0, NULL, SECCOMP_RET_ERRNO | ENOSYS },
	};
	struct seccomp_profile *p = calloc(1, sizeof(*p));
	struct seccomp_program *plain = NULL, *telling = NULL;
	struct dd_err err = { 0 };
	assert_non_null(p);
	assert_int_equal(seccomp_profile_parse("t", text, strlen(text), false, p, &err), 0);
	assert_int_equal(seccomp_profile_compile("t", p, &plain, &err), 0);
	p->ask = SECCOMP_ASK_TOLD;
	assert_int_equal(seccomp_profile_compile("t", p, &telling, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const unsigned long args[6] = { cases[i].arg };
		const uint64_t same[6] = { cases[i].arg };
		uint32_t nr = (uint32_t)cases[i].nr;
		assert_int_equal(verdict(plain, seccomp_arch_native(), nr, args), cases[i].want);
		assert_int_equal(verdict(telling, seccomp_arch_native(), nr, args),
		                 cases[i].tell ? SECCOMP_RET_USER_NOTIF : cases[i].want);
		if (!cases[i].tell)
			continue;
		struct seccomp_reply reply = seccomp_reply(p, (int)nr, same);
		assert_string_equal(reply.tell, cases[i].tell);
		assert_int_equal(SECCOMP_RET_ERRNO | (uint32_t)reply.answer, cases[i].want);
	}
	const unsigned long none[6] = { 0 };
	assert_int_equal(verdict(telling, AUDIT_ARCH_I386, SYS_read, none), SECCOMP_RET_USER_NOTIF);
	seccomp_program_free(plain);
	seccomp_program_free(telling);
	seccomp_profile_done(p);
	free(p);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--after-exec") == 0)
		_exit(errno_of_unshare());
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_filter_bytes_give_every_row_its_verdict),
		cmocka_unit_test(the_kernel_agrees_with_every_row),
		cmocka_unit_test(no_number_that_a_profile_does_not_name_is_allowed),
		cmocka_unit_test(x32_numbers_get_enosys),
		cmocka_unit_test(a_foreign_architecture_is_killed),
		cmocka_unit_test(int_0x80_ends_the_process),
		cmocka_unit_test(a_second_permissive_filter_does_not_help),
		cmocka_unit_test(the_filter_survives_exec),
		cmocka_unit_test(a_thread_that_is_older_than_the_filter_is_under_it),
		cmocka_unit_test(children_inherit_the_filter),
		cmocka_unit_test(the_debug_profile_adds_ptrace_and_nothing_else_of_k_03),
		cmocka_unit_test(the_same_profile_gives_the_same_digest),
		cmocka_unit_test(a_broken_profile_names_file_and_line),
		cmocka_unit_test(a_missing_profile_is_named),
		cmocka_unit_test(each_operator_means_what_it_says),
		cmocka_unit_test(an_extra_call_is_allowed_whatever_the_profile_said),
		cmocka_unit_test(
			an_extra_call_that_is_never_allowed_or_unknown_is_refused_with_the_line),
		cmocka_unit_test(an_observing_filter_asks_about_what_it_would_refuse),
		cmocka_unit_test(only_what_the_profile_tells_is_asked_about_when_enforcing),
	};
	return cmocka_run_group_tests(tests, load_default, free_default);
}
