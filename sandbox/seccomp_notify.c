// SPDX-License-Identifier: Apache-2.0
/* seccomp_notify.c - observe mode: takes the step's questions from the kernel and answers them by
 * the rules of the profile.
 *
 * Runs in: supervisor. A thread of the step stands still inside the kernel until it is answered.
 * What is looked at comes from the kernel (number, arguments as they lie in registers, thread id),
 * never from the step's memory, which another thread could change meanwhile; so `never`, which only
 * numbers decide, holds here as it does in the filter. The filter asks about calls that it would
 * refuse and nothing else: letting one go on is what observing means, and no decision about safety
 * rests on it.
 */
#include "seccomp_internal.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* ---- the verdict ---- */

static bool holds(const struct seccomp_cond *cond, const uint64_t args[6])
{
	uint32_t value = (uint32_t)args[cond->arg] & ~cond->ignore;
	bool hit = false;

	for (size_t i = 0; i < cond->n_values && !hit; i++)
		hit = cond->op == SECCOMP_HAS_ANY_BIT || cond->op == SECCOMP_HAS_NO_BIT
		              ? (value & cond->values[i]) != 0
		              : value == cond->values[i];
	return cond->op == SECCOMP_IS_ONE_OF || cond->op == SECCOMP_HAS_ANY_BIT ? hit : !hit;
}

static bool applies(const struct seccomp_profile *prof, const struct seccomp_rule *rule, int nr,
                    const uint64_t args[6])
{
	if (rule->nr != nr)
		return false;
	for (size_t i = 0; i < rule->n_conds; i++)
		if (!holds(&prof->conds[rule->cond_first + i], args))
			return false;
	return true;
}

static int errno_of(uint32_t ret)
{
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? (int)(ret & SECCOMP_RET_DATA)
	                                                            : EPERM;
}

static void call_name(int nr, char *out, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	(void)snprintf(out, size, "%s", name ? name : "");
	free(name);
}

int seccomp_observed_answer(const struct seccomp_profile *prof, int nr, const uint64_t args[6])
{
	char name[32];

	for (size_t i = 0; i < prof->n_rules; i++) {
		const struct seccomp_rule *rule = &prof->rules[i];
		if (applies(prof, rule, nr, args))
			return rule->never || rule->ret == SECCOMP_RET_KILL_PROCESS
			               ? errno_of(rule->ret)
			               : 0;
	}
	/* A number without a name here is younger than anybody who could have judged it: it may be
	 * the next io_uring. */
	call_name(nr, name, sizeof(name));
	return name[0] ? 0 : errno_of(prof->default_ret);
}

/* ---- the words ---- */

static const char *const family_names[] = {
	"AF_UNSPEC",     "AF_UNIX",      "AF_INET",     "AF_AX25",  "AF_IPX",     "AF_APPLETALK",
	"AF_NETROM",     "AF_BRIDGE",    "AF_ATMPVC",   "AF_X25",   "AF_INET6",   "AF_ROSE",
	"AF_DECnet",     "AF_NETBEUI",   "AF_SECURITY", "AF_KEY",   "AF_NETLINK", "AF_PACKET",
	"AF_ASH",        "AF_ECONET",    "AF_ATMSVC",   "AF_RDS",   "AF_SNA",     "AF_IRDA",
	"AF_PPPOX",      "AF_WANPIPE",   "AF_LLC",      "AF_IB",    "AF_MPLS",    "AF_CAN",
	"AF_TIPC",       "AF_BLUETOOTH", "AF_IUCV",     "AF_RXRPC", "AF_ISDN",    "AF_PHONET",
	"AF_IEEE802154", "AF_CAIF",      "AF_ALG",      "AF_NFC",   "AF_VSOCK",   "AF_KCM",
	"AF_QIPCRTR",    "AF_SMC",       "AF_XDP",      "AF_MCTP",
};

/* The argument that tells two calls of one name apart. */
static const struct detail_row {
	const char *call;
	unsigned arg;
	const char *prefix; /* of the constants that spell it; "" only numbers */
} detail_rows[] = {
	{ "socket", 0, "AF_" }, { "socketpair", 0, "AF_" }, { "ioctl", 1, "TIOC" },
	{ "prctl", 0, "PR_" },  { "personality", 0, "" },   { "clone", 0, "" },
	{ "unshare", 0, "" },   { "ptrace", 0, "" },
};

