// SPDX-License-Identifier: Apache-2.0
/* policy_credentials.c - `credentials:` of a policy: where each comes from, which steps may hold
 * it, how it is handed over.
 *
 * Runs in: command line and supervisor. Only names and places are read here, never a value. */
#include "policy_model.h"

#include "drydock/err.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TTL_DEFAULT = 300, STEPS_MAX = 100, CREDENTIALS_MAX = 128 /* as one step can hold */ };

static bool is_file_name(const char *name)
{
	return *name && !strchr(name, '/') && name[0] != '.' && strlen(name) <= 100;
}

/* ---- from ---- */

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
	cred->from = LEASE_FROM_SYSTEMD;
	if (!is_file_name(name))
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

static void from_forge(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	cred->from = LEASE_FROM_FORGE;
	cred->source = key_text(ctx, v, "forge");
	if (cred->source && !key_is_variable_name(cred->source))
		diag_add(ctx->diags, v->mark, NULL, "`%s` cannot be the name of a forge's secret",
		         cred->source);
}

/* ---- as ---- */

/* A secret is no place for what decides which code runs: whoever can write it at its source would
 * decide that as well. And some names are drydock's own. */
static const char *const taken_whole[] = {
	"PATH",
	"HOME",
	"USER",
	"LOGNAME",
	"SHELL",
	"PWD",
	"OLDPWD",
	"IFS",
	"ENV",
	"CDPATH",
	"PS4",
	"TMPDIR",
	"EDITOR",
	"VISUAL",
	"PROMPT_COMMAND",
	"PAGER",
	"BROWSER",
	"CLASSPATH",
	"NODE_OPTIONS",
	"NODE_PATH",
	"NODE_EXTRA_CA_CERTS",
	"RUBYOPT",
	"RUBYLIB",
	"_JAVA_OPTIONS",
	"JAVA_TOOL_OPTIONS",
	"JDK_JAVA_OPTIONS",
	"CI",
	"CREDENTIALS_DIRECTORY",
	"HOSTALIASES",
	"LOCALDOMAIN",
	"RES_OPTIONS",
	"SSH_ASKPASS",
	"SUDO_ASKPASS",
	"SHELLOPTS",
};
static const char *const taken_first[] = { "GITHUB_", "RUNNER_", "LD_",    "DYLD_",
	                                   "BASH",    "GCONV_",  "GLIBC_", "MALLOC_",
	                                   "PYTHON",  "PERL5",   "GIT_",   "OPENSSL_" };

static const char *why_taken(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(taken_first); i++)
		if (strncmp(name, taken_first[i], strlen(taken_first[i])) == 0)
			return i < 2 ? "is set by drydock" : "may decide which code runs";
	for (size_t i = 0; i < ARRAY_LEN(taken_whole); i++)
		if (strcmp(name, taken_whole[i]) == 0)
			return "is set by drydock, or may decide which code runs";
	return NULL;
}

static bool check_variable(struct key_context *ctx, struct diag_mark mark, const char *name)
{
	if (!key_is_variable_name(name))
		diag_add(ctx->diags, mark, NULL, "`%s` cannot be a variable's name", name);
	else if (why_taken(name))
		diag_add(ctx->diags, mark, "choose another name", "`%s` %s", name, why_taken(name));
	else
		return true;
	return false;
}

static bool check_file(struct key_context *ctx, struct diag_mark mark, const char *name)
{
	if (!is_file_name(name))
		diag_add(ctx->diags, mark,
		         "a plain file name; it appears below " SANDBOX_CREDENTIALS_DIR,
		         "`file` cannot be `%s`", name);
	return is_file_name(name);
}

static bool is_upper_name(const char *name)
{
	return key_is_variable_name(name) && !strpbrk(name, "abcdefghijklmnopqrstuvwxyz");
}

static bool is_field(const char *text)
{
	return *text && strlen(text) <= 100 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	               strlen(text);
}

typedef bool (*check_name_fn)(struct key_context *ctx, struct diag_mark mark, const char *name);

static void add_target(struct key_context *ctx, struct policy_credential *cred, const char *name,
                       const char *field, const char *variable)
{
	struct lease_target *grown = arena_grow(ctx->arena,
	                                        (struct lease_target *)(uintptr_t)cred->targets,
	                                        cred->n_targets, sizeof(*grown));
	grown[cred->n_targets++] = (struct lease_target){ name, field, variable };
	cred->targets = grown;
	cred->target = cred->target ? arena_printf(ctx->arena, "%s,%s", cred->target, name) : name;
}

