// SPDX-License-Identifier: Apache-2.0
/* source_held.c - secrets that this process holds since it began: those of its environment that the
 * policy names, and those that a front end took from the forge's job message.
 *
 * Runs in: supervisor; lease_forget() in the keeper, which got the same bytes and needs none of
 * them. A secret of the forge that no step is bound to is wiped with the rest and goes nowhere. */
#include "source.h"

#include <stdlib.h>
#include <string.h>

/* Until they are granted. One for the process: the environment is, too. */
static struct held {
	struct secret_memory *memory;
	struct held_one {
		enum lease_from from;
		const char *name;
		char *value;
		size_t len;
	} one[2 * LEASES_MAX];
	size_t n;
} held;

static const struct held_one *find(enum lease_from from, const char *name)
{
	for (size_t i = 0; i < held.n; i++)
		if (held.one[i].from == from && strcmp(held.one[i].name, name) == 0)
			return &held.one[i];
	return NULL;
}

static int keep(const struct grant_lease *lease, const char *value, size_t len, struct dd_err *err)
{
	if (find(lease->from, lease->source))
		return 0;
	if (held.n == ARRAY_LEN(held.one))
		return dd_err_say(
			err, E2BIG,
			"more than %zu credentials come from the environment and the forge",
			ARRAY_LEN(held.one));
	if (!held.memory) {
		int r = secret_memory_new(4096, &held.memory, err);
		if (r < 0)
			return r;
	}
	if (len > LEASE_VALUE_MAX)
		return dd_err_say(err, E2BIG, "the value of %s is longer than %d bytes",
		                  lease->source, LEASE_VALUE_MAX);
	char *copy = secret_alloc(held.memory, len + 1);
	if (!copy)
		return dd_err_ctx(err, secret_memory_full(held.memory, err), "the value of %s",
		                  lease->source);
	memcpy(copy, value, len);
	held.one[held.n++] = (struct held_one){ lease->from, lease->source, copy, len };
	return 0;
}

static const struct lease_forge_secret *of_forge(const struct lease_forge *forge, const char *name)
{
	for (size_t i = 0; forge && i < forge->n; i++)
		if (strcmp(forge->secrets[i].name, name) == 0)
			return &forge->secrets[i];
	return NULL;
}

static int capture(const struct grant_lease *lease, const struct lease_forge *forge,
                   struct dd_err *err)
{
	if (lease->from == LEASE_FROM_ENV) {
		const char *value = getenv(lease->source);
		/* absent: the step that wants it says so */
		return value ? keep(lease, value, strlen(value), err) : 0;
	}
	const struct lease_forge_secret *secret = of_forge(forge, lease->source);
	return lease->from == LEASE_FROM_FORGE && secret
	               ? keep(lease, secret->value, secret->len, err)
	               : 0;
}

int lease_capture(const struct plan *plan, const struct lease_forge *forge, struct dd_err *err)
{
	int r = 0;
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t k = 0; k < plan->grants[i].n_leases && r == 0; k++)
			r = capture(&plan->grants[i].leases[k], forge, err);
	lease_forget(plan, forge);
	return r;
}

/* Where it stood is the process's initial stack: every child gets a copy of that page. */
static void forget_variable(const char *name)
{
	char *value = getenv(name);
	if (value)
		explicit_bzero(value, strlen(value));
	(void)unsetenv(name);
}

void lease_forget(const struct plan *plan, const struct lease_forge *forge)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t k = 0; k < plan->grants[i].n_leases; k++)
			if (plan->grants[i].leases[k].from == LEASE_FROM_ENV)
				forget_variable(plan->grants[i].leases[k].source);
	for (size_t i = 0; forge && i < forge->n; i++)
		explicit_bzero(forge->secrets[i].value, forge->secrets[i].len);
}

static int missing(const struct grant_lease *lease, struct dd_err *err)
{
	return lease->from == LEASE_FROM_ENV
	               ? dd_err_say(err, ENOENT,
	                            "credential %s: the variable %s is not set in drydock's "
	                            "environment",
	                            lease->name, lease->source)
	               : dd_err_say(err, ENOENT,
	                            "credential %s: the forge sent no secret %s with this job; a "
	                            "local run has none (--secret %s=FILE stands in for it)",
	                            lease->name, lease->source, lease->name);
}

int source_env_look(const struct grant_lease *lease, const struct lease_forge *forge,
                    struct dd_err *err)
{
	(void)forge;
	return getenv(lease->source) ? 0 : missing(lease, err);
}

int source_forge_look(const struct grant_lease *lease, const struct lease_forge *forge,
                      struct dd_err *err)
{
	return of_forge(forge, lease->source) ? 0 : missing(lease, err);
}

int source_held_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                      struct secret_memory *memory, struct lease_value *ret, struct dd_err *err)
{
	(void)holder;
	const struct held_one *one = find(lease->from, lease->source);
	if (!one)
		return missing(lease, err);
	char *bytes = secret_alloc(memory, one->len + 1);
	if (!bytes)
		return dd_err_ctx(err, secret_memory_full(memory, err), "credential %s",
		                  lease->name);
	memcpy(bytes, one->value, one->len);
	*ret = (struct lease_value){ .fields = { { "", bytes, one->len } }, .n = 1 };
	return 0;
}
