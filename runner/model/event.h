// SPDX-License-Identifier: Apache-2.0
/* event.h - the forge's own facts about why a job runs, and the trust that follows from them (never
 * from workflow text). */
#ifndef RUNNER_EVENT_H
#define RUNNER_EVENT_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>

struct event_facts {
	bool local;     /* no --event: the operator's own run, counts as protected */
	char forge[16]; /* "gitlab"; empty: github, the only shape of event file */
	char name[64];  /* push, pull_request, ... */
	char repository[256];
	char ref[256];
	bool fork;
	bool pull_request;
	bool ref_protected;
	/* refs/heads/...: what a pull request is to be merged into, and the repository's default
	 * branch; "" where the message does not say. Whose caches a job may read, never trust */
	char base_ref[256], default_ref[256];
	int64_t pull_number; /* of a pull request; 0: none, or not said */
	/* Of the workspace, "" for what is not known: for the environment of steps alone. Never for
	 * trust or the choice of a policy, because whoever made that directory wrote them. */
	struct {
		char sha[65], ref[256], repository[256];
	} checkout;
	/* what the message holds and an event of that name has not ("comment"); empty: nothing */
	char contradiction[32];
	/* why an event of that name does not count, for people; empty: as for any other */
	char name_why[160];
};

void event_local(struct event_facts *ret);
/* Read a GitHub-shaped event JSON (bounded: 10 MiB, depth). The name comes from a top-level
 * "event_name" (drydock's own addition for local runs), else it is inferred from what the message
 * holds; what only looks like a push by what it lacks is "unknown". "ref_protected": true must be
 * said; absent means false. */
int event_load(const char *path, struct event_facts *ret, struct dd_err *err);
/* The same, with the message itself: heap, NUL-terminated, the caller frees. */
int event_load_text(const char *path, struct event_facts *ret, char **ret_text, size_t *ret_len,
                    struct dd_err *err);
/* The same from memory. Fuzzed. */
int event_parse(const char *text, size_t len, struct event_facts *ret, struct dd_err *err);
/* Trust: an event that strangers cannot cause, a protected ref, no fork, no pull request. @ret_why
 * (may be NULL): text of the deciding fact, static or in @ev. */
bool event_is_trusted(const struct event_facts *ev, const char **ret_why);
/* The same, where the operator counts the events @also (NULL-terminated, or NULL) besides. */
bool event_is_trusted_with(const struct event_facts *ev, const char *const *also,
                           const char **ret_why);
/* Can only people with rights on the repository, or the forge itself, cause an event of that name?
 */
bool event_name_counts(const char *name, const char *const *also);
/* Every event of a forge that this build has heard of, NULL-terminated. */
extern const char *const event_names[];
/* A pull request never counts, whoever wants it to. */
bool event_name_is_pull_request(const char *name);

#endif
