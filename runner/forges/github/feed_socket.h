// SPDX-License-Identifier: Apache-2.0
/* feed_socket.h - a WebSocket to which texts are written (RFC 6455, the client's half of it that a
 * feed needs). Couriers only.
 *
 * Over a connection that http.h verified. What the server sends is read, bounded, and answered
 * where the protocol wants it (ping, close); nothing of it is believed. */
#ifndef RUNNER_FEED_SOCKET_H
#define RUNNER_FEED_SOCKET_H

#include "lease/http.h"

enum { FEED_FRAME_MAX = 1024, FEED_HEARD_MAX = 64 * 1024 };

struct feed_socket {
	struct http *http;
	bool open;
	/* of what the server sends: the frame at hand, and how much of it is to be skipped */
	unsigned char heard[140];
	size_t n_heard;
	uint64_t skip;
};

/* @url: https://HOST/PATH, the same as wss://. */
int feed_open(struct feed_socket *s, const struct http_tls *tls, const char *url, const char *token,
              unsigned timeout_sec, struct dd_err *err);
/* One message, in frames of at most FEED_FRAME_MAX bytes. A server that does not take it within
 * @ms has closed it. */
int feed_send(struct feed_socket *s, const char *text, size_t len, unsigned ms, struct dd_err *err);
/* Answers what there is to answer; does not wait. */
int feed_hear(struct feed_socket *s, struct dd_err *err);
/* Says good-bye, waits for nothing. Safe on one that is not open. */
void feed_close(struct feed_socket *s);

/* The value with which a server shows that it has understood @key. Pure. */
void feed_accept(const char *key, char ret[29]);
/* The head of a frame of ours, up to 14 bytes with its mask; its length. Pure. */
size_t feed_frame_head(unsigned opcode, bool last, size_t len, const unsigned char mask[4],
                       unsigned char ret[14]);

#endif
