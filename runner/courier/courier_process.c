// SPDX-License-Identifier: Apache-2.0
/* courier_process.c - see courier_process.h.
 *
 * Runs in: agent, job's process, command line (who starts one); courier, below the line. */
#include "courier_process.h"

#include "drydock/clock.h"
#include "drydock/courier_lock.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOCK_AT = 3, LENT_AT = 4, ABOVE = 64, LOCK_FAILED = 97 };

/* ---- frames ---- */

struct frame_head {
	uint32_t kind, len;
	int64_t a, b;
};

static int put_all(int sock, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(sock, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 1: all of it; 0: nothing more came. */
static int get_all(int sock, char *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(sock, bytes + at, len - at, MSG_WAITALL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET)
			return -errno;
		if (n <= 0)
			return at == 0 ? 0 : -EBADMSG;
		at += (size_t)n;
	}
	return 1;
}

int frame_send(int sock, const struct frame *frame)
{
	const struct frame_head head = { frame->kind, frame->len, frame->a, frame->b };
	int r = put_all(sock, (const char *)&head, sizeof(head));
	return r == 0 && frame->len ? put_all(sock, frame->bytes, frame->len) : r;
}

int frame_recv(int sock, struct frame *ret)
{
	struct frame_head head;
	int r = get_all(sock, (char *)&head, sizeof(head));
	if (r <= 0)
		return r;
	if (head.len > FRAME_BYTES_MAX)
		return -EBADMSG;
	dd_auto_free char *bytes = head.len ? malloc((size_t)head.len + 1) : NULL;
	if (head.len && !bytes)
		return -ENOMEM;
	if (head.len && (r = get_all(sock, bytes, head.len)) <= 0)
		return r < 0 ? r : -EBADMSG;
	if (bytes)
		bytes[head.len] = '\0';
	*ret = (struct frame){ head.kind, head.len, head.a, head.b, bytes };
	bytes = NULL;
	return 1;
}

void frame_done(struct frame *frame)
{
	if (frame->bytes)
		explicit_bzero(frame->bytes, frame->len);
	free(frame->bytes);
	*frame = (struct frame){ .bytes = NULL };
}

/* ---- courier's side ---- */

/* Nothing stays open but 0 to 3 and what was lent, in its order from 4 on. */
static int settle(const struct courier_work *work, int sock, struct dd_err *err)
{
	int up[COURIER_LENT_MAX + 1];
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool ok = null >= 0;
	up[0] = fcntl(sock, F_DUPFD_CLOEXEC, ABOVE);
	ok = ok && up[0] >= 0;
	for (size_t i = 0; ok && i < work->n_lent; i++) {
		up[i + 1] = fcntl(work->lent[i], F_DUPFD_CLOEXEC, ABOVE);
		ok = up[i + 1] >= 0;
	}
	/* what it has to say goes over its socket; standard error stays for a library's last word
	 */
	ok = ok && dup2(null, 0) == 0 && dup2(null, 1) == 1;
	for (size_t i = 0; ok && i <= work->n_lent; i++)
		ok = dup2(up[i], SOCK_AT + (int)i) >= 0;
	if (!ok || close_range(LENT_AT + (unsigned)work->n_lent, ~0u, 0) < 0)
		return dd_err_set(err, errno, "descriptors of a courier");
	(void)dd_take_fd(&null); /* closed with the rest */
	return 0;
}

/* who: courier; can do: talk to any host, read files; holds: one socket, what it was lent. */
static _Noreturn void courier_begin(const struct courier_work *work, int sock)
{
	struct dd_err err = { 0 };
	int lent[COURIER_LENT_MAX];
	sigset_t none;

	(void)sigemptyset(&none);
	for (size_t i = 0; i < work->n_lent; i++)
		lent[i] = LENT_AT + (int)i;
	(void)prctl(PR_SET_NAME, work->name);
	/* whoever started it says when it ends: a terminal's ^C is for all, and it has to finish */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	int r = settle(work, sock, &err);
	if (r == 0)
		r = courier_lock(&err);
	if (r < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		_exit(LOCK_FAILED);
	}
	_exit(work->run(work->arg, SOCK_AT, lent));
}

/* ---- who starts one ---- */

int courier_process_start(const struct courier_work *work, struct courier_process *ret,
                          struct dd_err *err)
{
	int pair[2];
	if (work->n_lent > COURIER_LENT_MAX)
		return dd_err_say(err, E2BIG, "a courier is lent too much");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return dd_err_set(err, errno, "socket to a courier");
	pid_t pid = fork();
	if (pid == 0)
		courier_begin(work, pair[1]);
	int code = errno;
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return dd_err_set(err, code, "fork a courier");
	}
	*ret = (struct courier_process){ pid, pair[0] };
	return 0;
}

int courier_process_end(struct courier_process *c, unsigned ms)
{
	const struct timespec tick = { .tv_nsec = 5L * 1000 * 1000 };
	int status = 0;
	int64_t until = dd_now_ms() + ms;
	pid_t got = 0;

	if (c->pid <= 0)
		return -1;
	dd_close_p(&c->sock);
	while ((got = waitpid(c->pid, &status, WNOHANG)) == 0 && dd_now_ms() < until)
		(void)nanosleep(&tick, NULL);
	if (got == 0) {
		(void)kill(c->pid, SIGKILL);
		while ((got = waitpid(c->pid, &status, 0)) < 0 && errno == EINTR)
			;
	}
	c->pid = -1;
	return got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
