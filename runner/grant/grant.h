// SPDX-License-Identifier: Apache-2.0
/* grant.h - what a step may: made from the policy, the forge's facts and the written text of the
 * step, before anything runs. Immutable: nothing that runs can change it.
 *
 * What a step *runs* is its recipe (model/recipe.h). A step that appears while the job runs has the
 * grant of the written step that brought it.
 */
#ifndef RUNNER_GRANT_H
#define RUNNER_GRANT_H

#include "base/words.h"
#include "drydock/egress.h"
#include "model/job_spec.h"
#include "policy/policy_terms.h"

/* What depends only on the phase: made once for each phase of a job and shared by its grants. The
 * lists are the policy's own. */
struct grant_terms {
	enum dd_phase phase;
	bool of_forge; /* of a step of drydock's own (spec_forge): not the policy's list */
	struct egress_list egress;    /* n == 0: the gate stays closed */
	enum workspace_view view;     /* only in push */
	const char *const *artifacts; /* globs, NULL-terminated */
	/* only in push, globs: what may cross into it although it may load code */
	const char *const *carry_env, *const *carry_path;
	const struct pair *env; /* the policy's variables for this phase */
	size_t n_env;
	struct store_terms store;
	struct step_limits limits; /* time_sec: at most; a step has its own */
	const char *seccomp;       /* profile name: file configs/seccomp/<name>.seccomp */
	/* sandbox.syscalls: allowed besides the profile, NULL-terminated */
	const char *const *syscalls;
	/* sandbox.read: host directories shown read-only, NULL-terminated */
	const char *const *read;
};

struct grant_lease {
	const char *name; /* of the credential, as the record shows it; never its value */
	enum lease_from from;
	const char *source;                /* path, name of the supervisor's variable, ... */
	const struct lease_issuer *issuer; /* NULL: nobody is asked */
	enum lease_as as;
	const char *target; /* how the step finds it, in one text */
	const struct lease_target *targets;
	size_t n_targets;
	const char *user; /* that goes with it, or NULL */
	unsigned ttl_sec;
	/* why the step does not get it although it is bound to it: it cannot run; NULL: it does */
	const char *withheld;
};

struct grant {
	unsigned index;    /* 1-based, in document order */
	const char *id;    /* "" when none is given */
	const char *name;  /* as the forge shows the step */
	bool is_named;     /* the name is given, and not made from the script */
	const char *label; /* [a-z0-9-]+, unique in the job: "03-publish" */
	/* what the record calls it: the id, or the label of a step without one */
	const char *ref;
	/* of its script without white space at its ends, as `run_sha256` of a rule has it; NULL: it
	 * has none */
	const char *run_sha256;
	const struct spec_step *written; /* the text that the rules were held against */

	enum dd_phase phase;
	/* to build, by the repository's own file: what the operator bound to its id is not given */
	bool moved;
	/* "policy.yml:5:5: run: \"npm ci*\"" or "no rule matches: build" */
	const char *phase_why;
	const struct grant_terms *terms;
	const struct grant_lease *leases; /* of the written step alone */
	size_t n_leases;
	/* of one step: the smaller of policy `time` and what the text asks for */
	unsigned time_sec;
};

/* Names of the variables that the text of the step sets and that may decide what runs, into @ret,
 * NULL-terminated, one more than a rule could look at; returns how many. */
size_t grant_deciding_vars(const struct grant *grant, const char *ret[STEP_VARIABLES_MAX + 2]);

#endif
