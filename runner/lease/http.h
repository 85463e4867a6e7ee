// SPDX-License-Identifier: Apache-2.0
/* http.h - one request, one bounded answer, over TLS that is verified. Couriers and agents only.
 *
 * No redirect is followed, so no token goes where it was not meant to; no proxy of the environment
 * is asked unless its caller says so, no netrc is read. libcurl is
 * loaded here and nowhere else: it brings two dozen libraries, which no other process needs.
 */
#ifndef RUNNER_LEASE_HTTP_H
#define RUNNER_LEASE_HTTP_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { HTTP_BODY_MAX = 256 * 1024, HTTP_HEADERS_MAX = 12 };

struct http;

/* Load libcurl, once; http_new() does it where nobody did. -ENOENT with the remedy. */
int http_load(struct dd_err *err);

struct http_tls {
	const char *ca, *certificate, *key; /* files, or NULL */
};

/* A body that is not held in memory: read from its beginning for each try. */
struct http_source {
	void *arg;
	/* up to @len bytes from @at on; 0: no more; negative: give up */
	long (*read)(void *arg, uint64_t at, char *ret, size_t len);
	uint64_t size;
};

struct http_request {
	const char *method, *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value" */
	const char *type;                      /* of the body, or NULL: there is none */
	const char *body;
	size_t body_len;                  /* 0: it is a text */
	const struct http_source *source; /* instead of @body, with POST; NULL: none */
	/* it makes something at the server: after a byte of an answer it is not asked again */
	bool creates;
	bool tls_only;        /* http:// is refused before anything is sent */
	bool proxies;         /* those of the environment are asked: https_proxy, no_proxy */
	unsigned timeout_sec; /* of one try; 0: 20 */
	unsigned tries;       /* 0: 3 */
	size_t answer_max;    /* bytes; 0: HTTP_BODY_MAX */
	/* asked about once a second: false ends it, -ECANCELED. NULL: it is wanted */
	bool (*wanted)(void *arg);
	void *wanted_arg;
	/* where the body of a 200 goes instead of memory; negative ends it; NULL: into memory */
	int (*take)(void *arg, const char *bytes, size_t len);
	void *take_arg;
};

struct http_answer {
	long status;
	char *body; /* NUL-terminated, in memory that is wiped */
	size_t len, cap;
	char *head; /* the header lines, as far as they fit */
	size_t head_len;
	long skew_sec; /* how far our clock is ahead of the server's, as far as it says */
};

int http_new(const struct http_tls *tls, struct http **ret, struct dd_err *err);
void http_free(struct http *h);
/* 0: there is an answer, whatever its status. */
int http_ask(struct http *h, const struct http_request *request, struct http_answer *ret,
             struct dd_err *err);
void http_answer_done(struct http_answer *answer);

/* A connection to the host of @url, TLS verified, over which whoever calls speaks; @h asks nothing
 * besides. http_free() ends it. */
int http_connect(struct http *h, const char *url, unsigned timeout_sec, struct dd_err *err);
/* As send(2) and recv(2) that never wait: how many bytes; 0 (get): the end; -EAGAIN; -EPIPE. */
long http_put(struct http *h, const void *bytes, size_t len);
long http_get(struct http *h, void *bytes, size_t len);
int http_socket(struct http *h); /* to poll */
/* The value of a header line, trimmed; false: it is not there, or does not fit. */
bool http_header(const struct http_answer *answer, const char *name, char *ret, size_t size);
/* The answer as JSON; NULL: it is none. */
json_t *http_json(const struct http_answer *answer);
/* @text percent-encoded for a form; malloc'ed. */
char *http_escape(const char *text);
/* " (this host's clock is 95 s ahead of the server's)", or "". */
const char *http_skew_text(const struct http_answer *answer, char ret[80]);

#endif
