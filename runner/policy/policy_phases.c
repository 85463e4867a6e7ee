// SPDX-License-Identifier: Apache-2.0
/* policy_phases.c - `phases:` of a policy: what a phase may reach, send, see and hand on.
 *
 * Runs in: command line and supervisor. */
#include "policy_model.h"

#include "drydock/err.h"

#include <string.h>

/* VARIABLE_MAX: of the kernel, name, value, `=` and NUL of one */
enum { VARIABLE_MAX = 128 * 1024, ARTIFACTS_MAX = 100, CARRY_MAX = 100 };

static void phase_egress(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy *policy = policy_being_read(ctx);
	struct policy_phase *phase = out;
	if (phase != &policy->phases[DD_PHASE_BUILD])
		policy_read_egress(ctx, policy, v, phase);
	else if (v->kind != TREE_SCALAR || strcmp(v->text, "none") != 0)
		diag_add(ctx->diags, v->mark,
		         "let a fetch rule match the step that needs the network",
		         "the gate of build stays closed: only `egress: none`");
}

static struct egress_list *egress_of(void *phase)
{
	return &((struct policy_phase *)phase)->egress;
}

static void phase_count(struct key_context *ctx, const struct tree_node *v, const char *key,
                        unsigned *ret)
{
	uint64_t n = *ret;
	policy_read_count(ctx, v, key, 65535, &n);
	*ret = (unsigned)n;
}

static void phase_connections(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_count(ctx, v, "connections", &egress_of(out)->connections);
}

/* ---- budgets and caps: of the whole job, and of one step ---- */

static void phase_size(struct key_context *ctx, const struct tree_node *v, const char *key,
                       uint64_t *ret)
{
	uint64_t bytes = *ret;
	policy_read_size(ctx, v, key, &bytes);
	if (bytes > 0)
		*ret = bytes;
	else
		diag_add(ctx->diags, v->mark,
		         "not even a request could be sent: `egress: none` closes the gate",
		         "`%s` cannot be `%s`", key, v->text);
}

static void phase_upload(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_size(ctx, v, "upload", &egress_of(out)->job.upload_bytes);
}

static void phase_wildcard_names(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_count(ctx, v, "wildcard_names", &egress_of(out)->job.wildcard_names);
}

static void phase_cidr_addresses(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_count(ctx, v, "cidr_addresses", &egress_of(out)->job.cidr_addresses);
}

static void phase_step_upload(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_size(ctx, v, "step_upload", &egress_of(out)->step.upload_bytes);
}

static void phase_step_names(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_count(ctx, v, "step_wildcard_names", &egress_of(out)->step.wildcard_names);
}

static void phase_step_addresses(struct key_context *ctx, const struct tree_node *v, void *out)
{
	phase_count(ctx, v, "step_cidr_addresses", &egress_of(out)->step.cidr_addresses);
}

/* ---- the rest ---- */

static bool env_name_is_free(struct key_context *ctx, const struct tree_node *node)
{
	static const char *const owned[] = { "GITHUB_", "RUNNER_" };
	if (!key_is_variable_name(node->text)) {
		diag_add(ctx->diags, node->mark, "letters, digits and _, not a digit first",
		         "`%s` cannot be a variable's name", node->text);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		if (strncmp(node->text, owned[i], strlen(owned[i])) == 0) {
			diag_add(ctx->diags, node->mark, NULL,
			         "`%s`: variables that begin with %s are set by drydock",
			         node->text, owned[i]);
			return false;
		}
	return true;
}

static void phase_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_phase *phase = out;
	struct pair *env = arena_array(ctx->arena, v->n, sizeof(*env));
	struct diag_mark *marks = arena_array(ctx->arena, v->n, sizeof(*marks));
	size_t k = 0;
	for (size_t i = 0; i < v->n; i++) {
		const struct tree_node *key = v->pairs[i].key, *value = v->pairs[i].value;
		if (!env_name_is_free(ctx, key) || !key_kind(ctx, value, TREE_SCALAR, key->text))
			continue;
		if (strlen(key->text) + strlen(value->text) + 2 > VARIABLE_MAX) {
			diag_add(ctx->diags, value->mark, "put it into a file",
			         "`%.60s` is too long for a variable: no program would start",
			         key->text);
			continue;
		}
		marks[k] = key->mark;
		env[k++] = (struct pair){ .name = key->text,
			                  .value = tree_is_null(value) ? "" : value->text,
			                  .mark = key->mark };
	}
	phase->env = env;
	phase->env_marks = marks;
	phase->n_env = k;
}

static bool only_push(struct key_context *ctx, const struct tree_node *v, const void *phase,
                      const char *what)
{
	if (phase == &policy_being_read(ctx)->phases[DD_PHASE_PUSH])
		return true;
	diag_add(ctx->diags, v->mark, NULL, "`%s` belongs to push only", what);
	return false;
}

static void phase_trust(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = {
		[POLICY_TRUST_PROTECTED] = "protected", [POLICY_TRUST_ANY] = "any"
	};
	int trust = only_push(ctx, v, out, "trust")
	                    ? key_word(ctx, v, "trust", words, ARRAY_LEN(words))
	                    : -1;
	if (trust >= 0)
		((struct policy_phase *)out)->trust = (enum policy_trust)trust;
}

