// SPDX-License-Identifier: Apache-2.0
/* policy_issuers.c - `from: { vault | oidc | github-app: ... }`: whom to ask for a credential, as
 * whom, and what to take of the answer.
 *
 * Runs in: command line and supervisor. Names and places only; nobody is asked here. */
#include "policy_model.h"

#include "drydock/err.h"

#include <stdlib.h>
#include <string.h>

static struct lease_issuer *issuer_of(void *out)
{
	return out;
}

/* A reader for each member that is a text. */
#define TEXT_ROW(member)                                                                           \
	static void read_##member(struct key_context *ctx, const struct tree_node *v, void *out)   \
	{                                                                                          \
		issuer_of(out)->member = key_text(ctx, v, #member);                                \
		check_text(ctx, v, #member, issuer_of(out)->member);                               \
	}

/* All of it ends in headers, paths and forms. */
static void check_text(struct key_context *ctx, const struct tree_node *v, const char *what,
                       const char *text)
{
	for (const char *p = text; p && *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			diag_add(ctx->diags, v->mark, NULL,
			         "`%s` has a blank or a control character", what);
			return;
		}
	if (text && strlen(text) > 1000)
		diag_add(ctx->diags, v->mark, NULL, "`%s` is longer than 1000 bytes", what);
}

TEXT_ROW(identity)
TEXT_ROW(audience)
TEXT_ROW(mount)
TEXT_ROW(role)
TEXT_ROW(namespace_)
TEXT_ROW(field)
TEXT_ROW(user)
TEXT_ROW(janitor)
TEXT_ROW(ca)
TEXT_ROW(certificate)
TEXT_ROW(key)
TEXT_ROW(resource)
TEXT_ROW(client)
TEXT_ROW(app)
TEXT_ROW(installation)

/* http carries tokens in the open: only to this host itself. */
static bool is_address(const char *text)
{
	static const char *const local[] = { "http://127.0.0.1", "http://[::1]",
		                             "http://localhost" };
	const char *host = strstr(text, "://");
	size_t authority = host ? strcspn(host + 3, "/") : 0;
	if (!host || memchr(host + 3, '@', authority) || strpbrk(text, "?#\\"))
		return false;
	if (strncmp(text, "https://", 8) == 0)
		return text[8] && text[8] != '/';
	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		size_t len = strlen(local[i]);
		if (strncmp(text, local[i], len) == 0 && (!text[len] || strchr(":/", text[len])))
			return true;
	}
	return false;
}

static const char *read_address(struct key_context *ctx, const struct tree_node *v,
                                const char *what)
{
	const char *text = key_text(ctx, v, what);
	check_text(ctx, v, what, text);
	if (text && !is_address(text))
		diag_add(ctx->diags, v->mark, "https://HOST[:PORT][/PATH]", "`%s` cannot be `%s`",
		         what, text);
	return text;
}

static void read_url(struct key_context *ctx, const struct tree_node *v, void *out)
{
	issuer_of(out)->url = read_address(ctx, v, "url");
}

static void read_revoke(struct key_context *ctx, const struct tree_node *v, void *out)
{
	issuer_of(out)->revoke = read_address(ctx, v, "revoke");
}

static void read_account(struct key_context *ctx, const struct tree_node *v, void *out)
{
	issuer_of(out)->account = read_address(ctx, v, "account");
}

static void read_scope(struct key_context *ctx, const struct tree_node *v, void *out)
{
	issuer_of(out)->scope = key_text(ctx, v, "scope"); /* several are separated by blanks */
}

/* Below /v1/ of the server. */
static void read_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "read");
	issuer_of(out)->read = text;
	check_text(ctx, v, "read", text);
	if (text && (text[0] == '/' || strpbrk(text, "?#%") || strstr(text, "..")))
		diag_add(ctx->diags, v->mark, "such as `secret/data/acme/registry`",
		         "`read` cannot be `%s`", text);
}

static void read_wrap(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "wrap");
	if (text && (policy_duration(text, &issuer_of(out)->wrap_sec) < 0 ||
	             issuer_of(out)->wrap_sec == 0 || issuer_of(out)->wrap_sec > 3600))
		diag_add(ctx->diags, v->mark, "such as 60s; at most 1h",
		         "`wrap` is no duration: `%s`", text);
}

const char *const exchange_form_names[EXCHANGE__COUNT] = { "rfc8693", "aws", "azure", "gcp" };

static void read_form(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int form = key_word(ctx, v, "form", exchange_form_names, EXCHANGE__COUNT);
	issuer_of(out)->form = form < 0 ? EXCHANGE_RFC8693 : (enum exchange_form)form;
}

