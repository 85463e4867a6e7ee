// SPDX-License-Identifier: Apache-2.0
/* policy_model.h - the policy in memory; seen by policy*.c and plan*.c only. Every value remembers where it was written. */
#ifndef RUNNER_POLICY_MODEL_H
#define RUNNER_POLICY_MODEL_H

#include "arena.h"
#include "key_table.h"
#include "policy.h"

enum policy_trust { POLICY_TRUST_PROTECTED = 0, POLICY_TRUST_ANY };

enum rule_field { RULE_ID = 0, RULE_NAME, RULE_RUN, RULE_USES, RULE_JOB, RULE__COUNT };
extern const char *const rule_field_names[];

struct policy_rule {
	enum dd_phase    phase;
	const char      *glob[RULE__COUNT]; /* NULL = not asked; all that are asked must match */
	struct diag_mark mark;
};

struct policy_phase {
	struct diag_mark        mark; /* line 0: not in the file, defaults apply */
	struct egress_list      egress;
	const struct diag_mark *entry_marks; /* one for each entry; of the `use:` for those of a set */
	const struct plan_env  *env;
	const struct diag_mark *env_marks;
	size_t                  n_env;
	enum policy_trust       trust;
	enum plan_view          view;
	const char *const      *artifacts;
};

struct policy_credential {
	const char          *name;
	struct diag_mark     mark, from_mark, phase_mark;
	enum plan_lease_from from;
	const char          *source;
	enum plan_lease_as   as;
	const char          *target;
	enum dd_phase        phase;
	const char *const   *steps; /* ids, NULL-terminated; never empty */
	const struct diag_mark *step_marks;
	size_t               n_steps;
	unsigned             ttl_sec;
};

struct policy_for {
	struct diag_mark   mark;
	const char        *repository, *ref; /* globs, or NULL */
	const char *const *events, *const *forges; /* names, NULL-terminated, or NULL */
	bool               protected_given, ref_protected;
};

struct policy {
	struct plan_arena        *arena;
	const char               *path;
	char                      sha256[65];
	struct policy_for         for_;
	struct policy_rule       *rules;
	size_t                    n_rules;
	struct policy_phase       phases[DD_PHASE__COUNT];
	struct policy_credential *credentials;
	size_t                    n_credentials;
	struct plan_limits        limits;
	const char               *seccomp;
	const char *const        *read;
	const char               *set_dir; /* directory of the policy file, for egress/NAME.yml; NULL from memory */
};

/* What a policy that says nothing means; also without any policy. */
void policy_defaults(struct policy *policy);
extern const char *const phase_names[]; /* by enum dd_phase */

/* policy_units.c: 0, or -EINVAL and nothing written. Overflow is an error. */
int policy_size(const char *text, uint64_t *ret_bytes);
int policy_duration(const char *text, unsigned *ret_sec);
int policy_count(const char *text, uint64_t max, uint64_t *ret);
int policy_cpus(const char *text, unsigned *ret_millis);

/* policy_egress.c: the `egress:` of one phase into @out. */
void policy_read_egress(struct key_context *ctx, const struct policy *policy, const struct tree_node *node, struct policy_phase *out);

/* policy_credentials.c: `credentials:`. */
void policy_read_credentials(struct key_context *ctx, const struct tree_node *node, struct policy *out);

/* policy_load.c: @dir (with a slash at its end, or NULL) is where relative paths start. */
int policy_parse_at(const char *name, const char *dir, const char *text, size_t len, struct policy **ret, struct diag_list *diags);

/* policy_check.c: what single values cannot show. */
void policy_check(const struct policy *policy, struct diag_list *diags);

/* policy_match.c */
bool policy_glob(const char *glob, const char *text); /* `*` and `?` never match a line feed */
struct step_facts {
	const char *field[RULE__COUNT]; /* NULL = the step has none */
};
const struct policy_rule *policy_rule_for(const struct policy *policy, const struct step_facts *step);
bool policy_rule_covers(const struct policy_rule *earlier, const struct policy_rule *later);

#endif
