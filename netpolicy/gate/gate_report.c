// SPDX-License-Identifier: Apache-2.0
/* gate_report.c - what the gate tells the supervisor, and how much of it.
 *
 * Runs in: gate. A step can cause a refusal in two microseconds, so events are merged (the same
 * refusal again within a second is one event with a count), rate-limited (a token bucket) and
 * queued in bounded memory; what is left out is counted and said at the end. Questions, receipts
 * and the answers to commands are never left out. The control socket is never waited for: a slow
 * supervisor must not stop the data path.
 */
#include "gate_internal.h"

#include "nflog_packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum {
	QUEUE_EVENTS_MAX = 512, /* messages of 500 bytes */
	BUCKET_SIZE = 200,
	BUCKET_PER_SEC = 50,
	MERGE_ROWS = 64,
	NFLOG_READS_MAX = 64, /* per turn of the loop */
	/* at the end; bounded, because nothing here proves that the step is dead */
	NFLOG_DRAIN_MAX = 65536,
};

struct queued {
	struct queued *next;
	struct gate_msg msg;
};

struct bucket {
	uint64_t tokens; /* in units of 1/GATE_SEC event */
	uint64_t last_ns;
};

struct merge_row {
	struct gate_msg msg;
	uint64_t since_ns; /* 0: free */
	uint64_t repeats;  /* not told yet */
};

struct gate_event_queue {
	struct queued *first, **last;
	size_t n;
	/* apart, so that a flood of refusals hides no connection */
	struct bucket denied, allowed;
	struct merge_row merge[MERGE_ROWS];
};

int gate_events_init(struct gate_state *g, struct dd_err *err)
{
	g->events = calloc(1, sizeof(*g->events));
	if (!g->events)
		return dd_err_set(err, ENOMEM, "gate: event queue");
	g->events->last = &g->events->first;
	g->events->denied.tokens = g->events->allowed.tokens = BUCKET_SIZE * GATE_SEC;
	return 0;
}

void gate_text(char *dst, size_t cap, const char *src)
{
	size_t i = 0;
	for (; src && src[i] && i + 1 < cap; i++)
		dst[i] = (char)(src[i] >= 0x20 && src[i] <= 0x7e ? src[i] : '?');
	dst[i] = '\0';
}

void gate_addr_text(const struct sockaddr *addr, char ret_text[48])
{
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;
	const void *bytes = addr->sa_family == AF_INET6 ? (const void *)&v6->sin6_addr
	                                                : (const void *)&v4->sin_addr;
	if (!inet_ntop(addr->sa_family, bytes, ret_text, 48))
		ret_text[0] = '\0';
}

static bool enqueue(struct gate_state *g, const struct gate_msg *msg)
{
	struct queued *q = malloc(sizeof(*q));
	if (!q)
		return false;
	q->next = NULL;
	q->msg = *msg;
	*g->events->last = q;
	g->events->last = &q->next;
	g->events->n++;
	return true;
}

void gate_report_always(struct gate_state *g, const struct gate_msg *msg)
{
	/* Without memory for a question or a receipt the gate cannot keep its promises; its death
	 * closes everything. */
	if (!enqueue(g, msg))
		_exit(1);
	(void)gate_report_flush(g);
}

static bool take_token(struct gate_state *g, struct bucket *b)
{
	uint64_t elapsed = g->now_ns - b->last_ns;
	uint64_t room = BUCKET_SIZE * GATE_SEC - b->tokens;

	b->last_ns = g->now_ns;
	b->tokens = elapsed > room / BUCKET_PER_SEC ? BUCKET_SIZE * GATE_SEC
	                                            : b->tokens + elapsed * BUCKET_PER_SEC;
	if (b->tokens < GATE_SEC)
		return false;
	b->tokens -= GATE_SEC;
	return true;
}