/* NAME, or { NAME: part of the secret, ... } for one of several parts. */
static void read_targets(struct key_context *ctx, const struct tree_node *v, const char *what,
                         check_name_fn check, struct policy_credential *cred)
{
	if (v->kind == TREE_SCALAR) {
		const char *name = key_text(ctx, v, what);
		if (name && check(ctx, v->mark, name))
			add_target(ctx, cred, name, NULL, is_upper_name(name) ? name : NULL);
		return;
	}
	if (v->n == 0 || v->n > LEASE_TARGETS_MAX)
		diag_add(ctx->diags, v->mark, NULL, "`%s` names between 1 and %d parts", what,
		         LEASE_TARGETS_MAX);
	for (size_t i = 0; i < v->n && i < LEASE_TARGETS_MAX; i++) {
		const char *name = v->pairs[i].key->text;
		const char *field = key_text(ctx, v->pairs[i].value, name);
		if (field && !is_field(field))
			diag_add(ctx->diags, v->pairs[i].value->mark,
			         "letters, digits, `-`, `_`, `.`",
			         "`%s` cannot be a part of a secret", field);
		else if (check(ctx, v->pairs[i].key->mark, name) && field)
			add_target(ctx, cred, name, field, is_upper_name(name) ? name : NULL);
	}
}

static void as_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	cred->as = LEASE_AS_ENV;
	read_targets(ctx, v, "env", check_variable, cred);
	for (size_t i = 0; i < cred->n_targets; i++)
		((struct lease_target *)(uintptr_t)cred->targets)[i].variable =
			cred->targets[i].name;
}

static void as_file(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	cred->as = LEASE_AS_FILE;
	read_targets(ctx, v, "file", check_file, cred);
}

/* The variable holds the number of a descriptor. */
static void as_fd(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *name = key_text(ctx, v, "fd");
	cred->as = LEASE_AS_FD;
	if (name && check_variable(ctx, v->mark, name))
		add_target(ctx, cred, name, NULL, name);
}

/* HOST or HOST:PORT; with @path also something behind it. */
static bool is_host(const char *text, bool path)
{
	size_t host = strspn(text,
	                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	const char *rest = text + host;
	if (host == 0 || host > 253 || text[0] == '-' || text[0] == '.')
		return false;
	if (*rest == ':') {
		size_t digits = strspn(rest + 1, "0123456789");
		if (digits == 0 || digits > 5)
			return false;
		rest += 1 + digits;
	}
	if (path && *rest == '/')
		rest += strspn(rest,
		               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789."
		               "-_~/");
	return *rest == '\0';
}

/* USER@REST: the user goes to @cred. Returns the rest. */
static const char *take_user(struct key_context *ctx, const char *text,
                             struct policy_credential *cred)
{
	const char *at = strrchr(text, '@');
	cred->user = lease_form(cred->as)->user;
	if (!at)
		return text;
	cred->user = arena_printf(ctx->arena, "%.*s", (int)(at - text), text);
	return at + 1;
}

static bool is_user(const char *user)
{
	return strlen(user) <= 100 &&
	       strspn(user,
	              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+$-") ==
	               strlen(user);
}

static void read_host(struct key_context *ctx, const struct tree_node *v, enum lease_as as,
                      struct policy_credential *cred)
{
	const char *text = key_text(ctx, v, lease_as_names[as]);
	cred->as = as;
	if (!text)
		return;
	const char *host = take_user(ctx, text, cred);
	bool wants_user = lease_form(as)->user != NULL;
	if (!is_host(host, as == LEASE_AS_NPMRC) || (host != text && !wants_user) ||
	    (cred->user && !is_user(cred->user)) ||
	    (host != text && !(cred->user && cred->user[0])))
		diag_add(
			ctx->diags, v->mark,
			wants_user
				? "such as `registry.example.com` or `ci@registry.example.com:5000`"
				: "such as `registry.example.com` or `npm.example.com/team/`",
			"`%s` cannot be `%s`", lease_as_names[as], text);
	else
		add_target(ctx, cred, host, NULL, NULL);
	cred->target = text; /* as it is written */
}

static void as_git(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_host(ctx, v, LEASE_AS_GIT, out);
}

static void as_netrc(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_host(ctx, v, LEASE_AS_NETRC, out);
}

static void as_npmrc(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_host(ctx, v, LEASE_AS_NPMRC, out);
}

static void as_docker(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_host(ctx, v, LEASE_AS_DOCKER, out);
}

static void as_pip(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *text = key_text(ctx, v, "pip");
	cred->as = LEASE_AS_PIP;
	if (!text)
		return;
	const char *rest = strncmp(text, "https://", 8) == 0 ? take_user(ctx, text + 8, cred) : "";
	if (!is_host(rest, true) || !cred->user || !cred->user[0] || !is_user(cred->user))
		diag_add(ctx->diags, v->mark,
		         "the index, such as `https://pypi.example.com/simple/`",
		         "`pip` cannot be `%s`", text);
	else
		add_target(ctx, cred, rest, NULL, NULL);
	cred->target = text;
}

static void as_cargo(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	const char *name = key_text(ctx, v, "cargo");
	char upper[64] = "";
	cred->as = LEASE_AS_CARGO;
	if (!name)
		return;
	size_t len = strlen(name);
	if (len >= sizeof(upper) || !is_field(name) || strchr(name, '.')) {
		diag_add(ctx->diags, v->mark, "the name in [registries], or crates-io",
		         "`cargo` cannot be `%s`", name);
		return;
	}
	for (size_t i = 0; i <= len; i++)
		upper[i] = (char)(name[i] == '-' ? '_' : toupper((unsigned char)name[i]));
	add_target(ctx, cred, name, NULL,
	           strcmp(name, "crates-io") == 0
	                   ? "CARGO_REGISTRY_CREDENTIAL_PROVIDER"
	                   : arena_printf(ctx->arena, "CARGO_REGISTRIES_%s_CREDENTIAL_PROVIDER",
	                                  upper));
}

static void one_of(struct key_context *ctx, const struct tree_node *v, const char *what)
{
	if (v->n != 1)
		diag_add(ctx->diags, v->mark, NULL, "`%s` needs exactly one key", what);
}

static const struct key_row from_rows[] = {
	{ .name = "file", .kinds = TREE_SCALAR, .read = from_file },
	{ .name = "env", .kinds = TREE_SCALAR, .read = from_env },
	{ .name = "systemd", .kinds = TREE_SCALAR, .read = from_systemd },
	{ .name = "forge", .kinds = TREE_SCALAR, .read = from_forge },
	{ .name = "vault", .kinds = TREE_MAP, .read = policy_from_vault },
	{ .name = "oidc", .kinds = TREE_MAP, .read = policy_from_oidc },
	{ .name = "github-app", .kinds = TREE_MAP, .read = policy_from_github_app },
};
const struct key_table policy_from_keys = { from_rows, ARRAY_LEN(from_rows) };

static void cred_from(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_credential *)out)->from_mark = v->mark;
	one_of(ctx, v, "from");
	(void)key_walk(ctx, v, "from", from_rows, ARRAY_LEN(from_rows), out);
}

