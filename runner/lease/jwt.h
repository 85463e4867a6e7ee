// SPDX-License-Identifier: Apache-2.0
/* jwt.h - signs identity tokens and the heads of records, and the pieces of base64url and JWK
 * around them. Courier, keeper, `drydock issuer`, `drydock record verify`. */
#ifndef RUNNER_LEASE_JWT_H
#define RUNNER_LEASE_JWT_H

#include "drydock/err.h"

#include <jansson.h>
#include <stddef.h>

enum { JWT_KID = 64 };

/* unpadded, malloc'ed; NULL without memory */
char *jwt_base64url(const void *bytes, size_t len);
/* @claims signed with the private key in the PEM file @key_file: ES256 for P-256, RS256 for RSA.
 * @kid NULL: none is named. malloc'ed, the caller wipes. */
int jwt_sign(const char *key_file, const char *kid, const json_t *claims, char **ret,
             struct dd_err *err);
/* The same for another kind of statement than an identity token: no relying party takes one for the
 * other. */
int jws_sign(const char *key_file, const char *typ, const char *kid, const json_t *claims,
             char **ret, struct dd_err *err);
/* @public_file: a public key in PEM form, or the key set of an issuer. -EBADMSG: it is no statement
 * of that kind, or not signed with that key. */
int jws_verify(const char *public_file, const char *typ, const char *token, json_t **ret_claims,
               struct dd_err *err);
/* A new P-256 key into the open file @fd; its public half as a JWK with kid (RFC 7638). */
int jwt_make_key(int fd, json_t **ret_jwk, struct dd_err *err);
int jwt_public(const char *key_file, json_t **ret_jwk, struct dd_err *err);

#endif
