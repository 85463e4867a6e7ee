// SPDX-License-Identifier: Apache-2.0
/* lease.h - step-scoped credentials: read just before the step, handed to it alone, wiped when it
 * ends.
 *
 * Supervisor only. Values live in secret memory (locked, never dumped, empty in every forked child)
 * and travel to the step through the delivery pipe. The record gets names, never values.
 */
#ifndef RUNNER_LEASE_H
#define RUNNER_LEASE_H

#include "drydock/sandbox.h"
#include "grant/plan.h"
#include "mask.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

enum { LEASES_MAX = 128, LEASE_VALUE_MAX = 16384, LEASE_KEY_MAX = 4096 };

struct lease_set {
	struct secret_memory *memory;
	char *env[LEASES_MAX]; /* "NAME=value", in secret memory */
	size_t n_env;
	struct sandbox_secret_file
		files[LEASES_MAX]; /* contents (and some names) in secret memory */
	size_t n_files;
	/* of each of the holder's leases: what is meant where no part of it is named, and no form
	 */
	struct lease_raw {
		const char *bytes; /* in secret memory; NULL: nothing came */
		size_t len;
	} raw[LEASES_MAX];
	size_t n_raw;
	size_t n_granted; /* so many are in the record */
	/* as the issuer says, where that is shorter than the policy's; 0: the policy's */
	unsigned ttl_sec[LEASES_MAX];
	/* of those that somebody issued: what takes them back */
	struct lease_live {
		unsigned id; /* in the journal; 0: there is nothing to take back */
		char *handle;
		const char *key; /* in secret memory; NULL: none */
		size_t key_len;
		bool renewable; /* its issuer gives it more time when it is asked to */
	} live[LEASES_MAX];
	size_t n_live; /* of the holder's leases so many were asked for */
	/* lease_life.c: when each ends, on the clock of dd_now_ms() */
	struct lease_life {
		int64_t began_ms, end_ms, policy_ms, renew_ms;
		bool told; /* that it could not be renewed */
	} life[LEASES_MAX];
	size_t n_life;
	struct courier_renewal *renewal; /* that runs; NULL: none does */
	size_t renewing;
};

/* What a front end took out of the forge's job message. The supervisor and the keeper overwrite the
 * values; only what a step is bound to is kept, in secret memory. */
struct lease_forge_secret {
	const char *name;
	char *value;
	size_t len;
};
struct lease_forge {
	const struct lease_forge_secret *secrets;
	size_t n;
};

/* Move the values of every `from: env` and `from: forge` credential of @plan into secret memory,
 * and overwrite all of them where they stood: children inherit the environment block. Supervisor,
 * once, before anything is forked: secret memory is empty in a child, so the keeper cannot do it
 * for us.
 * @forge may be NULL. */
int lease_capture(const struct plan *plan, const struct lease_forge *forge, struct dd_err *err);
/* Keeper, after it has forked the supervisor: overwrite the same values here. */
void lease_forget(const struct plan *plan, const struct lease_forge *forge);

/* Is every source of @plan there, as lease_grant() will want it? Reads no value, asks no network.
 * Before anything runs, with the rights of the run and before lease_capture(). -EINVAL, -EPERM, or
 * what open() says; @err names the credential and the remedy. */
int lease_look(const struct plan *plan, const struct lease_forge *forge, struct dd_err *err);

struct journal;
struct escrow;
/* What is the same for all steps of a job. */
struct lease_job {
	const struct plan *plan;
	const char *run; /* id of it */
	bool observe;
	struct journal *journal; /* NULL: no credential of the plan is issued by anybody */
	struct escrow *escrow;   /* likewise */
};

/* Does the plan ask anybody for a credential? */
bool lease_asks(const struct plan *plan);

/* A sentence for the person who runs the job. */
typedef void (*lease_tell_fn)(void *arg, const char *text);

/* Who gets them, for the record. */
struct lease_holder {
	const struct lease_job *job;
	lease_tell_fn tell; /* what could not be taken back; may be NULL */
	void *tell_arg;
	struct record *rec;
	const char *step;
	enum dd_phase phase;
	const struct grant_lease *leases;
	size_t n;
};

/* Grant what the step may have: read, check (C-14), register with @mask, which is the job's: a
 * value that was ever granted is masked until the job ends. On failure the caller revokes, which
 * wipes. */
int lease_grant(const struct lease_holder *holder, struct mask *mask, struct lease_set *ret,
                struct dd_err *err);

/* Write down that the step has them: one cred.grant each, before the step gets any. */
int lease_record(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err);

/* Take back what was issued, wipe the values, and write cred.revoke with the answers. What cannot
 * be taken back now stays in the journal, and is told. Idempotent. */
int lease_revoke(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err);

#endif
