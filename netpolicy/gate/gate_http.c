// SPDX-License-Identifier: Apache-2.0
/* gate_http.c - cleartext HTTP: lets only whole, checked requests for the right host go to the
 * server.
 *
 * Runs in: gate, on bytes that hostile code chose. A kept-alive connection carries many requests
 * and each names a host, so every head is read and every body stepped over; nothing is forwarded
 * that was not understood. Only after the server's own 101 to a WebSocket upgrade, on the first
 * request, do the bytes become opaque.
 */
#include "gate_internal.h"

#include "http_head.h"

#include <string.h>

enum http_mode { HTTP_HEAD = 0, HTTP_BODY, HTTP_CHUNKED, HTTP_AWAIT_101, HTTP_RAW };

struct http_relay {
	enum http_mode mode;
	/* of the first request, while the server's answer is awaited */
	enum http_upgrade upgrade;
	unsigned requests;
	uint64_t body_left;
	struct http_chunked chunked;
};

int gate_http_start(struct gate_flow *f)
{
	f->http = calloc(1, sizeof(*f->http));
	if (!f->http) {
		gate_flow_close(f, true);
		return -ENOMEM;
	}
	return gate_http_clear(f);
}

void gate_http_free(struct gate_flow *f)
{
	free(f->http);
	f->http = NULL;
}

bool gate_http_is_raw(const struct gate_flow *f)
{
	return f->http->mode == HTTP_RAW;
}

static int refuse(struct gate_flow *f, enum dd_reason reason)
{
	if (gate_observe_tolerates(f, reason)) {
		f->http->mode = HTTP_RAW;
		f->http->upgrade = HTTP_UPGRADE_NONE;
		return 0;
	}
	gate_flow_refuse(f, reason);
	return -EPERM;
}

static bool is_this_host(const struct gate_flow *f, const struct http_head *head)
{
	char host[EGRESS_HOST_MAX + 1];
	return egress_host_canonical(head->host, head->host_len, host) == 0 &&
	       strcmp(host, f->name->host) == 0 && (head->port == 0 || head->port == f->dest->port);
}

static void request_ended(struct http_relay *h)
{
	h->mode = h->upgrade != HTTP_UPGRADE_NONE ? HTTP_AWAIT_101 : HTTP_HEAD;
}

static int clear_head(struct gate_flow *f)
{
	struct http_relay *h = f->http;
	struct http_head head;
	enum dd_reason reason = REASON_NONE;
	enum parse result = http_head_parse(f->buffer + f->cleared, f->filled - f->cleared, &head,
	                                    &reason);

	if (result == PARSE_MORE)
		return f->filled - f->cleared == GATE_BUFFER ? refuse(f, REASON_HTTP_TOO_LARGE)
		                                             : -EAGAIN;
	if (result == PARSE_REFUSED)
		return refuse(f, reason);
	if (!is_this_host(f, &head))
		return refuse(f, REASON_HTTP_OTHER_HOST);
	if (head.upgrade != HTTP_UPGRADE_NONE && h->requests > 0)
		return refuse(f, REASON_HTTP_UPGRADE_LATE);
	h->requests++;
	h->upgrade = head.upgrade;
	h->body_left = head.body_len;
	h->chunked = (struct http_chunked){ 0 };
	f->cleared += head.len;
	if (head.chunked)
		h->mode = HTTP_CHUNKED;
	else if (head.body_len > 0)
		h->mode = HTTP_BODY;
	else
		request_ended(h);
	return 0;
}

static int clear_body(struct gate_flow *f)
{
	struct http_relay *h = f->http;
	size_t n = f->filled - f->cleared;

	if (n > h->body_left)
		n = (size_t)h->body_left;
	f->cleared += n;
	h->body_left -= n;
	if (h->body_left == 0)
		request_ended(h);
	return 0;
}

static int clear_chunked(struct gate_flow *f)
{
	enum dd_reason reason = REASON_NONE;
	size_t used = 0;
	enum parse result = http_chunked_step(&f->http->chunked, f->buffer + f->cleared,
	                                      f->filled - f->cleared, &used, &reason);

	if (result == PARSE_REFUSED)
		return refuse(f, reason);
	f->cleared += used;
	if (result == PARSE_OK)
		request_ended(f->http);
	return 0;
}

/* 0: f->cleared is as far as it goes. Anything else: the flow is closed. (In observe mode a refusal
 * makes the rest opaque instead.) */
int gate_http_clear(struct gate_flow *f)
{
	int r = 0;

	while (r == 0 && f->cleared < f->filled && f->http->mode != HTTP_AWAIT_101) {
		switch (f->http->mode) {
		case HTTP_HEAD:
			r = clear_head(f);
			break;
		case HTTP_BODY:
			r = clear_body(f);
			break;
		case HTTP_CHUNKED:
			r = clear_chunked(f);
			break;
		case HTTP_RAW:
			f->cleared = f->filled;
			break;
		case HTTP_AWAIT_101:
			break;
		}
	}
	return r == -EAGAIN ? 0 : r;
}

/* Before bytes of the server move: the first of them say whether an upgrade was granted. 0: they
 * may move; -EAGAIN: not yet; anything else: the flow is closed. */
int gate_http_down(struct gate_flow *f)
{
	static const char status[] = "HTTP/1.1 101";
	struct http_relay *h = f->http;
	char seen[sizeof(status) - 1];

	if (h->upgrade == HTTP_UPGRADE_NONE || h->mode == HTTP_RAW)
		return 0;
	ssize_t n = recv(f->server.fd, seen, sizeof(seen), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		/* an error is the pump's to find */
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	bool prefix = memcmp(seen, status, (size_t)n) == 0;
	if (prefix && n > 0 && (size_t)n < sizeof(seen))
		return -EAGAIN;
	if (!prefix && (size_t)n == sizeof(seen) &&
	    memcmp(seen, status, sizeof("HTTP/1.1 1") - 1) == 0)
		return refuse(f, REASON_HTTP_UPGRADE_INTERIM);
	bool granted = prefix && n > 0;
	if (granted && (h->upgrade != HTTP_UPGRADE_WEBSOCKET || h->mode != HTTP_AWAIT_101))
		return refuse(f, REASON_HTTP_UPGRADE_OTHER);
	h->upgrade = HTTP_UPGRADE_NONE;
	if (h->mode == HTTP_AWAIT_101)
		h->mode = granted ? HTTP_RAW : HTTP_HEAD;
	return 0;
}
