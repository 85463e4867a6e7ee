// SPDX-License-Identifier: Apache-2.0
/* suggest_parts.h - what the parts of suggest share: first what was seen, then what the policy will
 * say.
 *
 * Order: suggest_steps (which recorded steps are one), suggest_phases (what each is), suggest_rules
 * (how each is named), suggest_dests, suggest_egress and suggest_rest (what a phase and the policy
 * need), suggest_write.
 */
#ifndef RUNNER_SUGGEST_PARTS_H
#define RUNNER_SUGGEST_PARTS_H

#include "replay_parts.h"
#include "suggest.h"

/* One recorded step. */
struct suggest_seen {
	const struct record_facts *facts;
	const struct facts_step *step;
};

/* Steps that no rule could tell apart, or that carry one id in one job: one step of the workflow,
 * seen once or several times. */
struct suggest_step {
	struct suggest_seen *seen;
	size_t n_seen;
	const char *label; /* for comments and `why` */
	enum dd_phase phase;
	const char *reason; /* why that phase */
	bool unnamed;       /* no rule can name it: the policy has it in build whatever it needs */
};

struct suggest_rule {
	struct policy_rule rule; /* globs as the policy will have them */
	size_t step;             /* index of the step that it was made for */
	bool dropped;
};

enum { PORT_OF_A_QUERY = 443 }; /* where nothing says another */

/* A destination that steps of one phase reached. */
struct suggest_dest {
	struct facts_net net; /* of the first time; host, address, port, kind */
	bool raw;             /* `tls: raw` */
	bool private_ok;      /* it leads to a private address */
	bool inside;          /* likewise, and observing refused it */
	bool in_set;          /* a package manager's configuration has it */
	uint64_t times;
	const char *by; /* labels of the steps */
	size_t last_step;
};

enum suggest_entry_kind { ENTRY_HOST = 0, ENTRY_WILDCARD, ENTRY_CIDR, ENTRY_USE };

struct suggest_entry {
	enum suggest_entry_kind kind;
	struct egress_entry entry; /* not for `use:` */
	const char *set;           /* of `use:` */
	const char *why;
	bool dropped;
};

struct suggest_texts {
	const char **items; /* NULL-terminated */
	size_t n;
};

struct suggest_phase {
	struct suggest_dest *dests; /* sorted */
	size_t n_dests;
	struct suggest_entry *entries;
	size_t n_entries;
	struct suggest_texts left_out; /* sentences about what was seen and gets no entry */
	uint64_t upload_seen, upload;  /* 0: the default will do */
	uint64_t connections_seen, connections;
	uint64_t wildcard_names;
	bool trust_any;
	const char *view; /* NULL: the default */
	struct suggest_texts artifacts;
};

struct suggest_credential {
	const char *name, *recorded; /* as the policy and the record call it */
	const char *from_key, *from, *as_key, *as;
	enum dd_phase phase;
	struct suggest_texts ids;
	int64_t ttl_sec; /* FACTS_ABSENT: the default */
};

struct egress_set;

struct suggest {
	struct plan_arena *arena;
	const struct record_facts *const *records;
	size_t n_records;
	const struct suggest_options *options;
	struct suggest_step *steps;
	size_t n_steps;
	struct suggest_rule *rules;
	size_t n_rules;
	struct suggest_phase phases[DD_PHASE__COUNT];
	struct egress_set *sets; /* by row of egress_set_rows; NULL: not asked yet */
	struct suggest_credential *credentials;
	size_t n_credentials;
	/* actions of other repositories; .allow.n 0: none ran */
	struct {
		struct suggest_texts allow, loose; /* loose: not named by their commits */
		enum actions_pin pin;
		const char *pin_of; /* the one that needs it; NULL: none */
		const char *mirror, *from;
	} actions;
	const char *seccomp; /* NULL: default */
	bool profile_seen;
	struct suggest_texts syscalls, read, call_notes;
	uint64_t time_sec, log_bytes; /* 0: the default will do */
	/* for a comment: they have no default that could refuse */
	uint64_t memory_seen, files_seen, disk_seen;
	struct suggest_texts warnings;
};

void suggest_steps(struct suggest *s);
void suggest_phases(struct suggest *s);
void suggest_rules(struct suggest *s);
/* Was a name refused because it leads inside the network, by a run that observed? */
bool suggest_is_inside(const struct suggest_seen *seen, const struct facts_net *net);
void suggest_dests(struct suggest *s);
void suggest_egress(struct suggest *s);
void suggest_actions(struct suggest *s);
int suggest_rest(struct suggest *s, struct dd_err *err);
int suggest_write(const struct suggest *s, FILE *out); /* 0, or -EIO */

/* The phase that the policy will have the step in. */
enum dd_phase suggest_effective(const struct suggest_step *step);
__attribute__((format(printf, 2, 3))) void suggest_warn(struct suggest *s, const char *fmt, ...);
/* At the end, unless it is there already. The text is not copied. */
void suggest_add_text(struct plan_arena *arena, struct suggest_texts *list, const char *text);
void suggest_sort_texts(struct suggest_texts *list);
uint64_t suggest_head_room(uint64_t seen,
                           uint64_t unit); /* twice, rounded up to a power of two of @unit */
/* "text" as a double-quoted YAML scalar, which is also how a text stands in a comment. In the
 * arena. */
const char *suggest_quoted(struct plan_arena *arena, const char *text);

#endif
