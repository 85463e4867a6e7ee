// SPDX-License-Identifier: Apache-2.0
/* replay_parts.h - what the parts of a replay share; suggest asks the same questions about a policy
 * that it is still making. */
#ifndef RUNNER_REPLAY_PARTS_H
#define RUNNER_REPLAY_PARTS_H

#include "policy/policy_model.h"
#include "replay.h"

/* ---- replay_rule.c: which rule a recorded step falls under ---- */

enum rule_fit {
	RULE_FITS_NOT = 0,
	RULE_FITS,
	RULE_MAY_FIT, /* the record lacks the text that the rule asks about */
};
/* @policy: whose variables of a phase win over the workflow's; NULL: there are none. */
enum rule_fit replay_rule_fit(const struct policy *policy, const struct policy_rule *rule,
                              const struct facts_step *step, const char *job);
const char *replay_step_id(const struct facts_step *step); /* NULL: it has none */
const char *replay_step_job(const struct facts_step *step, const char *job);

/* ---- replay_net.c: one connection or query against one allowlist ---- */

enum net_answer { NET_REFUSED = 0, NET_ALLOWED, NET_UNKNOWN };
struct net_judgement {
	enum net_answer answer;
	const struct egress_entry *entry; /* that decided, or NULL */
	const char *why;
};
struct net_judgement replay_judge_net(const struct egress_list *list, const struct facts_net *net);
bool replay_host_is_canonical(const char *host);
/* Why the first bytes of this connection do not prove its name; NULL: they do, or the record does
 * not say. */
const char *replay_hello_complaint(const struct facts_net *net);
/* A destination of a receipt whose connections left no event (the gate reports only so many a
 * second), as an event; false: there is one. */
bool replay_from_receipt(const struct facts_step *step, const struct facts_receipt *receipt,
                         struct facts_net *ret);

/* Distinct names that the step resolved, sorted; what wildcard_names counts. In @arena. */
const char **replay_names(struct plan_arena *arena, const struct facts_step *step, size_t *ret_n);
/* The entry whose account pays for what a receipt lists; NULL: none lets it through. */
const struct egress_entry *replay_payer(const struct egress_list *list,
                                        const struct facts_receipt *receipt);
/* How to say that a receipt does not list all; NULL: it does. In @arena. */
const char *replay_not_listed(struct plan_arena *arena, const struct facts_step *step);

/* ---- replay_calls.c ---- */

struct seccomp_view;
/* @dir: NULL where drydock finds its own. */
int replay_profile(const char *dir, const char *name, const char *const *extra,
                   struct seccomp_view **ret, struct dd_err *err);

/* ---- one step under the policy ---- */

struct replay_step {
	struct replay *r;
	const struct record_facts *facts;
	const struct facts_step *step;
	enum dd_phase phase; /* under the policy */
	const struct policy_phase *rules;
	const char *rule_at; /* the rule that chose it, or that there is none */
};

/* Was the job trusted in the run, and would its event count under the policy as well? */
bool replay_is_trusted(const struct replay_step *s);

void replay_net(const struct replay_step *s);
/* When all steps of a record have been seen: what belongs to the job. @run has no step. */
void replay_net_of_job(const struct replay_step *run);
void replay_leases(const struct replay_step *s);
void replay_view(const struct replay_step *s);
void replay_limits(const struct replay_step *s);
void replay_action(const struct replay_step *s);
int replay_calls(const struct replay_step *s, struct dd_err *err);
void replay_calls_free(struct replay_calls *calls);

void replay_use_entry(const struct replay_step *s, const struct egress_entry *entry);
void replay_use_credential(const struct replay_step *s, const struct policy_credential *cred);

/* @seq may be 0. The texts are copied. */
void replay_refuse(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                   const char *why, const char *decided);
struct replay_used {
	bool *entries[DD_PHASE__COUNT];
	bool *credentials;
};

void replay_put(struct plan_arena *arena, struct replay_list *list, const struct replay_finding *f);
void replay_doubt(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                  const char *why, const char *decided);
void replay_note(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                 const char *why, const char *decided);
/* "policy.yml:3:5: phases.fetch.KEY", or that the default applies. In the arena. */
const char *replay_phase_key(const struct replay_step *s, const char *key);
const char *replay_policy_key(const struct replay_step *s, const char *key);

#endif
