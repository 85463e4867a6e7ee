// SPDX-License-Identifier: Apache-2.0
/* plan_forge.c - what steps of drydock's own may. One that fetches a job's sources: reach the job's
 * forge, and hold the job's token for it. Any other: touch the workspace. Pure.
 *
 * Runs in: command line and supervisor. Whether a job is trusted does not matter here: its forge
 * gave it that token to fetch with, and no byte of the sources runs beside it. No rule of a policy
 * and no text of the job takes part; the operator registered at that forge, so its address may be
 * private. The same for actions that come from the forge of a policy: with no token, and with a
 * private address only where the policy says so. */
#include "plan_build.h"

#include <string.h>

enum { CONNECTIONS = 64, TTL_SEC = 3600 };

#define UPLOAD_BYTES (16ULL * 1024 * 1024) /* what a client says of what it has */

static const struct egress_entry *forge_entry(struct plan_build *b, const struct spec_forge *forge)
{
	struct egress_entry *entry = arena_alloc(b->plan->arena, sizeof(*entry));
	*entry = (struct egress_entry){ .host = forge->host,
		                        .port = forge->port,
		                        .cidr = { forge->host ? 0 : forge->address },
		                        .prefix = forge->host ? 0 : 32,
		                        .pins = { forge->pin },
		                        /* the client says the name that it knows */
		                        .tls = forge->pin || !forge->host ? EGRESS_TLS_RAW
		                                                          : EGRESS_TLS_SNI,
		                        .private_ok = !forge->public_only,
		                        .ech = EGRESS_ECH_PASS,
		                        .why = forge->why ? forge->why : "the job's forge",
		                        .origin = forge->origin };
	return entry;
}

static struct grant_terms *forge_terms(struct plan_build *b, const struct policy *policy,
                                       const struct spec_forge *forge)
{
	static const char *const none[] = { NULL };
	struct grant_terms *terms = arena_alloc(b->plan->arena, sizeof(*terms));
	*terms = (struct grant_terms){ .phase = DD_PHASE_FETCH,
		                       .of_forge = true,
		                       .egress = { .entries = forge_entry(b, forge),
		                                   .n = 1,
		                                   .job = { .upload_bytes = UPLOAD_BYTES,
		                                            .cidr_addresses = 1 },
		                                   .step = EGRESS_CAPS_WIDEST,
		                                   .connections = CONNECTIONS },
		                       .artifacts = none,
		                       .carry_env = none,
		                       .carry_path = none,
		                       .limits = policy->limits,
		                       .seccomp = "default",
		                       .syscalls = none,
		                       .read = none };
	terms->egress.index = egress_index_make(arena_alloc(b->plan->arena, egress_index_size(1)),
	                                        terms->egress.entries, 1);
	return terms;
}

static void hold_token(struct plan_build *b, const struct spec_forge *forge, struct grant *grant)
{
	struct lease_target *target = arena_alloc(b->plan->arena, sizeof(*target));
	struct grant_lease *lease = arena_alloc(b->plan->arena, sizeof(*lease));
	*target = (struct lease_target){ .name = forge->target };
	*lease = (struct grant_lease){ .name = "the job's token",
		                       .from = LEASE_FROM_FORGE,
		                       .source = forge->secret,
		                       .as = LEASE_AS_GIT,
		                       .target = forge->target,
		                       .targets = target,
		                       .n_targets = 1,
		                       .user = forge->user,
		                       .ttl_sec = TTL_SEC };
	grant->leases = lease;
	grant->n_leases = 1;
}

void plan_forge_grant(struct plan_build *b, const struct policy *policy, struct grant *grant)
{
	const struct spec_forge *forge = grant->written->forge;
	grant->phase = DD_PHASE_FETCH;
	grant->phase_why = forge->why ? forge->why
	                              : "drydock's own step: it fetches the sources from the "
	                                "job's forge";
	grant->terms = forge_terms(b, policy, forge);
	if (forge->secret)
		hold_token(b, forge, grant);
	grant->time_sec = policy->limits.time_sec;
}

/* ---- of what never leaves the host ---- */

void plan_own_grant(struct plan_build *b, const struct policy *policy, struct grant *grant)
{
	static const char *const none[] = { NULL };
	struct grant_terms *terms = arena_alloc(b->plan->arena, sizeof(*terms));
	*terms = (struct grant_terms){ .phase = DD_PHASE_BUILD,
		                       .artifacts = none,
		                       .carry_env = none,
		                       .carry_path = none,
		                       .store = policy->store,
		                       .limits = policy->limits,
		                       .seccomp = "default",
		                       .syscalls = none,
		                       .read = none };
	terms->egress.index = egress_index_make(arena_alloc(b->plan->arena, egress_index_size(0)),
	                                        terms->egress.entries, 0);
	grant->phase = DD_PHASE_BUILD;
	grant->phase_why = "drydock's own step: it touches the workspace and nothing else";
	grant->terms = terms;
	grant->time_sec = policy->limits.time_sec;
}