static void phase_workspace(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int view = only_push(ctx, v, out, "workspace")
	                   ? key_word(ctx, v, "workspace", workspace_view_names, 3)
	                   : -1;
	if (view >= 0)
		((struct policy_phase *)out)->view = (enum workspace_view)view;
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
	size_t n = 0;
	const char *const *globs = key_texts(ctx, v, "artifacts", &n);
	if (n > ARTIFACTS_MAX) /* each is held against every file that a step leaves */
		diag_add(ctx->diags, v->mark, "name a directory above them",
		         "more than %d artifacts", ARTIFACTS_MAX);
	for (size_t i = 0; globs[i]; i++) {
		struct diag_mark mark = v->kind == TREE_LIST && i < v->n ? v->items[i]->mark
		                                                         : v->mark;
		if (!glob_stays_inside(globs[i]))
			diag_add(ctx->diags, mark, "a path below the workspace",
			         "artifact `%s` leaves the workspace", globs[i]);
		policy_check_glob(ctx, mark, globs[i], "artifacts", GLOB_PATH);
	}
	((struct policy_phase *)out)->artifacts = globs;
}

/* ---- what crosses into push ---- */

static const char *const *carry_globs(struct key_context *ctx, const struct tree_node *v,
                                      const char *key, enum glob_kind kind)
{
	size_t n = 0;
	const char *const *globs = key_texts(ctx, v, key, &n);
	if (n > CARRY_MAX)
		diag_add(ctx->diags, v->mark, "use a `*` in their names", "more than %d names",
		         CARRY_MAX);
	for (size_t i = 0; globs[i]; i++)
		policy_check_glob(ctx,
		                  v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark,
		                  globs[i], key, kind);
	return globs;
}

static void carry_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_phase *)out)->carry_env = carry_globs(ctx, v, "env", GLOB_LINE);
}

static void carry_path(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_phase *)out)->carry_path = carry_globs(ctx, v, "path", GLOB_PATH);
}

static const struct key_row carry_rows[] = {
	{ .name = "env", .kinds = TREE_SCALAR | TREE_LIST, .read = carry_env },
	{ .name = "path", .kinds = TREE_SCALAR | TREE_LIST, .read = carry_path },
};
const struct key_table policy_carry_keys = { carry_rows, ARRAY_LEN(carry_rows) };

static void phase_carry(struct key_context *ctx, const struct tree_node *v, void *out)
{
	if (only_push(ctx, v, out, "carry"))
		(void)key_walk(ctx, v, "carry", carry_rows, ARRAY_LEN(carry_rows), out);
}

static const struct key_row phase_rows[] = {
	{ .name = "egress", .kinds = TREE_SCALAR | TREE_LIST, .read = phase_egress },
	{ .name = "upload", .kinds = TREE_SCALAR, .read = phase_upload },
	{ .name = "connections", .kinds = TREE_SCALAR, .read = phase_connections },
	{ .name = "wildcard_names", .kinds = TREE_SCALAR, .read = phase_wildcard_names },
	{ .name = "cidr_addresses", .kinds = TREE_SCALAR, .read = phase_cidr_addresses },
	{ .name = "step_upload", .kinds = TREE_SCALAR, .read = phase_step_upload },
	{ .name = "step_wildcard_names", .kinds = TREE_SCALAR, .read = phase_step_names },
	{ .name = "step_cidr_addresses", .kinds = TREE_SCALAR, .read = phase_step_addresses },
	{ .name = "env", .kinds = TREE_MAP, .read = phase_env },
	{ .name = "trust", .kinds = TREE_SCALAR, .read = phase_trust },
	{ .name = "workspace", .kinds = TREE_SCALAR, .read = phase_workspace },
	{ .name = "artifacts", .kinds = TREE_SCALAR | TREE_LIST, .read = phase_artifacts },
	{ .name = "carry", .kinds = TREE_MAP, .read = phase_carry },
	{ .name = "as",
	  .why_not = "this build runs every step as an ordinary user: leave it out, and prepare "
	             "packages in the host's image" },
};
const struct key_table policy_phase_keys = { phase_rows, ARRAY_LEN(phase_rows) };

static void one_phase(struct key_context *ctx, const struct tree_node *v, struct policy *policy,
                      enum dd_phase which)
{
	char where[32];
	(void)snprintf(where, sizeof(where), "phases.%s", phase_names[which]);
	policy->phases[which].mark = v->mark;
	(void)key_walk(ctx, v, where, phase_rows, ARRAY_LEN(phase_rows), &policy->phases[which]);
}

static void phases_fetch(struct key_context *ctx, const struct tree_node *v, void *out)
{
	one_phase(ctx, v, out, DD_PHASE_FETCH);
}
static void phases_build(struct key_context *ctx, const struct tree_node *v, void *out)
{
	one_phase(ctx, v, out, DD_PHASE_BUILD);
}
static void phases_push(struct key_context *ctx, const struct tree_node *v, void *out)
{
	one_phase(ctx, v, out, DD_PHASE_PUSH);
}

static const struct key_row phases_rows[] = {
	{ .name = "fetch", .kinds = TREE_MAP, .read = phases_fetch },
	{ .name = "build", .kinds = TREE_MAP, .read = phases_build },
	{ .name = "push", .kinds = TREE_MAP, .read = phases_push },
};
const struct key_table policy_phases_keys = { phases_rows, ARRAY_LEN(phases_rows) };

void policy_read_phases(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_walk(ctx, v, "phases", phases_rows, ARRAY_LEN(phases_rows), out);
}