static bool send_limited(struct gate_state *g, const struct gate_msg *msg)
{
	struct bucket *b = msg->type == GATE_NET_ALLOW ? &g->events->allowed : &g->events->denied;
	if (g->events->n < QUEUE_EVENTS_MAX && take_token(g, b) && enqueue(g, msg))
		return true;
	g->dropped += msg->denials > 0 ? msg->denials : 1;
	return false;
}

static bool same_refusal(const struct gate_msg *a, const struct gate_msg *b)
{
	return a->type == b->type && a->port == b->port && a->proto == b->proto &&
	       a->reason == b->reason && strcmp(a->addr, b->addr) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->why, b->why) == 0;
}

static void end_merge(struct gate_state *g, struct merge_row *row)
{
	if (row->since_ns && row->repeats > 0) {
		row->msg.denials = row->repeats;
		row->msg.src_port = 0; /* many: no one of them is meant, and none of them waits */
		row->msg.id = 0;
		(void)send_limited(g, &row->msg);
	}
	row->since_ns = 0;
	row->repeats = 0;
}

/* true: @msg repeats one of the last second and was counted there. */
static bool merged(struct gate_state *g, const struct gate_msg *msg)
{
	struct merge_row *oldest = &g->events->merge[0];

	for (size_t i = 0; i < MERGE_ROWS; i++) {
		struct merge_row *row = &g->events->merge[i];
		if (row->since_ns && same_refusal(&row->msg, msg)) {
			row->repeats++;
			return true;
		}
		if (row->since_ns < oldest->since_ns)
			oldest = row;
	}
	end_merge(g, oldest);
	*oldest = (struct merge_row){ .msg = *msg, .since_ns = g->now_ns };
	return false;
}

bool gate_report(struct gate_state *g, const struct gate_msg *msg)
{
	struct gate_msg m = *msg;

	if (m.type != GATE_NET_ALLOW) {
		g->denials++;
		m.denials = 1;
		if (merged(g, &m))
			return false;
	}
	return send_limited(g, &m);
}

void gate_report_connection(struct gate_state *g, struct gate_dest *dest,
                            const struct gate_msg *msg)
{
	uint16_t kind = (uint16_t)(1u << (msg->speaks + (msg->would ? GATE_SPEAKS__COUNT : 0) +
	                                  (msg->ech ? 2 * GATE_SPEAKS__COUNT : 0)));

	if (dest->told & kind) {
		(void)gate_report(g, msg);
		return;
	}
	dest->told |= kind;
	gate_report_always(g, msg);
}

void gate_report_sweep(struct gate_state *g, bool all)
{
	for (size_t i = 0; i < MERGE_ROWS; i++) {
		struct merge_row *row = &g->events->merge[i];
		if (row->since_ns && (all || g->now_ns - row->since_ns >= GATE_SEC))
			end_merge(g, row);
	}
}

bool gate_report_pending(const struct gate_state *g)
{
	for (size_t i = 0; i < MERGE_ROWS; i++) {
		if (g->events->merge[i].since_ns)
			return true;
	}
	return g->events->n > 0;
}

bool gate_report_flush(struct gate_state *g)
{
	while (g->events->first) {
		struct queued *q = g->events->first;
		int r = dd_send_msg(g->ctl.fd, &q->msg, sizeof(q->msg), NULL, 0);
		if (r == -EAGAIN)
			return false;
		if (r < 0)
			_exit(1); /* the supervisor is gone */
		g->events->first = q->next;
		if (!q->next)
			g->events->last = &g->events->first;
		g->events->n--;
		free(q);
	}
	return true;
}

/* ---- what the wall refused ---- */

static enum dd_reason refusal_reason(struct gate_state *g, const struct nflog_packet *p,
                                     struct gate_msg *msg)
{
	uint32_t v4 = p->dst.any.sa_family == AF_INET ? ntohl(p->dst.v4.sin_addr.s_addr) : 0;
	struct gate_name *name = v4 ? gate_name_by_synthetic(g, p->dst.v4.sin_addr) : NULL;

