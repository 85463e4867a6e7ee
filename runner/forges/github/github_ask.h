// SPDX-License-Identifier: Apache-2.0
/* github_ask.h - one request to a service of GitHub's, and its answer as a document. Couriers only.
 *
 * https alone, no redirect is followed, the token is in one header of one request. */
#ifndef RUNNER_GITHUB_ASK_H
#define RUNNER_GITHUB_ASK_H

#include "lease/http.h"

#include <stdint.h>

enum { GITHUB_URL_MAX = 4096 };

struct github_ask {
	const char *method, *url;
	const char *scheme, *token; /* "Bearer"; NULL: none goes along */
	json_t *body;               /* borrowed; NULL: none */
	unsigned timeout_sec, tries;
	size_t answer_max;
	bool (*wanted)(void *arg);
	void *wanted_arg;
};

struct github_answer {
	long status;
	json_t *said; /* NULL: no document */
	char *bytes;  /* the same as it came; in memory that is wiped */
	size_t len;
	long skew_sec;
};

/* 0: there is an answer, whatever its status. -ECANCELED: not wanted any more. */
int github_ask(struct http *http, const struct github_ask *ask, struct github_answer *ret,
               struct dd_err *err);
void github_answer_done(struct github_answer *answer);
/* The error that the answer is about, by the body's own word where it has one. */
long github_answer_code(const struct github_answer *answer);
/* ": what the server says", short and printable, or "". */
const char *github_answer_text(const struct github_answer *answer, char ret[200]);

/* @name relative to @base as RFC 3986 has it: the last segment of a base without a slash at its end
 * is replaced. False: it does not fit, or @base is not https. */
bool github_url(const char *base, const char *name, char ret[GITHUB_URL_MAX]);
/* How long to wait after the @n-th failure in a row, from 0: nothing, then 1 s to 1 min. */
unsigned github_pause_ms(unsigned n);
/* "2026-09-01T10:20:30.123Z" */
void github_time(int64_t ms_since_epoch, char ret[32]);
int64_t github_now_ms(void);

#endif