static const struct key_row as_rows[] = {
	{ .name = "env", .kinds = TREE_SCALAR | TREE_MAP, .read = as_env },
	{ .name = "file", .kinds = TREE_SCALAR | TREE_MAP, .read = as_file },
	{ .name = "fd", .kinds = TREE_SCALAR, .read = as_fd },
	{ .name = "git", .kinds = TREE_SCALAR, .read = as_git },
	{ .name = "netrc", .kinds = TREE_SCALAR, .read = as_netrc },
	{ .name = "npmrc", .kinds = TREE_SCALAR, .read = as_npmrc },
	{ .name = "docker", .kinds = TREE_SCALAR, .read = as_docker },
	{ .name = "pip", .kinds = TREE_SCALAR, .read = as_pip },
	{ .name = "cargo", .kinds = TREE_SCALAR, .read = as_cargo },
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

static void for_ref(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_condition *when = &((struct policy_credential *)out)->when;
	when->ref = policy_read_glob(ctx, v, "ref", GLOB_TEXT);
	when->ref_mark = v->mark;
}

static void for_protected(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_condition *when = &((struct policy_credential *)out)->when;
	when->protected_given = key_bool(ctx, v, "protected", &when->ref_protected);
	when->protected_mark = v->mark;
}

static void for_event(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_condition *when = &((struct policy_credential *)out)->when;
	when->events = key_texts(ctx, v, "event", NULL);
	when->event_mark = v->mark;
}

static void for_environment(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_condition *when = &((struct policy_credential *)out)->when;
	when->environment = policy_read_glob(ctx, v, "environment", GLOB_TEXT);
	when->environment_mark = v->mark;
}

#define CONDITION_ROWS                                                                             \
	{ .name = "ref", .kinds = TREE_SCALAR, .read = for_ref },                                  \
		{ .name = "protected", .kinds = TREE_SCALAR, .read = for_protected },              \
		{ .name = "event", .kinds = TREE_SCALAR | TREE_LIST, .read = for_event },          \
	{                                                                                          \
		.name = "environment", .kinds = TREE_SCALAR, .read = for_environment               \
	}

static const struct key_row binding_rows[] = {
	{ .name = "phase", .kinds = TREE_SCALAR, .read = for_phase, .required = true },
	{ .name = "steps", .kinds = TREE_SCALAR | TREE_LIST, .read = for_steps, .required = true },
	CONDITION_ROWS,
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
		CONDITION_ROWS,
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
		diag_add(ctx->diags, node->mark, NULL, "more than %d credentials", CREDENTIALS_MAX);
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
