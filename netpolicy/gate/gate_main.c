// SPDX-License-Identifier: Apache-2.0
/* gate_main.c - the gate process: from the fork through the lock to the loop, and out.
 *
 * Runs in: gate. Who am I: a child of the supervisor, in the host's network namespace. What can I
 * still do at the fork: everything the supervisor can; after gate_lock(): use the sockets I hold
 * and, if the list is not empty, dial. What do I hold: the control socket and four sockets of the
 * step's network namespace. Everything that opens a file (resolver configuration, hosts) happens
 * before the lock, everything that reads a byte of the step after it. Any doubt about the
 * supervisor (end of file, a message out of turn) ends the process: a dead gate is closed.
 */
#include "gate_internal.h"

#include "drydock/own_env.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

enum {
	FIRST_FD = GATE_FIRST_FD,
	EVENTS_MAX = 128,
	FDS_MAX = 8192,
	FDS_RESERVED = 256, /* DNS, upstream, pipes of the pool, the rest */
	FDS_PER_FLOW = 6,   /* two sockets, two pipes */
	SEND_BUFFER = 128 << 10,
	SWEEP_FAST_MS = 100,
	SWEEP_SLOW_MS = 1000,
};

static uint64_t clock_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * GATE_SEC + (uint64_t)now.tv_nsec;
}

int gate_watch(struct gate_state *g, struct gate_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };
	return epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? -errno : 0;
}

