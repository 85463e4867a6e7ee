// SPDX-License-Identifier: Apache-2.0
/* gate_lock.c - takes everything away from the gate process that it does not need, before it reads
 * a hostile byte.
 *
 * Runs in: gate, once. The order matters: ids first (they clear the parent-death signal and the
 * dumpable flag, so those come after), capabilities, limits, Landlock (needs no_new_privs), seccomp
 * last, because it forbids all of the above. There is no way back and no best effort: any failure
 * ends the gate, and with it the step. Only Landlock may be absent: the filter has no system call
 * that takes a path.
 */
#include "gate_internal.h"

#include "drydock/fault.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifdef __SANITIZE_ADDRESS__
#define WITH_SANITIZER 1
#else
#define WITH_SANITIZER 0
#endif

/* Put @fds at first, first + 1, ... and close every other descriptor above @first. */
int gate_lock_fds(const int fds[], size_t n, int first, struct dd_err *err)
{
	int high[16];

	if (n > ARRAY_LEN(high))
		return dd_err_say(err, EINVAL, "gate: too many descriptors");
	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, first + (int)n);
		if (high[i] < 0)
			return dd_err_set(err, errno, "gate: duplicate descriptor %d", fds[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (dup3(high[i], first + (int)i, O_CLOEXEC) < 0)
			return dd_err_set(err, errno, "gate: move descriptor %d", fds[i]);
	}
	/* Linux 5.9 added close_range(2). No fallback loop: drydock needs 5.15 anyhow. */
	if (close_range((unsigned)first + (unsigned)n, ~0u, 0) < 0)
		return dd_err_set(err, errno, "gate: close_range");
	return 0;
}

static int drop_ids(const struct gate_lock *lock, struct dd_err *err)
{
	uid_t uid[3];
	gid_t gid[3];

	if (!lock->switch_ids)
		return 0;
	if (setgroups(0, NULL) < 0)
		return dd_err_set(err, errno, "gate: drop supplementary groups");
	if (setresgid(lock->gid, lock->gid, lock->gid) < 0)
		return dd_err_set(err, errno, "gate: become group %u", lock->gid);
	if (setresuid(lock->uid, lock->uid, lock->uid) < 0)
		return dd_err_set(err, errno, "gate: become user %u", lock->uid);
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return dd_err_set(err, errno, "gate: read ids back");
	for (int i = 0; i < 3; i++) {
		if (uid[i] != lock->uid || gid[i] != lock->gid)
			return dd_err_say(err, EPERM, "gate: the kernel kept an old id");
	}
	return 0;
}

static int gate_lock_drop_capabilities(struct dd_err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "gate: clear ambient capabilities");
	cap_t none = cap_init();
	if (!none)
		return dd_err_set(err, errno, "gate: capabilities");
	int r = cap_set_proc(none) < 0 ? dd_err_set(err, errno, "gate: drop capabilities") : 0;
	cap_t now = r == 0 ? cap_get_proc() : NULL;
	if (r == 0 && (!now || cap_compare(now, none) != 0))
		r = dd_err_say(err, EPERM, "gate: the kernel kept a capability");
	(void)cap_free(now);
	(void)cap_free(none);
	return r;
}

static int set_limits(enum gate_kind kind, struct dd_err *err)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t limit;
		const char *name;
	} rows[] = {
		{ RLIMIT_CORE, 0, "RLIMIT_CORE" }, /* memory holds what clients said */
		{ RLIMIT_NPROC, 0, "RLIMIT_NPROC" },     { RLIMIT_FSIZE, 0, "RLIMIT_FSIZE" },
		{ RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK" }, { RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (kind == GATE_ZYGOTE && rows[i].resource == RLIMIT_NPROC)
			continue; /* it forks; what it forks has it (gate_lock_forked) */
		struct rlimit limit = { rows[i].limit, rows[i].limit };
		if (setrlimit(rows[i].resource, &limit) < 0)
			return dd_err_set(err, errno, "gate: limit %s", rows[i].name);
	}
	return 0;
}

/* The gate must not outlive its supervisor. The signal is about the thread that forked; the closed
 * control socket is the second way to notice. */
static int die_with_supervisor(pid_t supervisor, struct dd_err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "gate: parent-death signal");
	if (getppid() != supervisor)
		return dd_err_say(err, EOWNERDEAD, "gate: the supervisor is gone");
	return 0;
}

