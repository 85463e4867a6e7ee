// SPDX-License-Identifier: Apache-2.0
/* inside_lock.c - takes power away for good: capabilities, no_new_privs, the system call filter,
 * and all of it for init.
 *
 * Runs in: launcher, inside the new namespaces; afterwards the process is the step (or init).
 * Order: capabilities need the securebits call that capabilities permit, so they go first;
 * no_new_privs is what lets an unprivileged process load Landlock and a filter; the filter is last,
 * because it takes away the calls that the other locks use. Every lock is read back: a drop that
 * drops nothing must not look like one that worked. No heap after a filter.
 */
#include "inside.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "seccomp_internal.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fault(const char *point, struct dd_err *err)
{
	return dd_fault(point) ? dd_err_set(err, ENOSYS, "%s (taken away by DRYDOCK_FAULT)", point)
	                       : 0;
}

/* ---- capabilities ---- */

/* Every bit locked, so that neither exec as root nor a change of uid gives anything back. KEEP_CAPS
 * stays off, and locked off. */
enum {
	SECUREBITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	             SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	             SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED
};

/* Up to the first number that the kernel does not know (EINVAL), not to CAP_LAST_CAP of the
 * headers: a newer kernel may have more. True: nothing was in it. */
static bool bounding_set_is_empty(cap_value_t *ret_first)
{
	for (cap_value_t cap = 0;; cap++) {
		int in = cap_get_bound(cap);
		if (in > 0)
			*ret_first = cap;
		if (in != 0)
			return in < 0 && cap > 0 && errno == EINVAL;
	}
}

int inside_empty_bounding_set(struct dd_err *err)
{
	cap_value_t left = 0;

	if (bounding_set_is_empty(&left))
		return 0; /* the launcher has done it for both that it becomes */
	for (cap_value_t cap = left; cap_drop_bound(cap) == 0;)
		cap++;
	return bounding_set_is_empty(&left)
	               ? 0
	               : dd_err_set(err, EPERM, "drop capability %d from the bounding set", left);
}

static int empty_sets(struct dd_err *err)
{
	cap_t none = cap_init();
	if (!none)
		return dd_err_set(err, errno, "empty capability sets");
	int r = cap_set_proc(none) < 0 ? dd_err_set(err, errno, "empty the capability sets") : 0;
	(void)cap_free(none);
	return r;
}

/* capget(2) and prctl(2), not /proc/self/status: what is mounted there may not be procfs (K-10). */
static int lock_check_capabilities(struct dd_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	if (syscall(SYS_capget, &head, data) < 0)
		return dd_err_set(err, errno, "read the capability sets back");
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		if (data[i].effective | data[i].permitted | data[i].inheritable)
			return dd_err_say(err, EPERM,
			                  "capabilities are left: effective %08x permitted %08x "
			                  "inheritable %08x (word %zu)",
			                  (unsigned)data[i].effective, (unsigned)data[i].permitted,
			                  (unsigned)data[i].inheritable, i);
	}
	/* The ambient set is a part of the permitted one, and that is empty (capabilities(7)). */
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	return bits == SECUREBITS ? 0
	                          : dd_err_say(err, EPERM, "securebits are %#x, not %#x",
	                                       (unsigned)bits, (unsigned)SECUREBITS);
}

int inside_drop_capabilities(struct dd_err *err)
{
	int r = fault("capabilities", err);
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "empty the ambient capability set");
	r = inside_empty_bounding_set(err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "lock the securebits");
	r = empty_sets(err);
	return r < 0 ? r : lock_check_capabilities(err);
}

/* ---- no_new_privs, filter ---- */

int inside_no_new_privs(struct dd_err *err)
{
	int r = fault("no_new_privs", err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "set no_new_privs");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return dd_err_say(err, EPERM, "no_new_privs was set and reads back as not set");
	return 0;
}

static int load_filter(const struct sock_filter *insns, size_t n, struct dd_err *err)
{
	struct sock_fprog fprog = { .len = (unsigned short)n,
		                    .filter = (struct sock_filter *)(uintptr_t)insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &fprog);
	if (r < 0)
		return dd_err_set(err, errno,
		                  "load the system call filter (needs CONFIG_SECCOMP_FILTER and "
		                  "no_new_privs)");
	if (r > 0) /* TSYNC answers with the thread that could not follow */
		return dd_err_say(err, ESRCH,
		                  "load the system call filter: thread %ld did not take it", r);
	return 0;
}

