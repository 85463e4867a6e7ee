// SPDX-License-Identifier: Apache-2.0
/* agent_loop.c - see agent_loop.h.
 *
 * Runs in: agent. A place is taken before it is asked for a job, for a job that was handed over
 * cannot be given back; the ticket is durable before its host begins, and the host acknowledges. */
#include "agent_loop.h"

#include "agent_metrics.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/clock.h"
#include "drydock/fd.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKOFF_MIN_MS = 5000,
	BACKOFF_MAX_MS = 300000,
	SETTLE_MS = 2000, /* for a courier to end */
	LOOK_MS = 1000,   /* at jobs that an earlier agent began */
	HOSTS_MAX = AGENT_JOBS_MAX + TICKETS_MAX,
};

/* A courier that asks, and where its runner stands. */
struct asker {
	const struct agent_runner *runner;
	const struct agent_forge *forge;
	struct courier_process courier;
	bool asking;
	int64_t next_ms;
	unsigned refused; /* times in a row that the token was not taken */
	bool troubled;    /* said once, until it is over */
};

/* A job's host: ours, or, with pid 0, one that an earlier agent began and that lives. */
struct host {
	pid_t pid;
	char name[TICKET_NAME_MAX];
	int64_t began_ms;
	bool finishing;              /* it only tells how it ended */
	struct agent_counts *counts; /* shared with it; NULL: none */
};

struct loop {
	struct agent_run *run;
	struct asker *askers;
	struct host hosts[HOSTS_MAX];
	size_t n_hosts;
	int signals;
	sigset_t before;
	unsigned stops; /* how often somebody wanted the end */
	bool no_more;   /* nothing is asked for any more */
	bool reload;
	bool took; /* with --once: the job is there */
	int once_code;
	struct agent_metrics metrics;
};

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char text[1200], shown[TEXT_ESCAPE_MAX * sizeof(text) + 1];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)text_escape(shown, text, strlen(text));
	(void)fprintf(stderr, "drydock: %s\n", shown);
}

/* ---- couriers that ask ---- */

static int asker_main(void *arg, int sock, const int *lent)
{
	const struct asker *a = arg;
	(void)lent;
	return a->forge->poll(a->runner, sock);
}

static const struct agent_forge *forge_of(const struct agent_run *run, const char *name)
{
	for (size_t i = 0; i < run->n_forges; i++)
		if (strcmp(run->forges[i]->name, name) == 0)
			return run->forges[i];
	return NULL;
}

/* A token that dies in the night is found by nobody before the morning. */
static void tell_expiry(const struct registration *reg)
{
	enum { AHEAD_SEC = 7 * 86400 };
	long long left = reg->expires - (long long)time(NULL);
	if (reg->expires == 0 || left > AHEAD_SEC)
		return;
	if (left <= 0)
		say("%s: its token is over: reset it in the forge and register again", reg->name);
	else
		say("%s: its token is over in %lld hours: reset it in the forge and register again",
		    reg->name, left / 3600);
}

static void askers_make(struct loop *l)
{
	for (size_t i = 0; i < l->run->n_runners; i++)
		tell_expiry(&l->run->runners[i].reg);
	l->askers = calloc(l->run->n_runners ? l->run->n_runners : 1, sizeof(*l->askers));
	for (size_t i = 0; l->askers && i < l->run->n_runners; i++)
		l->askers[i] =
			(struct asker){ .runner = &l->run->runners[i],
			                .forge = forge_of(l->run, l->run->runners[i].reg.forge),
			                .courier = COURIER_PROCESS_NONE };
}

static void askers_end(struct loop *l)
{
	for (size_t i = 0; l->askers && i < l->run->n_runners; i++) {
		/* one that waits for an answer is not waited for */
		(void)courier_process_end(&l->askers[i].courier,
		                          l->askers[i].asking ? 0 : SETTLE_MS);
		l->askers[i].asking = false;
	}
	free(l->askers);
	l->askers = NULL;
}

static size_t running_of(const struct loop *l, const char *runner)
{
	size_t n = 0;
	for (size_t i = 0; i < l->n_hosts; i++) {
		char name[TICKET_NAME_MAX];
		ticket_runner(l->hosts[i].name, name);
		n += !l->hosts[i].finishing && (!runner || strcmp(name, runner) == 0);
	}
	return n;
}

