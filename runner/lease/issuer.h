// SPDX-License-Identifier: Apache-2.0
/* issuer.h - drydock's own issuer of identity tokens: keys that rotate, documents that the operator
 * publishes, tokens that say which step of which job asks.
 *
 * DIR (0700, the operator's) holds issuer.json (address, audiences, keys and from when each is
 * used), keys/KID.pem (0600), and public/, whose two files belong below the issuer's address:
 * .well-known/openid-configuration and jwks. Nothing listens.
 *
 * A key is published a day before it is used, and an hour after the next one took over: relying
 * parties cache.
 */
#ifndef RUNNER_LEASE_ISSUER_H
#define RUNNER_LEASE_ISSUER_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { ISSUER_TOKEN_SEC = 300, ISSUER_AHEAD_SEC = 86400, ISSUER_AFTER_SEC = 3600 };

/* Is @path the directory of an issuer (and not a file with a token)? */
bool issuer_is_dir(const char *path);

/* Make it in @dir, which must not exist or be empty. @audiences: NULL-terminated. */
int issuer_init(const char *dir, const char *url, const char *const *audiences, struct dd_err *err);
/* A new key, used from @ahead_sec on; keys whose time is over are removed. */
int issuer_rotate(const char *dir, long ahead_sec, struct dd_err *err);
/* What stands in it, for people. */
int issuer_show(const char *dir, FILE *out, struct dd_err *err);
/* Would it sign for @audience? Reads no private key. */
int issuer_look(const char *dir, const char *audience, struct dd_err *err);
/* A token for @audience: @claims (borrowed) and what every token has: iss, aud, iat, nbf, exp, jti.
 * malloc'ed, the caller wipes. Courier only. */
int issuer_sign(const char *dir, const char *audience, const json_t *claims, char **ret,
                struct dd_err *err);

#endif
