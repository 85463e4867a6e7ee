// SPDX-License-Identifier: Apache-2.0
/* policy_model.h - the policy in memory; seen by policy*.c and plan*.c only. Every value remembers
 * where it was written. */
#ifndef RUNNER_POLICY_MODEL_H
#define RUNNER_POLICY_MODEL_H

#include "base/arena.h"
#include "base/glob.h"
#include "base/words.h"
#include "drydock/egress.h"
#include "input/key_table.h"
#include "model/recipe.h"
#include "model/pair.h"
#include "policy.h"
#include "policy_actions.h"
#include "policy_terms.h"
#include "policy_units.h"

enum policy_trust { POLICY_TRUST_PROTECTED = 0, POLICY_TRUST_ANY };

enum rule_field {
	RULE_ID = 0,
	RULE_NAME,
	RULE_RUN,
	RULE_FIRST_LINE,
	RULE_RUN_SHA256,
	RULE_USES,
	RULE_JOB,
	RULE_SHELL,
	RULE_WORKDIR,
	RULE__COUNT
};
extern const char *const rule_field_names[];

struct policy_rule {
	enum dd_phase phase;
	const char *glob[RULE__COUNT]; /* NULL = not asked; all that are asked must match */
	/* globs of names, NULL-terminated: which variables the workflow may set for the step,
	 * besides those that decide nothing; NULL = not asked */
	const char *const *env;
	struct diag_mark mark, first_line_mark;
};

/* a `use:` of a repository's file: it keeps what the operator's own `use:` of that name gave */
struct policy_use {
	const char *name;
	struct diag_mark mark;
};

struct policy_phase {
	struct diag_mark mark; /* line 0: not in the file, defaults apply */
	struct egress_list egress;
	/* one for each entry; of the `use:` for those of a set */
	const struct diag_mark *entry_marks;
	/* one for each entry: name of the set that it is from, or NULL: written here */
	const char *const *entry_sets;
	const struct policy_use *uses; /* of a repository's file only */
	size_t n_uses;
	const struct pair *env;
	const struct diag_mark *env_marks;
	size_t n_env;
	enum policy_trust trust;
	enum workspace_view view;
	const char *const *artifacts;
	/* globs, NULL-terminated: variables and entries of PATH that steps of other phases leave
	 * and that cross although they may load code; of push only */
	const char *const *carry_env, *const *carry_path;
};

/* What must be true of the job besides, or the credential is withheld: all that are given. */
struct policy_condition {
	const char *ref, *environment; /* globs, or NULL */
	const char *const *events;     /* names, NULL-terminated, or NULL */
	bool protected_given, ref_protected;
	/* of each; line 0: not given */
	struct diag_mark ref_mark, environment_mark, event_mark, protected_mark;
};

struct policy_credential {
	const char *name;
	struct diag_mark mark, from_mark, phase_mark;
	enum lease_from from;
	const char *source;
	const struct lease_issuer *issuer; /* NULL: nobody is asked */
	enum lease_as as;
	/* how the step finds it, in one text: for people, the record, and collisions */
	const char *target;
	const struct lease_target *targets;
	size_t n_targets;
	const char *user; /* that goes with it, or NULL */
	struct policy_condition when;
	const struct policy_condition *also; /* the repository's own, or NULL */
	enum dd_phase phase;
	const char *const *steps; /* ids, NULL-terminated; never empty */
	const struct diag_mark *step_marks;
	size_t n_steps;
	unsigned ttl_sec;
};

struct policy_for {
	struct diag_mark mark;
	const char *repository, *ref;              /* globs, or NULL */
	const char *const *events, *const *forges; /* names, NULL-terminated, or NULL */
	bool protected_given, ref_protected;
};

