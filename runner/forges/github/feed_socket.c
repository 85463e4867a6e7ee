// SPDX-License-Identifier: Apache-2.0
/* feed_socket.c - see feed_socket.h. Runs in: feed's courier. */
#include "feed_socket.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "github_ask.h"
#include "github_runner.h"

#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

enum { OP_MORE = 0, OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { ANSWER_MAX = 8 * 1024, CONTROL_MAX = 125, BYE_MS = 200 };

/* ---- pure ---- */

void feed_accept(const char *key, char ret[29])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char text[200];

	(void)snprintf(text, sizeof(text), "%.100s%s", key, magic);
	(void)EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);
	(void)EVP_EncodeBlock((unsigned char *)ret, digest, 20);
}

size_t feed_frame_head(unsigned opcode, bool last, size_t len, const unsigned char mask[4],
                       unsigned char ret[14])
{
	size_t n = 2;

	ret[0] = (unsigned char)((last ? 0x80u : 0u) | opcode);
	if (len < 126) {
		ret[1] = (unsigned char)(0x80u | len);
	} else if (len <= 0xffff) {
		ret[1] = 0x80 | 126;
		ret[n++] = (unsigned char)(len >> 8);
		ret[n++] = (unsigned char)len;
	} else {
		ret[1] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			ret[n++] = (unsigned char)((uint64_t)len >> shift);
	}
	memcpy(ret + n, mask, 4);
	return n + 4;
}

/* ---- bytes ---- */

static int broken(struct feed_socket *s, struct dd_err *err, const char *why)
{
	s->open = false;
	return dd_err_say(err, EPIPE, "the live log's connection %s", why);
}

