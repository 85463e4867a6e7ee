// SPDX-License-Identifier: Apache-2.0
/* policy_load.c - the operator's YAML into struct policy, by tables: a key is one row.
 *
 * Runs in: command line and supervisor. All complaints of a file are collected; a file with one complaint is not used at all. */
#include "policy_model.h"

#include "egress_sets.h"
#include "event.h"
#include "drydock/fd.h"
#include "read_file.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

const char *const phase_names[] = {
	[DD_PHASE_BUILD] = "build", [DD_PHASE_FETCH] = "fetch", [DD_PHASE_PUSH] = "push",
};
static_assert(ARRAY_LEN(phase_names) == DD_PHASE__COUNT, "a phase has no name");

const char *const plan_view_names[] = {
	[PLAN_VIEW_PRISTINE] = "pristine", [PLAN_VIEW_ARTIFACTS] = "artifacts", [PLAN_VIEW_SHARED] = "shared",
};

const char *dd_phase_name(enum dd_phase phase)
{
	return phase < DD_PHASE__COUNT ? phase_names[phase] : "?";
}

#define MIB (1024ULL * 1024)

void policy_defaults(struct policy *policy)
{
	static const char *const none[] = { NULL };
	static const uint64_t upload[DD_PHASE__COUNT] = { [DD_PHASE_FETCH] = MIB, [DD_PHASE_PUSH] = 512 * MIB };
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		policy->phases[p].egress.upload_bytes = upload[p];
		policy->phases[p].egress.connections = 256;
		policy->phases[p].egress.wildcard_names = 64;
		policy->phases[p].artifacts = none;
	}
	policy->limits.sandbox.pids = 4096;
	policy->limits.log_bytes = 64 * MIB;
	policy->limits.time_sec = 360 * 60; /* GitHub's own default for a job */
	policy->seccomp = "default";
	policy->read = none;
}

/* Everything handlers need besides their own struct; key_context comes first, so that a handler can find the rest. */
struct policy_reading {
	struct key_context ctx;
	struct policy     *policy;
};

static struct policy *policy_of(struct key_context *ctx)
{
	return ((struct policy_reading *)(void *)ctx)->policy;
}

/* --- numbers ---- */

static void read_size(struct key_context *ctx, const struct tree_node *v, const char *what, uint64_t *out)
{
	const char *text = key_text(ctx, v, what);
	if (text && policy_size(text, out) < 0)
		diag_add(ctx->diags, v->mark, "a whole number and B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB)", "`%s` is no size: `%s`", what, text);
}

static void read_duration(struct key_context *ctx, const struct tree_node *v, const char *what, unsigned *out)
{
	const char *text = key_text(ctx, v, what);
	if (text && policy_duration(text, out) < 0)
		diag_add(ctx->diags, v->mark, "such as 90s, 5m or 1h30m; more than nothing, at most 30d", "`%s` is no duration: `%s`", what, text);
}

static void read_count(struct key_context *ctx, const struct tree_node *v, const char *what, uint64_t max, uint64_t *out)
{
	const char *text = key_text(ctx, v, what);
	uint64_t value;
	if (!text)
		return;
	if (policy_count(text, max, &value) < 0 || value == 0)
		diag_add(ctx->diags, v->mark, NULL, "`%s` must be a whole number from 1 to %llu, not `%s`", what, (unsigned long long)max, text);
	else
		*out = value;
}

/* --- for ---- */

static void for_repository(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_for *)out)->repository = key_text(ctx, v, "repository");
}

static void for_ref(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_for *)out)->ref = key_text(ctx, v, "ref");
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
		(void)key_word(ctx, v->kind == TREE_LIST ? v->items[i] : v, "forge", known, ARRAY_LEN(known));
	((struct policy_for *)out)->forges = key_texts(ctx, v, "forge", NULL);
}

