// SPDX-License-Identifier: Apache-2.0
/* policy_load.c - the operator's YAML into struct policy, by tables: a key is one row.
 *
 * Runs in: command line and supervisor. All complaints of a file are collected; a file with one
 * complaint is not used at all. */
#include "policy_model.h"

#include "base/digest.h"

#include "egress_sets.h"
#include "model/event.h"
#include "drydock/fd.h"
#include "input/read_file.h"

#include <assert.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* A repository brings the rules and the steps that they are held against, so the product is its to
 * choose. */
enum { RULES_MAX = 1000, REPOSITORY_RULES_MAX = 200 };

#define MIB (1024ULL * 1024)

void policy_defaults(struct policy *policy)
{
	static const char *const none[] = { NULL };
	static const uint64_t upload[DD_PHASE__COUNT] = {
		[DD_PHASE_FETCH] = MIB, [DD_PHASE_PUSH] = 512 * MIB
	};
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		policy->phases[p].egress = (struct egress_list){
			.job = { .upload_bytes = upload[p],
			         .wildcard_names = 64,
			         .cidr_addresses = 64 },
			.step = EGRESS_CAPS_WIDEST,
			.connections = 256,
		};
		policy->phases[p].artifacts = none;
		policy->phases[p].carry_env = none;
		policy->phases[p].carry_path = none;
	}
	policy_store_defaults(&policy->store);
	policy->injection = INJECTION_PASS;
	policy->limits.sandbox.pids = 4096;
	policy->limits.sandbox.shm_bytes = 1024 * MIB;
	policy->limits.log_bytes = 64 * MIB;
	policy->limits.record_bytes = 256 * MIB; /* what `record show` and `policy suggest` read */
	policy->limits.time_sec = 360 * 60;      /* GitHub's own default for a job */
	policy->seccomp = "default";
	policy->read = none;
	policy->syscalls = none;
}

/* What a repository's file that says nothing means: no limit of its own, the widest choice of
 * everything, so that narrowing is a minimum. */
static void widest(struct policy *policy)
{
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		policy->phases[p].egress = (struct egress_list){ .job = EGRESS_CAPS_WIDEST,
			                                         .step = EGRESS_CAPS_WIDEST,
			                                         .connections = UINT_MAX };
		policy->phases[p].trust = POLICY_TRUST_ANY;
		policy->phases[p].view = WORKSPACE_SHARED;
		policy->phases[p].artifacts = NULL;
		policy->phases[p].carry_env = NULL;
		policy->phases[p].carry_path = NULL;
	}
	policy_store_widest(&policy->store);
	policy->injection = INJECTION_ALLOW;
	policy->limits = (struct step_limits){ .sandbox.pids = UINT_MAX,
		                               .sandbox.shm_bytes = UINT64_MAX,
		                               .log_bytes = UINT64_MAX,
		                               .time_sec = UINT_MAX };
	policy->seccomp = NULL;
	policy->read = NULL;
	policy->syscalls = NULL;
}

/* ---- for ---- */

static void for_repository(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_for *)out)->repository = policy_read_glob(ctx, v, "repository", GLOB_TEXT);
}

static void for_ref(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_for *)out)->ref = policy_read_glob(ctx, v, "ref", GLOB_TEXT);
}

static void for_protected(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_for *f = out;
	f->protected_given = key_bool(ctx, v, "protected", &f->ref_protected);
}

static void for_event(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_for *)out)->events = key_texts(ctx, v, "event", NULL);
}

static void for_forge(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const known[] = { "github", "gitlab" };
	size_t n = v->kind == TREE_LIST ? v->n : 1;
	for (size_t i = 0; i < n; i++)
		(void)key_word(ctx, v->kind == TREE_LIST ? v->items[i] : v, "forge", known,
		               ARRAY_LEN(known));
	((struct policy_for *)out)->forges = key_texts(ctx, v, "forge", NULL);
}