static int tie_to_supervisor(pid_t supervisor, struct dd_err *err)
{
	int r = die_with_supervisor(supervisor, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "gate: become not dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "gate: no_new_privs");
	return 0;
}

/* landlock_create_ruleset(2). The struct is ours: headers of 6.1 do not know its later members. */
struct landlock_attr {
	uint64_t fs, net, scoped;
};

enum { LANDLOCK_VERSION_FLAG = 1 };

static const struct landlock_row {
	long abi;
	size_t size; /* older kernels refuse a longer struct */
	uint64_t fs, net, scoped;
} landlock_rows[] = {
	{ 6, 24, 0xffff, 0x1, 0x3 }, /* 6.12: abstract sockets, signals */
	{ 5, 16, 0xffff, 0x1, 0 },   /* 6.10: device ioctls */
	{ 4, 16, 0x7fff, 0x1, 0 },   /* 6.7: TCP bind, which the gate never does */
	{ 3, 8, 0x7fff, 0, 0 },      /* 6.2: truncate */
	{ 2, 8, 0x3fff, 0, 0 },      /* 5.19: refer */
	{ 1, 8, 0x1fff, 0, 0 },      /* 5.13 */
};

/* Every right handled, no rule that allows one: no path can be opened by any means. */
static int forbid_files(bool closed, struct dd_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	const struct landlock_row *row = landlock_rows;
	while (row->abi > abi && row->abi > 1)
		row++;
	/* In a closed gate TCP connect is handled as well: the second lock behind the filter. */
	struct landlock_attr attr = { row->fs, row->net && closed ? 0x3 : row->net, row->scoped };
	dd_auto_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, row->size, 0);
	if (ruleset < 0)
		return dd_err_set(err, errno, "gate: Landlock rule set, ABI %ld", abi);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return dd_err_set(err, errno, "gate: enter Landlock");
	return 0;
}

/* ---- seccomp ---- */

enum { FILTER_MAX = 512 };
enum arg_check { ANY = 0, NO_EXEC, INET_ONLY, GROW_ONLY, FORK_ONLY, PRCTL_LOCK };
enum row_of { EVERY = 0, OPEN_ONLY, ZYGOTE_ONLY };

static const struct filter_row {
	int nr;
	enum row_of of;
	enum arg_check check;
} filter_rows[] = {
	{ SCMP_SYS(read), EVERY, ANY },
	{ SCMP_SYS(write), EVERY, ANY },
	{ SCMP_SYS(close), EVERY, ANY },
	{ SCMP_SYS(recvmsg), EVERY, ANY },
	{ SCMP_SYS(recvfrom), EVERY, ANY },
	{ SCMP_SYS(sendmsg), EVERY, ANY },
	{ SCMP_SYS(sendto), EVERY, ANY },
	{ SCMP_SYS(accept4), EVERY, ANY },
	{ SCMP_SYS(getsockname), EVERY, ANY },
	{ SCMP_SYS(setsockopt), EVERY, ANY },
	{ SCMP_SYS(shutdown), EVERY, ANY },
	{ SCMP_SYS(epoll_wait), EVERY, ANY },
	{ SCMP_SYS(epoll_pwait), EVERY, ANY },
	{ SCMP_SYS(epoll_ctl), EVERY, ANY },
	{ SCMP_SYS(brk), EVERY, ANY },
	{ SCMP_SYS(mmap), EVERY, NO_EXEC },
	{ SCMP_SYS(mremap), EVERY, ANY },
	{ SCMP_SYS(munmap), EVERY, ANY },
	{ SCMP_SYS(madvise), EVERY, ANY },
	{ SCMP_SYS(clock_gettime), EVERY, ANY }, /* the vDSO's fallback */
	{ SCMP_SYS(gettimeofday), EVERY, ANY },
	{ SCMP_SYS(getrandom), EVERY, ANY },
	{ SCMP_SYS(rt_sigreturn), EVERY, ANY },
	{ SCMP_SYS(restart_syscall), EVERY, ANY },
	{ SCMP_SYS(exit), EVERY, ANY },
	{ SCMP_SYS(exit_group), EVERY, ANY },
	{ SCMP_SYS(getsockopt), OPEN_ONLY, ANY }, /* the outcome of a connect */
	{ SCMP_SYS(splice), OPEN_ONLY, ANY },
	{ SCMP_SYS(pipe2), OPEN_ONLY, ANY },
	{ SCMP_SYS(fcntl), OPEN_ONLY, GROW_ONLY }, /* of a pipe, by F_SETPIPE_SZ */
	{ SCMP_SYS(connect), OPEN_ONLY, ANY },
	{ SCMP_SYS(socket), OPEN_ONLY, INET_ONLY },
	/* what makes a gate of a fork, and the filter of a gate takes away again */
	{ SCMP_SYS(clone), ZYGOTE_ONLY, FORK_ONLY },
	{ SCMP_SYS(prctl), ZYGOTE_ONLY, PRCTL_LOCK },
	{ SCMP_SYS(getppid), ZYGOTE_ONLY, ANY },
	{ SCMP_SYS(prlimit64), ZYGOTE_ONLY, ANY },
	{ SCMP_SYS(fcntl), ZYGOTE_ONLY, ANY },
	{ SCMP_SYS(dup3), ZYGOTE_ONLY, ANY },
	{ SCMP_SYS(close_range), ZYGOTE_ONLY, ANY },
	{ SCMP_SYS(epoll_create1), ZYGOTE_ONLY, ANY },
#if WITH_SANITIZER
	{ SCMP_SYS(futex), EVERY, ANY },
	{ SCMP_SYS(sched_yield), EVERY, ANY },
	{ SCMP_SYS(sigaltstack), EVERY, ANY },
#endif
};