static void top_for(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "repository", .kinds = TREE_SCALAR, .read = for_repository },
		{ .name = "ref", .kinds = TREE_SCALAR, .read = for_ref },
		{ .name = "protected", .kinds = TREE_SCALAR, .read = for_protected },
		{ .name = "event", .kinds = TREE_SCALAR | TREE_LIST, .read = for_event },
		{ .name = "forge", .kinds = TREE_SCALAR | TREE_LIST, .read = for_forge },
	};
	struct policy *policy = out;
	policy->for_.mark = v->mark;
	(void)key_walk(ctx, v, "for", rows, ARRAY_LEN(rows), &policy->for_);
}

/* --- steps ---- */

static void match_field(struct key_context *ctx, const struct tree_node *v, struct policy_rule *rule, enum rule_field field)
{
	rule->glob[field] = key_text(ctx, v, rule_field_names[field]);
}

static void match_id(struct key_context *ctx, const struct tree_node *v, void *out) { match_field(ctx, v, out, RULE_ID); }
static void match_name(struct key_context *ctx, const struct tree_node *v, void *out) { match_field(ctx, v, out, RULE_NAME); }
static void match_run(struct key_context *ctx, const struct tree_node *v, void *out) { match_field(ctx, v, out, RULE_RUN); }
static void match_uses(struct key_context *ctx, const struct tree_node *v, void *out) { match_field(ctx, v, out, RULE_USES); }
static void match_job(struct key_context *ctx, const struct tree_node *v, void *out) { match_field(ctx, v, out, RULE_JOB); }

static void rule_match(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "id", .kinds = TREE_SCALAR, .read = match_id },
		{ .name = "name", .kinds = TREE_SCALAR, .read = match_name },
		{ .name = "run", .kinds = TREE_SCALAR, .read = match_run },
		{ .name = "uses", .kinds = TREE_SCALAR, .read = match_uses },
		{ .name = "job", .kinds = TREE_SCALAR, .read = match_job },
	};
	if (v->n == 0)
		diag_add(ctx->diags, v->mark, "name an id, name, run, uses or job", "`match` is empty and would match every step");
	(void)key_walk(ctx, v, "match", rows, ARRAY_LEN(rows), out);
}

static void read_phase(struct key_context *ctx, const struct tree_node *v, enum dd_phase *out)
{
	int phase = key_word(ctx, v, "phase", phase_names, DD_PHASE__COUNT);
	if (phase >= 0)
		*out = (enum dd_phase)phase;
}

static void rule_phase(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_phase(ctx, v, &((struct policy_rule *)out)->phase);
}

static void top_steps(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "phase", .kinds = TREE_SCALAR, .read = rule_phase, .required = true },
		{ .name = "match", .kinds = TREE_MAP, .read = rule_match, .required = true },
	};
	struct policy *policy = out;
	if (v->n > 1000) {
		diag_add(ctx->diags, v->mark, NULL, "more than 1000 rules");
		return;
	}
	policy->rules = arena_array(ctx->arena, v->n, sizeof(*policy->rules));
	policy->n_rules = v->n;
	for (size_t i = 0; i < v->n; i++) {
		policy->rules[i].mark = v->items[i]->mark;
		(void)key_walk(ctx, v->items[i], "a rule of steps", rows, ARRAY_LEN(rows), &policy->rules[i]);
	}
}

/* --- phases ---- */

static void phase_egress(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy *policy = policy_of(ctx);
	struct policy_phase *phase = out;
	if (phase != &policy->phases[DD_PHASE_BUILD])
		policy_read_egress(ctx, policy, v, phase);
	else if (v->kind != TREE_SCALAR || strcmp(v->text, "none") != 0)
		diag_add(ctx->diags, v->mark, "let a fetch rule match the step that needs the network", "the gate of build stays closed: only `egress: none`");
}

static void phase_upload(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_size(ctx, v, "upload", &((struct policy_phase *)out)->egress.upload_bytes);
}