static const struct key_row for_rows[] = {
	{ .name = "repository", .kinds = TREE_SCALAR, .read = for_repository },
	{ .name = "ref", .kinds = TREE_SCALAR, .read = for_ref },
	{ .name = "protected", .kinds = TREE_SCALAR, .read = for_protected },
	{ .name = "event", .kinds = TREE_SCALAR | TREE_LIST, .read = for_event },
	{ .name = "forge", .kinds = TREE_SCALAR | TREE_LIST, .read = for_forge },
};
const struct key_table policy_for_keys = { for_rows, ARRAY_LEN(for_rows) };

static void top_for(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy *policy = out;
	policy->for_.mark = v->mark;
	if (policy->repository)
		diag_add(ctx->diags, v->mark, "leave it out: this file is for its own repository",
		         "`for` belongs to the operator's policy");
	else
		(void)key_walk(ctx, v, "for", for_rows, ARRAY_LEN(for_rows), &policy->for_);
}

/* ---- trust ---- */

static void check_event(struct key_context *ctx, struct diag_mark mark, const char *name)
{
	char hint[100] = "a name as in `on:` of a workflow";
	size_t n = 0;
	while (event_names[n])
		n++;
	const char *near = diag_nearest(name, event_names, n);
	if (near && strcmp(near, name) != 0)
		(void)snprintf(hint, sizeof(hint), "did you mean `%s`?", near);
	if (event_name_is_pull_request(name))
		diag_add(ctx->diags, mark,
		         "`phases.push.trust: any` lets one push, without credentials",
		         "a pull request is a stranger's: `%s` cannot be trusted", name);
	else if (event_name_counts(name, NULL))
		diag_add(ctx->diags, mark, "leave it out", "`%s` counts already", name);
	else if (!near || strcmp(near, name) != 0)
		diag_add(ctx->diags, mark, hint, "`%s` is no event that this build knows", name);
}

static void trust_events(struct key_context *ctx, const struct tree_node *v, void *out)
{
	size_t n = 0;
	const char *const *names = key_texts(ctx, v, "events", &n);
	for (size_t i = 0; i < n; i++)
		check_event(ctx, v->kind == TREE_LIST && n == v->n ? v->items[i]->mark : v->mark,
		            names[i]);
	((struct policy *)out)->trusted_events = names;
}

static const struct key_row trust_rows[] = {
	{ .name = "events",
	  .kinds = TREE_SCALAR | TREE_LIST,
	  .read = trust_events,
	  .required = true },
};
const struct key_table policy_trust_keys = { trust_rows, ARRAY_LEN(trust_rows) };

static void top_trust(struct key_context *ctx, const struct tree_node *v, void *out)
{
	if (((struct policy *)out)->repository)
		diag_add(ctx->diags, v->mark, "leave it out: whom to trust is the operator's",
		         "`trust` belongs to the operator's policy");
	else
		(void)key_walk(ctx, v, "trust", trust_rows, ARRAY_LEN(trust_rows), out);
}

/* ---- steps ---- */

static void match_field(struct key_context *ctx, const struct tree_node *v,
                        struct policy_rule *rule, enum rule_field field)
{
	rule->glob[field] = policy_read_glob(ctx, v, rule_field_names[field], GLOB_LINE);
}

static void match_id(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_ID);
}
static void match_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_NAME);
}
static void match_run(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_RUN);
}
static void match_uses(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_USES);
}
static void match_job(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_JOB);
}

static void match_first_line(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_rule *rule = out;
	match_field(ctx, v, rule, RULE_FIRST_LINE);
	rule->first_line_mark = v->mark;
}

static void match_shell(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_SHELL);
}
static void match_workdir(struct key_context *ctx, const struct tree_node *v, void *out)
{
	match_field(ctx, v, out, RULE_WORKDIR);
}

static void match_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_rule *rule = out;
	rule->env = key_texts(ctx, v, "env", NULL);
	for (size_t i = 0; rule->env[i]; i++)
		policy_check_glob(ctx,
		                  v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark,
		                  rule->env[i], "env", GLOB_LINE);
}

/* The digest of one script, so no glob. */
static void match_run_sha256(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "run_sha256");
	if (!text)
		return;
	if (strlen(text) != DIGEST_HEX - 1 || strspn(text, "0123456789abcdef") != DIGEST_HEX - 1)
		diag_add(ctx->diags, v->mark,
		         "64 digits in lower case, as sha256sum(1) prints them for the script "
		         "without white space at its ends",
		         "`run_sha256` is no SHA-256: `%s`", text);
	((struct policy_rule *)out)->glob[RULE_RUN_SHA256] = text;
}

