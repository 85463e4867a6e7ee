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

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
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

/* ---- the zygote ---- */

enum { CLAIM_MS = 10000 };

int gate_zygote_start(const struct gate_spec *ids, struct gate_zygote **ret, struct dd_err *err)
{
	int pair[2];
	int r = own_env_find(err);
	if (r == 0)
		r = gate_lock_compile(GATE_ZYGOTE, err);
	if (r == 0)
		r = gate_lock_compile(GATE_CLOSED_KIND, err);
	if (r < 0)
		return r;
	if (ids->switch_ids && (ids->uid == 0 || ids->gid == 0))
		return dd_err_say(err, EINVAL, "gate: refuses to run as id 0");
	dd_auto_free struct gate_zygote *z = calloc(1, sizeof(*z));
	if (!z)
		return dd_err_set(err, ENOMEM, "gate: zygote");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dd_err_set(err, errno, "gate: socket to the zygote");
	dd_auto_fd int ours = pair[0], theirs = pair[1];
	const struct gate_lock lock = { .kind = GATE_ZYGOTE,
		                        .supervisor = getpid(),
		                        .switch_ids = ids->switch_ids,
		                        .uid = ids->uid,
		                        .gid = ids->gid };
	if (dd_fault("gate_zygote"))
		errno = ENOSYS;
	else
		z->pid = fork();
	if (z->pid == 0 && !dd_fault("gate_zygote"))
		gate_zygote_main(&lock, theirs);
	if (z->pid <= 0)
		return dd_err_set(err, errno, "gate: fork of the zygote");
	z->ctl = dd_take_fd(&ours);
	*ret = z;
	z = NULL;
	return 0;
}

static void start_reap(pid_t pid)
{
	/* unreaped until the next line, so this is still our child */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void gate_zygote_free(struct gate_zygote *z)
{
	int saved = errno;

	if (!z)
		return;
	start_reap(z->pid);
	dd_close(z->ctl);
	free(z);
	errno = saved;
}

static bool told_is_sane(const struct zygote_told *told, uint32_t last_id)
{
	return told->id <= last_id && told->pid != 0 && (told->id != 0 || told->pid < 0) &&
	       text_is_sane(told->why, sizeof(told->why));
}

static int zygote_hear(struct gate_zygote *z, struct dd_err *err)
{
	struct pollfd p = { .fd = z->ctl, .events = POLLIN };
	struct zygote_told told;

	if (poll(&p, 1, CLAIM_MS) != 1)
		return dd_err_say(err, ETIMEDOUT, "gate: the zygote does not answer");
	int r = dd_recv_msg(z->ctl, &told, sizeof(told), NULL, 0);
	if (r != 1 || !told_is_sane(&told, z->last_id))
		return dd_err_say(err, EOWNERDEAD, "gate: the zygote is gone");
	*(told.id == 0 ? &z->broken : &z->heard[told.id % ZYGOTE_ASKED_MAX]) = told;
	return 0;
}

/* Which process the zygote made for @gate. Waits for its word, which is there before the gate
 * serves, as a rule. */
static int gate_claim(struct gate *gate, struct dd_err *err)
{
	struct gate_zygote *z = gate->zygote;
	struct zygote_told *told = z ? &z->heard[gate->id % ZYGOTE_ASKED_MAX] : NULL;
	int r = 0;

	if (!z || gate->pid > 0)
		return 0;
	while (r == 0 && told->id != gate->id && z->broken.pid == 0)
		r = zygote_hear(z, err);
	if (r < 0)
		return r;
	if (told->id != gate->id || told->pid < 0) {
		const struct zygote_told *why = told->id == gate->id ? told : &z->broken;
		return dd_err_say(err, -why->pid, "gate: the zygote made none: %s", why->why);
	}
	/* Whom it names is killed one day: it must be ours, and is until we reap it. */
	siginfo_t info;
	if (waitid(P_PID, (id_t)told->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return dd_err_say(err, errno,
		                  "gate: the zygote names process %d, which is none of "
		                  "this supervisor's",
		                  (int)told->pid);
	gate->pid = told->pid;
	return 0;
}

static int zygote_ask(struct gate_zygote *z, const int fds[GATE_FD__COUNT], uint32_t *ret_id,
                      struct dd_err *err)
{
	const struct zygote_ask ask = { .id = z->last_id + 1 };

	z->heard[ask.id % ZYGOTE_ASKED_MAX] = (struct zygote_told){ .id = 0 };
	int r = dd_send_msg(z->ctl, &ask, sizeof(ask), fds, GATE_FD__COUNT);
	if (r < 0) { /* it may have said why */
		while (z->broken.pid == 0 && zygote_hear(z, NULL) == 0)
			;
		return dd_err_say(err, -r, "gate: ask the zygote: %s",
		                  z->broken.pid ? z->broken.why : strerrordesc_np(-r));
	}
	*ret_id = z->last_id = ask.id;
	return 0;
}

/* ---- messages ---- */

int gate_recv(struct gate *gate, struct gate_msg *ret_msg, struct dd_err *err)
{
	struct gate_msg msg;
	int r = dd_recv_msg(gate->ctl, &msg, sizeof(msg), NULL, 0);

	if (r == 0) /* a fork that failed never spoke */
		return gate_claim(gate, err);
	if (r == -EAGAIN)
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

static int gate_fork(const struct gate_spec *spec, const int fds[GATE_FD__COUNT], pid_t *ret,
                     struct dd_err *err)
{
	pid_t supervisor = getpid();
	pid_t pid = -1;

	if (dd_fault("gate_fork"))
		errno = ENOSYS;
	else
		pid = fork();
	if (pid < 0)
		return dd_err_set(err, errno, "gate: fork");
	if (pid == 0)
		gate_main(spec, fds, supervisor);
	*ret = pid;
	return 0;
}

int gate_start(const struct gate_spec *spec, struct gate *ret_gate, struct dd_err *err)
{
	int pair[2];
	int r = gate_start_check_spec(spec, err);
	if (r == 0)
		r = own_env_find(err);
	if (r == 0)
		r = gate_lock_compile(gate_is_closed(spec) ? GATE_CLOSED_KIND : GATE_OPEN, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return dd_err_set(err, errno, "gate: control socket");
	dd_auto_fd int ours = pair[0];
	dd_auto_fd int theirs = pair[1];

	int fds[GATE_FD__COUNT] = { theirs };
	for (int i = NET_FD_NFLOG; i < NET_FD_HATCH; i++)
		fds[i] = spec->net[i];
	struct gate gate = GATE_NONE;
	if (spec->zygote && gate_is_closed(spec)) {
		gate.zygote = spec->zygote;
		r = zygote_ask(spec->zygote, fds, &gate.id, err);
	} else {
		r = gate_fork(spec, fds, &gate.pid, err);
	}
	if (r < 0)
		return r;
	gate.ctl = dd_take_fd(&ours);
	*ret_gate = gate;
	return 0;
}

void gate_destroy(struct gate *gate)
{
	int saved = errno;

	/* One that cannot be claimed has no control socket either after the next lines, and ends.
	 */
	if (gate->ctl >= 0)
		(void)gate_claim(gate, NULL);
	if (gate->pid > 0)
		start_reap(gate->pid);
	dd_close(gate->ctl);
	*gate = (struct gate)GATE_NONE;
	errno = saved;
}
