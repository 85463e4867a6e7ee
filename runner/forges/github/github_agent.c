// SPDX-License-Identifier: Apache-2.0
/* github_agent.c - see github_agent.h. Runs in: agent. It reads frames of its own processes, and no
 * byte of a server but a job message, which it hands on unread. */
#include "github_agent.h"

#include "agent/agent_loop.h"
#include "agent/agent_metrics.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "github_broker.h"
#include "github_job.h"
#include "spool_left.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BROKER_END_MS = 45 * 1000, LOOK_MS = 1000 };

/* Where one runner stands. */
struct place {
	char name[RUNNER_NAME_MAX + 1];
	const char *ca;
	struct courier_process broker;
	int lock_fd; /* whoever holds it has a job of this runner */
	int job_sock;
	pid_t job;
	bool adopted; /* an earlier agent's job host has the lock */
	bool ephemeral, ending, broker_over, asked_end;
	int64_t began_ms, kill_ms;
	int code; /* of its last job, or of the broker's end; -1: none yet */
};

struct github_agent {
	const struct github_agent_args *args;
	struct place places[RUNNERS_MAX];
	size_t n;
	sigset_t before;
	int signal_fd;
	bool ending, reload; /* somebody wants the end; or the registrations read again */
	unsigned n_asked;    /* for the end */
	int code;            /* with @once, of the job; -1: none yet */
	struct agent_metrics metrics;
};

static void agent_told(const struct github_agent *a, const struct place *p, const char *text)
{
	enum { MOST = 1000 };
	char shown[TEXT_ESCAPE_MAX * MOST + 1];
	size_t len = strlen(text);
	(void)text_escape(shown, text, len < MOST ? len : MOST);
	if (p && a->n > 1)
		(void)fprintf(stderr, "drydock: %s: %s\n", p->name, shown);
	else
		(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* ---- the lock of a runner ---- */

/* 1: it is ours; 0: somebody has a job of this runner; the pid that is written in it. */
static int take_lock(const struct github_agent *a, struct place *p, struct dd_err *err)
{
	char path[700];

	(void)snprintf(path, sizeof(path), "%.500s/github", a->args->state);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %.500s", path);
	(void)snprintf(path, sizeof(path), "%.500s/github/.%.64s.lock", a->args->state, p->name);
	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock_fd < 0)
		return dd_err_set(err, errno, "open %.500s", path);
	return flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0 ? 1 : 0;
}

/* Of a runner that nobody will be again. */
static void drop_lock(const struct github_agent *a, const struct place *p)
{
	char path[700];
	(void)snprintf(path, sizeof(path), "%.500s/github/.%.64s.lock", a->args->state, p->name);
	(void)unlink(path);
}

static void write_lock(const struct place *p, pid_t pid)
{
	if (ftruncate(p->lock_fd, 0) == 0 && lseek(p->lock_fd, 0, SEEK_SET) == 0)
		(void)dprintf(p->lock_fd, "%d", (int)pid);
}

static pid_t read_lock(const struct place *p)
{
	char text[16] = "";
	ssize_t n = pread(p->lock_fd, text, sizeof(text) - 1, 0);
	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static void tell_broker(const struct place *p, enum github_broker_frame kind)
{
	if (!p->broker_over && p->broker.sock >= 0)
		(void)frame_send(p->broker.sock, &(struct frame){ .kind = kind });
}

/* The job of an earlier agent is over when its lock is free. */
static void look_at_adopted(struct github_agent *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct place *p = &a->places[i];
		if (!p->adopted || flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		p->adopted = false;
		agent_told(a, p, "the job that an earlier agent began is over");
		tell_broker(p, BROKER_FREE);
	}
}

/* ---- the job ---- */

/* who: job host; can do: what the agent can; holds: one job message and the lock of its runner, no
 * key and no token of a runner */
static _Noreturn void become_job(struct github_agent *a, const struct place *p, char *message,
                                 size_t len, int sock)
{
	(void)setpgid(0, 0);
	dd_close(a->signal_fd);
	for (size_t i = 0; i < a->n; i++) {
		dd_close(a->places[i].broker.sock);
		dd_close(a->places[i].job_sock);
		if (&a->places[i] != p)
			dd_close(a->places[i].lock_fd);
	}
	write_lock(p, getpid());
	(void)sigprocmask(SIG_SETMASK, &a->before, NULL);
	int code = github_job_run(&(struct github_job_args){
		.id = a->args->id,
		.state = a->args->state,
		.policy_dir = a->args->policy_dir,
		.ca = p->ca,
		.record = a->args->record ? *a->args->record : (struct agent_record){ 0 },
		.message = message,
		.len = len,
		.sock = sock });
	(void)fflush(NULL);
	_exit(code);
}

/* With one job to do in all, the other runners look for none any more. */
static void end_others(struct github_agent *a, const struct place *p)
{
	for (size_t i = 0; i < a->n; i++)
		if (&a->places[i] != p)
			a->places[i].ending = true;
}

static void start_job(struct github_agent *a, struct place *p, char *message, size_t len)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		agent_told(a, p, "no socket for a job");
		p->ending = true;
		return;
	}
	(void)fflush(NULL);
	p->job = fork();
	if (p->job == 0) {
		(void)close(pair[0]);
		become_job(a, p, message, len, pair[1]);
	}
	(void)close(pair[1]);
	p->job_sock = pair[0];
	p->began_ms = dd_now_ms();
	agent_metrics_poll(&a->metrics, POLL_JOB);
	if (p->job < 0) {
		agent_told(a, p, "no process for a job");
		p->ending = true;
	}
	if (a->args->once)
		end_others(a, p);
}

