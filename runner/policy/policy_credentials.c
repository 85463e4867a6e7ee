// SPDX-License-Identifier: Apache-2.0
/* policy_credentials.c - `credentials:` of a policy: where each comes from, which steps may hold
 * it, how it is handed over.
 *
 * Runs in: command line and supervisor. Only names and places are read here, never a value. */
#include "policy_model.h"

#include "drydock/err.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TTL_DEFAULT = 300, STEPS_MAX = 100, CREDENTIALS_MAX = 64 /* as one step can hold */ };

static void from_file(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *path = key_text(ctx, v, "file");
	cred->from = LEASE_FROM_FILE;
	cred->source = path;
}

static void from_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	cred->from = LEASE_FROM_ENV;
	cred->source = key_text(ctx, v, "env");
	if (cred->source && !key_is_variable_name(cred->source))
		diag_add(ctx->diags, v->mark, NULL, "`%s` cannot be a variable's name",
		         cred->source);
}

/* What the service manager loaded for drydock's own unit lies in a directory that only this process
 * is told. */
static void from_systemd(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *name = key_text(ctx, v, "systemd"), *dir = getenv("CREDENTIALS_DIRECTORY");
	if (!name)
		return;
	cred->from = LEASE_FROM_FILE;
	if (strchr(name, '/') || name[0] == '.' || strlen(name) > 100)
		diag_add(ctx->diags, v->mark,
		         "the name that stands in LoadCredential=", "`systemd` cannot be `%s`",
		         name);
	else if (!dir || dir[0] != '/')
		diag_add(ctx->diags, v->mark,
		         "run drydock as a service with LoadCredential=NAME:PATH, or name the file "
		         "itself with `file`",
		         "credential `%s`: no service manager gave drydock any "
		         "(CREDENTIALS_DIRECTORY is not set)",
		         name);
	else
		cred->source = arena_printf(ctx->arena, "%s/%s", dir, name);
}

static void as_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *name = key_text(ctx, v, "env");
	cred->as = LEASE_AS_ENV;
	cred->target = name;
	if (!name)
		return;
	if (!key_is_variable_name(name))
		diag_add(ctx->diags, v->mark, NULL, "`%s` cannot be a variable's name", name);
	else if (strncmp(name, "GITHUB_", 7) == 0 || strncmp(name, "RUNNER_", 7) == 0 ||
	         strcmp(name, "PATH") == 0 || strcmp(name, "HOME") == 0)
		diag_add(ctx->diags, v->mark, NULL, "`%s` is set by drydock", name);
}

static void as_file(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *name = key_text(ctx, v, "file");
	cred->as = LEASE_AS_FILE;
	cred->target = name;
	if (name && (strchr(name, '/') || name[0] == '.' || strlen(name) > 100))
		diag_add(ctx->diags, v->mark,
		         "a plain file name; it appears below " SANDBOX_CREDENTIALS_DIR,
		         "`file` cannot be `%s`", name);
}

static void one_of(struct key_context *ctx, const struct tree_node *v, const char *what)
{
	if (v->n != 1)
		diag_add(ctx->diags, v->mark, NULL, "`%s` needs exactly one key", what);
}

#define NO_ISSUER                                                                                  \
	"this build cannot ask an issuer: put the secret into a file, or load it with systemd"
#define NO_FORM                                                                                    \
	"this build writes no configuration of other tools: use `file`, and name it in the "       \
	"tool's own variable"

static const struct key_row from_rows[] = {
	{ .name = "file", .kinds = TREE_SCALAR, .read = from_file },
	{ .name = "env", .kinds = TREE_SCALAR, .read = from_env },
	{ .name = "systemd", .kinds = TREE_SCALAR, .read = from_systemd },
	{ .name = "forge", .why_not = NO_ISSUER },
	{ .name = "oidc", .why_not = NO_ISSUER },
	{ .name = "vault", .why_not = NO_ISSUER },
};
const struct key_table policy_from_keys = { from_rows, ARRAY_LEN(from_rows) };

static void cred_from(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_credential *)out)->from_mark = v->mark;
	one_of(ctx, v, "from");
	(void)key_walk(ctx, v, "from", from_rows, ARRAY_LEN(from_rows), out);
}

static const struct key_row as_rows[] = {
	{ .name = "env", .kinds = TREE_SCALAR, .read = as_env },
	{ .name = "file", .kinds = TREE_SCALAR, .read = as_file },
	{ .name = "netrc", .why_not = NO_FORM },
	{ .name = "npmrc", .why_not = NO_FORM },
	{ .name = "docker", .why_not = NO_FORM },
	{ .name = "git", .why_not = NO_FORM },
	{ .name = "fd", .why_not = "this build hands no descriptor over: use `file` or `env`" },
};
const struct key_table policy_as_keys = { as_rows, ARRAY_LEN(as_rows) };

static void cred_as(struct key_context *ctx, const struct tree_node *v, void *out)
{
	one_of(ctx, v, "as");
	(void)key_walk(ctx, v, "as", as_rows, ARRAY_LEN(as_rows), out);
}

