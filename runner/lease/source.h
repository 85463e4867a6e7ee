// SPDX-License-Identifier: Apache-2.0
/* source.h - where a credential comes from: one row of operations for each kind.
 *
 * Supervisor only. look() asks whether it is there, without reading it; grant() brings it; what a
 * source can take back, it takes back in revoke().
 */
#ifndef RUNNER_LEASE_SOURCE_H
#define RUNNER_LEASE_SOURCE_H

#include "grant/grant.h"
#include "lease.h"
#include "secret_memory.h"

enum { LEASE_FIELDS_MAX = 16 };

struct lease_field {
	const char *name; /* "": the only one */
	char *bytes;      /* in secret memory, NUL-terminated */
	size_t len;
};

struct lease_value {
	/* fields[0] is the one that is meant where no part is named */
	struct lease_field fields[LEASE_FIELDS_MAX];
	size_t n;
	const char *user; /* that belongs to it, in secret memory; NULL: the source names none */
	/* of one that was issued: */
	unsigned ttl_sec; /* as the issuer says; 0: it does not */
	bool renewable;   /* it says that it can give more */
	unsigned id;      /* in the journal; 0: it is not there */
	const char *key;  /* what takes it back, in secret memory; NULL: nothing, or an identity */
	size_t key_len;
	char *handle; /* malloc'ed; NULL: there is nothing to take back */
	bool left;    /* something may be at the issuer */
};

struct lease_source {
	/* Is it there, as grant() will want it? Reads no value. Before anything runs. */
	int (*look)(const struct grant_lease *lease, const struct lease_forge *forge,
	            struct dd_err *err);
	/* Into @memory. On failure, too, what @ret says is left must be taken back. */
	int (*grant)(const struct lease_holder *holder, const struct grant_lease *lease,
	             struct secret_memory *memory, struct lease_value *ret, struct dd_err *err);
	/* What was issued; NULL: nobody can be asked to. @how: the answers, for people. 0: it is
	 * gone, -ESTALE: only time ends it. */
	int (*revoke)(const struct lease_job *job, const char *handle, const char *key,
	              size_t key_len, char how[200], struct dd_err *err);
	/* what cred.revoke says of a lease that left no handle */
	const char *wiped;
};

const struct lease_source *lease_source_of(enum lease_from from);

/* source_file.c: `file` and `systemd` */
int source_file_look(const struct grant_lease *lease, const struct lease_forge *forge,
                     struct dd_err *err);
int source_file_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                      struct secret_memory *memory, struct lease_value *ret, struct dd_err *err);
/* source_held.c: `env` and `forge`, what this process was given when it began */
int source_env_look(const struct grant_lease *lease, const struct lease_forge *forge,
                    struct dd_err *err);
int source_forge_look(const struct grant_lease *lease, const struct lease_forge *forge,
                      struct dd_err *err);
int source_held_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                      struct secret_memory *memory, struct lease_value *ret, struct dd_err *err);
/* source_issuer.c: `vault`, `oidc`, `github-app`, asked by a courier */
int source_issuer_look(const struct grant_lease *lease, const struct lease_forge *forge,
                       struct dd_err *err);
int source_issuer_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                        struct secret_memory *memory, struct lease_value *ret, struct dd_err *err);

#endif