static void read_repositories(struct key_context *ctx, const struct tree_node *v, void *out)
{
	issuer_of(out)->repositories = key_texts(ctx, v, "repositories", NULL);
}

static void read_permissions(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "read", "write", "admin" };
	struct lease_issuer *issuer = out;
	struct pair *rows = arena_array(ctx->arena, v->n + 1, sizeof(*rows));
	if (v->n == 0)
		diag_add(ctx->diags, v->mark, "such as { contents: write }",
		         "`permissions` names none");
	for (size_t i = 0; i < v->n; i++) {
		const char *name = v->pairs[i].key->text;
		int word = key_word(ctx, v->pairs[i].value, name, words, ARRAY_LEN(words));
		if (strspn(name, "abcdefghijklmnopqrstuvwxyz_") != strlen(name))
			diag_add(ctx->diags, v->pairs[i].key->mark, NULL,
			         "`%s` is no name of a permission", name);
		rows[i] = (struct pair){ .name = name, .value = words[word < 0 ? 0 : word] };
	}
	issuer->permissions = rows;
	issuer->n_permissions = v->n;
}

#define ROW(key_, member)                                                                          \
	{                                                                                          \
		.name = (key_), .kinds = TREE_SCALAR, .read = read_##member                        \
	}
#define NEEDED(key_, member)                                                                       \
	{                                                                                          \
		.name = (key_), .kinds = TREE_SCALAR, .read = read_##member, .required = true      \
	}

static const struct key_row vault_rows[] = {
	NEEDED("url", url),
	NEEDED("identity", identity),
	NEEDED("role", role),
	ROW("mount", mount),
	ROW("audience", audience),
	ROW("namespace", namespace_),
	ROW("read", read),
	ROW("field", field),
	ROW("user", user),
	ROW("wrap", wrap),
	ROW("janitor", janitor),
	ROW("ca", ca),
	ROW("certificate", certificate),
	ROW("key", key),
};
const struct key_table policy_vault_keys = { vault_rows, ARRAY_LEN(vault_rows) };

static const struct key_row oidc_rows[] = {
	NEEDED("url", url),
	NEEDED("identity", identity),
	NEEDED("audience", audience),
	ROW("form", form),
	ROW("scope", scope),
	ROW("resource", resource),
	ROW("client", client),
	ROW("role", role),
	ROW("account", account),
	ROW("revoke", revoke),
	ROW("ca", ca),
	ROW("certificate", certificate),
	ROW("key", key),
};
const struct key_table policy_oidc_keys = { oidc_rows, ARRAY_LEN(oidc_rows) };

/* What is not narrowed is all that the installation may: both must be said. */
static const struct key_row github_app_rows[] = {
	ROW("url", url),
	NEEDED("app", app),
	NEEDED("key", key),
	NEEDED("installation", installation),
	{ .name = "repositories",
	  .kinds = TREE_SCALAR | TREE_LIST,
	  .read = read_repositories,
	  .required = true },
	{ .name = "permissions", .kinds = TREE_MAP, .read = read_permissions, .required = true },
	ROW("ca", ca),
};
const struct key_table policy_github_app_keys = { github_app_rows, ARRAY_LEN(github_app_rows) };

/* ---- defaults, and what belongs together ---- */

/* As with `file`: relative to the policy. */
static const char *absolute(struct key_context *ctx, const char *dir, const char *path)
{
	return path && path[0] != '/' && dir ? arena_printf(ctx->arena, "%s%s", dir, path) : path;
}

static struct lease_issuer *begin(struct key_context *ctx, struct policy_credential *cred,
                                  enum lease_from from)
{
	struct lease_issuer *issuer = arena_array(ctx->arena, 1, sizeof(*issuer));
	*issuer = (struct lease_issuer){ .form = EXCHANGE_RFC8693 };
	cred->from = from;
	cred->issuer = issuer;
	return issuer;
}

static void resolve(struct key_context *ctx, struct lease_issuer *issuer)
{
	const char *dir = policy_being_read(ctx)->set_dir;
	issuer->identity = absolute(ctx, dir, issuer->identity);
	issuer->ca = absolute(ctx, dir, issuer->ca);
	issuer->certificate = absolute(ctx, dir, issuer->certificate);
	issuer->key = absolute(ctx, dir, issuer->key);
}

