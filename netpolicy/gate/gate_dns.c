// SPDX-License-Identifier: Apache-2.0
/* gate_dns.c - the step's resolver: 198.18.0.1:53, UDP and TCP, one policy for both.
 *
 * Runs in: gate, on bytes that hostile code chose. A name that the list does not hold is refused
 * here and nothing of it leaves the host (N-04); in observe mode it is resolved like the others,
 * and reported. Everything is bounded: waiting queries, connections, and what each connection may
 * hold.
 */
#include "gate_internal.h"

#include <netinet/in.h>
#include <string.h>

enum {
	UDP_READS_MAX = 32, /* per turn of the loop */
	QUERY_MAX = 1024,   /* a query with options is far smaller; longer ones are malformed */
	CONN_IDLE_SEC = 10,
	HELD_MAX = 64,
	HELD_MS = 100, /* the supervisor looks through /proc in far less; a stuck one must not look
	                  like a dead resolver */
	QUERIES_PER_CONN = 1000,
};

/* One TCP connection; one query at a time, so a client that never reads costs one answer. */
struct dns_conn {
	struct gate_source source;
	struct gate_state *gate;
	struct dns_conn *next;
	uint64_t deadline_ns;
	unsigned queries;
	bool waiting; /* a dns_waiter points here */
	bool dead;    /* closed; freed when nobody points here */
	uint16_t src_port;
	size_t filled;
	uint8_t in[2 + QUERY_MAX];
};

struct reply_to {
	struct dns_conn *conn; /* NULL: UDP */
	struct sockaddr_in peer;
};

struct dns_waiter {
	struct dns_waiter *next;
	uint32_t id;          /* of a held refusal */
	uint64_t deadline_ns; /* likewise */
	uint8_t rcode;        /* likewise */
	struct dns_query query;
	struct reply_to to;
};

static void conn_close(struct dns_conn *conn)
{
	gate_source_close(&conn->source, false);
	conn->dead = true;
}

static void answer(struct gate_state *g, const struct reply_to *to, const struct dns_query *q,
                   uint8_t rcode, const struct in_addr *addr)
{
	uint8_t out[2 + DNS_ANSWER_MAX];
	size_t len = dns_answer_build(q, rcode, addr, GATE_ANSWER_TTL_SEC, out + 2);

	if (!to->conn) {
		/* A full socket loses the answer, as the network may; the client asks again. */
		(void)sendto(g->dns_udp.fd, out + 2, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		             (const void *)&to->peer, sizeof(to->peer));
		return;
	}
	to->conn->waiting = false;
	to->conn->deadline_ns = g->now_ns + CONN_IDLE_SEC * GATE_SEC;
	if (to->conn->dead)
		return;
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	if (send(to->conn->source.fd, out, len + 2, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)(len + 2))
		conn_close(to->conn);
}

/* Who asked for a name that is refused is the first question of whoever reads the log, and a client
 * that has its answer is gone in a millisecond. So the answer waits until the supervisor has
 * looked; a repetition, a flood and a supervisor that does not answer do not wait. */
static bool hold(struct gate_state *g, const struct reply_to *to, const struct dns_query *q,
                 uint8_t rcode, uint32_t id)
{
	struct dns_waiter *w = g->n_held < HELD_MAX ? malloc(sizeof(*w)) : NULL;
	if (!w)
		return false;
	*w = (struct dns_waiter){ .next = g->held,
		                  .id = id,
		                  .deadline_ns = g->now_ns + HELD_MS * 1000000ull,
		                  .rcode = rcode,
		                  .query = *q,
		                  .to = *to };
	g->held = w;
	g->n_held++;
	if (to->conn)
		to->conn->waiting = true;
	return true;
}

/* Answer the held refusals with this @id, or, with 0, those whose time is over. */
static void release_held(struct gate_state *g, uint32_t id)
{
	struct dns_waiter **at = &g->held;

	while (*at) {
		struct dns_waiter *w = *at;
		if (id ? w->id != id : w->deadline_ns > g->now_ns) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		g->n_held--;
		answer(g, &w->to, &w->query, w->rcode, NULL);
		free(w);
	}
}

void gate_dns_seen(struct gate_state *g, uint32_t id)
{
	if (id != 0)
		release_held(g, id);
}

static uint32_t next_serial(struct gate_state *g)
{
	return ++g->held_serial ? g->held_serial : ++g->held_serial;
}

/* A name that is refused does not exist for this step, and that is what it hears: to REFUSED and
 * SERVFAIL programs say "temporary failure" and ask again, and again with each search domain and
 * server. */