int inside_seccomp(const struct seccomp_program *prog, struct dd_err *err)
{
	int r = fault("seccomp", err);
	if (r < 0)
		return r;
	if (!prog || prog->n_insns == 0)
		return dd_err_say(err, EINVAL,
		                  "no system call filter was given; a step never runs without one");
	r = load_filter(prog->insns, prog->n_insns, err);
	if (r < 0)
		return r;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
		return dd_err_say(err, EPERM,
		                  "the system call filter was loaded and reads back as absent");
	return 0;
}

/* Linux 5.19: once the supervisor has a question, only a fatal signal takes the thread out of its
 * call; without it an interrupted call is asked about again, and counted twice. ESRCH, not a thread
 * id, is what TSYNC answers beside a listener (5.7). */
static int load_asking_filter(const struct seccomp_program *prog)
{
	struct sock_fprog fprog = { .len = (unsigned short)prog->n_insns, .filter = prog->insns };
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
	                            SECCOMP_FILTER_FLAG_TSYNC_ESRCH;

	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &fprog);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
	return fd < 0 ? -errno : (int)fd;
}

int inside_seccomp_asking(const struct seccomp_program *prog, int deliver, struct dd_err *err)
{
	int r = fault("seccomp", err);
	if (r == 0)
		r = fault("seccomp_notify", err);
	if (r < 0)
		return r;
	/* CLOEXEC from birth: the step never has it */
	dd_auto_fd int listener = load_asking_filter(prog);
	if (listener < 0)
		return dd_err_set(err, -listener,
		                  "load the system call filter with a listener (needs seccomp user "
		                  "notification, Linux 5.7)");
	/* Nothing between the filter and here may be a call that it asks about: nobody could answer
	 * yet (seccomp.c checks these two). */
	const char byte = DELIVERY_LISTENER;
	r = dd_send_msg(deliver, &byte, 1, &listener, 1);
	return r < 0 ? dd_err_set(err, -r, "hand over the listener of the system call filter") : 0;
}

/* ---- init ---- */

/* What a loop needs that reaps, forwards signals, and talks over ctl. Everything else kills init,
 * and with it the step: pid 1 holds the socket to the supervisor, so it must not be worth taking
 * over. */
static const int init_calls[] = {
	SYS_wait4,
	SYS_waitid,
	SYS_kill,
	SYS_read,
	SYS_write,
	SYS_recvmsg,
	SYS_sendmsg,
	SYS_recvfrom,
	SYS_sendto,
	SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_close,
	SYS_exit,
	SYS_exit_group,
	SYS_getpid,
	SYS_gettid,
	SYS_getrusage,
	SYS_signalfd4,
	SYS_clock_gettime,
	SYS_clock_nanosleep,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_rt_sigtimedwait,
	SYS_restart_syscall,
};

static int load_init_filter(struct dd_err *err)
{
	struct sock_filter insns[ARRAY_LEN(init_calls) + 8];
	size_t n = 0;
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                          offsetof(struct seccomp_data, arch));
	insns[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(),
	                                          1, 0);
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                          offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(init_calls); i++) {
		unsigned char hit = (unsigned char)(ARRAY_LEN(init_calls) - i);
		insns[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		                                          (uint32_t)init_calls[i], hit, 0);
	}
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return load_filter(insns, n, err);
}

int inside_init_lock(struct dd_err *err)
{
	int r = inside_drop_capabilities(err);
	if (r == 0)
		r = inside_no_new_privs(err);
	if (r == 0)
		r = fault("seccomp", err);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = dd_err_set(err, errno, "make init not dumpable");
	if (r == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		r = dd_err_say(err, EPERM, "init reads back as dumpable");
	if (r == 0)
		/* no read-back: prctl is gone now; a return of 0 from TSYNC is the kernel's word */
		r = load_init_filter(err);
	return r < 0 ? dd_err_ctx(err, r, "lock init") : 0;
}
