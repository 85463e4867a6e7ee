// SPDX-License-Identifier: Apache-2.0
/* forge_wire.h - requests to one forge: what all of them have in common.
 *
 * Couriers only (courier_process.h). HTTPS alone; every request says who asks and has an id of its
 * own; what a forge answers when it is busy is tried again as it asks for; redirects are followed
 * by hand, and a token never goes along to another host (E-06 would be what libcurl does by
 * itself).
 */
#ifndef RUNNER_FORGE_WIRE_H
#define RUNNER_FORGE_WIRE_H

#include "lease/http.h"

struct wire;

enum { WIRE_URL_MAX = 2048, WIRE_HEADER_MAX = 256, WIRE_TRIES = 5 };

struct wire_origin {
	const char *base;  /* "https://HOST[:PORT]/PREFIX/", ends in a slash */
	const char *agent; /* of every request */
	struct http_tls tls;
	bool proxies; /* of the environment: https_proxy, no_proxy */
};

/* Headers of an answer that somebody reads; "" where there was none. */
enum wire_header {
	WIRE_CONTENT_TYPE,
	WIRE_RETRY_AFTER,
	WIRE_RATE_RESET,
	WIRE_RANGE,
	WIRE_JOB_STATUS,
	WIRE_TRACE_INTERVAL,
	WIRE_LAST_UPDATE,
	WIRE_REQUEST_ID,
	WIRE__HEADERS
};

struct wire_ask {
	const char *method;
	const char *path;   /* below the base of the origin */
	const char *secret; /* a header "Name: token" that no other host sees; may be NULL */
	const char *headers[4];
	const char *type, *body;
	size_t body_len;
	const struct http_source *source;
	bool wants_json;    /* a 2xx with a body of another type is no answer */
	unsigned total_sec; /* 0: an hour */
	unsigned tries;     /* 0: WIRE_TRIES */
	size_t answer_max;  /* 0: 256 KiB */
	int (*take)(void *arg, const char *bytes, size_t len);
	void *take_arg;
};

struct wire_answer {
	struct http_answer http;
	char header[WIRE__HEADERS][WIRE_HEADER_MAX];
	char location[WIRE_URL_MAX];
	bool retried;
};

/* "https://HOST[:PORT]/" from what a person typed: no slash at the end, no legacy "/ci". -EINVAL:
 * it is none, or not https. */
int wire_base(const char *url, const char *below, char ret[WIRE_URL_MAX], struct dd_err *err);
/* Do both begin with the same scheme, host and port? */
bool wire_same_origin(const char *a, const char *b);

int wire_new(const struct wire_origin *origin, struct wire **ret, struct dd_err *err);
void wire_free(struct wire *w);
/* Asked in pauses between tries; true: give up. */
void wire_stop(struct wire *w, bool (*stopped)(void *arg), void *arg);
/* 0: there is an answer, whatever its status; the caller calls wire_answer_done(). -EHOSTUNREACH:
 * none; -EPROTO: one that cannot be used. */
int wire_ask(struct wire *w, const struct wire_ask *ask, struct wire_answer *ret,
             struct dd_err *err);
void wire_answer_done(struct wire_answer *answer);
/* How long to wait before try @try (from 0) of a request that was answered so, in milliseconds.
 * @now: seconds since the epoch. Pure. */
unsigned long wire_pause_ms(const char *rate_reset, const char *retry_after, unsigned try, long now,
                            unsigned chance);
bool wire_is_retriable(long status);
/* What an error answer says, for people: of JSON its `message` or `error`, of an object store's XML
 * its code and message, else its status alone. One line, printable, bounded. */
void wire_says(const struct wire_answer *answer, char *ret, size_t size);

#endif
