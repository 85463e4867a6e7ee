// SPDX-License-Identifier: Apache-2.0
/* gate_flow.c - one connection of the step, from accept to close.
 *
 * Runs in: gate. The states: HELLO (read the first bytes, judge them) -> RESOLVE (only if the
 * name's answers are over)
 * -> DIAL (validated addresses, one after the other) -> RELAY. An entry that says `raw` skips
 * HELLO. Every state but RELAY has a short deadline; whatever is not understood is reset, and said.
 * In observe mode HELLO is skipped and the first bytes are judged in RELAY (gate_observe.c). Events
 * are edge-triggered, so each step runs until the kernel says EAGAIN.
 */
#include "gate_internal.h"

#include "http_head.h"
#include "tls_hello.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>

enum {
	ACCEPTS_MAX = 64, /* per turn of the loop */
	HELLO_SEC = 10,
	DIAL_ONE_SEC = 5,
	DIAL_ALL_SEC = 15,
	IDLE_SEC = 15 * 60,
	UPLOAD_ROUNDS = 64,
};

/* Urgent data ends a read before the socket is empty, so its event is asked for as well. */
static const uint32_t flow_events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		      flow_in = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR,
		      flow_out = EPOLLOUT | EPOLLHUP | EPOLLERR,
		      flow_ending = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/* ---- ends ---- */

void gate_flow_close(struct gate_flow *f, bool reset)
{
	struct gate_state *g = f->gate;

	if (f->dead)
		return;
	gate_observe_ended(f);
	f->dead = true;
	gate_source_close(&f->client, reset);
	gate_source_close(&f->server, reset);
	gate_pump_done(g, &f->up);
	gate_pump_done(g, &f->down);
	gate_http_free(f);
	free(f->buffer);
	f->buffer = NULL;
	if (f->prev)
		f->prev->next = f->next;
	else
		g->flows = f->next;
	if (f->next)
		f->next->prev = f->prev;
	g->n_flows--;
	/* Freed only after this turn of the loop: epoll may have more events with this address in
	 * hand. */
	f->next = g->graveyard;
	g->graveyard = f;
}

void gate_flow_bury(struct gate_state *g)
{
	while (g->graveyard) {
		struct gate_flow *f = g->graveyard;
		g->graveyard = f->next;
		free(f);
	}
}

static struct gate_msg flow_msg(const struct gate_flow *f, enum gate_msg_type type,
                                enum dd_reason reason)
{
	struct gate_msg msg = {
		.type = type,
		.port = f->dest ? f->dest->port : 0,
		.src_port = f->src_port,
		.proto = IPPROTO_TCP,
		.reason = (uint16_t)reason,
	};

	if (f->name)
		gate_text(msg.host, sizeof(msg.host), f->name->host);
	(void)inet_ntop(AF_INET, &f->local, msg.addr, sizeof(msg.addr));
	return msg;
}

static void flow_refuse_with(struct gate_flow *f, struct gate_msg *msg)
{
	msg->would = (uint16_t)f->would; /* could not be reached; enforcing would not have tried */
	f->dest->denials++;
	(void)gate_report(f->gate, msg);
	gate_flow_close(f, true);
}

void gate_flow_refuse(struct gate_flow *f, enum dd_reason reason)
{
	struct gate_msg msg = flow_msg(f, GATE_NET_DENY, reason);
	flow_refuse_with(f, &msg);
}

void gate_flow_report_violation(struct gate_flow *f)
{
	struct gate_msg msg = flow_msg(f, GATE_VIOLATION, REASON_UPLOAD);

	gate_budget_msg(f->gate, f->dest, false, &msg);
	gate_report_always(f->gate, &msg);
}

void gate_flow_over_budget(struct gate_flow *f)
{
	f->dest->denials++;
	f->gate->denials++;
	if (gate_budget_exhaust(f->gate, f->dest))
		gate_flow_report_violation(f);
	gate_flow_close(f, true);
}

void gate_flow_report_allowed(struct gate_flow *f)
{
	const struct egress_entry *e = f->entry;
	struct gate_msg msg = flow_msg(f, GATE_NET_ALLOW, REASON_NONE);

	if (!f->would)
		gate_text(msg.why, sizeof(msg.why), e->why ? e->why : e->origin);
	gate_addr_text(&f->candidates[f->next_candidate - 1].any, msg.addr);
	msg.would = (uint16_t)f->would;
	msg.speaks = (uint8_t)f->speaks;
	msg.ech = f->ech;
	f->dest->ech += f->ech;
	gate_report_connection(f->gate, f->dest, &msg);
}

