// SPDX-License-Identifier: Apache-2.0
/* git_facts.h - which commit a work tree stands on, read from its repository without running git.
 *
 * Runs in the supervisor and the command line. The bytes may be a stranger's: good for the
 * environment of a step and for telling people, never for trust or the choice of a policy.
 */
#ifndef RUNNER_GIT_FACTS_H
#define RUNNER_GIT_FACTS_H

#include "git_place.h"

#include <stdbool.h>

struct git_facts {
	char ref[256];        /* "refs/heads/main"; "": HEAD is detached, or nobody can tell */
	char sha[65];         /* hex of the commit; "": there is none yet, or nobody can tell */
	char repository[256]; /* "owner/name" out of the URL of its remote; "": no such URL */
};

/* Packed refs, worktrees and detached heads included; absent is "". */
void git_facts_read(const struct git_place *place, struct git_facts *ret);

/* "owner/name" out of a remote's URL ("https://host/owner/name.git", "git@host:owner/name"). False:
 * it has none. */
bool git_repository_name(const char *url, char *ret, size_t size);

/* The object that the ref @name ("HEAD", "refs/...") leads to, and the last ref on the way
 * (@ret_ref, may be NULL). False: there is none. */
bool git_ref_read(const struct git_place *place, const char *name, char ret_sha[65],
                  char ret_ref[256]);

#endif
