// SPDX-License-Identifier: Apache-2.0
/* hatch_lock.c - locks the two processes behind the loopback service of a step: the hatch, which
 * reads what the step sends, and the storekeeper, which has the store.
 *
 * Runs in: hatch and storekeeper, once each, before a byte of the step is read. Order: ids first
 * (they clear the parent-death signal and the dumpable flag), capabilities, limits, Landlock,
 * seccomp last. A call that is not in the table fails with ENOSYS: a library tries what is new and
 * falls back. What would reach the network, start a program or look at another process is in
 * neither table; what takes a path is in the storekeeper's alone, and Landlock keeps those paths
 * below the directories of the store. */
#include "drydock/hatch_lock.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- ids, capabilities, limits ---- */

static int hatch_drop_ids(const struct hatch_lock *lock, struct dd_err *err)
{
	uid_t uid[3];
	gid_t gid[3];

	if (!lock->switch_ids)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(lock->gid, lock->gid, lock->gid) < 0 ||
	    setresuid(lock->uid, lock->uid, lock->uid) < 0)
		return dd_err_set(err, errno, "hatch: become %u:%u", lock->uid, lock->gid);
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return dd_err_set(err, errno, "hatch: read ids back");
	for (int i = 0; i < 3; i++)
		if (uid[i] != lock->uid || gid[i] != lock->gid)
			return dd_err_say(err, EPERM, "hatch: the kernel kept an old id");
	return 0;
}

static int hatch_drop_capabilities(struct dd_err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "hatch: clear ambient capabilities");
	cap_t none = cap_init();
	if (!none)
		return dd_err_set(err, errno, "hatch: capabilities");
	int r = cap_set_proc(none) < 0 ? dd_err_set(err, errno, "hatch: drop capabilities") : 0;
	cap_t now = r == 0 ? cap_get_proc() : NULL;
	if (r == 0 && (!now || cap_compare(now, none) != 0))
		r = dd_err_say(err, EPERM, "hatch: the kernel kept a capability");
	(void)cap_free(now);
	(void)cap_free(none);
	return r;
}

static int hatch_harden(const struct hatch_lock *lock, struct dd_err *err)
{
	const struct rlimit none = { 0, 0 };
	const rlim_t most = lock->file_bytes ? lock->file_bytes : 1;
	const struct rlimit file = { most, most };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0 ||
	    setrlimit(RLIMIT_MEMLOCK, &none) < 0 || setrlimit(RLIMIT_FSIZE, &file) < 0)
		return dd_err_set(err, errno, "hatch: limits");
	/* past the limit write(2) fails, and the step is told so */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "hatch: parent-death signal");
	if (getppid() != lock->supervisor)
		return dd_err_say(err, EOWNERDEAD, "hatch: the supervisor is gone");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "hatch: harden the process");
	return 0;
}

/* ---- Landlock ---- */

/* The structs are ours: headers of 6.1 do not know the later members. */
struct hatch_ruleset_attr {
	uint64_t fs, net, scoped;
};
struct hatch_path_attr {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

enum {
	HATCH_LANDLOCK_VERSION = 1,
	HATCH_LANDLOCK_PATH = 1,
	/* write and read a file, read a directory, remove and make a regular file, truncate */
	HATCH_STORE_RIGHTS = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 14,
};

static const struct landlock_row {
	long abi;
	size_t size;
	uint64_t fs, net, scoped;
} landlock_rows[] = {
	{ 6, 24, 0xffff, 0x3, 0x3 }, { 5, 16, 0xffff, 0x3, 0 }, { 4, 16, 0x7fff, 0x3, 0 },
	{ 3, 8, 0x7fff, 0, 0 },      { 2, 8, 0x3fff, 0, 0 },    { 1, 8, 0x1fff, 0, 0 },
};

static int hatch_landlock(const int *dirs, size_t n, struct dd_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, HATCH_LANDLOCK_VERSION);
	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0; /* `doctor` says so; the filter has the rest */
	const struct landlock_row *row = landlock_rows;
	while (row->abi > abi && row->abi > 1)
		row++;
	struct hatch_ruleset_attr attr = { row->fs, row->net, row->scoped };
	dd_auto_fd int set = (int)syscall(SYS_landlock_create_ruleset, &attr, row->size, 0);
	if (set < 0)
		return dd_err_set(err, errno, "hatch: Landlock rule set, ABI %ld", abi);
	for (size_t i = 0; i < n; i++) {
		struct hatch_path_attr path = { .allowed = HATCH_STORE_RIGHTS & row->fs,
			                        .parent = dirs[i] };
		if (dirs[i] >= 0 &&
		    syscall(SYS_landlock_add_rule, set, HATCH_LANDLOCK_PATH, &path, 0) < 0)
			return dd_err_set(err, errno, "hatch: Landlock rule");
	}
	return syscall(SYS_landlock_restrict_self, set, 0) < 0
	               ? dd_err_set(err, errno, "hatch: enter Landlock")
	               : 0;
}

/* ---- seccomp ---- */

