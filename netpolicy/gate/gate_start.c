// SPDX-License-Identifier: Apache-2.0
/* gate_start.c - the supervisor's side of the gate: starts it, speaks with it, ends it.
 *
 * Runs in: supervisor. What comes over the control socket was written by a process that reads
 * hostile bytes, so every message is read at exact size and checked before anybody believes a field
 * of it.
 */
#include "gate_internal.h"

#include "drydock/fault.h"
#include "drydock/trace.h"
#include "drydock/own_env.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static bool text_is_sane(const char *text, size_t cap)
{
	for (size_t i = 0; i < cap; i++) {
		if (text[i] == '\0')
			return true;
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return false;
}

/* A refusal without a reason is one that nobody could act on, and a reason without a refusal is
 * none. */
static bool reasons_are_sane(const struct gate_msg *msg)
{
	bool refusal = msg->type == GATE_NET_DENY || msg->type == GATE_DNS_DENY ||
	               msg->type == GATE_VIOLATION;
	return msg->reason < REASON__COUNT && msg->would < REASON__COUNT &&
	       refusal == (msg->reason != REASON_NONE) &&
	       (msg->type != GATE_DNS_ALLOW || msg->would != REASON_NONE);
}

bool gate_msg_is_sane(const struct gate_msg *msg)
{
	return msg->type > GATE_MSG_INVALID && msg->type < GATE_MSG__COUNT && msg->admitted <= 1 &&
	       msg->speaks < GATE_SPEAKS__COUNT && msg->ech <= 1 && reasons_are_sane(msg) &&
	       text_is_sane(msg->host, sizeof(msg->host)) &&
	       text_is_sane(msg->addr, sizeof(msg->addr)) &&
	       text_is_sane(msg->why, sizeof(msg->why));
}

/* For the trace. */
static const char *const type_names[GATE_MSG__COUNT] = {
	[GATE_READY] = "GATE_READY",         [GATE_ASK_ADMIT] = "GATE_ASK_ADMIT",
	[GATE_NET_ALLOW] = "GATE_NET_ALLOW", [GATE_NET_DENY] = "GATE_NET_DENY",
	[GATE_DNS_DENY] = "GATE_DNS_DENY",   [GATE_DNS_ALLOW] = "GATE_DNS_ALLOW",
	[GATE_COUNTED] = "GATE_COUNTED",     [GATE_VIOLATION] = "GATE_VIOLATION",
	[GATE_RECEIPT] = "GATE_RECEIPT",     [GATE_CLOSED] = "GATE_CLOSED",
	[GATE_DONE] = "GATE_DONE",           [GATE_ADMITTED] = "GATE_ADMITTED",
	[GATE_SEEN] = "GATE_SEEN",           [GATE_CLOSE] = "GATE_CLOSE",
	[GATE_FINISH] = "GATE_FINISH",
};

static void gate_start_trace(const char *arrow, const struct gate *gate, const struct gate_msg *msg)
{
	const char *name = msg->type < GATE_MSG__COUNT ? type_names[msg->type] : NULL;
	dd_trace("%s gate %d %s id %u port %u reason %u admitted %u", arrow, (int)gate->pid,
	         name ? name : "?", msg->id, msg->port, msg->reason, msg->admitted);
}

int gate_send(const struct gate *gate, const struct gate_msg *msg, struct dd_err *err)
{
	gate_start_trace("->", gate, msg);
	int r = dd_send_msg(gate->ctl, msg, sizeof(*msg), NULL, 0);
	return r < 0 ? dd_err_set(err, -r, "gate (pid %d): send message %u", (int)gate->pid,
	                          msg->type)
	             : 0;
}

static bool from_gate(uint32_t type)
{
	return type >= GATE_READY && type <= GATE_DONE;
}

int gate_recv(const struct gate *gate, struct gate_msg *ret_msg, struct dd_err *err)
{
	struct gate_msg msg;
	int r = dd_recv_msg(gate->ctl, &msg, sizeof(msg), NULL, 0);

	if (r == 0 || r == -EAGAIN)
		return r;
	if (r < 0)
		return dd_err_set(err, -r, "gate (pid %d): receive a message", (int)gate->pid);
	gate_start_trace("<-", gate, &msg);
	/* A gate that cannot serve says why in its last words: type INVALID, which is an error
	 * however it is read. */
	if (msg.type == GATE_MSG_INVALID && text_is_sane(msg.why, sizeof(msg.why)))
		return dd_err_say(err, ECONNABORTED, "gate (pid %d): %s", (int)gate->pid, msg.why);
	if (!gate_msg_is_sane(&msg) || !from_gate(msg.type))
		return dd_err_say(err, EPROTO, "gate (pid %d): malformed message, type %u",
		                  (int)gate->pid, msg.type);
	*ret_msg = msg;
	return 1;
}

static int gate_start_check_spec(const struct gate_spec *spec, struct dd_err *err)
{
	if (spec->switch_ids && (spec->uid == 0 || spec->gid == 0))
		return dd_err_say(
			err, EINVAL,
			"gate: refuses to run as id 0; give it a subordinate id of its own");
	for (int i = NET_FD_RULES + 1; i < NET_FD_HATCH; i++) {
		if (spec->net[i] < 0)
			return dd_err_say(err, EBADF,
			                  "gate: socket %d of the step's network is missing", i);
	}
	return 0;
}

int gate_start(const struct gate_spec *spec, struct gate *ret_gate, struct dd_err *err)
{
	int pair[2];
	int r = gate_start_check_spec(spec, err);
	if (r == 0)
		r = own_env_find(err);
	if (r == 0)
		r = gate_lock_compile(gate_is_closed(spec), err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return dd_err_set(err, errno, "gate: control socket");
	dd_auto_fd int ours = pair[0];
	dd_auto_fd int theirs = pair[1];

	pid_t supervisor = getpid();
	pid_t pid = -1;
	if (dd_fault("gate_fork"))
		errno = ENOSYS;
	else
		pid = fork();
	if (pid < 0)
		return dd_err_set(err, errno, "gate: fork");
	if (pid == 0) {
		int fds[GATE_FD__COUNT];
		fds[GATE_FD_CTL] = theirs;
		for (int i = NET_FD_NFLOG; i < NET_FD_HATCH; i++)
			fds[i] = spec->net[i];
		gate_main(spec, fds, supervisor);
	}

	/* the child is ours and unreaped, so the number cannot mean another process */
	int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		r = dd_err_set(err, errno, "gate: pidfd_open of pid %d", (int)pid);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	*ret_gate = (struct gate){ .pid = pid, .pidfd = pidfd, .ctl = dd_take_fd(&ours) };
	return 0;
}

void gate_destroy(struct gate *gate)
{
	int saved = errno;

	if (gate->pid > 0) {
		/* unreaped until the next line, so this is still our child */
		(void)kill(gate->pid, SIGKILL);
		while (waitpid(gate->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	dd_close(gate->pidfd);
	dd_close(gate->ctl);
	*gate = (struct gate){ .pid = 0, .pidfd = -1, .ctl = -1 };
	errno = saved;
}
