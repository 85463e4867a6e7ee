// SPDX-License-Identifier: Apache-2.0
/* github_agent.c - see github_agent.h. Runs in: agent. It reads frames of its own processes, and no
 * byte of a server but a job message, which it hands on unread. */
#include "github_agent.h"

#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "github_broker.h"
#include "github_job.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { BROKER_END_MS = 45 * 1000 };

struct github_agent {
	const struct github_agent_args *args;
	struct courier_process broker;
	sigset_t before;
	int signal_fd, job_sock;
	pid_t job;
	bool ending; /* somebody wants the end */
	bool broker_over;
	int code;         /* so far; -1: none */
	unsigned n_asked; /* for the end */
	bool ephemeral;
};

static void told(const char *bytes, size_t len)
{
	enum { MOST = 1000 };
	char shown[TEXT_ESCAPE_MAX * MOST + 1];
	(void)text_escape(shown, bytes, len < MOST ? len : MOST);
	(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* ---- the job ---- */

/* who: job host; can do: what the agent can; holds: one job message, no key and no token of the
 * runner */
static _Noreturn void become_job(struct github_agent *a, char *message, size_t len, int sock)
{
	(void)setpgid(0, 0);
	dd_close(a->signal_fd);
	dd_close(a->broker.sock);
	(void)sigprocmask(SIG_SETMASK, &a->before, NULL);
	int code = github_job_run(&(struct github_job_args){ .id = a->args->id,
	                                                     .state = a->args->state,
	                                                     .policy_dir = a->args->policy_dir,
	                                                     .ca = a->args->ca,
	                                                     .message = message,
	                                                     .len = len,
	                                                     .sock = sock });
	(void)fflush(NULL);
	_exit(code);
}

static void start_job(struct github_agent *a, char *message, size_t len)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		told("no socket for a job", 19);
		a->ending = true;
		return;
	}
	(void)fflush(NULL);
	a->job = fork();
	if (a->job == 0) {
		(void)close(pair[0]);
		become_job(a, message, len, pair[1]);
	}
	(void)close(pair[1]);
	a->job_sock = pair[0];
	if (a->job < 0) {
		told("no process for a job", 20);
		a->ending = true;
	}
}

static void cancel_job(const struct github_agent *a, int64_t sec)
{
	if (a->job > 0)
		(void)frame_send(a->job_sock,
		                 &(struct frame){ .kind = GITHUB_JOB_CANCEL, .a = sec });
}

static void reap(struct github_agent *a)
{
	int status = 0;
	if (a->job <= 0 || waitpid(a->job, &status, WNOHANG) != a->job)
		return;
	a->job = 0;
	a->code = WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
	if (!WIFEXITED(status))
		told("the process that ran the job was killed", 39);
	dd_close_p(&a->job_sock);
	if (a->args->once || a->ephemeral || a->ending) {
		a->ending = true;
		return;
	}
	a->code = -1;
	(void)frame_send(a->broker.sock, &(struct frame){ .kind = BROKER_FREE });
}

/* ---- what others say ---- */

static void on_over(struct github_agent *a, const struct frame *frame)
{
	a->broker_over = true;
	if (frame->len)
		told(frame->bytes, frame->len);
	if (a->job > 0)
		told("the job goes on; nobody can cancel it from the server any more", 62);
	else if (a->code < 0 && !a->ending)
		a->code = (int)frame->a;
}

static void hear_broker(struct github_agent *a)
{
	struct frame frame;

	if (frame_recv(a->broker.sock, &frame) <= 0) {
		if (!a->broker_over && a->code < 0 && a->job <= 0) {
			told("the broker's courier ended without a word", 41);
			a->code = DRYDOCK_EXIT_INTERNAL;
		}
		a->broker_over = true;
		return;
	}
	switch (frame.kind) {
	case BROKER_JOB:
		if (a->job <= 0 && a->code < 0)
			start_job(a, frame.bytes, frame.len);
		break;
	case BROKER_CANCEL:
		cancel_job(a, frame.a);
		break;
	case BROKER_TOLD:
		told(frame.bytes, frame.len);
		break;
	case BROKER_OVER:
		on_over(a, &frame);
		break;
	default:
		break;
	}
	frame_done(&frame);
}

static void hear_signals(struct github_agent *a)
{
	struct signalfd_siginfo info;
	while (read(a->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		a->ending = true;
		if (a->args->once || a->n_asked++ > 0)
			cancel_job(a, 0);
		else if (a->job > 0)
			told("no further job; the one that runs is let finish", 48);
	}
	reap(a);
}

/* ---- the loop ---- */

static void listen_once(struct github_agent *a)
{
	struct pollfd p[] = {
		{ .fd = a->signal_fd, .events = POLLIN },
		{ .fd = a->broker_over ? -1 : a->broker.sock, .events = POLLIN },
	};
	if (poll(p, ARRAY_LEN(p), -1) <= 0)
		return;
	if (p[0].revents)
		hear_signals(a);
	if (p[1].revents)
		hear_broker(a);
}

static void end_broker(struct github_agent *a)
{
	(void)frame_send(a->broker.sock, &(struct frame){ .kind = BROKER_END });
	while (!a->broker_over) {
		struct pollfd p = { .fd = a->broker.sock, .events = POLLIN };
		if (poll(&p, 1, BROKER_END_MS) <= 0)
			break;
		hear_broker(a);
	}
	(void)courier_process_end(&a->broker, 1000);
}

static int agent_start_broker(struct github_agent *a, struct github_runner *runner,
                              struct dd_err *err)
{
	struct github_broker_work work = {
		.runner = runner,
		.ca = a->args->ca,
		.version = a->args->version ? a->args->version : GITHUB_RUNNER_VERSION,
	};
	const struct courier_work what = { .run = github_broker_main,
		                           .arg = &work,
		                           .name = "dd-broker" };
	int r = courier_process_start(&what, &a->broker, err);
	github_runner_done(runner);
	return r;
}

int github_agent_run(const struct github_agent_args *args, struct github_runner *runner)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct github_agent a = {
		.args = args, .broker = COURIER_PROCESS_NONE, .job_sock = -1, .code = -1
	};
	struct dd_err err = { 0 };
	sigset_t set;

	a.ephemeral = runner->ephemeral;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &a.before);
	a.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a.signal_fd < 0 || agent_start_broker(&a, runner, &err) < 0) {
		github_runner_done(runner);
		(void)fprintf(stderr, "drydock: %s\n",
		              err.code ? err.msg : "signals cannot be heard");
		return DRYDOCK_EXIT_INTERNAL;
	}
	while (a.job > 0 || (!a.ending && !a.broker_over && a.code < 0))
		listen_once(&a);
	if (!a.broker_over)
		end_broker(&a);
	else
		(void)courier_process_end(&a.broker, 1000);
	dd_close(a.signal_fd);
	if (!args->once && a.ending)
		return DRYDOCK_EXIT_OK;
	return a.code < 0 ? DRYDOCK_EXIT_CANCELLED : a.code;
}
