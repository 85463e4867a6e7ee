// SPDX-License-Identifier: Apache-2.0
/* egress_sets.c - asks the package managers of this host where they would go.
 *
 * Runs in: command line and supervisor, when a policy is loaded, before any step. A tool is started
 * in `/`, never in a repository: a .npmrc or go.mod there is commit content and would choose the
 * operator's allowlist. */
#include "egress_sets.h"

#include "input/config_path.h"
#include "egress_set_readers.h"
#include "input/key_table.h"
#include "input/read_file.h"

#include <stdlib.h>
#include <string.h>

const struct egress_set_row egress_set_rows[] = {
	{ "npm", set_ask_npm, "registries of npm" },
	{ "pip", set_ask_pip, "indexes of pip" },
	{ "cargo", set_ask_cargo, "indexes of cargo" },
	{ "go", set_ask_go, "module proxies and checksum database of go" },
	{ "maven", set_ask_maven, "repositories and mirrors of Maven" },
	{ "gem", set_ask_gem, "sources of gem" },
	{ "nuget", set_ask_nuget, "sources of NuGet" },
	{ "apt", set_ask_apt, "sources of apt" },
	{ "apk", set_ask_apk, "repositories of apk" },
	{ "github", NULL, "git over HTTPS and SSH, web and archives" },
	{ "github-api", NULL, "the API of GitHub" },
	{ "github-releases", NULL, "files of GitHub releases" },
	{ "setup-node", NULL, "what actions/setup-node downloads" },
	{ "setup-python", NULL, "what actions/setup-python downloads" },
	{ "setup-go", NULL, "what actions/setup-go downloads" },
	{ "setup-java", NULL, "what actions/setup-java downloads (Temurin)" },
	{ "setup-uv", NULL, "what astral-sh/setup-uv downloads" },
	{ "rustup", NULL, "rustup and its toolchains" },
	{ "ghcr", NULL, "GitHub's container registry" },
	{ "docker-hub", NULL, "Docker's container registry" },
	{ "gitlab", NULL, "git, web and API of gitlab.com" },
	{ "sigstore", NULL, "signing and transparency log" },
};
const size_t egress_set_rows_n = ARRAY_LEN(egress_set_rows);

/* ---- lists in files: an operator's own, or drydock's ---- */

struct listed {
	const char *host, *why;
	uint64_t port;
	enum egress_tls tls;
};

static void listed_host(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct listed *)out)->host = key_text(ctx, v, "host");
}

static void listed_port(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "port");
	char *end;
	unsigned long port = text && strspn(text, "0123456789") == strlen(text)
	                             ? strtoul(text, &end, 10)
	                             : 0;
	if (port == 0 || port > 65535)
		diag_add(ctx->diags, v->mark, NULL, "`port` must be a number from 1 to 65535");
	((struct listed *)out)->port = port;
}

static void listed_why(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct listed *)out)->why = key_text(ctx, v, "why");
}

static void listed_tls(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "sni", "raw" };
	((struct listed *)out)->tls = key_word(ctx, v, "tls", words, ARRAY_LEN(words)) == 1
	                                      ? EGRESS_TLS_RAW
	                                      : EGRESS_TLS_SNI;
}

static void read_listed(struct key_context *ctx, const struct tree_node *node,
                        struct set_reading *s)
{
	static const struct key_row rows[] = {
		{ .name = "host", .kinds = TREE_SCALAR, .read = listed_host, .required = true },
		{ .name = "port", .kinds = TREE_SCALAR, .read = listed_port },
		{ .name = "why", .kinds = TREE_SCALAR, .read = listed_why },
		{ .name = "tls", .kinds = TREE_SCALAR, .read = listed_tls },
	};
	struct listed one = { .port = 443 };
	char host[EGRESS_HOST_MAX + 1], what[80];
	(void)key_walk(ctx, node, "an entry of an egress set", rows, ARRAY_LEN(rows), &one);
	if (!one.host)
		return;
	if (egress_host_canonical(one.host, strlen(one.host), host) < 0)
		diag_add(ctx->diags, node->mark, NULL, "`%s` is no host name", one.host);
	(void)snprintf(what, sizeof(what), "egress/%.20s.yml line %u", s->name, node->mark.line);
	if (ctx->diags->n > 0)
		return;
	struct egress_entry *e = set_add(s, host, (uint16_t)one.port, what,
	                                 one.why ? one.why : "the operator lists it");
	if (e)
		e->tls = one.tls;
}