static const struct key_row match_rows[] = {
	{ .name = "id", .kinds = TREE_SCALAR, .read = match_id },
	{ .name = "name", .kinds = TREE_SCALAR, .read = match_name },
	{ .name = "run", .kinds = TREE_SCALAR, .read = match_run },
	{ .name = "first_line", .kinds = TREE_SCALAR, .read = match_first_line },
	{ .name = "run_sha256", .kinds = TREE_SCALAR, .read = match_run_sha256 },
	{ .name = "uses", .kinds = TREE_SCALAR, .read = match_uses },
	{ .name = "job", .kinds = TREE_SCALAR, .read = match_job },
	{ .name = "shell", .kinds = TREE_SCALAR, .read = match_shell },
	{ .name = "working_directory", .kinds = TREE_SCALAR, .read = match_workdir },
	{ .name = "env", .kinds = TREE_SCALAR | TREE_LIST, .read = match_env },
};
const struct key_table policy_match_keys = { match_rows, ARRAY_LEN(match_rows) };

static void rule_match(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const which[] = { "id",         "name", "run", "first_line",
		                             "run_sha256", "uses", "job" };
	bool says_which = false;
	(void)key_walk(ctx, v, "match", match_rows, ARRAY_LEN(match_rows), out);
	for (size_t i = 0; i < ARRAY_LEN(which); i++)
		says_which |= tree_get(v, which[i]) != NULL;
	if (v->n == 0 || !says_which)
		diag_add(ctx->diags, v->mark,
		         "name an id, name, run, first_line, run_sha256, uses or job",
		         v->n ? "`match` says how a step runs, and not which"
		              : "`match` is empty and would match every step");
}

static void rule_phase(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int phase = key_word(ctx, v, "phase", phase_names, DD_PHASE__COUNT);
	if (phase >= 0)
		((struct policy_rule *)out)->phase = (enum dd_phase)phase;
}

static const struct key_row rule_rows[] = {
	{ .name = "phase", .kinds = TREE_SCALAR, .read = rule_phase, .required = true },
	{ .name = "match", .kinds = TREE_MAP, .read = rule_match, .required = true },
};
const struct key_table policy_rule_keys = { rule_rows, ARRAY_LEN(rule_rows) };

static void top_steps(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy *policy = out;
	const size_t most = policy->repository ? REPOSITORY_RULES_MAX : RULES_MAX;
	size_t globs = 0;
	if (v->n > most) {
		diag_add(ctx->diags, v->mark, NULL, "more than %zu rules", most);
		return;
	}
	policy->rules = arena_array(ctx->arena, v->n, sizeof(*policy->rules));
	policy->n_rules = v->n;
	for (size_t i = 0; i < v->n; i++) {
		policy->rules[i].mark = v->items[i]->mark;
		(void)key_walk(ctx, v->items[i], "a rule of steps", rule_rows, ARRAY_LEN(rule_rows),
		               &policy->rules[i]);
		/* each is held against every earlier one, and against every variable of a job */
		for (size_t k = 0; policy->rules[i].env && policy->rules[i].env[k]; k++)
			globs++;
	}
	if (globs > POLICY_ENV_GLOBS_MAX) {
		diag_add(ctx->diags, v->mark, "one pattern may stand for many names",
		         "more than %d patterns under `env` in all rules", POLICY_ENV_GLOBS_MAX);
		policy->n_rules = 0;
	}
}

static void top_version(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)out;
	const char *text = key_text(ctx, v, "version");
	if (text && strcmp(text, "1") != 0)
		diag_add(ctx->diags, v->mark, "this build understands version 1",
		         "unknown policy version `%s`", text);
}

const char *const injection_names[] = {
	[INJECTION_REFUSE] = "refuse",
	[INJECTION_PASS] = "pass",
	[INJECTION_ALLOW] = "allow",
};

