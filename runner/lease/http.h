// SPDX-License-Identifier: Apache-2.0
/* http.h - one request, one bounded answer, over TLS that is verified. Courier only.
 *
 * No redirect is followed, no proxy of the environment is asked, no netrc is read. libcurl is
 * loaded here and nowhere else: it brings two dozen libraries, which no other process needs.
 */
#ifndef RUNNER_LEASE_HTTP_H
#define RUNNER_LEASE_HTTP_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>

enum { HTTP_BODY_MAX = 256 * 1024, HTTP_HEADERS_MAX = 12 };

struct http;

struct http_tls {
	const char *ca, *certificate, *key; /* files, or NULL */
};

struct http_request {
	const char *method, *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value" */
	const char *type;                      /* of the body, or NULL: there is none */
	const char *body;
	/* it makes something at the server: after a byte of an answer it is not asked again */
	bool creates;
};

struct http_answer {
	long status;
	char *body; /* NUL-terminated, in memory that is wiped */
	size_t len;
	long skew_sec; /* how far our clock is ahead of the server's, as far as it says */
};

int http_new(const struct http_tls *tls, struct http **ret, struct dd_err *err);
void http_free(struct http *h);
/* 0: there is an answer, whatever its status. @wanted (may be NULL) is asked before each retry. */
int http_ask(struct http *h, const struct http_request *request, struct http_answer *ret,
             struct dd_err *err);
void http_answer_done(struct http_answer *answer);
/* The answer as JSON; NULL: it is none. */
json_t *http_json(const struct http_answer *answer);
/* @text percent-encoded for a form; malloc'ed. */
char *http_escape(const char *text);
/* " (this host's clock is 95 s ahead of the server's)", or "". */
const char *http_skew_text(const struct http_answer *answer, char ret[80]);

#endif
