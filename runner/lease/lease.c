// SPDX-License-Identifier: Apache-2.0
/* lease.c - the life of the credentials of one step: looked for, granted, recorded, taken back.
 *
 * Runs in: supervisor; lease_look() in the process that becomes the keeper. */
#include "lease.h"

#include "deliver.h"
#include "drydock/fd.h"
#include "record/event_write.h"
#include "secret_memory.h"
#include "source.h"

#include <stdlib.h>

/* Of one lease: the value as it came, and what a form makes of it. */
enum { MEMORY_PER_LEASE = 8 * LEASE_VALUE_MAX };

int lease_look(const struct plan *plan, const struct lease_forge *forge, struct dd_err *err)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t j = 0; j < plan->grants[i].n_leases; j++) {
			const struct grant_lease *lease = &plan->grants[i].leases[j];
			int r = lease->withheld
			                ? 0
			                : lease_source_of(lease->from)->look(lease, forge, err);
			if (r < 0)
				return r;
		}
	return 0;
}

/* ---- life ---- */

/* The policy's word, before anybody is asked. A step that is bound to a credential does not run
 * without it. */
static int check_withheld(const struct lease_holder *holder, struct dd_err *err)
{
	for (size_t i = 0; i < holder->n; i++)
		if (holder->leases[i].withheld)
			return dd_err_blame(err, DD_BLAME_POLICY,
			                    dd_err_say(err, EACCES, "credential %s is withheld: %s",
			                               holder->leases[i].name,
			                               holder->leases[i].withheld));
	return 0;
}

static int grant_all(const struct lease_holder *holder, struct mask *mask, struct lease_set *set,
                     struct dd_err *err)
{
	struct lease_value *values = calloc(holder->n, sizeof(*values));
	int r = values ? 0 : dd_err_set(err, ENOMEM, "grant credentials");

	for (size_t i = 0; i < holder->n && r == 0; i++)
		r = lease_source_of(holder->leases[i].from)
		            ->grant(&holder->leases[i], set->memory, &values[i], err);
	if (r == 0)
		r = lease_deliver(holder, values, mask, set, err);
	free(values); /* holds only where the bytes are */
	return r;
}

int lease_grant(const struct lease_holder *holder, struct mask *mask, struct lease_set *ret,
                struct dd_err *err)
{
	int r;

	*ret = (struct lease_set){ .memory = NULL };
	if (holder->n == 0)
		return 0;
	if (holder->n > LEASES_MAX)
		return dd_err_say(err, E2BIG, "more than %d credentials for one step", LEASES_MAX);
	if ((r = check_withheld(holder, err)) < 0 ||
	    (r = secret_memory_new(holder->n * (size_t)MEMORY_PER_LEASE, &ret->memory, err)) < 0)
		return r;
	return grant_all(holder, mask, ret, err); /* on failure the caller revokes, which wipes */
}

static char *kind_and_name(const char *kind, const char *name)
{
	char *text;
	return asprintf(&text, "%s:%s", kind, name) < 0 ? NULL : text;
}

static int record_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                        struct dd_err *err)
{
	const char *from = lease_from_names[lease->from], *as = lease_as_names[lease->as];

	/* where the service manager puts its files is its business */
	const char *slash = lease->from == LEASE_FROM_SYSTEMD ? strrchr(lease->source, '/') : NULL;
	dd_auto_free char *source = kind_and_name(from, slash ? slash + 1 : lease->source);
	dd_auto_free char *target = kind_and_name(as, lease->target);
	if (!source || !target)
		return dd_err_set(err, ENOMEM, "record the credential %s", lease->name);
	return record_cred_grant(holder->rec, holder->step, holder->phase,
	                         &(struct facts_lease){ .name = lease->name,
	                                                .kind = from,
	                                                .delivery = as,
	                                                .from = source,
	                                                .as = target,
	                                                .ttl_sec = lease->ttl_sec },
	                         err);
}

int lease_record(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int r = 0;

	for (; r == 0 && set->n_granted < holder->n; set->n_granted++)
		r = record_grant(holder, &holder->leases[set->n_granted], err);
	return r;
}

const struct grant_lease *lease_shortest(const struct lease_holder *holder)
{
	const struct grant_lease *shortest = NULL;
	for (size_t i = 0; i < holder->n; i++)
		if (!shortest || holder->leases[i].ttl_sec < shortest->ttl_sec)
			shortest = &holder->leases[i];
	return shortest;
}

int lease_revoke(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int r = 0;

	secret_memory_free(set->memory);
	for (size_t i = 0; i < set->n_granted && r == 0; i++)
		r = record_cred_revoke(
			holder->rec, holder->step, holder->phase,
			&(struct facts_lease){
				.name = holder->leases[i].name,
				.result = lease_source_of(holder->leases[i].from)->wiped },
			err);
	*set = (struct lease_set){ .memory = NULL };
	return r;
}
