// SPDX-License-Identifier: Apache-2.0
/* github_token.h - the token with which a runner speaks to the broker: a client that proves who it
 * is by a signed assertion. Broker's courier only. */
#ifndef RUNNER_GITHUB_TOKEN_H
#define RUNNER_GITHUB_TOKEN_H

#include "github_runner.h"
#include "lease/http.h"

/* What came of asking. */
enum github_token_end {
	GITHUB_TOKEN_FAILED = 0, /* try again later */
	GITHUB_TOKEN_GOT,
	GITHUB_TOKEN_GONE,  /* the server does not know the runner any more */
	GITHUB_TOKEN_CLOCK, /* the clocks differ by more than an assertion lives */
};

/* A JWT, malloc'ed: PS256 or RS256, good from half a minute ago for five minutes by a clock that is
 * @skew_sec behind ours. */
int github_assertion(const struct github_runner *runner, long skew_sec, char **ret,
                     struct dd_err *err);
/* @ret_token: malloc'ed, the caller wipes. @skew_sec: of our clock, as far as it is known; an
 * answer that says better corrects it. */
enum github_token_end github_token(struct http *http, const struct github_runner *runner,
                                   long *skew_sec, char **ret_token, struct dd_err *err);

#endif