static size_t asking(const struct loop *l)
{
	size_t n = 0;
	for (size_t i = 0; i < l->run->n_runners; i++)
		n += l->askers[i].asking;
	return n;
}

static size_t places(const struct loop *l)
{
	size_t n = 0;
	if (l->run->once)
		return 1;
	for (size_t i = 0; i < l->run->n_runners; i++)
		n += l->run->runners[i].config.jobs;
	return l->run->config->jobs && l->run->config->jobs < n ? l->run->config->jobs : n;
}

static bool has_place(const struct loop *l, const struct asker *a)
{
	if (l->no_more || l->reload || (l->run->once && l->took))
		return false;
	return running_of(l, NULL) + asking(l) < places(l) &&
	       running_of(l, a->runner->reg.name) < a->runner->config.jobs;
}

static void asker_fails(struct asker *a, const char *why)
{
	if (!a->troubled)
		say("%s: %s; it is asked again every %u s", a->runner->reg.name, why,
		    a->runner->config.poll_sec);
	a->troubled = true;
	a->next_ms = dd_now_ms() + 1000LL * a->runner->config.poll_sec;
}

static void ask(struct asker *a)
{
	struct dd_err err = { 0 };
	if (a->courier.sock < 0) {
		(void)courier_process_end(&a->courier, 0);
		if (courier_process_start(&(struct courier_work){ .run = asker_main,
		                                                  .arg = a,
		                                                  .name = "drydock-asks" },
		                          &a->courier, &err) < 0) {
			asker_fails(a, err.msg);
			return;
		}
	}
	if (frame_send(a->courier.sock, &(struct frame){ .kind = POLL_ASK }) < 0) {
		(void)courier_process_end(&a->courier, 0);
		asker_fails(a, "the process that asks for jobs ended");
		return;
	}
	a->asking = true;
}

static void ask_all(struct loop *l)
{
	for (size_t i = 0; i < l->run->n_runners; i++) {
		struct asker *a = &l->askers[i];
		if (!a->asking && a->next_ms <= dd_now_ms() && has_place(l, a))
			ask(a);
	}
}

/* ---- hosts of jobs ---- */

/* who: a job's host; can do: what the agent can; holds: its ticket's lock, nothing of the forge
 * that other jobs could use but the runner's registration, which it does not read again. It is not
 * killed by the agent's end: the job goes on, and the next agent finds its lock taken. */
static _Noreturn void become_host(struct loop *l, const struct agent_runner *runner,
                                  const struct agent_forge *forge, struct ticket *ticket)
{
	for (size_t i = 0; l->askers && i < l->run->n_runners; i++)
		dd_close(l->askers[i].courier.sock);
	dd_close(l->signals);
	(void)setpgid(0, 0);
	(void)sigprocmask(SIG_SETMASK, &l->before, NULL);
	(void)prctl(PR_SET_NAME, "drydock-host");
	int code = forge->host(runner, ticket);
	(void)fflush(NULL);
	_exit(code);
}

