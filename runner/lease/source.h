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
};

struct lease_source {
	/* Is it there, as grant() will want it? Reads no value. Before anything runs. */
	int (*look)(const struct grant_lease *lease, const struct lease_forge *forge,
	            struct dd_err *err);
	/* Into @memory. */
	int (*grant)(const struct grant_lease *lease, struct secret_memory *memory,
	             struct lease_value *ret, struct dd_err *err);
	/* what cred.revoke says when the step is over; a source that can be asked says it itself */
	const char *wiped;
};

const struct lease_source *lease_source_of(enum lease_from from);

/* source_file.c: `file` and `systemd` */
int source_file_look(const struct grant_lease *lease, const struct lease_forge *forge,
                     struct dd_err *err);
int source_file_grant(const struct grant_lease *lease, struct secret_memory *memory,
                      struct lease_value *ret, struct dd_err *err);
/* source_held.c: `env` and `forge`, what this process was given when it began */
int source_env_look(const struct grant_lease *lease, const struct lease_forge *forge,
                    struct dd_err *err);
int source_forge_look(const struct grant_lease *lease, const struct lease_forge *forge,
                      struct dd_err *err);
int source_held_grant(const struct grant_lease *lease, struct secret_memory *memory,
                      struct lease_value *ret, struct dd_err *err);

#endif