static void cancel_job(const struct place *p, int64_t sec)
{
	if (p->job > 0)
		(void)frame_send(p->job_sock,
		                 &(struct frame){ .kind = GITHUB_JOB_CANCEL, .a = sec });
	else if (p->adopted && read_lock(p) > 1)
		(void)kill(read_lock(p), SIGTERM);
}

static void job_is_over(struct github_agent *a, struct place *p, int status)
{
	p->job = 0;
	p->code = WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
	if (!WIFEXITED(status))
		agent_told(a, p, "the process that ran the job was killed");
	dd_close_p(&p->job_sock);
	(void)spools_clean(a->args->state);
	/* its lock went with it, unless what it left behind still ends: then that is waited for */
	p->adopted = flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0;
	agent_metrics_job(&a->metrics, p->code, (double)(dd_now_ms() - p->began_ms) / 1000);
	if (p->ephemeral && a->args->used_up && p->code != DRYDOCK_EXIT_INTERNAL)
		a->args->used_up(a->args->arg, p->name);
	if (a->args->once || p->ephemeral)
		p->ending = true;
	if (a->args->once)
		a->code = p->code;
	if (!p->ending && !p->adopted)
		tell_broker(p, BROKER_FREE);
}

static void reap(struct github_agent *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct place *p = &a->places[i];
		int status = 0;
		if (p->job > 0 && waitpid(p->job, &status, WNOHANG) == p->job)
			job_is_over(a, p, status);
	}
}

/* ---- what others say ---- */

static void on_over(struct github_agent *a, struct place *p, const struct frame *frame)
{
	p->broker_over = true;
	if (frame->len)
		agent_told(a, p, frame->bytes);
	if (p->job > 0)
		agent_told(a, p, "the job goes on; nobody can cancel it from the server any more");
	else if (p->code < 0 && !p->ending)
		p->code = (int)frame->a;
}

static void hear_broker(struct github_agent *a, struct place *p)
{
	struct frame frame;

	if (frame_recv(p->broker.sock, &frame) <= 0) {
		if (!p->broker_over && !p->ending && p->job <= 0) {
			agent_told(a, p, "the broker's courier ended without a word");
			p->code = DRYDOCK_EXIT_INTERNAL;
		}
		p->broker_over = true;
		return;
	}
	switch (frame.kind) {
	case BROKER_JOB:
		if (p->job <= 0 && !p->adopted && !p->ending)
			start_job(a, p, frame.bytes, frame.len);
		break;
	case BROKER_CANCEL:
		cancel_job(p, frame.a);
		break;
	case BROKER_TOLD:
		agent_told(a, p, frame.bytes ? frame.bytes : "");
		break;
	case BROKER_OVER:
		on_over(a, p, &frame);
		break;
	default:
		break;
	}
	frame_done(&frame);
}

