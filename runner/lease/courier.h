// SPDX-License-Identifier: Apache-2.0
/* courier.h - asks an issuer, in a process of its own.
 *
 * A *courier* is forked for one conversation: it signs or reads the job's identity, talks TLS with
 * one server, hands back what it got over a socket, and ends. It is a copy of the supervisor whose
 * secret memory is empty (MADV_WIPEONFORK), it can start no program and write no file, and bytes of
 * the network are parsed nowhere else. If the supervisor dies before it has written down what the
 * courier got, the courier takes it back by itself.
 *
 * Used by: supervisor; keeper and `drydock revoke` for what the dead left.
 */
#ifndef RUNNER_LEASE_COURIER_H
#define RUNNER_LEASE_COURIER_H

#include "lease.h"
#include "source.h"

/* ---- the asking side ---- */

/* Called for each handle before the courier goes on: when it returns 0 the handle is durable. */
typedef int (*courier_note_fn)(void *arg, const char *handle, struct dd_err *err);

struct courier_errand {
	const struct lease_job *job;
	const char *step;
	enum dd_phase phase;
	const struct grant_lease *lease;
	courier_note_fn note;
	void *note_arg;
};

/* Bring the secret of @errand->lease into @memory. */
int courier_grant(const struct courier_errand *errand, struct secret_memory *memory,
                  struct lease_value *ret, struct dd_err *err);

/* Take back what @handle says, by the secret itself (@key, may be NULL: then by an identity of our
 * own). @ret: which answers came, for people and the record. 0: it is gone. -ESTALE: nothing but
 * its own end ends it. Otherwise it may still be good. */
int courier_revoke(const struct lease_job *job, const char *handle, const char *key, size_t key_len,
                   char ret[200], struct dd_err *err);

/* Ask for more time, @ttl_sec from now at most, by the secret itself. Returns at once; -EAGAIN from
 * _take: there is no answer yet. */
struct courier_renewal;
int courier_renew(const struct lease_job *job, const char *handle, const char *key, size_t key_len,
                  unsigned ttl_sec, struct courier_renewal **ret, struct dd_err *err);
int courier_renewal_fd(const struct courier_renewal *r);
/* @ret_sec: so long it lives from now on. */
int courier_renewal_take(struct courier_renewal *r, long long *ret_sec, struct dd_err *err);
void courier_renewal_free(struct courier_renewal *r); /* also one that runs; NULL is allowed */

/* ---- the courier's side (courier_*.c) ---- */

struct courier;
struct http;

/* What it may say. Each returns 0; -ECANCELED: nobody hears it any more, take back what you have.
 */
int courier_say_handle(struct courier *c, const json_t *handle, struct dd_err *err);
int courier_say_field(struct courier *c, const char *name, const char *bytes, size_t len,
                      struct dd_err *err);
int courier_say_user(struct courier *c, const char *user, struct dd_err *err);
/* Said twice, the shorter one counts. @renewable: it can be asked for more. */
int courier_say_ttl(struct courier *c, long long sec, bool renewable, struct dd_err *err);
/* What revokes it without asking for an identity again. */
int courier_say_key(struct courier *c, const char *key, struct dd_err *err);
const struct courier_errand *courier_errand_of(const struct courier *c);
/* Does the other side still want it? */
bool courier_is_wanted(const struct courier *c);

#endif
