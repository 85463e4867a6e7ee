// SPDX-License-Identifier: Apache-2.0
/* gate_http.c - cleartext HTTP: lets only whole, checked requests for the right host go to the
 * server.
 *
 * Runs in: gate, on bytes that hostile code chose. A kept-alive connection carries many requests
 * and each names a host, so every head is read and every body stepped over; nothing is forwarded
 * that was not understood. A body that waits for the server's word (`Expect: 100-continue`) waits
 * here too: a server that has answered without it may take it for the next request. Only after the
 * server's own 101 to a WebSocket upgrade, on the first request, do the bytes become opaque.
 */
#include "gate_internal.h"

#include "http_head.h"

#include <string.h>

enum http_mode {
	HTTP_HEAD = 0,
	HTTP_BODY,
	HTTP_CHUNKED,
	HTTP_AWAIT_101,
	HTTP_AWAIT_100,
	HTTP_OVER, /* the server answered without the body: nothing goes to it any more */
	HTTP_RAW
};

struct http_relay {
	enum http_mode mode, after_100;
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

static int http_refuse(struct gate_flow *f, enum dd_reason reason)
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
	       egress_host_means(host, f->name->host, f->gate->search) &&
	       (head->port == 0 || head->port == f->dest->port);
}

static void request_ended(struct http_relay *h)
{
	h->mode = h->upgrade != HTTP_UPGRADE_NONE ? HTTP_AWAIT_101 : HTTP_HEAD;
}

/* Nobody counts the answers of the server, so only the answer to the first request can be told from
 * others. */
static bool may_wait_for_word(const struct http_relay *h, const struct http_head *head)
{
	return !head->expects || (h->requests == 0 && head->upgrade == HTTP_UPGRADE_NONE);
}

static int clear_head(struct gate_flow *f)
{
	struct http_relay *h = f->http;
	struct http_head head;
	enum dd_reason reason = REASON_NONE;
	enum parse result = http_head_parse(f->buffer + f->cleared, f->filled - f->cleared, &head,
	                                    &reason);

	if (result == PARSE_MORE)
		return f->filled - f->cleared == GATE_BUFFER ? http_refuse(f, REASON_HTTP_TOO_LARGE)
		                                             : -EAGAIN;
	if (result == PARSE_REFUSED)
		return http_refuse(f, reason);
	if (!is_this_host(f, &head))
		return http_refuse(f, REASON_HTTP_OTHER_HOST);
	if (head.upgrade != HTTP_UPGRADE_NONE && h->requests > 0)
		return http_refuse(f, REASON_HTTP_UPGRADE_LATE);
	if (!may_wait_for_word(h, &head))
		return http_refuse(f, REASON_HTTP_EXPECT);
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
	if (head.expects) {
		h->after_100 = h->mode;
		h->mode = HTTP_AWAIT_100;
	}
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
		return http_refuse(f, reason);
	f->cleared += used;
	if (result == PARSE_OK)
		request_ended(f->http);
	return 0;
}

static bool waits(const struct http_relay *h)
{
	return h->mode == HTTP_AWAIT_101 || h->mode == HTTP_AWAIT_100 || h->mode == HTTP_OVER;
}

bool gate_http_holds_body(const struct gate_flow *f)
{
	return f->http && (f->http->mode == HTTP_AWAIT_100 || f->http->mode == HTTP_OVER);
}

/* 0: f->cleared is as far as it goes. Anything else: the flow is closed. (In observe mode a refusal
 * makes the rest opaque instead.) */
int gate_http_clear(struct gate_flow *f)
{
	int r = 0;

	while (r == 0 && f->cleared < f->filled && !waits(f->http)) {
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
		case HTTP_AWAIT_100:
		case HTTP_OVER:
			break;
		}
	}
	return r == -EAGAIN ? 0 : r;
}

enum http_word { WORD_UNKNOWN = 0, WORD_NOT_YET, WORD_GRANTED, WORD_INTERIM, WORD_FINAL };

/* What the first bytes of the server say, where @status ("HTTP/1.1 101") is what is hoped for. */
static enum http_word first_word(const struct gate_flow *f, const char *status)
{
	enum { STATUS_LEN = sizeof("HTTP/1.1 101") - 1 };
	char seen[STATUS_LEN];
	ssize_t n = recv(f->server.fd, seen, sizeof(seen), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		/* an error is the pump's to find */
		return errno == EAGAIN || errno == EINTR ? WORD_NOT_YET : WORD_UNKNOWN;
	bool prefix = memcmp(seen, status, (size_t)n) == 0;
	if (prefix && n > 0)
		return n < STATUS_LEN ? WORD_NOT_YET : WORD_GRANTED;
	return n == STATUS_LEN && memcmp(seen, status, sizeof("HTTP/1.1 1") - 1) == 0 ? WORD_INTERIM
	                                                                              : WORD_FINAL;
}

static int hear_about_body(struct gate_flow *f)
{
	struct http_relay *h = f->http;

	switch (first_word(f, "HTTP/1.1 100")) {
	case WORD_NOT_YET:
		return -EAGAIN;
	case WORD_GRANTED:
		h->mode = h->after_100;
		return 0;
	case WORD_INTERIM:
		return http_refuse(f, REASON_HTTP_UNASKED_BODY);
	case WORD_FINAL:
		h->mode = HTTP_OVER;
		return 0;
	case WORD_UNKNOWN:
		break;
	}
	return 0;
}

/* Before bytes of the server move: the first of them say whether an upgrade was granted, or a body
 * asked for. 0: they may move; -EAGAIN: not yet; anything else: the flow is closed. */
int gate_http_down(struct gate_flow *f)
{
	struct http_relay *h = f->http;

	if (h->mode == HTTP_AWAIT_100)
		return hear_about_body(f);
	if (h->upgrade == HTTP_UPGRADE_NONE || h->mode == HTTP_RAW)
		return 0;
	enum http_word word = first_word(f, "HTTP/1.1 101");
	if (word == WORD_NOT_YET)
		return -EAGAIN;
	if (word == WORD_UNKNOWN)
		return 0;
	if (word == WORD_INTERIM)
		return http_refuse(f, REASON_HTTP_UPGRADE_INTERIM);
	bool granted = word == WORD_GRANTED;
	if (granted && (h->upgrade != HTTP_UPGRADE_WEBSOCKET || h->mode != HTTP_AWAIT_101))
		return http_refuse(f, REASON_HTTP_UPGRADE_OTHER);
	h->upgrade = HTTP_UPGRADE_NONE;
	if (h->mode == HTTP_AWAIT_101)
		h->mode = granted ? HTTP_RAW : HTTP_HEAD;
	return 0;
}