/* ---- RELAY ---- */

/* Send what was judged. true: all of it is out. */
static bool send_cleared(struct gate_flow *f)
{
	while (f->sent < f->cleared) {
		uint64_t left = gate_budget_left(f->gate, f->dest);
		size_t n = f->cleared - f->sent;
		if (left == 0) {
			gate_flow_over_budget(f);
			return false;
		}
		n = left < n ? (size_t)left : n;
		ssize_t sent = send(f->server.fd, f->buffer + f->sent, n,
		                    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			if (errno == EAGAIN)
				f->server.writable = false;
			else if (errno != EINTR)
				f->up.broken = true;
			return false;
		}
		f->sent += (size_t)sent;
		gate_budget_sent(f->gate, f->dest, (uint64_t)sent);
	}
	return true;
}

static void compact(struct gate_flow *f)
{
	memmove(f->buffer, f->buffer + f->sent, f->filled - f->sent);
	f->filled -= f->sent;
	f->cleared -= f->sent;
	f->sent = 0;
}

/* Returns bytes read, 0 at the end of the stream or with a full buffer, -1 when it would block;
 * closes on error. */
static ssize_t read_client(struct gate_flow *f)
{
	const size_t want = GATE_BUFFER - f->filled;
	if (want == 0 || f->client_eof)
		return 0;
	if (!f->client.readable)
		return -1;
	ssize_t n = recv(f->client.fd, f->buffer + f->filled, want, MSG_DONTWAIT);
	if (n == 0)
		f->client_eof = true;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		gate_flow_close(f, true);
	else if (n < 0 || ((size_t)n < want && !f->client.ending))
		f->client.readable = false;
	if (n > 0)
		f->filled += (size_t)n;
	return n;
}

/* Cleartext HTTP: through the buffer, request by request. true: the buffer is done with, the pump
 * takes over. */
static bool relay_requests(struct gate_flow *f)
{
	for (unsigned i = 0; i < UPLOAD_ROUNDS; i++) {
		if (gate_http_clear(f) < 0 || !send_cleared(f))
			return false;
		compact(f);
		if (gate_http_is_raw(f))
			return f->filled == 0;
		ssize_t n = read_client(f);
		if (f->dead || n < 0)
			return false;
		if (n == 0) {
			if (f->client_eof && !f->up.shut) {
				f->up.shut = true;
				(void)shutdown(f->server.fd, SHUT_WR);
			}
			/* the end, or a buffer full of bytes that wait for the server's 101 */
			return false;
		}
	}
	f->ready = true;
	return false;
}

static void free_buffer(struct gate_flow *f)
{
	free(f->buffer);
	f->buffer = NULL;
}

/* true: the first bytes are judged. */
static bool flow_hear(struct gate_flow *f)
{
	while (!f->dead && read_client(f) > 0)
		;
	return !f->dead && gate_observe_hear(f);
}

static enum gate_moved relay_up(struct gate_flow *f)
{
	if (f->up.broken)
		return MOVED_BLOCKED;
	if (f->judging && !flow_hear(f))
		return MOVED_BLOCKED;
	if (f->buffer) {
		bool done = f->http ? relay_requests(f) : send_cleared(f);
		if (f->dead || !done)
			return f->up.shut ? MOVED_END : MOVED_BLOCKED;
		free_buffer(f);
	}
	return gate_pump_run(f, &f->up);
}

