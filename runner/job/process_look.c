// SPDX-License-Identifier: Apache-2.0
/* process_look.c - the child that reads /proc for the supervisor, and the supervisor's side of it.
 *
 * Runs in: supervisor, and the child that it forks. Who is the child: a copy of the supervisor with
 * its rights over the step's processes, which looking takes; credentials are in memory that a fork
 * does not copy. What can it still do: read /proc and answer. What does it hold open: one socket.
 * It dies with the supervisor. Its answers are built from hostile text, so they are bounded and
 * ended again here.
 */
#include "process_look.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "drydock/own_env.h"

#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { END_MS = 1000, LOOK_HOST_MAX = 256 };

struct look_question {
	uint32_t serial;
	pid_t init; /* of the step: whose socket is it? 0: describe @pid */
	pid_t pid;
	uint16_t src_port, port;
	uint8_t proto;
	char host[LOOK_HOST_MAX];
};

struct look_answer {
	uint32_t serial;
	struct process_hint who;
};

/* ---- the child ---- */

static bool be_small(int fd, pid_t supervisor)
{
	static const __rlimit_resource_t none[] = { RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_FSIZE };
	const struct rlimit zero = { 0, 0 };

	own_env_clear();
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (setrlimit(none[i], &zero) < 0)
			return false;
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == supervisor &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && dup3(fd, 3, O_CLOEXEC) == 3 &&
	       close_range(4, ~0u, 0) == 0 && close_range(0, 2, 0) == 0;
}

__attribute__((noreturn)) static void look_main(int fd, pid_t supervisor)
{
	struct look_question q;
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, i == SIGINT || i == SIGTERM || i == SIGHUP ? SIG_IGN : SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!be_small(fd, supervisor))
		_exit(1);
	while (dd_recv_msg(3, &q, sizeof(q), NULL, 0) == 1) {
		struct look_answer a = { .serial = q.serial };
		const struct process_try what = {
			.proto = q.proto, .src_port = q.src_port, .host = q.host, .port = q.port
		};
		q.host[sizeof(q.host) - 1] = '\0';
		if (q.init > 0)
			process_find(q.init, &what, &a.who);
		else
			process_describe(q.pid, NULL, &a.who);
		if (dd_send_msg(3, &a, sizeof(a), NULL, 0) < 0)
			break;
	}
	_exit(0);
}

/* ---- the supervisor ---- */

static bool look_start(struct process_look *l)
{
	int pair[2];

	if (own_env_find(NULL) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	dd_auto_fd int ours = pair[0];
	dd_auto_fd int theirs = pair[1];
	pid_t supervisor = getpid(), pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0) {
		dd_close(ours);
		look_main(theirs, supervisor);
	}
	l->pid = pid;
	l->fd = dd_take_fd(&ours);
	return true;
}

/* It has a lock to wait for, and goes when it gets it; nobody waits for that. */
static void look_abandon(struct process_look *l)
{
	(void)kill(l->pid, SIGKILL); /* unreaped, so the number is still its own */
	dd_close_p(&l->fd);
	l->dying = true;
}

static bool look_is_there(struct process_look *l)
{
	if (l->dying) {
		if (waitpid(l->pid, NULL, WNOHANG) == 0)
			return false;
		l->pid = 0;
		l->dying = false;
	}
	if (l->pid == 0 && !l->blind)
		l->blind = !look_start(l);
	return l->pid > 0;
}

/* Wait until @until for the answer with this number; answers to earlier questions are thrown away.
 */
static bool look_wait(struct process_look *l, uint32_t serial, int64_t until,
                      struct process_hint *ret)
{
	struct look_answer a;

	for (;;) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };
		int64_t left = until - dd_now_ms();
		if (left < 0 || poll(&p, 1, (int)left) == 0 ||
		    dd_recv_msg(l->fd, &a, sizeof(a), NULL, 0) != 1)
			return false;
		if (a.serial != serial)
			continue;
		a.who.exe[sizeof(a.who.exe) - 1] = a.who.argv[sizeof(a.who.argv) - 1] = '\0';
		*ret = a.who;
		return true;
	}
}

static void look_ask(struct process_look *l, struct look_question q, struct process_hint *ret)
{
	int64_t now = dd_now_ms(), left = l->spent_ms - (now - l->last_ms) / PROCESS_LOOK_SHARE;

	memset(ret, 0, sizeof(*ret));
	if (left > PROCESS_LOOK_BURST_MS || !look_is_there(l))
		return;
	q.serial = ++l->serial;
	if (dd_send_msg(l->fd, &q, sizeof(q), NULL, 0) < 0 ||
	    !look_wait(l, q.serial, now + PROCESS_LOOK_MS, ret))
		look_abandon(l);
	l->last_ms = dd_now_ms();
	l->spent_ms = (left > 0 ? left : 0) + l->last_ms - now;
}

void process_look_find(struct process_look *l, pid_t init, const struct process_try *what,
                       struct process_hint *ret)
{
	struct look_question q = {
		.init = init, .proto = what->proto, .src_port = what->src_port, .port = what->port
	};
	(void)snprintf(q.host, sizeof(q.host), "%s", what->host ? what->host : "");
	look_ask(l, q, ret);
}

void process_look_at(struct process_look *l, pid_t pid, struct process_hint *ret)
{
	look_ask(l, (struct look_question){ .pid = pid }, ret);
}

void process_look_end(struct process_look *l)
{
	dd_auto_fd int pidfd = l->pid > 0 ? pidfd_open(l->pid, 0) : -1;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (l->pid > 0)
		(void)kill(l->pid, SIGKILL);
	/* If the step's processes could not be ended, what it waits for may still be held: it is
	 * left, and dies with them. */
	if (pidfd >= 0 && poll(&p, 1, END_MS) == 1)
		(void)waitpid(l->pid, NULL, WNOHANG);
	dd_close_p(&l->fd);
	*l = (struct process_look)PROCESS_LOOK_NONE;
}