static void for_phase(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	int phase = key_word(ctx, v, "phase", phase_names, DD_PHASE__COUNT);
	if (phase < 0)
		return;
	cred->phase = (enum dd_phase)phase;
	cred->phase_mark = v->mark;
	if (cred->phase == DD_PHASE_BUILD)
		diag_add(ctx->diags, v->mark, "bind it to push (or to fetch, for a checkout)",
		         "a build step never holds a credential");
}

static void for_steps(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	cred->steps = key_texts(ctx, v, "steps", &cred->n_steps);
	struct diag_mark *marks = arena_array(ctx->arena, v->kind == TREE_LIST ? v->n + 1 : 1,
	                                      sizeof(*marks));
	for (size_t i = 0; i < cred->n_steps; i++) {
		marks[i] = v->kind == TREE_LIST && cred->n_steps == v->n ? v->items[i]->mark
		                                                         : v->mark;
		for (size_t k = 0; k < i && i < STEPS_MAX; k++)
			if (strcmp(cred->steps[i], cred->steps[k]) == 0)
				diag_add(ctx->diags, marks[i], NULL, "step `%s` stands twice",
				         cred->steps[i]);
	}
	if (cred->n_steps > STEPS_MAX)
		diag_add(ctx->diags, v->mark, NULL, "more than 100 steps");
	cred->step_marks = marks;
}

static const struct key_row binding_rows[] = {
	{ .name = "phase", .kinds = TREE_SCALAR, .read = for_phase, .required = true },
	{ .name = "steps", .kinds = TREE_SCALAR | TREE_LIST, .read = for_steps, .required = true },
};
const struct key_table policy_binding_keys = { binding_rows, ARRAY_LEN(binding_rows) };

static void cred_for(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_walk(ctx, v, "for", binding_rows, ARRAY_LEN(binding_rows), out);
}

/* A repository says only what it takes away. */
static void narrow_for(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "phase", .kinds = TREE_SCALAR, .read = for_phase },
		{ .name = "steps", .kinds = TREE_SCALAR | TREE_LIST, .read = for_steps },
	};
	static_assert(ARRAY_LEN(rows) == ARRAY_LEN(binding_rows), "both tables have the same keys");
	(void)key_walk(ctx, v, "for", rows, ARRAY_LEN(rows), out);
}

static void cred_ttl(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *text = key_text(ctx, v, "ttl");
	if (!text)
		return;
	if (policy_duration(text, &cred->ttl_sec) < 0 || cred->ttl_sec > 86400)
		diag_add(ctx->diags, v->mark, "such as 90s, 5m or 1h; at most 24h",
		         "`ttl` is no duration: `%s`", text);
}

static const struct key_row cred_rows[] = {
	{ .name = "from", .kinds = TREE_MAP, .read = cred_from, .required = true },
	{ .name = "for", .kinds = TREE_MAP, .read = cred_for, .required = true },
	{ .name = "as", .kinds = TREE_MAP, .read = cred_as, .required = true },
	{ .name = "ttl", .kinds = TREE_SCALAR, .read = cred_ttl },
};
const struct key_table policy_credential_keys = { cred_rows, ARRAY_LEN(cred_rows) };

/* A repository may name fewer steps and a shorter time. Where a secret comes from and what it is
 * called is not its business: policy_narrow.c reports that as refused. */
static const struct key_row narrow_rows[] = {
	{ .name = "from", .kinds = TREE_MAP },
	{ .name = "for", .kinds = TREE_MAP, .read = narrow_for },
	{ .name = "as", .kinds = TREE_MAP },
	{ .name = "ttl", .kinds = TREE_SCALAR, .read = cred_ttl },
};

void policy_read_credentials(struct key_context *ctx, const struct tree_node *node, void *policy)
{
	struct policy *out = policy;
	const struct key_row *rows = out->repository ? narrow_rows : cred_rows;
	static_assert(ARRAY_LEN(narrow_rows) == ARRAY_LEN(cred_rows),
	              "both tables have the same keys");
	char where[140];
	if (node->n > CREDENTIALS_MAX) {
		diag_add(ctx->diags, node->mark, NULL, "more than 64 credentials");
		return;
	}
	out->credentials = arena_array(ctx->arena, node->n, sizeof(*out->credentials));
	out->n_credentials = node->n;
	for (size_t i = 0; i < node->n; i++) {
		struct policy_credential *cred = &out->credentials[i];
		const struct tree_node *key = node->pairs[i].key;
		*cred = (struct policy_credential){ .name = key->text,
			                            .mark = key->mark,
			                            .ttl_sec = out->repository ? UINT_MAX
			                                                       : TTL_DEFAULT };
		if (strspn(key->text,
		           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		            strlen(key->text) ||
		    !*key->text)
			diag_add(ctx->diags, key->mark, "letters, digits, - and _",
			         "`%s` cannot be the name of a credential", key->text);
		(void)snprintf(where, sizeof(where), "credentials.%.110s", key->text);
		(void)key_walk(ctx, node->pairs[i].value, where, rows, ARRAY_LEN(cred_rows), cred);
		if (cred->from == LEASE_FROM_FILE && cred->source && cred->source[0] != '/' &&
		    out->set_dir)
			cred->source = arena_printf(ctx->arena, "%s%s", out->set_dir, cred->source);
	}
}