struct policy {
	struct plan_arena *arena;
	const char *path;
	char sha256[65];
	struct policy_for for_;
	/* `trust.events`: events that count for trust besides those that always do; or NULL */
	const char *const *trusted_events;
	struct policy_rule *rules;
	size_t n_rules;
	struct policy_phase phases[DD_PHASE__COUNT];
	struct policy_credential *credentials;
	size_t n_credentials;
	struct step_limits limits;
	enum injection_policy injection;
	struct store_terms store;
	struct policy_actions actions; /* the operator's alone */
	const char *seccomp;
	const char *const *read;
	const char *const *syscalls; /* allowed besides the profile, NULL-terminated */
	const char
		*set_dir; /* directory of the policy file, for egress/NAME.yml; NULL from memory */
	const struct tree_node *root; /* what was written, and where */
	/* a .drydock.yml: absent means "no opinion", and NULL in a pointer likewise */
	bool repository;
	/* named sets asked so far: a package manager is asked once for each policy */
	struct policy_asked *sets;
	/* the repository's file that this policy was narrowed by, or NULL (policy_narrow.c) */
	const struct policy *narrow;
	const struct policy_narrowed *narrowed; /* what that file asked for and does not get */
	size_t n_narrowed;
};

/* What a policy that says nothing means; also without any policy. */
void policy_defaults(struct policy *policy);
struct policy *policy_empty(void); /* the same on its own; path NULL; policy_free() */

/* policy_values.c: the scalar @v, called @what in complaints, into @out, which stays as it is when
 * @v is wrong. */
void policy_read_size(struct key_context *ctx, const struct tree_node *v, const char *what,
                      uint64_t *out);
void policy_read_duration(struct key_context *ctx, const struct tree_node *v, const char *what,
                          unsigned *out);
void policy_read_count(struct key_context *ctx, const struct tree_node *v, const char *what,
                       uint64_t max, uint64_t *out);

/* A pattern that is too long to match anything is a complaint. */
const char *policy_read_glob(struct key_context *ctx, const struct tree_node *v, const char *what,
                             enum glob_kind kind);
void policy_check_glob(struct key_context *ctx, struct diag_mark mark, const char *glob,
                       const char *what, enum glob_kind kind);

