// SPDX-License-Identifier: Apache-2.0
/* seccomp_notify.c - takes the questions of the step's filter from the kernel and answers them by
 * the rules of the profile.
 *
 * Runs in: supervisor. A thread of the step stands still inside the kernel until it is answered.
 * What is looked at comes from the kernel (number, arguments as they lie in registers, thread id),
 * never from the step's memory, which another thread could change meanwhile; so what only numbers
 * decide holds here as it does in the filter. The filter asks about calls that it refuses and
 * nothing else. Enforcing, the answer is always that refusal, and the question is only how a person
 * hears of it. Observing, what is not `never` goes on: that is what observing means, and no
 * decision about safety rests on it.
 */
#include "seccomp_internal.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
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

const struct seccomp_rule *seccomp_rule_of(const struct seccomp_profile *prof, int nr,
                                           const uint64_t args[6])
{
	for (size_t i = 0; i < prof->n_rules; i++)
		if (applies(prof, &prof->rules[i], nr, args))
			return &prof->rules[i];
	return NULL;
}

struct seccomp_reply seccomp_reply(const struct seccomp_profile *prof, int nr,
                                   const uint64_t args[6])
{
	bool observing = prof->ask == SECCOMP_ASK_ALL;
	const struct seccomp_rule *rule = seccomp_rule_of(prof, nr, args);
	char name[32];

	if (rule) {
		bool goes_on = observing && !rule->never && rule->ret != SECCOMP_RET_KILL_PROCESS;
		return (struct seccomp_reply){ .answer = goes_on ? 0 : errno_of(rule->ret),
			                       .tell = rule->tell,
			                       .never = rule->never };
	}
	/* A number without a name here is younger than anybody who could have judged it: it may be
	 * the next io_uring. */
	call_name(nr, name, sizeof(name));
	bool goes_on = observing && name[0];
	return (struct seccomp_reply){ .answer = goes_on ? 0 : errno_of(prof->default_ret),
		                       .never = !name[0] };
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
	const char *prefix; /* of the constants that spell it; "" only numbers */
	unsigned arg;
	bool bits; /* it is a set of them */
} detail_rows[] = {
	{ "socket", "AF_", 0, false },    { "socketpair", "AF_", 0, false },
	{ "ioctl", "TIOC", 1, false },    { "prctl", "PR_", 0, false },
	{ "personality", "", 0, false },  { "clone", "CLONE_NEW", 0, true },
	{ "unshare", "CLONE_", 0, true }, { "setns", "CLONE_NEW", 1, true },
};

static const char *constant(const struct detail_row *row, uint32_t value)
{
	if (strcmp(row->prefix, "AF_") == 0)
		return value < ARRAY_LEN(family_names) ? family_names[value] : NULL;
	return row->prefix[0] ? seccomp_constant_name(row->prefix, value) : NULL;
}

/* "CLONE_NEWNS|CLONE_NEWPID"; false: too long, or none of them has a name. */
static bool spell_bits(const struct detail_row *row, uint32_t value, char *out, size_t size)
{
	size_t len = 0;

	for (uint32_t bit = 1; bit && len < size; bit <<= 1) {
		const char *name = value & bit ? seccomp_constant_name(row->prefix, bit) : NULL;
		if (name)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "|" : "",
			                        name);
	}
	return len > 0 && len < size;
}

/* An internet socket that is refused differs from those that are allowed in type and protocol. */
static void spell_inet(const struct seccomp_data *data, char *out, size_t size)
{
	static const char *const types[] = { [1] = "stream", [2] = "dgram", [3] = "raw" };
	uint32_t type = (uint32_t)data->args[1] & 0xf, proto = (uint32_t)data->args[2];
	size_t len = strlen(out);
	const char *name = type < ARRAY_LEN(types) && types[type] ? types[type] : "other";

	(void)snprintf(out + len, size - len, " %s %u", name, proto);
}

static void describe(const struct seccomp_data *data, struct sandbox_asked *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(detail_rows); i++) {
		const struct detail_row *row = &detail_rows[i];
		if (strcmp(row->call, ret->call) != 0)
			continue;
		uint32_t value = (uint32_t)data->args[row->arg];
		const char *name = constant(row, value);
		if (row->bits && spell_bits(row, value, ret->detail, sizeof(ret->detail)))
			return;
		if (name)
			(void)snprintf(ret->detail, sizeof(ret->detail), "%s", name);
		else
			(void)snprintf(ret->detail, sizeof(ret->detail), "%#x", value);
		if (name && strncmp(name, "AF_INET", 7) == 0)
			spell_inet(data, ret->detail, sizeof(ret->detail));
		return;
	}
}

/* A call through another architecture's entry. The filter before this one killed; who is told that
 * must still see the process end, and by the same signal. */
static void describe_foreign(const struct seccomp_data *data, struct sandbox_asked *ret)
{
	bool x86 = data->arch == SCMP_ARCH_X86;
	char *name = x86 ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86, data->nr) : NULL;

	if (name)
		(void)snprintf(ret->call, sizeof(ret->call), "%s", name);
	else
		(void)snprintf(ret->call, sizeof(ret->call), "%d", data->nr);
	free(name);
	(void)snprintf(ret->detail, sizeof(ret->detail), "%s",
	               x86 ? "32-bit" : "foreign architecture");
	ret->answer = ENOSYS;
	ret->ends = ret->never = true;
	ret->tell = "steps have the 64-bit entry of the kernel only, so 32-bit programs end here; "
		    "no line of a policy allows them. Build for x86-64, or run this outside";
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
	*ret = (struct sandbox_asked){ .id = in.n.id, .pid = (pid_t)in.n.pid, .nr = in.n.data.nr };
	if (in.n.data.arch != seccomp_arch_native()) {
		describe_foreign(&in.n.data, ret);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = in.n.data.args[i];
	struct seccomp_reply reply = seccomp_reply(prog->profile, ret->nr, args);
	ret->answer = reply.answer;
	ret->tell = reply.tell;
	ret->never = reply.never;
	call_name(ret->nr, ret->call, sizeof(ret->call));
	if (!ret->call[0])
		(void)snprintf(ret->call, sizeof(ret->call), "%d", ret->nr);
	describe(&in.n.data, ret);
	return 1;
}

bool sandbox_asked_waits(const struct sandbox *sb, const struct sandbox_asked *asked)
{
	uint64_t id = asked->id;
	return ioctl(sb->asked_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* By a descriptor that was taken before the thread was seen waiting, so that no later owner of the
 * number is hit. A thread's own directory in /proc serves as one for its process; nothing in it is
 * read here, since what is in there can wait for the process (A14). */
static void end_asker(const struct sandbox *sb, const struct sandbox_asked *asked)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)asked->pid);

	dd_auto_fd int dir = asked->pid > 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0 && sandbox_asked_waits(sb, asked))
		(void)pidfd_send_signal(dir, asked->ends_by_sigsys ? SIGSYS : SIGKILL, NULL, 0);
}

int sandbox_asked_answer(const struct sandbox *sb, const struct sandbox_asked *asked,
                         struct dd_err *err)
{
	union notif_resp out = { .room = { 0 } };

	if (asked->ends)
		end_asker(sb, asked);
	out.r.id = asked->id;
	out.r.error = -asked->answer;
	out.r.flags = asked->answer ? 0 : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* ENOENT: a signal took the thread out of its call, or killed it */
	if (ioctl(sb->asked_fd, SECCOMP_IOCTL_NOTIF_SEND, &out) < 0 && errno != ENOENT)
		return dd_err_set(err, errno, "answer a question of the system call filter");
	return 0;
}