void gate_source_close(struct gate_source *s, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	/* Unsent bytes are thrown away and the peer gets a reset: nothing passes after this line
	 * (G-01). */
	if (reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	/* Somebody may still hold a copy of a listening socket: it must stop listening all the
	 * same. */
	if (s->kind == SOURCE_LISTENER || s->kind == SOURCE_DNS_TCP)
		(void)shutdown(s->fd, SHUT_RDWR);
	dd_close_p(&s->fd);
}

/* ---- before the lock ---- */

static void quiet_signals(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2
	};
	sigset_t none;

	/* Handlers of the supervisor must not run here. A terminal's ^C ends the job through the
	 * supervisor, in order. */
	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int no_stdio(struct dd_err *err)
{
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return dd_err_set(err, errno, "gate: open /dev/null");
	for (int fd = 0; fd < FIRST_FD; fd++) {
#ifdef __SANITIZE_ADDRESS__
		if (fd == 2)
			continue; /* the sanitizer's voice */
#endif
		if (dup2(null, fd) < 0)
			return dd_err_set(err, errno, "gate: replace descriptor %d", fd);
	}
	if (null < FIRST_FD)
		(void)dd_take_fd(&null);
	return 0;
}

static int raise_fd_limit(const struct gate_state *g, unsigned *ret_flows, struct dd_err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return dd_err_set(err, errno, "gate: read RLIMIT_NOFILE");
	rlim_t want = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
	limit = (struct rlimit){ want, want };
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return dd_err_set(err, errno, "gate: set RLIMIT_NOFILE");
	if (want < FDS_RESERVED + FDS_PER_FLOW)
		return dd_err_say(
			err, EMFILE,
			"gate: %llu descriptors are too few; raise the hard limit of open files",
			(unsigned long long)want);
	unsigned flows = (unsigned)(want - FDS_RESERVED) / FDS_PER_FLOW;
	flows = flows < GATE_FLOWS_MAX ? flows : GATE_FLOWS_MAX;
	*ret_flows = !g->observe && g->egress->connections < flows ? g->egress->connections : flows;
	return 0;
}

static int watch_sockets(struct gate_state *g, struct dd_err *err)
{
	static const enum gate_source_kind kinds[GATE_FD__COUNT] = {
		[GATE_FD_CTL] = SOURCE_CTL,          [NET_FD_NFLOG] = SOURCE_NFLOG,
		[NET_FD_LISTENER] = SOURCE_LISTENER, [NET_FD_DNS_UDP] = SOURCE_DNS_UDP,
		[NET_FD_DNS_TCP] = SOURCE_DNS_TCP,
	};
	struct gate_source *sources[GATE_FD__COUNT] = {
		[GATE_FD_CTL] = &g->ctl,          [NET_FD_NFLOG] = &g->nflog,
		[NET_FD_LISTENER] = &g->listener, [NET_FD_DNS_UDP] = &g->dns_udp,
		[NET_FD_DNS_TCP] = &g->dns_tcp,
	};
	static const char *const names[GATE_FD__COUNT] = {
		"control socket", "log socket", "listener", "DNS socket", "DNS listener",
	};

	for (int i = 0; i < GATE_FD__COUNT; i++) {
		*sources[i] =
			(struct gate_source){ .kind = kinds[i], .fd = FIRST_FD + i, .owner = g };
		int flags = fcntl(FIRST_FD + i, F_GETFL);
		if (flags < 0 || fcntl(FIRST_FD + i, F_SETFL, flags | O_NONBLOCK) < 0)
			return dd_err_set(err, errno, "gate: make the %s non-blocking", names[i]);
		if (gate_watch(g, sources[i], EPOLLIN) < 0)
			return dd_err_set(err, errno, "gate: watch the %s", names[i]);
	}
	return 0;
}

/* From here on the control socket is FIRST_FD, so that last words find it. */
int gate_become(const int fds[], size_t n, struct dd_err *err)
{
	own_env_clear();
	quiet_signals();
	int r = no_stdio(err);
	return r < 0 ? r : gate_lock_fds(fds, n, FIRST_FD, err);
}

/* What is accepted inherits both. The step's end of a connection has no round trip that a buffer
 * could fill: one that grows to megabytes is cold in the cache before the step reads it, and costs
 * both of them more than half as much again (seen on 6.18). A kernel that refuses keeps its own
 * size, and nothing else. */
static void shape_listener(const struct gate_state *g)
{
	const int one = 1, bytes = SEND_BUFFER;

	(void)setsockopt(g->listener.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	(void)setsockopt(g->listener.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int gate_make_memory(struct gate_state *g, const struct gate_spec *spec, struct dd_err *err)
{
	static const struct egress_list nothing;

	g->egress = spec->egress ? spec->egress : &nothing;
	g->search = spec->search;
	g->observe = spec->observe;
	g->closed_variant = gate_is_closed(spec);
	g->accepts = 1;
	g->scratch = malloc(GATE_BUFFER);
	if (!g->scratch)
		return dd_err_set(err, ENOMEM, "gate: memory");
	int r = gate_budget_init(g, spec->spent, err);
	if (r == 0)
		r = raise_fd_limit(g, &g->max_flows, err);
	return r < 0 ? r : gate_events_init(g, err);
}

static int make_epoll(struct gate_state *g, struct dd_err *err)
{
	g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return g->epoll_fd < 0 ? dd_err_set(err, errno, "gate: epoll_create1") : 0;
}

static int take_sockets(struct gate_state *g, struct dd_err *err)
{
	int r = watch_sockets(g, err);
	if (r == 0)
		shape_listener(g);
	return r;
}

static int gate_prepare(struct gate_state *g, const struct gate_spec *spec, pid_t supervisor,
                        struct dd_err *err)
{
	int r = make_epoll(g, err);
	if (r == 0)
		r = gate_make_memory(g, spec, err);
	if (r == 0 && !g->closed_variant)
		r = upstream_init(g, err);
	if (r == 0)
		r = take_sockets(g, err);
	if (r < 0)
		return r;
	struct gate_lock lock = {
		.kind = g->closed_variant ? GATE_CLOSED_KIND : GATE_OPEN,
		.supervisor = supervisor,
		.switch_ids = spec->switch_ids,
		.uid = spec->uid,
		.gid = spec->gid,
	};
	return gate_lock(&lock, err);
}

/* ---- commands ---- */

static void answer_close(struct gate_state *g)
{
	struct gate_msg msg = { .type = GATE_CLOSED };

	g->closing = true;
	/* Out of the set by hand: while anybody holds a copy of a socket, close(2) alone would
	 * leave it there. */
	(void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->listener.fd, NULL);
	(void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->dns_udp.fd, NULL);
	(void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->dns_tcp.fd, NULL);
	gate_source_close(&g->listener, false);
	gate_flow_close_all(g);
	gate_dns_close(g);
	gate_report_always(g, &msg);
}

static void answer_finish(struct gate_state *g)
{
	struct gate_msg msg = { .type = GATE_DONE };

	if (!g->closing)
		_exit(1); /* out of turn: receipts of an open gate would not be final */
	g->finishing = true;
	gate_report_nflog(g);
	gate_report_sweep(g, true);
	gate_report_receipts(g);
	msg.denials = g->denials;
	msg.dropped = g->dropped;
	msg.connections = g->peak_flows;
	msg.strays = g->strays;
	gate_report_always(g, &msg);
}

static void gate_obey(struct gate_state *g, const struct gate_msg *msg)
{
	switch ((enum gate_msg_type)msg->type) {
	case GATE_ADMITTED:
		gate_name_admitted(g, msg->id, msg->admitted == 1);
		return;
	case GATE_SEEN:
		gate_dns_seen(g, msg->id);
		return;
	case GATE_CLOSE:
		answer_close(g);
		return;
	case GATE_FINISH:
		answer_finish(g);
		return;
	case GATE_MSG_INVALID:
	case GATE_READY:
	case GATE_ASK_ADMIT:
	case GATE_NET_ALLOW:
	case GATE_NET_DENY:
	case GATE_DNS_DENY:
	case GATE_DNS_ALLOW:
	case GATE_VIOLATION:
	case GATE_RECEIPT:
	case GATE_COUNTED:
	case GATE_CLOSED:
	case GATE_DONE:
	case GATE_MSG__COUNT:
		break;
	}
	_exit(1);
}

static void ctl_event(struct gate_state *g)
{
	struct gate_msg msg;

	for (;;) {
		int r = dd_recv_msg(g->ctl.fd, &msg, sizeof(msg), NULL, 0);
		if (r == -EAGAIN)
			return;
		if (r != 1 || !gate_msg_is_sane(&msg))
			_exit(1); /* the supervisor is gone, or speaks another language */
		gate_obey(g, &msg);
	}
}

/* ---- the loop ---- */

static void dispatch(struct gate_state *g, struct gate_source *s, uint32_t events)
{
	if (s->fd < 0 && s->kind != SOURCE_CLIENT && s->kind != SOURCE_SERVER)
		return; /* closed earlier in this turn */
	switch (s->kind) {
	case SOURCE_CTL:
		ctl_event(g);
		break;
	case SOURCE_NFLOG:
		gate_report_nflog(g);
		break;
	case SOURCE_LISTENER:
		gate_flow_accept(g);
		break;
	case SOURCE_DNS_UDP:
		gate_dns_udp(g);
		break;
	case SOURCE_DNS_TCP:
		gate_dns_accept(g);
		break;
	case SOURCE_DNS_CONN:
		gate_dns_conn_event(s);
		break;
	case SOURCE_UPSTREAM:
		upstream_event(g, s, events);
		break;
	case SOURCE_CLIENT:
	case SOURCE_SERVER:
		gate_flow_event(s, events);
		break;
	}
}

static void sweep(struct gate_state *g)
{
	if (g->now_ns - g->swept_ns < SWEEP_FAST_MS * 1000000ull)
		return;
	g->swept_ns = g->now_ns;
	upstream_sweep(g);
	gate_name_sweep(g);
	gate_dns_sweep(g);
	gate_flow_sweep(g);
	gate_report_sweep(g, false);
}

/* An idle gate sleeps until something happens. */
static int wait_ms(const struct gate_state *g)
{
	if (g->some_ready)
		return 0;
	if (g->busy_names > 0 || g->dns_conns > 0 || g->n_held > 0)
		return SWEEP_FAST_MS;
	return g->n_flows > 0 || gate_report_pending(g) ? SWEEP_SLOW_MS : -1;
}

static void turn(struct gate_state *g)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(g->epoll_fd, events, EVENTS_MAX, wait_ms(g));

	if (n < 0 && errno != EINTR)
		_exit(1);
	g->now_ns = clock_ns();
	for (int i = 0; i < n; i++)
		dispatch(g, events[i].data.ptr, events[i].events);
	if (g->some_ready)
		gate_flow_run_ready(g);
	sweep(g);
	gate_flow_bury(g);
	if (gate_report_flush(g) && g->finishing)
		_exit(0);
}

/* The supervisor reads this as an error with our sentence (gate_recv). */
__attribute__((noreturn)) static void last_words(int ctl, const struct dd_err *err)
{
	struct gate_msg msg = { .type = GATE_MSG_INVALID };

	gate_text(msg.why, sizeof(msg.why), err->msg);
	(void)dd_send_msg(ctl, &msg, sizeof(msg), NULL, 0);
	_exit(1);
}

__attribute__((noreturn)) static void gate_main_serve(struct gate_state *g)
{
	struct gate_msg ready = { .type = GATE_READY };

	gate_report_always(g, &ready);
	for (;;)
		turn(g);
}

void gate_main(const struct gate_spec *spec, const int fds[GATE_FD__COUNT], pid_t supervisor)
{
	static struct gate_state state;
	struct gate_state *g = &state;
	struct dd_err err = { 0 };

	g->now_ns = clock_ns();
	if (gate_become(fds, GATE_FD__COUNT, &err) < 0)
		last_words(fds[GATE_FD_CTL], &err);
	if (gate_prepare(g, spec, supervisor, &err) < 0)
		last_words(FIRST_FD, &err);
	gate_main_serve(g);
}

void gate_main_forked(struct gate_state *g, const int fds[GATE_FD__COUNT], pid_t supervisor)
{
	struct dd_err err = { 0 };

	g->now_ns = clock_ns();
	if (gate_lock_fds(fds, GATE_FD__COUNT, FIRST_FD, &err) < 0)
		last_words(fds[GATE_FD_CTL], &err);
	if (make_epoll(g, &err) < 0 || take_sockets(g, &err) < 0 ||
	    gate_lock_forked(supervisor, &err) < 0)
		last_words(FIRST_FD, &err);
	gate_main_serve(g);
}
