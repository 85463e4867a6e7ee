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

enum { LEASES_MAX = 64, LEASE_VALUE_MAX = 16384 };

struct lease_set {
	struct secret_memory *memory;
	char *env[LEASES_MAX]; /* "NAME=value", in secret memory */
	size_t n_env;
	struct sandbox_secret_file
		files[LEASES_MAX]; /* contents (and some names) in secret memory */
	size_t n_files;
	size_t n_granted;
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

/* Who gets them, for the record. */
struct lease_holder {
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

/* The one whose time is over first; NULL: there is none. */
const struct grant_lease *lease_shortest(const struct lease_holder *holder);

/* Wipe the values and write cred.revoke. Idempotent. */
int lease_revoke(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err);

#endif