static void gate_dns_refuse_with(struct gate_state *g, const struct reply_to *to,
                                 const struct dns_query *q, enum dd_reason reason, uint8_t rcode)
{
	struct gate_msg msg = { .type = GATE_DNS_DENY,
		                .reason = (uint16_t)reason,
		                .src_port = ntohs(to->peer.sin_port),
		                .port = 53,
		                .proto = to->conn ? IPPROTO_TCP : IPPROTO_UDP,
		                .id = next_serial(g) };

	gate_text(msg.host, sizeof(msg.host), q->name);
	if (!gate_report(g, &msg) || !hold(g, to, q, rcode, msg.id))
		answer(g, to, q, rcode, NULL);
}

static void gate_dns_refuse(struct gate_state *g, const struct reply_to *to,
                            const struct dns_query *q, enum dd_reason reason)
{
	gate_dns_refuse_with(g, to, q, reason, DNS_RCODE_NXDOMAIN);
}

static void answer_name(const struct gate_name *name, const struct reply_to *to,
                        const struct dns_query *q)
{
	bool ok = name->rcode == DNS_RCODE_OK && name->admitted;
	/* REFUSED stands for a name all of whose addresses are refused: for the step it has none */
	answer(name->gate, to, q,
	       ok                                 ? DNS_RCODE_OK
	       : name->rcode == DNS_RCODE_REFUSED ? DNS_RCODE_NXDOMAIN
	       : name->rcode                      ? name->rcode
	                                          : DNS_RCODE_SERVFAIL,
	       ok ? &name->synthetic : NULL);
}

void gate_dns_asker(struct gate_name *name, struct gate_msg *msg)
{
	const struct dns_waiter *w = name->waiters;

	if (!w)
		return;
	msg->src_port = ntohs(w->to.peer.sin_port);
	msg->src_proto = w->to.conn ? IPPROTO_TCP : IPPROTO_UDP;
	msg->id = name->refused_id ? name->refused_id : next_serial(name->gate);
}

void gate_dns_answer_waiters(struct gate_name *name)
{
	struct dns_waiter *w = name->waiters;
	uint32_t id = name->rcode == DNS_RCODE_REFUSED ? name->refused_id : 0;

	name->waiters = NULL;
	name->refused_id = 0;
	while (w) {
		struct dns_waiter *next = w->next;
		if (!id || !hold(name->gate, &w->to, &w->query, DNS_RCODE_NXDOMAIN, id))
			answer_name(name, &w->to, &w->query);
		free(w);
		name->gate->dns_pending--;
		w = next;
	}
}

static void wait_for_name(struct gate_state *g, struct gate_name *name, const struct reply_to *to,
                          const struct dns_query *q)
{
	struct dns_waiter *w = g->dns_pending < GATE_DNS_PENDING_MAX ? malloc(sizeof(*w)) : NULL;
	if (!w) {
		answer(g, to, q, DNS_RCODE_SERVFAIL, NULL);
		return;
	}
	g->dns_pending++;
	*w = (struct dns_waiter){ .next = name->waiters, .query = *q, .to = *to };
	name->waiters = w;
	if (to->conn)
		to->conn->waiting = true;
	gate_name_refresh(name);
}

/* @would: in observe mode, why the enforcing gate refuses the name. */
static void answer_allowed(struct gate_state *g, const char *host, const struct egress_entry *entry,
                           enum dd_reason would, const struct reply_to *to,
                           const struct dns_query *q)
{
	enum dd_reason reason = REASON_NONE;
	struct gate_name *name = NULL;

	switch (q->type) {
	case DNS_TYPE_A:
		name = gate_name_get(g, host, entry, &reason);
		if (name && would)
			name->would = would;
		if (name)
			wait_for_name(g, name, to, q);
		else
			gate_dns_refuse(g, to, q, reason);
		return;
	case DNS_TYPE_AAAA:
	case DNS_TYPE_SVCB:
	case DNS_TYPE_HTTPS:
		/* the step's way out is IPv4 and TCP; this makes clients take it */
		answer(g, to, q, DNS_RCODE_OK, NULL);
		return;
	default:
		/* the name is there, and has none of these */
		gate_dns_refuse_with(g, to, q, REASON_RECORD_TYPE, DNS_RCODE_OK);
	}
}

static bool asks_for_address(const struct dns_query *q)
{
	return q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA || q->type == DNS_TYPE_SVCB ||
	       q->type == DNS_TYPE_HTTPS;
}