static size_t running(const struct github_agent *a)
{
	size_t n = 0;
	for (size_t i = 0; i < a->n; i++)
		n += a->places[i].job > 0;
	return n;
}

static void stop(struct github_agent *a, bool finish)
{
	bool interrupt = a->n_asked++ > 0 ||
	                 (!finish && (a->args->once || a->args->stop == AGENT_STOP_INTERRUPT));

	a->ending = true;
	for (size_t i = 0; i < a->n; i++) {
		a->places[i].ending = true;
		if (interrupt && a->places[i].job > 0)
			cancel_job(&a->places[i], 0);
	}
	if (running(a) > 0 && !interrupt)
		agent_told(a, NULL, "no further job; what runs is let finish");
}

static void hear_signals(struct github_agent *a)
{
	struct signalfd_siginfo info;
	while (read(a->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP && a->args->reload)
			a->reload = true;
		else if (info.ssi_signo != SIGCHLD)
			stop(a, info.ssi_signo == SIGQUIT);
	}
	reap(a);
}

/* ---- runners ---- */

struct broker_start {
	struct github_broker_work work;
	struct github_agent_runner *all;
	size_t n, mine;
};

/* In the courier: a process that speaks for one runner has the key of that one. */
static int run_broker(void *arg, int sock, const int *lent)
{
	struct broker_start *s = arg;
	for (size_t i = 0; i < s->n; i++)
		if (i != s->mine)
			github_runner_done(&s->all[i].runner);
	return github_broker_main(&s->work, sock, lent);
}

static int place_start(struct github_agent *a, struct github_agent_runner *all, size_t n, size_t i,
                       struct dd_err *err)
{
	struct place *p = &a->places[a->n];

	*p = (struct place){ .ca = all[i].ca,
		             .broker = COURIER_PROCESS_NONE,
		             .lock_fd = -1,
		             .job_sock = -1,
		             .ephemeral = all[i].runner.ephemeral,
		             .code = -1 };
	(void)snprintf(p->name, sizeof(p->name), "%s", all[i].name);
	int locked = take_lock(a, p, err);
	if (locked < 0)
		return locked;
	p->adopted = locked == 0;
	struct broker_start start = {
		.work = { .runner = &all[i].runner,
		          .ca = all[i].ca,
		          .version = a->args->version ? a->args->version : GITHUB_RUNNER_VERSION,
		          .busy = p->adopted },
		.all = all,
		.n = n,
		.mine = i,
	};
	int r = courier_process_start(
		&(struct courier_work){ .run = run_broker, .arg = &start, .name = "dd-broker" },
		&p->broker, err);
	if (r < 0) {
		dd_close_p(&p->lock_fd);
		return r;
	}
	a->n++;
	if (p->adopted)
		agent_told(a, p, "a job that an earlier agent began goes on");
	return 0;
}

static struct place *place_of(struct github_agent *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->places[i].name, name) == 0)
			return &a->places[i];
	return NULL;
}

/* Runners that are new begin, those that are gone end when their job is over. */
static void read_again(struct github_agent *a)
{
	struct github_agent_runner *list = calloc(RUNNERS_MAX, sizeof(*list));
	struct dd_err err = { 0 };
	int n = list ? a->args->reload(a->args->arg, list) : -1;

	a->reload = false;
	for (size_t i = 0; n >= 0 && i < a->n; i++) {
		bool there = false;
		for (int k = 0; k < n; k++)
			there |= strcmp(list[k].name, a->places[i].name) == 0;
		a->places[i].ending |= !there;
	}
	for (int k = 0; k < n; k++)
		if (!place_of(a, list[k].name) && a->n < RUNNERS_MAX &&
		    place_start(a, list, (size_t)n, (size_t)k, &err) < 0)
			agent_told(a, NULL, err.msg);
	for (int k = 0; k < n; k++)
		github_runner_done(&list[k].runner);
	if (n >= 0)
		agent_told(a, NULL, "the registrations were read again");
	free(list);
}