/* Readers of the top-level keys, one file each; @policy is the struct policy that is being read. */
void policy_read_phases(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_read_credentials(struct key_context *ctx, const struct tree_node *v, void *policy);
/* policy_issuers.c: `from: { vault: ... }` and its like; @out is the struct policy_credential. */
void policy_from_vault(struct key_context *ctx, const struct tree_node *v, void *out);
void policy_from_oidc(struct key_context *ctx, const struct tree_node *v, void *out);
void policy_from_github_app(struct key_context *ctx, const struct tree_node *v, void *out);
/* policy_store.c */
void policy_read_cache(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_read_artifacts(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_store_defaults(struct store_terms *ret);
void policy_store_widest(struct store_terms *ret);
void policy_read_actions(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_read_limits(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_read_sandbox(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_read_egress(struct key_context *ctx, struct policy *policy,
                        const struct tree_node *node, struct policy_phase *out);
/* policy_syscalls.c: the names; and, once the profile is known, whether they exist and may be
 * allowed. */
void policy_read_syscalls(struct key_context *ctx, const struct tree_node *v, void *policy);
void policy_check_syscalls(struct key_context *ctx, const struct tree_node *v,
                           const struct policy *policy);

/* Everything handlers need besides their own struct; key_context comes first, so that a handler can
 * find the rest. */
struct policy_reading {
	struct key_context ctx;
	struct policy *policy;
};

static inline struct policy *policy_being_read(struct key_context *ctx)
{
	return ((struct policy_reading *)(void *)ctx)->policy;
}

/* Every table of the language; policy_tables.c names their places. */
extern const struct key_table policy_top_keys, policy_for_keys, policy_trust_keys, policy_rule_keys,
	policy_match_keys, policy_phases_keys, policy_phase_keys, policy_carry_keys,
	policy_entry_keys, policy_credential_keys, policy_from_keys, policy_binding_keys,
	policy_as_keys, policy_vault_keys, policy_oidc_keys, policy_github_app_keys,
	policy_limit_keys, policy_sandbox_keys, policy_cache_keys, policy_artifacts_keys,
	policy_actions_keys, policy_actions_from_keys;

/* policy_load.c: @dir (with a slash at its end, or NULL) is where relative paths start. */
int policy_parse_at(const char *name, const char *dir, const char *text, size_t len,
                    struct policy **ret, struct diag_list *diags);
/* The same grammar for a repository's file, into @arena. No tool of the host is asked, no other
 * file is opened. */
int policy_parse_repository(struct plan_arena *arena, const char *name, const char *text,
                            size_t len, struct policy **ret, struct diag_list *diags);

/* policy_check.c: what single values cannot show. */
void policy_check(const struct policy *policy, struct diag_list *diags);

/* policy_match.c */
struct step_facts {
	/* NULL = the step has none; RULE_FIRST_LINE is taken from RULE_RUN; RULE_SHELL: as written;
	 * RULE_WORKDIR: below the workspace, without `.` and `..`, NULL for the workspace itself */
	const char *field[RULE__COUNT];
	bool starts_nothing; /* no process is started for it: nothing can decide what runs */
	/* the variables that it sets for itself; fixed layers are the forge's, and do not count */
	const struct env_layer *env;
	size_t n_env;
};

/* What keeps a rule that matches all it was asked about from deciding: something else than the text
 * that it names says what runs (G-16). */
enum deviation_kind {
	DEVIATES_NOT = 0,
	DEVIATES_SHELL,
	DEVIATES_WORKDIR,
	DEVIATES_ENV,
	DEVIATES_MANY
};
struct step_deviation {
	enum deviation_kind kind;
	const char *what, *of; /* the shell, directory or variable, commit content; who sets it */
};
/* policy_vars.c: may the variable decide what @script runs? A name of a table, or one that the
 * script speaks of. NULL: an action, which only the loader's and the runtime's variables turn into
 * another one. */
bool policy_variable_decides(const char *name, const char *script);

/* What finding the rule of a step costs at most, in bytes of text compared with one pattern each
 * (some nanoseconds). Of @policy alone, without its narrowing. A workflow, a policy and a
 * repository's file multiply here, and two of the three are a stranger's: the sum over a
 * job's steps is held against POLICY_MATCH_WORK_MAX before any of them is matched. */
struct policy_match_costs {
	uint64_t field[RULE__COUNT]; /* of all rules, for each byte of that text */
	uint64_t env, variables;     /* for each byte of a variable's name; for each variable */
};
enum { POLICY_MATCH_WORK_MAX = 256 * 1024 * 1024, POLICY_ENV_GLOBS_MAX = 1000 };
struct policy_match_costs policy_match_costs(const struct policy *policy);
uint64_t policy_match_work(const struct policy_match_costs *costs, const struct step_facts *step);

/* Of the operator's rules alone; NULL: none, so build. */
const struct policy_rule *policy_rule_for(const struct policy *policy,
                                          const struct step_facts *step);
/* Together with the rules of the repository's file, which can only take a step to build. */
struct phase_choice {
	enum dd_phase phase;
	/* that chose it; its mark says in which file it stands; NULL: none */
	const struct policy_rule *rule;
	bool moved; /* the repository's file took the step to build */
	/* of the repository's file: wanted another open phase, and is not asked */
	const struct policy_rule *refused;
	/* the first that would have opened the gate but for @deviation; NULL: none */
	const struct policy_rule *missed;
	struct step_deviation deviation;
};
struct phase_choice policy_choose_phase(const struct policy *policy, const struct step_facts *step);
/* policy_condition.c: why the job is not one that @c is for (a sentence for people, in @arena, with
 * its place), or NULL: it is. */
const char *policy_condition_unmet(const struct policy_condition *c,
                                   const struct event_facts *event, const char *environment,
                                   struct plan_arena *arena);
bool policy_rule_covers(const struct policy_rule *earlier, const struct policy_rule *later);

#endif
