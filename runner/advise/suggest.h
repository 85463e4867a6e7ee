// SPDX-License-Identifier: Apache-2.0
/* suggest.h - the smallest policy that recorded runs need, as commented YAML.
 *
 * The rules, what becomes what and with which head-room, are in docs/suggest.md. The same records
 * give the same bytes. Nothing that a record says is believed to be harmless: texts are quoted,
 * private answers never become `private: allow`, what cannot be named exactly is left out and said
 * so. Command line only.
 */
#ifndef RUNNER_SUGGEST_H
#define RUNNER_SUGGEST_H

#include "record/record_facts.h"

struct suggest_options {
	const char *set_dir;     /* where the policy will stand, with a slash at its end: its
	                            egress/NAME.yml count. NULL: nowhere */
	bool no_sets;            /* write hosts, never `use:` */
	const char *profile_dir; /* as in struct replay */
};

struct suggestion {
	char *text; /* heap; the caller frees it with suggestion_done() */
	size_t len;
	/* what the policy does not give although a run needed it; NULL-terminated */
	const char *const *warnings;
	struct plan_arena *arena;
};

/* 0, or -errno and @err (a seccomp profile of a record that is not here, no memory). @records are
 * borrowed. */
int suggest_policy(const struct record_facts *const *records, size_t n,
                   const struct suggest_options *options, struct suggestion *ret,
                   struct dd_err *err);
void suggestion_done(struct suggestion *s);

/* true: the run of @facts did not get to its end, or failed, so nobody knows what else it needs;
 * @ret says so in a sentence, safe to print. */
bool suggest_cut_short(const struct record_facts *facts, char *ret, size_t size);

#endif