static void handle_query(struct gate_state *g, const uint8_t *in, size_t len,
                         const struct reply_to *to)
{
	struct dns_query q;
	char host[EGRESS_HOST_MAX + 1];
	enum dns_parse parsed = dns_query_parse(in, len, &q);

	if (parsed == DNS_DROP) {
		if (to->conn)
			conn_close(to->conn);
		return;
	}
	if (parsed == DNS_MALFORMED) {
		answer(g, to, &q, q.rcode, NULL);
		return;
	}
	if (q.odd || egress_host_canonical(q.name, strlen(q.name), host) < 0) {
		gate_dns_refuse(g, to, &q, REASON_NOT_A_NAME);
		return;
	}
	struct egress_verdict verdict = egress_verdict_name(g->egress, host, 0);
	if (verdict.allow)
		answer_allowed(g, host, verdict.entry, REASON_NONE, to, &q);
	else if (g->observe)
		answer_allowed(g, host, &gate_observed_entry, verdict.reason, to, &q);
	else
		/* `_http._tcp.NAME SRV` is a question that no entry would answer: its name is none
		 * to put on a list */
		gate_dns_refuse(g, to, &q,
		                asks_for_address(&q) ? verdict.reason : REASON_RECORD_TYPE);
}

void gate_dns_udp(struct gate_state *g)
{
	uint8_t in[QUERY_MAX + 1];

	for (unsigned i = 0; i < UDP_READS_MAX; i++) {
		struct reply_to to = { .conn = NULL };
		socklen_t peer_len = sizeof(to.peer);
		ssize_t n = recvfrom(g->dns_udp.fd, in, sizeof(in), MSG_DONTWAIT, (void *)&to.peer,
		                     &peer_len);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0 && n <= QUERY_MAX)
			handle_query(g, in, (size_t)n, &to);
	}
}

/* ---- TCP ---- */

void gate_dns_accept(struct gate_state *g)
{
	struct sockaddr_in peer = { .sin_port = 0 };
	socklen_t len = sizeof(peer);
	dd_auto_fd int fd = accept4(g->dns_tcp.fd, (void *)&peer, &len,
	                            SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 || g->dns_conns >= GATE_DNS_CONNS_MAX)
		return; /* closed at once: the client falls back to UDP or tries later */
	struct dns_conn *conn = calloc(1, sizeof(*conn));
	if (!conn)
		return;
	conn->gate = g;
	conn->source = (struct gate_source){ .kind = SOURCE_DNS_CONN,
		                             .fd = dd_take_fd(&fd),
		                             .owner = conn };
	conn->deadline_ns = g->now_ns + CONN_IDLE_SEC * GATE_SEC;
	conn->src_port = ntohs(peer.sin_port);
	conn->next = g->dns_conn_list;
	g->dns_conn_list = conn;
	g->dns_conns++;
	if (gate_watch(g, &conn->source, EPOLLIN | EPOLLRDHUP) < 0)
		conn_close(conn);
}

/* One whole query at the front of the buffer is taken out and answered. */
static bool conn_take_query(struct dns_conn *conn)
{
	uint8_t in[QUERY_MAX];
	struct reply_to to = { .conn = conn, .peer = { .sin_port = htons(conn->src_port) } };

	if (conn->dead || conn->waiting || conn->filled < 2)
		return false;
	size_t len = (size_t)conn->in[0] << 8 | conn->in[1];
	if (len > QUERY_MAX || ++conn->queries > QUERIES_PER_CONN) {
		conn_close(conn);
		return false;
	}
	if (conn->filled < 2 + len) {
		conn->queries--;
		return false;
	}
	memcpy(in, conn->in + 2, len);
	conn->filled -= 2 + len;
	memmove(conn->in, conn->in + 2 + len, conn->filled);
	handle_query(conn->gate, in, len, &to);
	return true;
}

void gate_dns_conn_event(struct gate_source *s)
{
	struct dns_conn *conn = s->owner;

	if (conn->dead)
		return;
	if (conn->filled == sizeof(conn->in) && conn->waiting) {
		conn_close(conn); /* sends without reading; level-triggered events would spin */
		return;
	}
	ssize_t n = recv(s->fd, conn->in + conn->filled, sizeof(conn->in) - conn->filled,
	                 MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_close(conn);
		return;
	}
	if (n > 0)
		conn->filled += (size_t)n;
	while (conn_take_query(conn))
		;
}

void gate_dns_sweep(struct gate_state *g)
{
	release_held(g, 0);
	struct dns_conn **at = &g->dns_conn_list;

	while (*at) {
		struct dns_conn *conn = *at;
		while (conn_take_query(conn)) /* queries that came while another one waited */
			;
		if (!conn->dead && !conn->waiting && conn->deadline_ns <= g->now_ns)
			conn_close(conn);
		if (conn->dead && !conn->waiting) {
			*at = conn->next;
			free(conn);
			g->dns_conns--;
		} else {
			at = &conn->next;
		}
	}
}

void gate_dns_close(struct gate_state *g)
{
	while (g->held)
		release_held(g, g->held->id);
	gate_source_close(&g->dns_udp, false);
	gate_source_close(&g->dns_tcp, false);
	for (struct dns_conn *conn = g->dns_conn_list; conn; conn = conn->next)
		conn_close(conn);
}