static int gate_lock_add_row(scmp_filter_ctx ctx, const struct filter_row *row)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp grow = SCMP_A1_64(SCMP_CMP_EQ, F_SETPIPE_SZ, 0);
	const struct scmp_arg_cmp forks = SCMP_A0_64(SCMP_CMP_EQ, GATE_FORK_FLAGS, 0);
	const struct scmp_arg_cmp lock[2] = {
		SCMP_A0_64(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0),
		SCMP_A0_64(SCMP_CMP_EQ, PR_SET_SECCOMP, 0),
	};
	const struct scmp_arg_cmp inet[2] = {
		SCMP_A0_64(SCMP_CMP_EQ, AF_INET, 0),
		SCMP_A0_64(SCMP_CMP_EQ, AF_INET6, 0),
	};
	switch (row->check) {
	case ANY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 0, NULL);
	case NO_EXEC:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &no_exec);
	case GROW_ONLY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &grow);
	case FORK_ONLY:
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &forks);
	case PRCTL_LOCK:
	case INET_ONLY:
		break;
	}
	const struct scmp_arg_cmp *either = row->check == INET_ONLY ? inet : lock;
	int r = 0;
	for (size_t i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row->nr, 1, &either[i]);
	return r;
}

static bool row_is_of(const struct filter_row *row, enum gate_kind kind)
{
	return row->of == EVERY || (row->of == OPEN_ONLY && kind == GATE_OPEN) ||
	       (row->of == ZYGOTE_ONLY && kind == GATE_ZYGOTE);
}

/* Anything else kills the gate: it is a sign that somebody else is at the wheel, and a dead gate is
 * a closed one. */
static int filter_compile(enum gate_kind kind, int to, struct dd_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return dd_err_set(err, ENOMEM, "gate: seccomp filter");
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(filter_rows); i++) {
		if (row_is_of(&filter_rows[i], kind))
			r = gate_lock_add_row(ctx, &filter_rows[i]);
	}
	if (r == 0)
		r = seccomp_export_bpf(ctx, to);
	seccomp_release(ctx);
	return r < 0 ? dd_err_set(err, -r, "gate: compile the seccomp filter") : 0;
}

/* Made once in the supervisor, and inherited by every fork of it. */
static struct filter_bytes {
	struct sock_filter code[FILTER_MAX];
	unsigned short n; /* 0: not made yet */
} filters[GATE_KIND__COUNT];

int gate_lock_compile(enum gate_kind kind, struct dd_err *err)
{
	struct filter_bytes *f = &filters[kind];

	if (f->n > 0)
		return 0;
	dd_auto_fd int fd = memfd_create("gate-filter", MFD_CLOEXEC);
	if (fd < 0)
		return dd_err_set(err, errno, "gate: memory for the seccomp filter");
	int r = filter_compile(kind, fd, err);
	if (r < 0)
		return r;
	ssize_t got = pread(fd, f->code, sizeof(f->code), 0);
	if (got <= 0 || got == (ssize_t)sizeof(f->code) || (size_t)got % sizeof(f->code[0]) != 0)
		return dd_err_set(err, got < 0 ? errno : EPROTO,
		                  "gate: read the seccomp filter (%zd bytes)", got);
	f->n = (unsigned short)((size_t)got / sizeof(f->code[0]));
	return 0;
}

static int gate_lock_enter_filter(enum gate_kind kind, struct dd_err *err)
{
	const struct sock_fprog prog = { .len = filters[kind].n, .filter = filters[kind].code };
	if (dd_fault("gate_seccomp"))
		errno = ENOSYS;
	else if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0)
		return 0;
	return dd_err_set(err, errno,
	                  "gate: load the seccomp filter (needs CONFIG_SECCOMP_FILTER)");
}

int gate_lock_forked(pid_t supervisor, struct dd_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (dd_fault("gate_lock"))
		return dd_err_set(err, ENOSYS, "gate: lock down");
	int r = die_with_supervisor(supervisor, err);
	if (r == 0 && setrlimit(RLIMIT_NPROC, &none) < 0)
		r = dd_err_set(err, errno, "gate: limit RLIMIT_NPROC");
	return r < 0 ? r : gate_lock_enter_filter(GATE_CLOSED_KIND, err);
}

int gate_lock(const struct gate_lock *lock, struct dd_err *err)
{
	if (dd_fault("gate_lock"))
		return dd_err_set(err, ENOSYS, "gate: lock down");
	int r = gate_lock_compile(lock->kind, err); /* made before the fork, as a rule */
	if (r == 0)
		r = drop_ids(lock, err);
	if (r == 0)
		r = gate_lock_drop_capabilities(err);
	if (r == 0)
		r = tie_to_supervisor(lock->supervisor, err);
	if (r == 0)
		r = set_limits(lock->kind, err);
	if (r == 0)
		r = forbid_files(lock->kind != GATE_OPEN, err);
	if (r == 0)
		r = gate_lock_enter_filter(lock->kind, err);
	return r;
}
