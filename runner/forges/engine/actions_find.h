// SPDX-License-Identifier: Apache-2.0
/* actions_find.h - the actions of other repositories that a job uses, found before anything runs:
 * those of its steps, and those that these use.
 *
 * Command line; job host of a forge's job. What runs afterwards is what was found here and nothing
 * else. Order of use: fill struct actions_finding, actions_find_job() for each job that may run,
 * actions_find_end(); the lists live as long as the arena, the manifests until actions_find_done().
 */
#ifndef RUNNER_ACTIONS_FIND_H
#define RUNNER_ACTIONS_FIND_H

#include "actions_lock.h"
#include "drydock/identity.h"
#include "forges/actions/world.h"
#include "model/job_spec.h"
#include "policy/policy.h"
#include "store/store.h"

/* One that is to be put into the mirror, and what came of it. */
struct actions_wanted {
	const char *repository, *ref; /* "owner/repo", "v4"; judged, and fit for a path */
	char commit[65];              /* that the ref is, by its server's word; "": it says none */
	const char *resolved;         /* what its server calls the repository now; NULL: the same */
	const char *why; /* it did not come: a sentence, on the arena; NULL: it is there */
};

struct actions_finding {
	const struct policy *policy;
	const char *policy_name; /* of its file, or NULL */
	struct plan_arena *arena;
	const char *state_dir;           /* NULL: the usual one */
	const struct identity *id;       /* NULL: whoever runs this */
	const struct actions_lock *lock; /* NULL: nothing is held against one */
	int workspace_fd;                /* -1: it is not there before the job */
	/* Where the policy names no mirror: what fills @mirror with archives by the names
	 * OWNER/REPO@REF.tar.gz. NULL: then there are none. @err: nothing can come at all. */
	int (*bring)(void *arg, struct actions_wanted *list, size_t n, struct dd_err *err);
	void *bring_arg;
	const char *mirror;
	/* Where the policy names a forge (actions.from): brings @asked from there into the
	 * directory
	 * @into, as a mirror has it. NULL: it is not asked now */
	int (*fetch)(void *arg, const struct store_asked *asked, const char *into,
	             struct dd_err *err);
	void *fetch_arg;
	/* what was found */
	struct actions_found *found;
	struct actions_runtime *runtimes;
	struct action_manifest **manifests;
	size_t n_found, n_runtimes, n_manifests;
	struct actions_memory *memory;
};

/* Tells each step of @spec what its action is (spec_action), and adds a note for one that cannot be
 * run. @job has the same steps. @err: this host cannot keep them. */
int actions_find_job(struct actions_finding *f, const struct wf_job *job, struct job_spec *spec,
                     struct dd_err *err);
void actions_find_end(struct actions_finding *f);
void actions_find_done(struct actions_finding *f);

#endif