static void phase_connections(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t n = ((struct policy_phase *)out)->egress.connections;
	read_count(ctx, v, "connections", 65535, &n);
	((struct policy_phase *)out)->egress.connections = (unsigned)n;
}

static void phase_names_cap(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t n = ((struct policy_phase *)out)->egress.wildcard_names;
	read_count(ctx, v, "wildcard_names", 65535, &n);
	((struct policy_phase *)out)->egress.wildcard_names = (unsigned)n;
}

static bool env_name_is_free(struct key_context *ctx, const struct tree_node *node)
{
	static const char *const owned[] = { "GITHUB_", "RUNNER_" };
	if (!key_is_variable_name(node->text)) {
		diag_add(ctx->diags, node->mark, "letters, digits and _, not a digit first", "`%s` cannot be a variable's name", node->text);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		if (strncmp(node->text, owned[i], strlen(owned[i])) == 0) {
			diag_add(ctx->diags, node->mark, NULL, "`%s`: variables that begin with %s are set by drydock", node->text, owned[i]);
			return false;
		}
	return true;
}

static void phase_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_phase *phase = out;
	struct plan_env *env = arena_array(ctx->arena, v->n, sizeof(*env));
	struct diag_mark *marks = arena_array(ctx->arena, v->n, sizeof(*marks));
	size_t k = 0;
	for (size_t i = 0; i < v->n; i++) {
		const struct tree_node *key = v->pairs[i].key, *value = v->pairs[i].value;
		if (!env_name_is_free(ctx, key) || !key_kind(ctx, value, TREE_SCALAR, key->text))
			continue;
		marks[k] = key->mark;
		env[k++] = (struct plan_env){ key->text, tree_is_null(value) ? "" : value->text, "policy" };
	}
	phase->env = env;
	phase->env_marks = marks;
	phase->n_env = k;
}

static bool only_push(struct key_context *ctx, const struct tree_node *v, const void *phase, const char *what)
{
	if (phase == &policy_of(ctx)->phases[DD_PHASE_PUSH])
		return true;
	diag_add(ctx->diags, v->mark, NULL, "`%s` belongs to push only", what);
	return false;
}

static void phase_trust(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { [POLICY_TRUST_PROTECTED] = "protected", [POLICY_TRUST_ANY] = "any" };
	int trust = only_push(ctx, v, out, "trust") ? key_word(ctx, v, "trust", words, ARRAY_LEN(words)) : -1;
	if (trust >= 0)
		((struct policy_phase *)out)->trust = (enum policy_trust)trust;
}

static void phase_workspace(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int view = only_push(ctx, v, out, "workspace") ? key_word(ctx, v, "workspace", plan_view_names, 3) : -1;
	if (view >= 0)
		((struct policy_phase *)out)->view = (enum plan_view)view;
}

static bool glob_stays_inside(const char *glob)
{
	if (glob[0] == '/')
		return false;
	for (const char *at = glob; *at; at += strcspn(at, "/"), at += *at == '/')
		if (strcspn(at, "/") == 2 && at[0] == '.' && at[1] == '.')
			return false;
	return true;
}

static void phase_artifacts(struct key_context *ctx, const struct tree_node *v, void *out)
{
	if (!only_push(ctx, v, out, "artifacts"))
		return;
	const char *const *globs = key_texts(ctx, v, "artifacts", NULL);
	for (size_t i = 0; globs[i]; i++)
		if (!glob_stays_inside(globs[i]))
			diag_add(ctx->diags, v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark, "a path below the workspace",
				 "artifact `%s` leaves the workspace", globs[i]);
	((struct policy_phase *)out)->artifacts = globs;
}