static const char *constant(const struct detail_row *row, uint32_t value)
{
	if (strcmp(row->prefix, "AF_") == 0)
		return value < ARRAY_LEN(family_names) ? family_names[value] : NULL;
	return row->prefix[0] ? seccomp_constant_name(row->prefix, value) : NULL;
}

static void describe(const struct seccomp_data *data, struct sandbox_asked *ret)
{
	call_name(data->nr, ret->call, sizeof(ret->call));
	if (!ret->call[0])
		(void)snprintf(ret->call, sizeof(ret->call), "%d", data->nr);
	for (size_t i = 0; i < ARRAY_LEN(detail_rows); i++) {
		const struct detail_row *row = &detail_rows[i];
		if (strcmp(row->call, ret->call) != 0)
			continue;
		uint32_t value = (uint32_t)data->args[row->arg];
		const char *name = constant(row, value);
		if (name)
			(void)snprintf(ret->detail, sizeof(ret->detail), "%s", name);
		else
			(void)snprintf(ret->detail, sizeof(ret->detail), "%#x", value);
		return;
	}
}

/* ---- the conversation ---- */

/* The kernel copies as much as *it* believes the structures to be; younger ones may be larger than
 * those of our headers. */
union notif {
	struct seccomp_notif n;
	char room[512];
};

union notif_resp {
	struct seccomp_notif_resp r;
	char room[512];
};

int seccomp_listener_check(int listener, struct dd_err *err)
{
	struct seccomp_notif_sizes sizes = { 0 };

	if (dd_fault("seccomp_notify"))
		return dd_err_set(err, ENOSYS, "seccomp user notification");
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return dd_err_set(err, errno, "seccomp user notification (needs Linux 5.5)");
	if (sizes.seccomp_notif > sizeof(union notif) ||
	    sizes.seccomp_notif_resp > sizeof(union notif_resp))
		return dd_err_say(
			err, E2BIG,
			"this kernel's seccomp notifications are larger than this drydock knows");
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
	/* Linux 6.6: wake the answered thread on this processor, three times as fast. An older
	 * kernel says EINVAL; nothing else depends on it. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	return 0;
}

int sandbox_asked_recv(const struct sandbox *sb, const struct seccomp_program *prog,
                       struct sandbox_asked *ret, struct dd_err *err)
{
	union notif in = { .room = { 0 } };
	struct pollfd p = { .fd = sb->asked_fd, .events = POLLIN };
	uint64_t args[6];

	/* RECV would wait for a question; only poll says that there is one. */
	if (poll(&p, 1, 0) < 1)
		return 0;
	if (!(p.revents & POLLIN))
		return p.revents & (POLLHUP | POLLERR) ? -EPIPE : 0;
	if (ioctl(sb->asked_fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0)
		return errno == ENOENT || errno == EINTR
		               ? 0
		               : dd_err_set(err, errno,
		                            "take a question of the system call filter");
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = in.n.data.args[i];
	*ret = (struct sandbox_asked){ .id = in.n.id, .pid = (pid_t)in.n.pid, .nr = in.n.data.nr };
	ret->answer = seccomp_observed_answer(prog->profile, ret->nr, args);
	describe(&in.n.data, ret);
	return 1;
}

bool sandbox_asked_waits(const struct sandbox *sb, const struct sandbox_asked *asked)
{
	uint64_t id = asked->id;
	return ioctl(sb->asked_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int sandbox_asked_answer(const struct sandbox *sb, const struct sandbox_asked *asked,
                         struct dd_err *err)
{
	union notif_resp out = { .room = { 0 } };

	out.r.id = asked->id;
	out.r.error = -asked->answer;
	out.r.flags = asked->answer ? 0 : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* ENOENT: a signal took the thread out of its call, or killed it */
	if (ioctl(sb->asked_fd, SECCOMP_IOCTL_NOTIF_SEND, &out) < 0 && errno != ENOENT)
		return dd_err_set(err, errno, "answer a question of the system call filter");
	return 0;
}