static int parse_list(struct set_reading *s, const char *path, const char *text, size_t len,
                      struct dd_err *err)
{
	struct diag_list diags = { 0 };
	struct tree_node *root = NULL;
	struct key_context ctx = { .arena = s->arena, .source = text, .diags = &diags };
	int r = tree_parse(s->arena, path, text, len, &root, &diags);
	if (r == 0 && key_kind(&ctx, root, TREE_LIST, "egress set"))
		for (size_t i = 0; i < root->n; i++)
			read_listed(&ctx, root->items[i], s);
	if (diags.n > 0)
		r = dd_err_say(err, EINVAL, "%.200s:%u:%u: %.200s", path, diags.items[0].mark.line,
		               diags.items[0].mark.column, diags.items[0].text);
	diag_list_done(&diags);
	return r;
}

/* 1: there is such a list and it is used; 0: there is none. */
static int read_list(struct set_reading *s, const char *path, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = parse_list(s, path, text, len, err);
	free(text);
	return r < 0 ? r : 1;
}

/* Beside the policy, then where every data file of drydock is looked for: the operator's directory,
 * then drydock's own. */
static int find_list(struct set_reading *s, const char *set_dir, struct dd_err *err)
{
	char path[600], file[80];
	int r = set_dir ? read_list(s, arena_printf(s->arena, "%segress/%s.yml", set_dir, s->name),
	                            err)
	                : 0;
	if (r != 0)
		return r;
	(void)snprintf(file, sizeof(file), "%.40s.yml", s->name);
	return config_path_find("egress", file, path, sizeof(path), NULL) == 0
	               ? read_list(s, path, err)
	               : 0;
}

static const struct egress_set_row *find_row(const char *name)
{
	for (size_t i = 0; i < egress_set_rows_n; i++)
		if (strcmp(egress_set_rows[i].name, name) == 0)
			return &egress_set_rows[i];
	return NULL;
}

bool egress_set_is_known(const char *name)
{
	return find_row(name) != NULL;
}

const char *egress_set_nearest(const char *name)
{
	const char *words[ARRAY_LEN(egress_set_rows)];
	for (size_t i = 0; i < egress_set_rows_n; i++)
		words[i] = egress_set_rows[i].name;
	return diag_nearest(name, words, egress_set_rows_n);
}

/* It becomes part of a path. */
static bool name_is_plain(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= 40 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int egress_set_ask(struct plan_arena *arena, const char *name, const char *set_dir,
                   struct egress_set *ret, struct dd_err *err)
{
	const struct egress_set_row *row = find_row(name);
	struct set_reading s = { .arena = arena,
		                 .entries = arena_array(arena, SET_ENTRIES_MAX,
		                                        sizeof(struct egress_entry)) };
	if (!name_is_plain(name))
		return dd_err_say(err, EINVAL, "`%.60s` cannot be the name of an egress set", name);
	s.name = arena_strdup(arena, name);
	int r = find_list(&s, set_dir, err);
	if (r == 0 && !row)
		return dd_err_say(err, EINVAL, "there is no egress set `%.60s`", name);
	if (r == 0 && !row->ask)
		return dd_err_say(err, ENOENT,
		                  "use: %s: drydock's own egress/%s.yml is not installed", name,
		                  name);
	if (r == 0)
		r = row->ask(&s, err);
	if (r < 0)
		return r;
	if (s.full)
		return dd_err_say(err, EINVAL, "use: %s: more than %d destinations", s.name,
		                  SET_ENTRIES_MAX);
	if (s.n == 0)
		return dd_err_say(err, EINVAL,
		                  "use: %s: %s on this host names no http or https destination",
		                  s.name, s.name);
	*ret = (struct egress_set){ .entries = s.entries, .n = s.n };
	return 0;
}
