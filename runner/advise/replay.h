// SPDX-License-Identifier: Apache-2.0
/* replay.h - what a policy would have refused of a recorded run.
 *
 * Every recorded fact is held against the policy by the functions that the gate, the plan and the
 * filter themselves use. Three answers: refused; cannot be judged, because the record lacks a fact
 * or the policy changes what the step would have seen; and notes, where the policy gives more than
 * the runs used. Order of use: replay_new(), replay_add() for each record, replay_end(), look,
 * replay_free(). Command line only. The policy and the records are borrowed and must outlive it.
 */
#ifndef RUNNER_REPLAY_H
#define RUNNER_REPLAY_H

#include "drydock/egress_spent.h"
#include "drydock/phase.h"
#include "policy/policy.h"
#include "record/record_facts.h"

struct replay_finding {
	const char *record; /* path; NULL: about the policy as such */
	const char *step;   /* as the record calls it; NULL: the whole run */
	uint64_t seq;       /* of the event; 0: no single one */
	/* "connection", "query", "system call", "credential", "budget", "limit", "view", "trust",
	 * "step" */
	const char *what;
	const char *subject; /* "registry.example.com:443" */
	const char *why;
	/* the line that decides, "policy.yml:12:9: ..."; NULL where no line does */
	const char *decided;
};

struct replay_list {
	struct replay_finding *items;
	size_t n;
};

struct replay {
	struct plan_arena *arena;
	const struct policy *policy;
	/* where NAME.seccomp is; NULL: where drydock finds its own (config_path.h). Set it before
	 * replay_add() */
	const char *profile_dir;
	struct replay_list refused, unknown, notes;
	size_t judged; /* facts that were held against the policy */
	/* what the steps of the record at hand used of each phase's budgets; replay_net.c only */
	struct egress_spent *spent[DD_PHASE__COUNT];
	/* which entries and credentials the records needed; replay.c only */
	struct replay_used *used;
	struct replay_calls *calls; /* what the policy's profile says; replay_calls.c only */
};

struct replay *replay_new(const struct policy *policy);
/* -errno: the seccomp profile of the policy cannot be read, @err names it. Findings are no errors.
 */
int replay_add(struct replay *r, const struct record_facts *facts, struct dd_err *err);
void replay_end(struct replay *r); /* the notes about what no record used */
void replay_free(struct replay *r);

#endif