enum hatch_who { BOTH = 0, HATCH_ONLY, STORE_ONLY };
enum hatch_arg { ANYTHING = 0, NO_EXEC };

static const struct hatch_filter_row {
	int nr;
	enum hatch_who who;
	enum hatch_arg arg;
} hatch_filter_rows[] = {
	{ SCMP_SYS(read), BOTH, ANYTHING },
	{ SCMP_SYS(write), BOTH, ANYTHING },
	{ SCMP_SYS(close), BOTH, ANYTHING },
	{ SCMP_SYS(pread64), BOTH, ANYTHING },
	{ SCMP_SYS(pwrite64), BOTH, ANYTHING },
	{ SCMP_SYS(lseek), BOTH, ANYTHING },
	{ SCMP_SYS(fstat), BOTH, ANYTHING },
	{ SCMP_SYS(copy_file_range), BOTH, ANYTHING },
	{ SCMP_SYS(recvmsg), BOTH, ANYTHING },
	{ SCMP_SYS(sendmsg), BOTH, ANYTHING },
	{ SCMP_SYS(recvfrom), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(sendto), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(sendfile), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(writev), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(readv), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(accept4), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(getsockname), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(getsockopt), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(setsockopt), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(shutdown), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(dup), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(poll), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(ppoll), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(epoll_wait), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(epoll_pwait), HATCH_ONLY, ANYTHING },
	{ SCMP_SYS(epoll_ctl), HATCH_ONLY, ANYTHING },
	/* the store: paths are below its directories by Landlock */
	{ SCMP_SYS(openat), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(newfstatat), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(statx), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(getdents64), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(unlinkat), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(renameat), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(renameat2), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(ftruncate), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(fsync), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(fdatasync), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(flock), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(utimensat), STORE_ONLY, ANYTHING },
	{ SCMP_SYS(fstatfs), STORE_ONLY, ANYTHING },
	/* no descriptor flag gives a right, and a lease is how the absence of writers is known */
	{ SCMP_SYS(fcntl), BOTH, ANYTHING },
	{ SCMP_SYS(fadvise64), BOTH, ANYTHING },
	/* memory, time, chance */
	{ SCMP_SYS(brk), BOTH, ANYTHING },
	{ SCMP_SYS(mmap), BOTH, NO_EXEC },
	{ SCMP_SYS(mremap), BOTH, ANYTHING },
	{ SCMP_SYS(munmap), BOTH, ANYTHING },
	{ SCMP_SYS(madvise), BOTH, ANYTHING },
	{ SCMP_SYS(futex), BOTH, ANYTHING },
	{ SCMP_SYS(clock_gettime), BOTH, ANYTHING },
	{ SCMP_SYS(gettimeofday), BOTH, ANYTHING },
	{ SCMP_SYS(getrandom), BOTH, ANYTHING },
	{ SCMP_SYS(getpid), BOTH, ANYTHING },
	{ SCMP_SYS(rt_sigreturn), BOTH, ANYTHING },
	{ SCMP_SYS(rt_sigprocmask), BOTH, ANYTHING },
	{ SCMP_SYS(restart_syscall), BOTH, ANYTHING },
	{ SCMP_SYS(exit), BOTH, ANYTHING },
	{ SCMP_SYS(exit_group), BOTH, ANYTHING },
#ifdef __SANITIZE_ADDRESS__
	{ SCMP_SYS(sched_yield), BOTH, ANYTHING },
	{ SCMP_SYS(sigaltstack), BOTH, ANYTHING },
#endif
};

static int hatch_enter_filter(enum hatch_who who, struct dd_err *err)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return dd_err_set(err, ENOMEM, "hatch: seccomp filter");
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(hatch_filter_rows); i++) {
		const struct hatch_filter_row *row = &hatch_filter_rows[i];
		if (row->who == BOTH || row->who == who)
			r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr,
			                           row->arg == NO_EXEC, &no_exec);
	}
	if (r == 0)
		r = dd_fault("hatch_seccomp") ? -ENOSYS : seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? dd_err_set(err, -r,
	                          "hatch: load the seccomp filter (needs CONFIG_SECCOMP_FILTER)")
	             : 0;
}

/* ---- all ---- */

static int hatch_lock_all(const struct hatch_lock *lock, enum hatch_who who, const int *dirs,
                          size_t n, struct dd_err *err)
{
	int r = hatch_drop_ids(lock, err);
	if (r == 0)
		r = hatch_drop_capabilities(err);
	if (r == 0)
		r = hatch_harden(lock, err);
	if (r == 0)
		r = hatch_landlock(dirs, n, err);
	return r < 0 ? r : hatch_enter_filter(who, err);
}

int hatch_lock(const struct hatch_lock *lock, struct dd_err *err)
{
	return hatch_lock_all(lock, HATCH_ONLY, NULL, 0, err);
}

int store_lock(const struct hatch_lock *lock, const int *dirs, size_t n, struct dd_err *err)
{
	return hatch_lock_all(lock, STORE_ONLY, dirs, n, err);
}