static int put_all(struct feed_socket *s, const unsigned char *bytes, size_t len, int64_t until,
                   struct dd_err *err)
{
	while (len > 0) {
		long n = http_put(s->http, bytes, len);
		if (n == -EAGAIN) {
			struct pollfd p = { .fd = http_socket(s->http), .events = POLLOUT };
			int64_t left = until - dd_now_ms();
			if (left <= 0 || poll(&p, 1, (int)left) <= 0)
				return broken(s, err, "takes nothing any more");
			continue;
		}
		if (n < 0)
			return broken(s, err, "broke off");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_frame(struct feed_socket *s, unsigned opcode, bool last, const char *bytes,
                      size_t len, int64_t until, struct dd_err *err)
{
	unsigned char frame[14 + FEED_FRAME_MAX], mask[4];

	if (getrandom(mask, sizeof(mask), 0) != (ssize_t)sizeof(mask))
		return dd_err_set(err, errno, "random numbers");
	size_t n = feed_frame_head(opcode, last, len, mask, frame);
	for (size_t i = 0; i < len; i++)
		frame[n + i] = (unsigned char)bytes[i] ^ mask[i % 4];
	return put_all(s, frame, n + len, until, err);
}

/* ---- the beginning ---- */

static bool says(const char *head, const char *name, const char *value)
{
	const char *at = strcasestr(head, name);
	if (!at)
		return false;
	at += strlen(name);
	at += strspn(at, " \t");
	size_t len = strcspn(at, "\r\n");
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return len == strlen(value) && strncasecmp(at, value, len) == 0;
}

/* Byte by byte up to the empty line: what follows is frames. */
static int read_head(struct feed_socket *s, char *head, int64_t until, struct dd_err *err)
{
	for (size_t n = 0; n + 1 < ANSWER_MAX;) {
		long got = http_get(s->http, head + n, 1);
		if (got == -EAGAIN) {
			struct pollfd p = { .fd = http_socket(s->http), .events = POLLIN };
			int64_t left = until - dd_now_ms();
			if (left <= 0 || poll(&p, 1, (int)left) <= 0)
				return broken(s, err, "is not answered");
			continue;
		}
		if (got <= 0)
			return broken(s, err, "broke off");
		head[++n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			return 0;
	}
	return broken(s, err, "is answered with too much");
}

static int shake_hands(struct feed_socket *s, const char *url, const char *token, int64_t until,
                       struct dd_err *err)
{
	unsigned char random[16];
	char key[25], accept[29], *head = NULL;
	const char *host = url + 8;
	int len = (int)strcspn(host, "/?#");

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return dd_err_set(err, errno, "random numbers");
	(void)EVP_EncodeBlock((unsigned char *)key, random, sizeof(random));
	feed_accept(key, accept);
	if (asprintf(&head,
	             "GET %s%s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: "
	             "Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
	             "Authorization: Bearer %s\r\n\r\n",
	             host[len] == '/' ? "" : "/", host + len, len, host, key, token) < 0)
		return dd_err_set(err, ENOMEM, "open a live log");
	int r = put_all(s, (unsigned char *)head, strlen(head), until, err);
	explicit_bzero(head, strlen(head));
	free(head);
	dd_auto_free char *answer = malloc(ANSWER_MAX);
	if (r == 0 && !answer)
		r = dd_err_set(err, ENOMEM, "open a live log");
	if (r == 0)
		r = read_head(s, answer, until, err);
	if (r == 0 && (strncmp(answer, "HTTP/1.1 101", 12) != 0 ||
	               !says(answer, "\r\nSec-WebSocket-Accept:", accept))) {
		s->open = false;
		r = dd_err_say(err, EPROTO, "the server opens no live log: %.60s",
		               strncmp(answer, "HTTP/1.1 101", 12) == 0
		                       ? "it does not show that it "
		                         "has understood"
		                       : strtok(answer, "\r\n"));
	}
	return r;
}

int feed_open(struct feed_socket *s, const struct http_tls *tls, const char *url, const char *token,
              unsigned timeout_sec, struct dd_err *err)
{
	int64_t until = dd_now_ms() + 1000LL * timeout_sec;

	feed_close(s);
	if (strncasecmp(url, "https://", 8) != 0 || strpbrk(url, " \r\n") ||
	    strpbrk(token, " \r\n"))
		return dd_err_say(err, EINVAL, "the live log has no address that can be asked");
	int r = http_new(tls, &s->http, err);
	if (r == 0)
		r = http_connect(s->http, url, timeout_sec, err);
	s->open = r == 0;
	if (r == 0)
		r = shake_hands(s, url, token, until, err);
	if (r < 0)
		feed_close(s);
	return r;
}

/* ---- afterwards ---- */

int feed_send(struct feed_socket *s, const char *text, size_t len, unsigned ms, struct dd_err *err)
{
	int64_t until = dd_now_ms() + ms;
	size_t at = 0;
	int r = s->open ? 0 : broken(s, err, "is not there");

	do {
		size_t n = len - at < FEED_FRAME_MAX ? len - at : FEED_FRAME_MAX;
		if (r == 0)
			r = send_frame(s, at ? OP_MORE : OP_TEXT, at + n == len, text + at, n,
			               until, err);
		at += n;
	} while (r == 0 && at < len);
	return r;
}

/* How long the head of the frame in s->heard is, 0: not known yet; @ret_len: of what follows. */
static size_t head_of(const struct feed_socket *s, uint64_t *ret_len)
{
	const unsigned char *h = s->heard;
	size_t n = 2;

	if (s->n_heard < 2)
		return 0;
	uint64_t len = h[1] & 0x7f;
	size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
	if (s->n_heard < n + more)
		return 0;
	if (more)
		len = 0;
	for (size_t i = 0; i < more; i++)
		len = len << 8 | h[n + i];
	*ret_len = len;
	return n + more;
}

/* A control frame that is whole. */
static int answer(struct feed_socket *s, size_t head, size_t len, struct dd_err *err)
{
	unsigned opcode = s->heard[0] & 0x0f;

	if (opcode == OP_PING)
		return send_frame(s, OP_PONG, true, (char *)s->heard + head, len,
		                  dd_now_ms() + BYE_MS, err);
	return opcode == OP_CLOSE ? broken(s, err, "was closed by the server") : 0;
}

/* With what is in s->heard: 1: a frame was dealt with; 0: more bytes are needed. */
static int take_frame(struct feed_socket *s, struct dd_err *err)
{
	uint64_t len = 0;
	size_t head = head_of(s, &len);

	if (head == 0)
		return 0;
	if (s->heard[1] & 0x80)
		return broken(s, err, "brings masked frames, which no server sends");
	if ((s->heard[0] & 0x08) == 0) { /* data: nobody asked for it */
		if (len > FEED_HEARD_MAX)
			return broken(s, err, "brings too much");
		s->skip = len;
		s->n_heard = 0;
		return 1;
	}
	if (len > CONTROL_MAX)
		return broken(s, err, "brings a control frame that is too long");
	if (s->n_heard < head + len)
		return 0;
	int r = answer(s, head, (size_t)len, err);
	s->n_heard = 0;
	return r < 0 ? r : 1;
}

int feed_hear(struct feed_socket *s, struct dd_err *err)
{
	for (int turns = 0; s->open && turns < FEED_HEARD_MAX; turns++) {
		unsigned char byte, heap[512];
		/* what follows a head is read only as far as its own frame goes */
		bool skips = s->skip > 0;
		size_t room = skips ? (s->skip < sizeof(heap) ? (size_t)s->skip : sizeof(heap)) : 1;
		long n = http_get(s->http, skips ? heap : &byte, room);
		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return broken(s, err, "broke off");
		if (skips) {
			s->skip -= (uint64_t)n;
			continue;
		}
		s->heard[s->n_heard++] = byte;
		int r = take_frame(s, err);
		if (r < 0)
			return r;
		if (s->n_heard == sizeof(s->heard))
			return broken(s, err, "brings a frame that is too long");
	}
	return s->open ? 0 : -EPIPE;
}

void feed_close(struct feed_socket *s)
{
	static const char normal[] = "\x03\xe8"; /* 1000 */
	struct dd_err ignored = { 0 };

	if (s->open)
		(void)send_frame(s, OP_CLOSE, true, normal, 2, dd_now_ms() + BYE_MS, &ignored);
	http_free(s->http);
	*s = (struct feed_socket){ .http = NULL };
}