static void begin_host(struct loop *l, const struct agent_runner *runner,
                       const struct agent_forge *forge, struct ticket *ticket, bool finishing)
{
	void *shared = mmap(NULL, sizeof(struct agent_counts), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ticket->counts = shared == MAP_FAILED ? NULL : shared;
	(void)fflush(NULL);
	pid_t pid = l->n_hosts < HOSTS_MAX ? fork() : -1;
	if (pid == 0)
		become_host(l, runner, forge, ticket);
	if (pid < 0 && ticket->counts)
		(void)munmap(ticket->counts, sizeof(*ticket->counts));
	if (pid < 0)
		say("no process can be started for job %s: %s; the next start of the agent ends it",
		    ticket->name, strerror(errno));
	else {
		struct host *h = &l->hosts[l->n_hosts++];
		*h = (struct host){ .pid = pid,
			            .began_ms = dd_now_ms(),
			            .finishing = finishing,
			            .counts = ticket->counts };
		memcpy(h->name, ticket->name, sizeof(h->name));
	}
	ticket_close(ticket); /* its lock is the host's now */
}

static void take_job(struct loop *l, const struct asker *a, const struct frame *f)
{
	struct ticket ticket = TICKET_NONE;
	struct dd_err err = { 0 };
	int r = ticket_make(l->run->setup->state, a->runner->reg.name, f->a, f->bytes, f->len,
	                    &ticket, &err);
	if (r < 0) {
		/* it has not been acknowledged: GitLab gives it to another after a while */
		say("%s: job %lld cannot be written down, and is not run: %s", a->runner->reg.name,
		    (long long)f->a, err.msg);
		ticket_close(&ticket);
		return;
	}
	l->took = true;
	say("%s: job %lld begins", a->runner->reg.name, (long long)f->a);
	begin_host(l, a->runner, a->forge, &ticket, false);
}

static void end_host(struct loop *l, size_t i, int status)
{
	struct host h = l->hosts[i];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : DRYDOCK_EXIT_INTERNAL;
	double sec = (double)(dd_now_ms() - h.began_ms) / 1000;
	l->hosts[i] = l->hosts[--l->n_hosts];
	if (!WIFEXITED(status))
		say("the process of job %s was killed by signal %d; the next start of the agent "
		    "tells its forge",
		    h.name, WTERMSIG(status));
	else
		say("job %s %s after %.1f s", h.name,
		    code == DRYDOCK_EXIT_OK          ? "succeeded"
		    : code == DRYDOCK_EXIT_CANCELLED ? "was cancelled"
		    : code == DRYDOCK_EXIT_REFUSED   ? "was refused"
		                                     : "failed",
		    sec);
	if (h.counts) {
		agent_metrics_counts(&l->metrics, h.counts);
		(void)munmap(h.counts, sizeof(*h.counts));
	}
	if (!h.finishing) {
		agent_metrics_job(&l->metrics, code, sec);
		l->once_code = code;
	}
}

static void reap(struct loop *l)
{
	for (size_t i = 0; i < l->n_hosts;) {
		int status = 0;
		if (l->hosts[i].pid > 0 && waitpid(l->hosts[i].pid, &status, WNOHANG) > 0)
			end_host(l, i, status);
		else
			i++;
	}
	for (size_t i = 0; l->askers && i < l->run->n_runners; i++) {
		struct asker *a = &l->askers[i];
		if (a->courier.pid > 0 && waitpid(a->courier.pid, NULL, WNOHANG) > 0) {
			dd_close_p(&a->courier.sock);
			a->courier.pid = -1;
			if (a->asking)
				asker_fails(a,
				            "the process that asks for jobs ended without a word");
			a->asking = false;
		}
	}
}

/* ---- jobs of an earlier agent ---- */

static void adopt(struct loop *l, const char *name)
{
	char runner_name[TICKET_NAME_MAX];
	struct ticket ticket = TICKET_NONE;
	struct dd_err err = { 0 };
	const struct asker *of = NULL;
	ticket_runner(name, runner_name);
	for (size_t i = 0; i < l->run->n_runners; i++)
		if (strcmp(l->run->runners[i].reg.name, runner_name) == 0)
			of = &l->askers[i];
	int r = ticket_take(l->run->setup->state, name, &ticket, &err);
	if (r == 0 && l->n_hosts < HOSTS_MAX) {
		struct host *h = &l->hosts[l->n_hosts++];
		*h = (struct host){ .began_ms = dd_now_ms() };
		(void)snprintf(h->name, sizeof(h->name), "%s", name);
		say("job %s, which an earlier agent began, goes on", name);
	} else if (r == 1 && ticket_is_empty(&ticket)) {
		say("job %s was handed over to an agent that died before it had written it down: "
		    "its forge hands it over again",
		    name);
		ticket_remove(&ticket);
	} else if (r == 1 && of) {
		say("job %s was left by an agent that died: its forge is told", name);
		begin_host(l, of->runner, of->forge, &ticket, true);
	} else {
		say("job %s cannot be ended: %s", name,
		    r < 0 ? err.msg : "its runner is not registered any more");
		ticket_close(&ticket);
	}
}

static void adopt_all(struct loop *l)
{
	char(*names)[TICKET_NAME_MAX] = calloc(TICKETS_MAX, sizeof(*names));
	struct dd_err err = { 0 };
	int n = names ? ticket_list(l->run->setup->state, names, &err) : 0;
	if (n < 0)
		say("%s", err.msg);
	for (int i = 0; i < n; i++)
		adopt(l, names[i]);
	free(names);
}

/* Hosts that are not our children: over when their lock is free. */
static void look_at_adopted(struct loop *l)
{
	for (size_t i = 0; i < l->n_hosts; i++) {
		struct ticket ticket = TICKET_NONE;
		if (l->hosts[i].pid != 0)
			continue;
		char name[TICKET_NAME_MAX];
		memcpy(name, l->hosts[i].name, sizeof(name));
		char dir[640];
		(void)snprintf(dir, sizeof(dir), "%.500s/agent/%s", l->run->setup->state, name);
		if (access(dir, F_OK) < 0) {
			l->hosts[i--] = l->hosts[--l->n_hosts];
			say("job %s, which an earlier agent began, has ended", name);
		} else if (ticket_take(l->run->setup->state, name, &ticket, NULL) == 1) {
			ticket_close(&ticket);
			l->hosts[i--] = l->hosts[--l->n_hosts];
			adopt(l, name);
		}
	}
}

/* ---- what is heard ---- */

static void token_refused(struct loop *l, struct asker *a, const char *why)
{
	int64_t pause = (int64_t)BACKOFF_MIN_MS << (a->refused < 7 ? a->refused : 7);
	if (a->refused++ == 0)
		say("%s: its token is not taken (%s): reset it in the forge and register again",
		    a->runner->reg.name, why);
	a->next_ms = dd_now_ms() + (pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS);
	if (l->run->once) {
		l->no_more = true;
		l->once_code = DRYDOCK_EXIT_INTERNAL;
	}
}

/* The forge has given the runner another token, and the old one is dead: on disk before it is used.
 * Kept for the life of the agent: once in weeks. */
static void take_token(struct loop *l, struct asker *a, const struct frame *f)
{
	struct agent_runner *runner = &l->run->runners[a->runner - l->run->runners];
	struct dd_err err = { 0 };
	char *token = f->bytes && *f->bytes && f->len < RUNNER_TOKEN_MAX ? strdup(f->bytes) : NULL;
	(void)courier_process_end(&a->courier, SETTLE_MS);
	a->next_ms = 0;
	if (!token)
		return;
	runner->reg.token = token;
	runner->reg.expires = f->a;
	runner->reg.since = (long long)time(NULL);
	if (registration_write(l->run->setup->state, &runner->reg, &err) < 0)
		say("%s: its token was rotated and cannot be written down: this agent has it, and "
		    "the next one will not: %s",
		    runner->reg.name, err.msg);
	else
		say("%s: its token was rotated, and is written down", runner->reg.name);
}

static void hear(struct loop *l, struct asker *a)
{
	struct frame f = { .bytes = NULL };
	if (frame_recv(a->courier.sock, &f) != 1) {
		(void)courier_process_end(&a->courier, SETTLE_MS);
		a->asking = false;
		asker_fails(a, "the process that asks for jobs ended without a word");
		return;
	}
	a->asking = false;
	agent_metrics_poll(&l->metrics, (enum poll_frame)f.kind);
	if (f.kind != POLL_TROUBLE)
		a->troubled = false;
	if (f.kind != POLL_BAD_TOKEN)
		a->refused = 0;
	a->next_ms = dd_now_ms() + 1000LL * a->runner->config.poll_sec;
	switch ((enum poll_frame)f.kind) {
	case POLL_JOB:
		a->next_ms = 0;
		take_job(l, a, &f);
		break;
	case POLL_AGAIN:
		a->next_ms = 0;
		break;
	case POLL_BAD_TOKEN:
		token_refused(l, a, f.bytes ? f.bytes : "");
		break;
	case POLL_TROUBLE:
		asker_fails(a, f.bytes ? f.bytes : "no answer");
		break;
	case POLL_TOKEN:
		take_token(l, a, &f);
		break;
	case POLL_NOTHING:
	case POLL_ASK:
	default:
		break;
	}
	frame_done(&f);
}

static void stop_hosts(const struct loop *l)
{
	for (size_t i = 0; i < l->n_hosts; i++)
		if (l->hosts[i].pid > 0 && !l->hosts[i].finishing)
			(void)kill(l->hosts[i].pid, SIGTERM);
}

/* The first wish for an end is as the configuration says; the second interrupts. */
static void stop(struct loop *l, bool finish)
{
	l->no_more = true;
	l->stops++;
	bool interrupt = l->stops > 1 ||
	                 (!finish && l->run->config->stop == AGENT_STOP_INTERRUPT) ||
	                 (!finish && l->run->once);
	if (l->n_hosts)
		say("asked to end: %zu job%s %s", l->n_hosts, l->n_hosts == 1 ? "" : "s",
		    interrupt ? "are interrupted" : "may finish; ask again to interrupt");
	if (interrupt)
		stop_hosts(l);
}

static void take_signals(struct loop *l)
{
	struct signalfd_siginfo info;
	while (read(l->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			l->reload = !l->run->once;
		else if (info.ssi_signo != SIGCHLD)
			stop(l, info.ssi_signo == SIGQUIT);
	}
}

/* ---- all ---- */

static void reload(struct loop *l)
{
	if (!l->reload || asking(l) > 0) /* an answer that is under way may be a job */
		return;
	l->reload = false;
	askers_end(l);
	if (l->run->reload && l->run->reload(l->run->arg, l->run))
		say("the configuration was read again");
	askers_make(l);
}

static int next_wait(const struct loop *l)
{
	int64_t wait = 60000, now = dd_now_ms();
	for (size_t i = 0; i < l->run->n_runners; i++) {
		const struct asker *a = &l->askers[i];
		if (!a->asking && has_place(l, a) && a->next_ms - now < wait)
			wait = a->next_ms - now;
	}
	for (size_t i = 0; i < l->n_hosts; i++)
		if (l->hosts[i].pid == 0 && wait > LOOK_MS)
			wait = LOOK_MS;
	return wait < 0 ? 0 : (int)wait;
}

static void wait_and_hear(struct loop *l)
{
	struct pollfd polls[RUNNERS_MAX + 1] = { { .fd = l->signals, .events = POLLIN } };
	size_t n = 1;
	for (size_t i = 0; i < l->run->n_runners; i++, n++)
		polls[n] = (struct pollfd){ .fd = l->askers[i].asking ? l->askers[i].courier.sock
			                                              : -1,
			                    .events = POLLIN };
	if (poll(polls, n, next_wait(l)) < 0)
		return;
	for (size_t i = 0; i < l->run->n_runners; i++)
		if (polls[i + 1].revents && l->askers[i].asking)
			hear(l, &l->askers[i]);
	take_signals(l);
	reap(l);
	look_at_adopted(l);
}

/* With --once: the job that was asked for has ended. Those of an earlier agent are not waited for.
 */
static bool is_over(const struct loop *l)
{
	if (l->run->once && l->took)
		return running_of(l, NULL) == 0;
	return l->no_more && l->n_hosts == 0;
}

static int open_signals(struct loop *l)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	sigset_t set;
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &l->before);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals;
}

