// SPDX-License-Identifier: Apache-2.0
/* courier_issuers.h - what the courier says to each kind of issuer. Courier only. */
#ifndef RUNNER_LEASE_COURIER_ISSUERS_H
#define RUNNER_LEASE_COURIER_ISSUERS_H

#include "courier.h"
#include "http.h"

/* Ask for @lease and say what came. On failure *@left: something may be left at the server that
 * could not be taken back. */
int courier_ask(struct courier *c, const struct grant_lease *lease, bool *left, struct dd_err *err);
/* @key: NULL: with an identity of our own. @ret: the answers. -ESTALE: it cannot be taken back. */
int courier_take_back(const char *handle, const char *key, char *ret, size_t size,
                      struct dd_err *err);

/* What @handle says is to live @ttl_sec from now on; *ret_sec: so long it does. */
int courier_give_more(const char *handle, const char *key, unsigned ttl_sec, long long *ret_sec,
                      struct dd_err *err);

struct issuer_errand {
	struct courier *c;
	const struct lease_issuer *issuer;
	unsigned ttl_sec;
	struct http *http;
	bool left; /* see courier_ask() */
};

/* One file each. */
int vault_ask(struct issuer_errand *e, struct dd_err *err);
int vault_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                    const char *key, char *ret, size_t size, struct dd_err *err);
int vault_give_more(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                    const char *key, unsigned ttl_sec, long long *ret_sec, struct dd_err *err);
int exchange_ask(struct issuer_errand *e, struct dd_err *err);
int exchange_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                       const char *key, char *ret, size_t size, struct dd_err *err);
int github_app_ask(struct issuer_errand *e, struct dd_err *err);
int github_app_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                         const char *key, char *ret, size_t size, struct dd_err *err);

/* Before the courier locks itself: the job's identity for @issuer, out of its file, or signed by
 * the issuer of its directory; _again: that of whoever takes back what the dead left. */
int identity_prepare(const struct courier_errand *errand, enum lease_from from,
                     const struct lease_issuer *issuer, struct dd_err *err);
int identity_prepare_again(const char *handle, struct dd_err *err);
/* github-app: what identifies the app itself. */
int github_app_token(const struct lease_issuer *issuer, char **ret, struct dd_err *err);
/* What was prepared; borrowed, NULL: nothing. */
const char *identity_token(void);
/* It has been said, and is not said again. */
void identity_forget(void);

/* What of @issuer is needed to take something back, and until when it could be good. */
json_t *handle_new(const char *kind, const struct lease_issuer *issuer, long long good_sec);

#endif