/* ---- the loop ---- */

static bool place_is_over(const struct place *p)
{
	return p->broker_over && p->job <= 0;
}

/* Asks for ends that are due, and forgets who has ended. */
static void settle(struct github_agent *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct place *p = &a->places[i];
		if (p->ending && p->job <= 0 && !p->asked_end) {
			tell_broker(p, BROKER_END);
			p->asked_end = true;
			p->kill_ms = dd_now_ms() + BROKER_END_MS;
		}
		if (p->asked_end && dd_now_ms() >= p->kill_ms)
			p->broker_over = true;
		if (p->broker_over && p->broker.pid > 0)
			(void)courier_process_end(&p->broker, 1000);
	}
}

static bool all_over(const struct github_agent *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!place_is_over(&a->places[i]))
			return false;
	return true;
}

static int wait_ms(const struct github_agent *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->places[i].adopted || a->places[i].asked_end)
			return LOOK_MS;
	return -1;
}

static void listen_once(struct github_agent *a)
{
	struct pollfd p[RUNNERS_MAX + 1] = { { .fd = a->signal_fd, .events = POLLIN } };
	size_t n = a->n;

	for (size_t i = 0; i < n; i++)
		p[i + 1] = (struct pollfd){ .fd = a->places[i].broker_over
			                                  ? -1
			                                  : a->places[i].broker.sock,
			                    .events = POLLIN };
	if (poll(p, n + 1, wait_ms(a)) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (p[i + 1].revents)
			hear_broker(a, &a->places[i]);
	if (p[0].revents)
		hear_signals(a);
	look_at_adopted(a);
}

static int agent_signals(struct github_agent *a)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &a->before);
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signal_fd;
}

static int code_of(const struct github_agent *a)
{
	if (a->args->once && a->code >= 0)
		return a->code;
	if (a->ending)
		return a->args->once ? DRYDOCK_EXIT_CANCELLED : DRYDOCK_EXIT_OK;
	int code = a->n == 1 ? a->places[0].code : DRYDOCK_EXIT_OK;
	for (size_t i = 0; a->n > 1 && i < a->n; i++)
		if (a->places[i].code == DRYDOCK_EXIT_INTERNAL)
			code = DRYDOCK_EXIT_INTERNAL;
	return code < 0 ? DRYDOCK_EXIT_CANCELLED : code;
}

int github_agent_run(const struct github_agent_args *args, struct github_agent_runner *runners,
                     size_t n)
{
	static struct github_agent a;
	struct dd_err err = { 0 };
	int r = 0;

	a = (struct github_agent){ .args = args, .code = -1 };
	if (agent_signals(&a) < 0)
		r = dd_err_set(&err, errno, "hear signals");
	for (size_t i = 0; r == 0 && i < n && i < RUNNERS_MAX; i++)
		r = place_start(&a, runners, n, i, &err);
	for (size_t i = 0; i < n; i++)
		github_runner_done(&runners[i].runner);
	if (r < 0) {
		agent_told(&a, NULL, err.msg);
		for (size_t i = 0; i < a.n; i++)
			(void)courier_process_end(&a.places[i].broker, 0);
		return DRYDOCK_EXIT_INTERNAL;
	}
	unsigned left = spools_clean(args->state);
	if (left > 0) {
		char text[800];
		(void)snprintf(
			text, sizeof(text),
			"%u job%s ended with this host's processes, and the server could not be "
			"told: what it was to be told is in %.500s/github for %d days",
			left, left == 1 ? "" : "s", args->state, SPOOL_KEPT_DAYS);
		agent_told(&a, NULL, text);
	}
	while (settle(&a), !all_over(&a)) {
		if (a.reload)
			read_again(&a);
		agent_metrics_write(&a.metrics, args->metrics, running(&a));
		listen_once(&a);
	}
	agent_metrics_write(&a.metrics, args->metrics, 0);
	(void)spools_clean(args->state);
	for (size_t i = 0; i < a.n; i++) {
		if (a.places[i].ephemeral)
			drop_lock(&a, &a.places[i]);
		dd_close(a.places[i].lock_fd);
	}
	dd_close(a.signal_fd);
	return code_of(&a);
}