static void top_injection(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int word = key_word(ctx, v, "injection", injection_names, ARRAY_LEN(injection_names));
	if (word >= 0)
		((struct policy *)out)->injection = (enum injection_policy)word;
}

static const struct key_row top_rows[] = {
	{ .name = "version", .kinds = TREE_SCALAR, .read = top_version, .required = true },
	{ .name = "for", .kinds = TREE_MAP, .read = top_for },
	{ .name = "trust", .kinds = TREE_MAP, .read = top_trust },
	{ .name = "steps", .kinds = TREE_LIST, .read = top_steps },
	{ .name = "phases", .kinds = TREE_MAP, .read = policy_read_phases },
	{ .name = "credentials", .kinds = TREE_MAP, .read = policy_read_credentials },
	{ .name = "injection", .kinds = TREE_SCALAR, .read = top_injection },
	{ .name = "actions", .kinds = TREE_MAP, .read = policy_read_actions },
	{ .name = "limits", .kinds = TREE_MAP, .read = policy_read_limits },
	{ .name = "sandbox", .kinds = TREE_MAP, .read = policy_read_sandbox },
	{ .name = "cache", .kinds = TREE_MAP | TREE_SCALAR, .read = policy_read_cache },
	{ .name = "artifacts", .kinds = TREE_MAP | TREE_SCALAR, .read = policy_read_artifacts },
};
const struct key_table policy_top_keys = { top_rows, ARRAY_LEN(top_rows) };

static void hash(const char *text, size_t len, char ret[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	(void)SHA256((const unsigned char *)text, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", (unsigned)digest[i]);
}

/* @text into @policy, whose arena, name and defaults are there. */
static int parse_into(struct policy *policy, const char *text, size_t len, struct diag_list *diags)
{
	struct tree_node *root = NULL;
	size_t before = diags->n;
	struct policy_reading reading = {
		.ctx = { .arena = policy->arena, .source = text, .diags = diags }, .policy = policy
	};
	int r = tree_parse(policy->arena, policy->path, text, len, &root, diags);
	policy->root = root;
	if (r == 0 &&
	    key_walk(&reading.ctx, root, policy->repository ? "a repository's policy" : "a policy",
	             top_rows, ARRAY_LEN(top_rows), policy))
		policy_check(policy, diags);
	diag_sort(diags, before);
	return r < 0 || diags->n > before || diags->truncated ? -EINVAL : 0;
}

struct policy *policy_empty(void)
{
	struct plan_arena *arena = arena_new();
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	policy->arena = arena;
	policy_defaults(policy);
	return policy;
}

int policy_parse_repository(struct plan_arena *arena, const char *name, const char *text,
                            size_t len, struct policy **ret, struct diag_list *diags)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	policy->arena = arena;
	policy->path = arena_strdup(arena, name);
	policy->repository = true;
	widest(policy);
	hash(text, len, policy->sha256);
	int r = parse_into(policy, text, len, diags);
	if (r == 0)
		*ret = policy;
	return r;
}

int policy_parse_at(const char *name, const char *dir, const char *text, size_t len,
                    struct policy **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	policy->arena = arena;
	policy->path = arena_strdup(arena, name);
	policy->set_dir = arena_strdup(arena, dir);
	policy_defaults(policy);
	hash(text, len, policy->sha256);
	int r = parse_into(policy, text, len, diags);
	if (r < 0)
		policy_free(policy);
	else
		*ret = policy;
	return r;
}

int policy_parse(const char *name, const char *text, size_t len, struct policy **ret,
                 struct diag_list *diags)
{
	return policy_parse_at(name, NULL, text, len, ret, diags);
}

int policy_load(const char *path, struct policy **ret, struct diag_list *diags, struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	int r = read_named_file(path, READ_FILE_TEXT_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "policy");
	const char *slash = strrchr(path, '/');
	dd_auto_free char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	if (!dir)
		return dd_err_set(err, ENOMEM, "policy %s", path);
	r = policy_parse_at(path, dir, text, len, ret, diags);
	return r < 0 ? dd_err_say(err, -r, "%s is not a policy that can be used", path) : 0;
}

void policy_free(struct policy *policy)
{
	if (policy)
		arena_free(policy->arena);
}