static const struct key_row phase_rows[] = {
	{ .name = "egress", .kinds = TREE_SCALAR | TREE_LIST, .read = phase_egress },
	{ .name = "upload", .kinds = TREE_SCALAR, .read = phase_upload },
	{ .name = "connections", .kinds = TREE_SCALAR, .read = phase_connections },
	{ .name = "wildcard_names", .kinds = TREE_SCALAR, .read = phase_names_cap },
	{ .name = "env", .kinds = TREE_MAP, .read = phase_env },
	{ .name = "trust", .kinds = TREE_SCALAR, .read = phase_trust },
	{ .name = "workspace", .kinds = TREE_SCALAR, .read = phase_workspace },
	{ .name = "artifacts", .kinds = TREE_SCALAR | TREE_LIST, .read = phase_artifacts },
};

static void one_phase(struct key_context *ctx, const struct tree_node *v, struct policy *policy, enum dd_phase which)
{
	char where[32];
	(void)snprintf(where, sizeof(where), "phases.%s", phase_names[which]);
	policy->phases[which].mark = v->mark;
	(void)key_walk(ctx, v, where, phase_rows, ARRAY_LEN(phase_rows), &policy->phases[which]);
}

static void phases_fetch(struct key_context *ctx, const struct tree_node *v, void *out) { one_phase(ctx, v, out, DD_PHASE_FETCH); }
static void phases_build(struct key_context *ctx, const struct tree_node *v, void *out) { one_phase(ctx, v, out, DD_PHASE_BUILD); }
static void phases_push(struct key_context *ctx, const struct tree_node *v, void *out) { one_phase(ctx, v, out, DD_PHASE_PUSH); }

static void top_phases(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "fetch", .kinds = TREE_MAP, .read = phases_fetch },
		{ .name = "build", .kinds = TREE_MAP, .read = phases_build },
		{ .name = "push", .kinds = TREE_MAP, .read = phases_push },
	};
	(void)key_walk(ctx, v, "phases", rows, ARRAY_LEN(rows), out);
}

/* --- limits and sandbox ---- */

static void limit_memory(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_size(ctx, v, "memory", &((struct plan_limits *)out)->sandbox.memory_bytes);
}

static void limit_cpus(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "cpus");
	if (text && policy_cpus(text, &((struct plan_limits *)out)->sandbox.cpu_millis) < 0)
		diag_add(ctx->diags, v->mark, "such as 2 or 0.5", "`cpus` is no number of cores: `%s`", text);
}

static void limit_pids(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t n = ((struct plan_limits *)out)->sandbox.pids;
	read_count(ctx, v, "pids", 4194304, &n);
	((struct plan_limits *)out)->sandbox.pids = (unsigned)n;
}

static void limit_files(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_count(ctx, v, "files", 1000000000, &((struct plan_limits *)out)->files);
}

static void limit_disk(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct plan_limits *limits = out;
	read_size(ctx, v, "disk", &limits->disk_bytes);
	limits->sandbox.file_size_bytes = limits->disk_bytes; /* one file can never be larger than all: the kernel stops it at once */
}

static void limit_time(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_duration(ctx, v, "time", &((struct plan_limits *)out)->time_sec);
}

static void limit_log(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_size(ctx, v, "log", &((struct plan_limits *)out)->log_bytes);
}

static void top_limits(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "memory", .kinds = TREE_SCALAR, .read = limit_memory },
		{ .name = "cpus", .kinds = TREE_SCALAR, .read = limit_cpus },
		{ .name = "pids", .kinds = TREE_SCALAR, .read = limit_pids },
		{ .name = "files", .kinds = TREE_SCALAR, .read = limit_files },
		{ .name = "disk", .kinds = TREE_SCALAR, .read = limit_disk },
		{ .name = "time", .kinds = TREE_SCALAR, .read = limit_time },
		{ .name = "log", .kinds = TREE_SCALAR, .read = limit_log },
	};
	(void)key_walk(ctx, v, "limits", rows, ARRAY_LEN(rows), &((struct policy *)out)->limits);
}