static void relay(struct gate_flow *f)
{
	int r = f->http ? gate_http_down(f) : 0;
	if (f->dead)
		return;
	uint64_t heard = f->dest->bytes_in;
	enum gate_moved down = r == 0 ? gate_pump_run(f, &f->down) : MOVED_BLOCKED;
	if (down == MOVED_BROKEN) {
		gate_flow_close(f, true);
		return;
	}
	if (f->judging && f->dest->bytes_in != heard)
		gate_observe_server_spoke(f);
	f->ready = false;
	enum gate_moved up = relay_up(f);
	if (f->dead)
		return;
	gate_observe_budget(f);
	if (up == MOVED_OVER_BUDGET) {
		gate_flow_over_budget(f);
		return;
	}
	/* The server may have closed its ear and still be speaking: what it says goes to the client
	 * before the reset. */
	if (up == MOVED_BROKEN && f->up.pending == 0) {
		gate_flow_close(f, true);
		return;
	}
	f->up.broken = f->up.broken || up == MOVED_BROKEN;
	if (down == MOVED_END && (up == MOVED_END || f->up.broken)) {
		gate_flow_close(f, f->up.broken);
		return;
	}
	/* Whichever end woke it: a direction whose turn was over has no event to wait for. */
	f->ready = f->ready || down == MOVED_MORE || up == MOVED_MORE;
	f->gate->some_ready = f->gate->some_ready || f->ready;
	f->deadline_ns = f->gate->now_ns +
	                 (gate_http_holds_body(f) ? HELLO_SEC : IDLE_SEC) * GATE_SEC;
}

/* ---- DIAL ---- */