int agent_loop(struct agent_run *run)
{
	struct loop *l = calloc(1, sizeof(*l));
	int code;
	if (!l)
		return DRYDOCK_EXIT_INTERNAL;
	l->run = run;
	l->once_code = DRYDOCK_EXIT_CANCELLED; /* before there was a job */
	if (open_signals(l) < 0) {
		say("no signals can be read: %s", strerror(errno));
		free(l);
		return DRYDOCK_EXIT_INTERNAL;
	}
	askers_make(l);
	adopt_all(l);
	while (l->askers && !is_over(l)) {
		reload(l);
		if (l->no_more)
			for (size_t i = 0; i < run->n_runners; i++)
				if (l->askers[i].asking) {
					(void)courier_process_end(&l->askers[i].courier, 0);
					l->askers[i].asking = false;
				}
		ask_all(l);
		agent_metrics_write(&l->metrics, run->config->metrics, running_of(l, NULL));
		if (!is_over(l))
			wait_and_hear(l);
	}
	askers_end(l);
	agent_metrics_write(&l->metrics, run->config->metrics, 0);
	(void)sigprocmask(SIG_SETMASK, &l->before, NULL);
	dd_close(l->signals);
	code = run->once ? l->once_code : DRYDOCK_EXIT_OK;
	free(l);
	return code;
}
