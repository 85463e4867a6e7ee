// SPDX-License-Identifier: Apache-2.0
/* courier_lock.c - locks a process that talks TLS: it resolves names, reads certificates, loads
 * libraries, and does nothing else.
 *
 * Runs in: courier. A call that is not in the table fails with ENOSYS: libraries try what is new
 * and fall back. What would start a program or change a file is not there at all, and Landlock says
 * it a second time. */
#include "drydock/courier_lock.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* ---- Landlock ---- */

enum { LANDLOCK_VERSION_FLAG = 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };

/* Every right of the ABI but reading is handled, and no rule gives one back. */
static int forbid_writing(struct dd_err *err)
{
	struct {
		uint64_t fs;
	} attr = { 0x1fff };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0; /* `doctor` says so; the filter says the same */
	attr.fs = (abi >= 3   ? 0x7fffu
	           : abi == 2 ? 0x3fffu
	                      : 0x1fffu) &
	          ~(unsigned)(READ_FILE | READ_DIR);
	dd_auto_fd int set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (set < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return dd_err_set(err, errno, "courier: Landlock");
	return 0;
}

/* ---- seccomp ---- */

enum arg_check { ANY = 0, READ_ONLY, THREADS_ONLY, SOCKETS };

static const struct filter_row {
	int nr;
	enum arg_check check;
} rows[] = {
	/* files, to read; the flags are the third argument of openat */
	{ SCMP_SYS(openat), READ_ONLY },
	{ SCMP_SYS(read), ANY },
	{ SCMP_SYS(pread64), ANY },
	{ SCMP_SYS(readv), ANY },
	{ SCMP_SYS(readlink), ANY },
	{ SCMP_SYS(readlinkat), ANY },
	{ SCMP_SYS(close), ANY },
	{ SCMP_SYS(lseek), ANY },
	{ SCMP_SYS(fstat), ANY },
	{ SCMP_SYS(stat), ANY },
	{ SCMP_SYS(lstat), ANY },
	{ SCMP_SYS(newfstatat), ANY },
	{ SCMP_SYS(statx), ANY },
	{ SCMP_SYS(access), ANY },
	{ SCMP_SYS(faccessat), ANY },
	{ SCMP_SYS(faccessat2), ANY },
	{ SCMP_SYS(getdents64), ANY },
	{ SCMP_SYS(fcntl), ANY },
	{ SCMP_SYS(dup), ANY },
	{ SCMP_SYS(dup2), ANY },
	{ SCMP_SYS(dup3), ANY },
	/* the network, and what resolvers use */
	{ SCMP_SYS(socket), SOCKETS },
	{ SCMP_SYS(socketpair), ANY },
	{ SCMP_SYS(connect), ANY },
	{ SCMP_SYS(bind), ANY },
	{ SCMP_SYS(getsockname), ANY },
	{ SCMP_SYS(getpeername), ANY },
	{ SCMP_SYS(getsockopt), ANY },
	{ SCMP_SYS(setsockopt), ANY },
	{ SCMP_SYS(shutdown), ANY },
	{ SCMP_SYS(sendto), ANY },
	{ SCMP_SYS(sendmsg), ANY },
	{ SCMP_SYS(sendmmsg), ANY },
	{ SCMP_SYS(recvfrom), ANY },
	{ SCMP_SYS(recvmsg), ANY },
	{ SCMP_SYS(write), ANY },
	{ SCMP_SYS(writev), ANY },
	{ SCMP_SYS(poll), ANY },
	{ SCMP_SYS(ppoll), ANY },
	{ SCMP_SYS(select), ANY },
	{ SCMP_SYS(pselect6), ANY },
	{ SCMP_SYS(ioctl), ANY },
	{ SCMP_SYS(pipe), ANY },
	{ SCMP_SYS(pipe2), ANY },
	{ SCMP_SYS(eventfd2), ANY },
	/* memory and threads: libcurl resolves in one */
	{ SCMP_SYS(brk), ANY },
	{ SCMP_SYS(mmap), ANY },
	{ SCMP_SYS(mprotect), ANY },
	{ SCMP_SYS(mremap), ANY },
	{ SCMP_SYS(munmap), ANY },
	{ SCMP_SYS(madvise), ANY },
	{ SCMP_SYS(mlock), ANY },
	{ SCMP_SYS(clone), THREADS_ONLY },
	{ SCMP_SYS(set_robust_list), ANY },
	{ SCMP_SYS(rseq), ANY },
	{ SCMP_SYS(futex), ANY },
	{ SCMP_SYS(sched_yield), ANY },
	{ SCMP_SYS(sched_getaffinity), ANY },
	{ SCMP_SYS(gettid), ANY },
	{ SCMP_SYS(tgkill), ANY },
	{ SCMP_SYS(rt_sigaction), ANY },
	{ SCMP_SYS(rt_sigprocmask), ANY },
	{ SCMP_SYS(rt_sigreturn), ANY },
	{ SCMP_SYS(sigaltstack), ANY },
	{ SCMP_SYS(restart_syscall), ANY },
	/* time, chance, and who we are */
	{ SCMP_SYS(clock_gettime), ANY },
	{ SCMP_SYS(clock_getres), ANY },
	{ SCMP_SYS(clock_nanosleep), ANY },
	{ SCMP_SYS(nanosleep), ANY },
	{ SCMP_SYS(gettimeofday), ANY },
	{ SCMP_SYS(time), ANY },
	{ SCMP_SYS(getrandom), ANY },
	{ SCMP_SYS(getpid), ANY },
	{ SCMP_SYS(getppid), ANY },
	{ SCMP_SYS(getuid), ANY },
	{ SCMP_SYS(geteuid), ANY },
	{ SCMP_SYS(getgid), ANY },
	{ SCMP_SYS(getegid), ANY },
	{ SCMP_SYS(uname), ANY },
	{ SCMP_SYS(sysinfo), ANY },
	{ SCMP_SYS(prlimit64), ANY },
	{ SCMP_SYS(getrlimit), ANY },
	{ SCMP_SYS(prctl), ANY },
	{ SCMP_SYS(exit), ANY },
	{ SCMP_SYS(exit_group), ANY },
};

static int courier_add_row(scmp_filter_ctx ctx, const struct filter_row *row)
{
	/* no AF_UNIX: behind such sockets wait services of the host that believe our uid (docker).
	 * Resolvers that ask a service do without it, and libcurl's own pairs are socketpair(2) */
	static const int families[] = { AF_INET, AF_INET6, AF_NETLINK };
	const struct scmp_arg_cmp read_only = SCMP_A2_64(SCMP_CMP_MASKED_EQ,
	                                                 O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);
	const struct scmp_arg_cmp thread = SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD,
	                                              CLONE_THREAD);
	int r = 0;
	switch (row->check) {
	case ANY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 0, NULL);
	case READ_ONLY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &read_only);
	case THREADS_ONLY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &thread);
	case SOCKETS:
		break;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(families); i++) {
		const struct scmp_arg_cmp family = SCMP_A0_64(SCMP_CMP_EQ,
		                                              (scmp_datum_t)families[i], 0);
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &family);
	}
	return r;
}

static int courier_enter_filter(struct dd_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return dd_err_set(err, ENOMEM, "courier: seccomp filter");
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
		r = courier_add_row(ctx, &rows[i]);
	if (r == 0)
		r = dd_fault("courier_seccomp") ? -ENOSYS : seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? dd_err_set(err, -r,
	                          "courier: load the seccomp filter (needs CONFIG_SECCOMP_FILTER)")
	             : 0;
}

/* ---- all ---- */

static int courier_drop_capabilities(struct dd_err *err)
{
	cap_t none = cap_init();
	int r = none ? cap_set_proc(none) : -1;
	int code = errno;
	(void)cap_free(none);
	return r < 0 ? dd_err_set(err, code, "courier: drop capabilities") : 0;
}

int courier_lock(struct dd_err *err)
{
	const struct rlimit no_core = { 0, 0 };
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "courier: harden the process");
	int r = courier_drop_capabilities(err);
	if (r == 0)
		r = forbid_writing(err);
	return r < 0 ? r : courier_enter_filter(err);
}