static int dial_one(struct gate_flow *f, const union gate_addr *to)
{
	struct gate_state *g = f->gate;
	union gate_addr addr = *to;
	const int one = 1;
	socklen_t len = addr.any.sa_family == AF_INET6 ? sizeof(addr.v6) : sizeof(addr.v4);

	if (addr.any.sa_family == AF_INET6)
		addr.v6.sin6_port = htons(f->dest->port);
	else
		addr.v4.sin_port = htons(f->dest->port);
	f->server = (struct gate_source){ .kind = SOURCE_SERVER, .fd = -1, .owner = f };
	f->server.fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->server.fd < 0)
		return -errno;
	/* latency only; a refusal costs nothing else */
	(void)setsockopt(f->server.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(f->server.fd, &addr.any, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return gate_watch(g, &f->server, flow_events);
}

static void dial_next(struct gate_flow *f)
{
	while (f->next_candidate < f->n_candidates && f->gate->now_ns < f->dial_deadline_ns) {
		gate_source_close(&f->server, true);
		int r = dial_one(f, &f->candidates[f->next_candidate++]);
		if (r == 0) {
			uint64_t one = f->gate->now_ns + DIAL_ONE_SEC * GATE_SEC;
			f->deadline_ns = one < f->dial_deadline_ns ? one : f->dial_deadline_ns;
			return;
		}
		f->dial_error = -r;
	}
	struct gate_msg msg = flow_msg(f, GATE_NET_DENY, REASON_UNREACHABLE);
	const char *text = strerrordesc_np(f->dial_error ? f->dial_error : ETIMEDOUT);
	gate_text(msg.why, sizeof(msg.why), text ? text : "unknown error");
	flow_refuse_with(f, &msg);
}

static void connected(struct gate_flow *f)
{
	if (!f->judging)
		gate_flow_report_allowed(f);
	f->state = FLOW_RELAY;
	f->dest->connections++;
	gate_pump_init(&f->up, &f->client, &f->server, true);
	gate_pump_init(&f->down, &f->server, &f->client, false);
	relay(f);
}

static void dial_event(struct gate_flow *f, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if ((events & (EPOLLERR | EPOLLHUP)) &&
	    getsockopt(f->server.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		connected(f);
		return;
	}
	f->dial_error = error;
	dial_next(f);
}

static void dial(struct gate_flow *f)
{
	struct gate_refused refused = { .why = NULL };

	if (f->name) {
		f->n_candidates = gate_name_dialable(f->name, f->entry, f->candidates, &refused);
	} else {
		f->candidates[0] =
			(union gate_addr){ .v4 = { .sin_family = AF_INET, .sin_addr = f->local } };
		f->n_candidates = 1;
	}
	if (f->n_candidates == 0) {
		struct gate_msg msg = flow_msg(f, GATE_NET_DENY, REASON_ANSWER_NONE);
		gate_name_refused_msg(&refused, &msg);
		flow_refuse_with(f, &msg);
		return;
	}
	f->state = FLOW_DIAL;
	f->dial_deadline_ns = f->gate->now_ns + DIAL_ALL_SEC * GATE_SEC;
	dial_next(f);
}

/* ---- RESOLVE ---- */

void gate_flow_name_ready(struct gate_name *name)
{
	struct gate_flow *next = NULL;

	for (struct gate_flow *f = name->gate->flows; f; f = next) {
		next = f->next;
		if (f->name != name || f->state != FLOW_RESOLVE)
			continue;
		if (name->rcode == DNS_RCODE_OK && name->resolved)
			dial(f);
		else
			gate_flow_refuse(f, name->rcode == DNS_RCODE_REFUSED
			                            ? REASON_ANSWER_NONE
			                            : REASON_NAME_UNRESOLVED);
	}
}

static void resolve(struct gate_flow *f)
{
	if (!f->name || (f->name->resolved && f->name->expires_ns > f->gate->now_ns)) {
		dial(f);
		return;
	}
	f->state = FLOW_RESOLVE;
	f->deadline_ns = f->gate->now_ns + DIAL_ALL_SEC * GATE_SEC;
	gate_name_refresh(f->name);
}

/* ---- HELLO ---- */

static enum parse judge_tls(struct gate_flow *f, enum dd_reason *ret_reason)
{
	struct tls_hello hello;
	char host[EGRESS_HOST_MAX + 1];
	enum parse result = tls_hello_parse(f->buffer, f->filled, &hello, ret_reason);

	if (result != PARSE_OK)
		return result;
	if (egress_host_canonical((const char *)hello.sni, hello.sni_len, host) < 0) {
		*ret_reason = REASON_TLS_NAME_MALFORMED;
		return PARSE_REFUSED;
	}
	if (!egress_host_means(host, f->name->host, f->gate->search)) {
		*ret_reason = REASON_TLS_OTHER_HOST;
		return PARSE_REFUSED;
	}
	f->ech = hello.ech;
	if (hello.ech && f->entry->ech != EGRESS_ECH_PASS) {
		*ret_reason = REASON_TLS_ENCRYPTED_HELLO;
		return PARSE_REFUSED;
	}
	f->cleared = f->filled;
	return PARSE_OK;
}

enum parse gate_flow_judge(struct gate_flow *f, enum gate_speaks *ret_speaks,
                           enum dd_reason *ret_reason)
{
	*ret_speaks = GATE_SPEAKS_TLS;
	if (f->buffer[0] == TLS_RECORD_HANDSHAKE)
		return judge_tls(f, ret_reason);
	*ret_speaks = GATE_SPEAKS_HTTP;
	enum parse result = http_head_sniff(f->buffer, f->filled);
	if (result == PARSE_REFUSED)
		*ret_reason = REASON_SPEAKS_NEITHER;
	if (result != PARSE_OK)
		return result;
	struct http_head head;
	return http_head_parse(f->buffer, f->filled, &head, ret_reason);
}

static void hello_done(struct gate_flow *f)
{
	if (f->buffer[0] != TLS_RECORD_HANDSHAKE && gate_http_start(f) < 0)
		return;
	resolve(f);
}

static void hello(struct gate_flow *f)
{
	enum dd_reason reason = REASON_NONE;

	while (!f->dead && read_client(f) > 0)
		;
	if (f->dead || !f->buffer)
		return;
	enum parse result = f->filled > 0 ? gate_flow_judge(f, &f->speaks, &reason) : PARSE_MORE;
	if (result == PARSE_OK)
		hello_done(f);
	else if (result == PARSE_REFUSED)
		gate_flow_refuse(f, reason);
	else if (f->client_eof)
		gate_flow_close(f, true);
	else if (f->filled == GATE_BUFFER)
		gate_flow_refuse(f, REASON_HELLO_TOO_LARGE);
}

/* ---- beginning ---- */

static void refuse_accepted(struct gate_state *g, int fd, const struct gate_msg *msg)
{
	struct gate_source s = { .kind = SOURCE_CLIENT, .fd = fd };
	(void)gate_report(g, msg);
	gate_source_close(&s, true);
}

/* Of a destination that may be reached. Observe mode only keeps to what the gate itself can hold.
 */
static enum dd_reason over_limit(struct gate_state *g, struct gate_flow *f, struct gate_msg *msg)
{
	struct gate_msg used_up = { .reason = REASON_NONE };

	if (g->n_flows >= g->max_flows)
		return REASON_CONNECTIONS;
	if (gate_budget_is_used_up(g, f->dest))
		gate_budget_msg(g, f->dest, true, &used_up);
	if (used_up.reason && !g->observe) {
		f->dest->denials++;
		gate_text(msg->why, sizeof(msg->why), used_up.why);
		return (enum dd_reason)used_up.reason;
	}
	if (used_up.reason)
		gate_observe_would(f, (enum dd_reason)used_up.reason);
	else if (g->observe && g->n_flows >= g->egress->connections)
		gate_observe_would(f, REASON_CONNECTIONS);
	return REASON_NONE;
}

/* Which entry lets this connection through? The list is asked again: an admission is about an
 * address, a verdict about a name and a port. */
static enum dd_reason identify(struct gate_state *g, struct gate_flow *f, uint16_t port,
                               struct gate_msg *msg)
{
	uint32_t local = ntohl(f->local.s_addr);
	bool synthetic = local >= NET_SYNTHETIC_FIRST && local <= NET_SYNTHETIC_LAST;
	char text[48];
	struct egress_verdict verdict;

	/* A step that dials the listener itself arrives with the listener's own address; no list
	 * can mean that. */
	if (local >> 24 == IN_LOOPBACKNET)
		return REASON_GATE_ADDRESS;
	f->name = gate_name_by_synthetic(g, f->local);
	if (f->name)
		gate_text(msg->host, sizeof(msg->host), f->name->host);
	if (synthetic && (!f->name || !f->name->admitted))
		return REASON_NOT_LOOKED_UP;
	(void)inet_ntop(AF_INET, &f->local, text, sizeof(text));
	if (f->name)
		verdict = egress_verdict_name(g->egress, f->name->host, port);
	else
		verdict = egress_verdict_addr(g->egress, f->local, port);
	if (!verdict.allow && !gate_observe_may_pass(g, f)) {
		gate_text(msg->why, sizeof(msg->why), verdict.why);
		/* a refusal that says no reason must not read as none */
		return verdict.reason ? verdict.reason : REASON_ADDRESS_NOT_LISTED;
	}
	if (!verdict.allow)
		gate_observe_would(f, verdict.reason);
	else if (f->name)
		f->would = f->name->would; /* one name too many of a wildcard */
	f->entry = verdict.allow ? verdict.entry : &gate_observed_entry;
	enum dd_reason over = f->name ? REASON_NONE : gate_budget_count(g, f->entry, text);
	if (over && !g->observe)
		return over;
	if (over)
		gate_observe_would(f, over);
	f->dest = gate_dest_get(g, f->name ? f->name->host : text, port, f->entry);
	if (!f->dest)
		return REASON_DESTINATIONS;
	return over_limit(g, f, msg);
}

static void flow_begin(struct gate_flow *f)
{
	struct gate_state *g = f->gate;

	f->next = g->flows;
	if (g->flows)
		g->flows->prev = f;
	g->flows = f;
	g->n_flows++;
	if (g->n_flows > g->peak_flows)
		g->peak_flows = g->n_flows;
	f->deadline_ns = f->hello_ns = g->now_ns + HELLO_SEC * GATE_SEC;
	/* A cidr entry names addresses; there is no name that the first bytes could contradict. */
	bool raw = !f->name || (f->entry && f->entry->tls == EGRESS_TLS_RAW);
	if (!raw)
		f->buffer = malloc(GATE_BUFFER);
	if ((!raw && !f->buffer) || gate_watch(g, &f->client, flow_events) < 0) {
		gate_flow_refuse(f, REASON_MEMORY);
		return;
	}
	if (raw)
		f->speaks = GATE_SPEAKS_RAW;
	f->judging = g->observe && !raw;
	if (raw || g->observe)
		resolve(f);
	else
		hello(f);
}

static void flow_accepted(struct gate_state *g, int fd, const struct sockaddr_in *peer)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	socklen_t len = sizeof(local);
	struct gate_flow found = {
		.gate = g,
		.src_port = ntohs(peer->sin_port),
		/* nothing is known of it yet: the first try says */
		.client = { .kind = SOURCE_CLIENT, .fd = fd, .readable = true, .writable = true },
		.server = { .kind = SOURCE_SERVER, .fd = -1 },
		.up = { .pipe = GATE_PIPE_NONE },
		.down = { .pipe = GATE_PIPE_NONE },
	};
	struct gate_msg msg = { .type = GATE_NET_DENY,
		                .src_port = found.src_port,
		                .proto = IPPROTO_TCP };
	enum dd_reason reason = REASON_GONE;

	if (getsockname(fd, (void *)&local, &len) == 0) {
		found.local = local.sin_addr;
		msg.port = ntohs(local.sin_port);
		(void)inet_ntop(AF_INET, &found.local, msg.addr, sizeof(msg.addr));
		reason = identify(g, &found, msg.port, &msg);
	}
	struct gate_flow *f = reason ? NULL : malloc(sizeof(*f));
	if (!f) {
		msg.reason = (uint16_t)(reason ? reason : REASON_MEMORY);
		refuse_accepted(g, fd, &msg);
		return;
	}
	*f = found;
	f->client.owner = f->server.owner = f;
	flow_begin(f);
}

/* The listener is level-triggered: one that is left is told of again, so nobody has to ask until
 * there is none. As many are taken as there were the last time, and twice as many the next time
 * when those were all there. */
void gate_flow_accept(struct gate_state *g)
{
	unsigned i = 0;

	for (; i < g->accepts && !g->closing; i++) {
		struct sockaddr_in peer = { .sin_port = 0 };
		socklen_t len = sizeof(peer);
		int fd = accept4(g->listener.fd, (void *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		flow_accepted(g, fd, &peer);
	}
	g->accepts = i == g->accepts ? 2 * i : i;
	g->accepts = g->accepts > ACCEPTS_MAX ? ACCEPTS_MAX : g->accepts;
	g->accepts = g->accepts < 1 ? 1 : g->accepts;
}

/* ---- events ---- */

void gate_flow_event(struct gate_source *s, uint32_t events)
{
	struct gate_flow *f = s->owner;

	if (f->dead)
		return;
	s->readable = s->readable || (events & flow_in);
	s->writable = s->writable || (events & flow_out);
	s->ending = s->ending || (events & flow_ending);
	if (s->kind == SOURCE_CLIENT && (events & EPOLLERR)) {
		gate_source_close(&f->client, false); /* it is gone: there is nobody to reset */
		gate_flow_close(f, true);             /* its reset goes on to the server */
		return;
	}
	switch (f->state) {
	case FLOW_HELLO:
		if (s->readable)
			hello(f);
		break;
	case FLOW_RESOLVE:
		break;
	case FLOW_DIAL:
		if (s->kind == SOURCE_SERVER)
			dial_event(f, events);
		break;
	case FLOW_RELAY:
		relay(f);
		break;
	}
}

/* Connections that had more to move when their turn was over: edge-triggered events will not come
 * for them again. */
void gate_flow_run_ready(struct gate_state *g)
{
	struct gate_flow *next = NULL;

	g->some_ready = false;
	for (struct gate_flow *f = g->flows; f; f = next) {
		next = f->next;
		if (f->ready && f->state == FLOW_RELAY)
			relay(f);
	}
}

static void expire(struct gate_flow *f)
{
	switch (f->state) {
	case FLOW_HELLO:
		gate_flow_refuse(f, f->filled > 0 ? REASON_HELLO_UNFINISHED : REASON_HELLO_SILENT);
		break;
	case FLOW_RESOLVE:
		gate_flow_refuse(f, REASON_NAME_UNRESOLVED);
		break;
	case FLOW_DIAL:
		f->dial_error = ETIMEDOUT;
		dial_next(f);
		break;
	case FLOW_RELAY:
		if (gate_http_holds_body(f))
			gate_flow_refuse(f, REASON_HTTP_UNASKED_BODY);
		else
			gate_flow_close(f, true);
		break;
	}
}

void gate_flow_sweep(struct gate_state *g)
{
	struct gate_flow *next = NULL;

	for (struct gate_flow *f = g->flows; f; f = next) {
		next = f->next;
		if (f->deadline_ns <= g->now_ns)
			expire(f);
		else if (f->judging && f->state == FLOW_RELAY && f->filled > 0 &&
		         f->hello_ns <= g->now_ns)
			relay(f); /* half a first message: what is there goes on now */
	}
}

void gate_flow_close_all(struct gate_state *g)
{
	while (g->flows)
		gate_flow_close(g->flows, true);
	gate_pipes_close(g);
}