static void sandbox_seccomp(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *name = key_text(ctx, v, "seccomp");
	if (!name)
		return;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) || strlen(name) > 64)
		diag_add(ctx->diags, v->mark, "the name of a profile, such as default", "`seccomp` cannot be `%s`", name);
	else
		((struct policy *)out)->seccomp = name;
}

static void sandbox_rootfs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "host" };
	(void)out;
	(void)key_word(ctx, v, "rootfs", words, 1);
}

/* Not absolute, not normalised, or the whole root: what a step sees would not be what the line seems to say. */
static bool directory_is_plain(const char *dir)
{
	if (dir[0] != '/' || dir[1] == '\0')
		return false;
	for (const char *at = dir + 1; *at; at += strcspn(at, "/"), at += *at == '/') {
		size_t len = strcspn(at, "/");
		if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

static void sandbox_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *const *dirs = key_texts(ctx, v, "read", NULL);
	for (size_t i = 0; dirs[i]; i++)
		if (!directory_is_plain(dirs[i]))
			diag_add(ctx->diags, v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark,
				 "an absolute path without `.`, `..` or `//`, and not `/` itself", "`read` cannot show `%s`", dirs[i]);
	((struct policy *)out)->read = dirs;
}

static void top_sandbox(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "seccomp", .kinds = TREE_SCALAR, .read = sandbox_seccomp },
		{ .name = "rootfs", .kinds = TREE_SCALAR, .read = sandbox_rootfs },
		{ .name = "read", .kinds = TREE_SCALAR | TREE_LIST, .read = sandbox_read },
	};
	(void)key_walk(ctx, v, "sandbox", rows, ARRAY_LEN(rows), out);
}

static void top_version(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)out;
	const char *text = key_text(ctx, v, "version");
	if (text && strcmp(text, "1") != 0)
		diag_add(ctx->diags, v->mark, "this build understands version 1", "unknown policy version `%s`", text);
}

static void top_credentials(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_credentials(ctx, v, out);
}

static const struct key_row top_rows[] = {
	{ .name = "version", .kinds = TREE_SCALAR, .read = top_version, .required = true },
	{ .name = "for", .kinds = TREE_MAP, .read = top_for },
	{ .name = "steps", .kinds = TREE_LIST, .read = top_steps },
	{ .name = "phases", .kinds = TREE_MAP, .read = top_phases },
	{ .name = "credentials", .kinds = TREE_MAP, .read = top_credentials },
	{ .name = "limits", .kinds = TREE_MAP, .read = top_limits },
	{ .name = "sandbox", .kinds = TREE_MAP, .read = top_sandbox },
};

static void hash(const char *text, size_t len, char ret[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	(void)SHA256((const unsigned char *)text, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", (unsigned)digest[i]);
}

int policy_parse_at(const char *name, const char *dir, const char *text, size_t len, struct policy **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	struct tree_node *root = NULL;
	size_t before = diags->n;
	policy->arena = arena;
	policy->path = arena_strdup(arena, name);
	policy->set_dir = arena_strdup(arena, dir);
	policy_defaults(policy);
	hash(text, len, policy->sha256);
	struct policy_reading reading = {
		.ctx = { .arena = arena, .source = text, .diags = diags }, .policy = policy
	};
	int r = tree_parse(arena, policy->path, text, len, &root, diags);
	if (r == 0) {
		if (key_walk(&reading.ctx, root, "a policy", top_rows, ARRAY_LEN(top_rows), policy))
			policy_check(policy, diags);
		if (diags->n > before || diags->truncated)
			r = -EINVAL;
	}
	if (r < 0)
		policy_free(policy);
	else
		*ret = policy;
	return r;
}

int policy_parse(const char *name, const char *text, size_t len, struct policy **ret, struct diag_list *diags)
{
	return policy_parse_at(name, NULL, text, len, ret, diags);
}

int policy_load(const char *path, struct policy **ret, struct diag_list *diags, struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
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