void policy_from_vault(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	struct lease_issuer *issuer = begin(ctx, cred, LEASE_FROM_VAULT);
	if (!key_walk(ctx, v, "from.vault", vault_rows, ARRAY_LEN(vault_rows), issuer))
		return;
	resolve(ctx, issuer);
	issuer->mount = issuer->mount ? issuer->mount : "jwt";
	issuer->audience = issuer->audience ? issuer->audience : issuer->url;
	if (issuer->wrap_sec && (!issuer->read || issuer->field || issuer->user))
		diag_add(ctx->diags, v->mark, "name what to `read`, and no part of it",
		         "`wrap` hands over a token that is good for one look at all of it");
	if (issuer->url)
		cred->source = arena_printf(ctx->arena, "%s/%s", issuer->url,
		                            issuer->read ? issuer->read : "token");
}

/* What each form cannot do without, and what it would not use. */
static const struct form_row {
	const char *key;
	size_t at;
	enum exchange_form form;
	bool needed;
} form_rows[] = {
	{ "role", offsetof(struct lease_issuer, role), EXCHANGE_AWS, true },
	{ "client", offsetof(struct lease_issuer, client), EXCHANGE_AZURE, true },
	{ "scope", offsetof(struct lease_issuer, scope), EXCHANGE_AZURE, true },
	{ "account", offsetof(struct lease_issuer, account), EXCHANGE_GCP, true },
	{ "scope", offsetof(struct lease_issuer, scope), EXCHANGE_GCP, true },
	{ "scope", offsetof(struct lease_issuer, scope), EXCHANGE_RFC8693, false },
	{ "resource", offsetof(struct lease_issuer, resource), EXCHANGE_RFC8693, false },
	{ "client", offsetof(struct lease_issuer, client), EXCHANGE_RFC8693, false },
	{ "revoke", offsetof(struct lease_issuer, revoke), EXCHANGE_RFC8693, false },
	{ "resource", offsetof(struct lease_issuer, resource), EXCHANGE_GCP, true },
};

static const char *member(const struct lease_issuer *issuer, size_t at)
{
	const char *value;
	memcpy(&value, (const char *)issuer + at, sizeof(value));
	return value;
}

static bool uses(enum exchange_form form, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(form_rows); i++)
		if (form_rows[i].form == form && strcmp(form_rows[i].key, key) == 0)
			return true;
	return false;
}

static void check_form(struct key_context *ctx, const struct tree_node *v,
                       const struct lease_issuer *issuer)
{
	const char *form = exchange_form_names[issuer->form];
	for (size_t i = 0; i < ARRAY_LEN(form_rows); i++) {
		const struct form_row *row = &form_rows[i];
		const struct tree_node *said = tree_get(v, row->key);
		if (row->form == issuer->form && row->needed && !member(issuer, row->at))
			diag_add(ctx->diags, v->mark, NULL, "`form: %s` needs `%s`", form,
			         row->key);
		else if (said && !uses(issuer->form, row->key) && row->form != issuer->form) {
			diag_add(ctx->diags, said->mark, "take it out",
			         "`form: %s` has no use for `%s`", form, row->key);
			return;
		}
	}
}

void policy_from_oidc(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	struct lease_issuer *issuer = begin(ctx, cred, LEASE_FROM_OIDC);
	if (!key_walk(ctx, v, "from.oidc", oidc_rows, ARRAY_LEN(oidc_rows), issuer))
		return;
	resolve(ctx, issuer);
	check_form(ctx, v, issuer);
	cred->source = issuer->url;
}

static bool is_number(const char *text)
{
	return text && *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 20;
}

void policy_from_github_app(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_credential *cred = out;
	struct lease_issuer *issuer = begin(ctx, cred, LEASE_FROM_GITHUB_APP);
	if (!key_walk(ctx, v, "from.github-app", github_app_rows, ARRAY_LEN(github_app_rows),
	              issuer))
		return;
	resolve(ctx, issuer);
	issuer->url = issuer->url ? issuer->url : "https://api.github.com";
	if (issuer->installation && !is_number(issuer->installation))
		diag_add(ctx->diags, tree_get(v, "installation")->mark,
		         "the number in the address of the installation's settings",
		         "`installation` cannot be `%s`", issuer->installation);
	for (size_t i = 0; issuer->repositories && issuer->repositories[i]; i++)
		if (strchr(issuer->repositories[i], '/'))
			diag_add(ctx->diags, tree_get(v, "repositories")->mark,
			         "the name alone: its owner is the installation's",
			         "`repositories` cannot hold `%s`", issuer->repositories[i]);
	cred->source = arena_printf(ctx->arena, "%s/app/installations/%s", issuer->url,
	                            issuer->installation ? issuer->installation : "");
}