	enum dd_reason special = egress_addr_reason(&p->dst.any);
	if (special == REASON_ADDRESS_METADATA)
		return special;
	if (name)
		gate_text(msg->host, sizeof(msg->host), name->host);
	if (name && p->proto == IPPROTO_UDP &&
	    (g->observe || egress_verdict_name(g->egress, name->host, p->dst_port).allow))
		return REASON_UDP;
	if (name)
		return REASON_PORT_NOT_LISTED;
	if (v4 >= NET_SYNTHETIC_FIRST && v4 <= NET_SYNTHETIC_LAST)
		return REASON_NOT_LOOKED_UP;
	if ((p->proto == IPPROTO_UDP || p->proto == IPPROTO_TCP) && p->dst_port == 53)
		return REASON_FOREIGN_RESOLVER;
	if (special) {
		gate_text(msg->why, sizeof(msg->why), egress_addr_special(&p->dst.any));
		return special;
	}
	if (g->observe && v4 && p->proto == IPPROTO_UDP)
		return REASON_UDP;
	return REASON_ADDRESS_NOT_LISTED;
}

/* When a step ends, the last acknowledgement of a connection that was let through may come after
 * the wall was closed. Nobody tried anything: the connection is the receipt's matter. */
static bool is_a_stray(struct gate_state *g, const struct nflog_packet *p)
{
	if (!p->goes_on || p->dst.any.sa_family != AF_INET)
		return false;
	const struct gate_name *name = gate_name_by_synthetic(g, p->dst.v4.sin_addr);
	if (name)
		return name->admitted;
	return g->observe || egress_verdict_addr(g->egress, p->dst.v4.sin_addr, p->dst_port).allow;
}

static void report_packet(struct gate_state *g, const struct nflog_packet *p)
{
	if (is_a_stray(g, p)) {
		g->strays++;
		return;
	}
	struct gate_msg msg = { .type = GATE_NET_DENY,
		                .port = p->dst_port,
		                .src_port = p->src_port,
		                .proto = p->proto };

	gate_addr_text(&p->dst.any, msg.addr);
	msg.reason = (uint16_t)refusal_reason(g, p, &msg);
	(void)gate_report(g, &msg);
}

static void report_datagram(struct gate_state *g, const uint8_t *in, size_t len)
{
	struct nflog_packet packet;
	size_t pos = 0;
	unsigned bad = 0;

	while (nflog_next(in, len, &pos, &packet, &bad))
		report_packet(g, &packet);
	g->denials += bad;
	g->dropped += bad;
}

void gate_report_nflog(struct gate_state *g)
{
	static uint8_t buffer[65536]; /* one datagram may hold many packets */

	for (unsigned i = 0; i < (g->finishing ? NFLOG_DRAIN_MAX : NFLOG_READS_MAX); i++) {
		ssize_t n = recv(g->nflog.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n > 0)
			report_datagram(g, buffer, (size_t)n);
		else if (n < 0 && errno == ENOBUFS)
			/* at least one: the kernel does not say how many, its counters do */
			g->dropped++;
		else if (n < 0 && errno == EINTR)
			continue;
		else
			return;
	}
}

static void report_receipt(struct gate_state *g, const struct gate_dest *d)
{
	struct gate_msg msg = {
		.type = GATE_RECEIPT,
		.port = d->port,
		.connections = d->connections,
		.bytes_in = d->bytes_in,
		.bytes_out = d->bytes_out,
		.denials = d->denials,
		.ech_connections = d->ech,
	};
	gate_text(msg.host, sizeof(msg.host), d->host);
	gate_report_always(g, &msg);
}

void gate_report_receipts(struct gate_state *g)
{
	for (size_t b = 0; b < ARRAY_LEN(g->dest_buckets); b++)
		for (const struct gate_dest *d = g->dest_buckets[b]; d; d = d->next)
			report_receipt(g, d);
}
