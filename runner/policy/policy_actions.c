// SPDX-License-Identifier: Apache-2.0
/* policy_actions.c - `actions:` of a policy. Runs in: command line and supervisor. */
#include "policy_model.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const actions_pin_names[] = {
	[ACTIONS_PIN_SHA] = "sha",
	[ACTIONS_PIN_TAG] = "tag",
	[ACTIONS_PIN_ANY] = "any",
};

static void actions_pin(struct key_context *ctx, const struct tree_node *v, void *out)
{
	int word = key_word(ctx, v, "actions.pin", actions_pin_names, ARRAY_LEN(actions_pin_names));
	if (word >= 0)
		((struct policy_actions *)out)->pin = (enum actions_pin)word;
}

static void actions_allow(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *const *globs = key_texts(ctx, v, "actions.allow", NULL);
	for (size_t i = 0; globs && globs[i]; i++) {
		struct diag_mark at = v->kind == TREE_LIST ? v->items[i]->mark : v->mark;
		policy_check_glob(ctx, at, globs[i], "actions.allow", GLOB_TEXT);
		if (strchr(globs[i], '@'))
			diag_add(ctx->diags, at, "what stands behind the @ is for `pin`",
			         "`%.100s`: a name of an action without what stands behind its @",
			         globs[i]);
	}
	((struct policy_actions *)out)->allow = globs;
}

/* Of a directory or a file. */
static const char *place_of(struct key_context *ctx, const struct tree_node *v, const char *what)
{
	const char *path = key_text(ctx, v, what);
	if (path && path[0] == '/' && path[1])
		return path;
	if (path)
		diag_add(ctx->diags, v->mark, "an absolute path",
		         "%s: `%.200s` is no place on this host", what, path);
	return NULL;
}

static void actions_mirror(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_actions *)out)->mirror = place_of(ctx, v, "actions.mirror");
}

static void actions_tools(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_actions *)out)->tools = place_of(ctx, v, "actions.tools");
}

/* { "24": /opt/node24 } */
static void actions_node(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy_actions *actions = out;
	struct actions_node *nodes = arena_array(ctx->arena, v->n, sizeof(*nodes));

	for (size_t i = 0; i < v->n; i++) {
		const struct tree_node *key = v->pairs[i].key;
		char *end = NULL;
		unsigned long major = strtoul(key->text ? key->text : "", &end, 10);
		if (!key->text || end == key->text || *end || major < 20 || major > 999) {
			diag_add(ctx->diags, key->mark, "{ \"24\": /opt/node24 }",
			         "actions.node: `%.40s` is no version of Node.js that runs actions "
			         "(20 or newer)",
			         key->text ? key->text : "");
			continue;
		}
		nodes[actions->n_nodes++] = (struct actions_node){
			.major = (unsigned)major,
			.dir = place_of(ctx, v->pairs[i].value, "actions.node"),
		};
	}
	actions->nodes = nodes;
}

/* ---- the forge ---- */

/* What stands between https:// and the path. -EINVAL: a step cannot reach that. */
static int take_authority(struct key_context *ctx, struct actions_from *from, const char *text,
                          size_t len)
{
	const char *whole = arena_strndup(ctx->arena, text, len), *colon = strchr(whole, ':');
	const char *name = arena_strndup(ctx->arena, whole, strcspn(whole, ":"));
	char host[EGRESS_HOST_MAX + 1], *end = NULL;
	struct in_addr address;
	bool wildcard = false;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 443;

	if (colon && (colon[1] < '0' || colon[1] > '9' || *end || port == 0 || port > 65535))
		return -EINVAL;
	from->port = (unsigned short)port;
	if (inet_pton(AF_INET, name, &address) == 1) {
		from->address = address.s_addr;
		return (ntohl(address.s_addr) >> 24) == 127 ? -EINVAL : 0;
	}
	if (egress_host_parse(name, host, &wildcard, NULL) < 0 || wildcard)
		return -EINVAL;
	from->host = arena_strdup(ctx->arena, host);
	return strcmp(host, "localhost") == 0 ? -EINVAL : 0;
}

static void from_forge(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char scheme[] = "https://";
	struct actions_from *from = out;
	const char *text = key_text(ctx, v, "actions.from");
	size_t len = text ? strlen(text) : 0, head = sizeof(scheme) - 1;

	if (!text)
		return;
	from->mark = v->mark;
	while (len > head && text[len - 1] == '/')
		len--;
	from->url = arena_strndup(ctx->arena, text, len);
	const char *rest = from->url + (len < head ? len : head);
	bool odd = strpbrk(from->url, "@?#\\'\"") || strlen(from->url) > 400;
	for (const char *at = from->url; *at; at++)
		odd |= (unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f;
	if (strncmp(text, scheme, head) != 0 || odd ||
	    take_authority(ctx, from, rest, strcspn(rest, "/")) < 0)
		diag_add(ctx->diags, v->mark,
		         "https://HOST[:PORT][/PATH], as in https://github.com; a step has a "
		         "localhost of its own, so not that one",
		         "actions.from: `%.200s` is no forge that a step can reach", text);
}

static void from_ca(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct actions_from *)out)->ca = place_of(ctx, v, "actions.from.ca");
}

static void from_private(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "allow" };
	((struct actions_from *)out)->private_ok = key_word(ctx, v, "actions.from.private", words,
	                                                    1) == 0;
}

static const struct key_row from_rows[] = {
	{ .name = "forge", .kinds = TREE_SCALAR, .read = from_forge, .required = true },
	{ .name = "ca", .kinds = TREE_SCALAR, .read = from_ca },
	{ .name = "private", .kinds = TREE_SCALAR, .read = from_private },
};
const struct key_table policy_actions_from_keys = { from_rows, ARRAY_LEN(from_rows) };

static void actions_from(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct actions_from *from = &((struct policy_actions *)out)->from;
	if (v->kind == TREE_MAP)
		(void)key_walk(ctx, v, "actions.from", from_rows, ARRAY_LEN(from_rows), from);
	else
		from_forge(ctx, v, from);
}

static const struct key_row actions_rows[] = {
	{ .name = "pin", .kinds = TREE_SCALAR, .read = actions_pin },
	{ .name = "allow", .kinds = TREE_SCALAR | TREE_LIST, .read = actions_allow },
	{ .name = "mirror", .kinds = TREE_SCALAR, .read = actions_mirror },
	{ .name = "from", .kinds = TREE_SCALAR | TREE_MAP, .read = actions_from },
	{ .name = "node", .kinds = TREE_MAP, .read = actions_node },
	{ .name = "tools", .kinds = TREE_SCALAR, .read = actions_tools },
};
const struct key_table policy_actions_keys = { actions_rows, ARRAY_LEN(actions_rows) };

void policy_read_actions(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct policy *policy = out;
	if (policy->repository)
		diag_add(ctx->diags, v->mark, "leave it out",
		         "`actions` belongs to the operator's policy");
	else
		(void)key_walk(ctx, v, "actions", actions_rows, ARRAY_LEN(actions_rows),
		               &policy->actions);
}

const struct policy_actions *policy_actions_of(const struct policy *policy)
{
	static const struct policy_actions nothing = { .pin = ACTIONS_PIN_SHA };
	return policy ? &policy->actions : &nothing;
}

/* Case does not count in names of repositories. */
bool policy_allows_action(const struct policy_actions *actions, const char *name)
{
	char lower[400], glob[400];
	const char *texts[] = { name, NULL };
	char *to[] = { lower, glob };

	for (size_t i = 0; actions->allow && actions->allow[i]; i++) {
		texts[1] = actions->allow[i];
		for (size_t k = 0; k < 2; k++) {
			if ((size_t)snprintf(to[k], sizeof(lower), "%s", texts[k]) >= sizeof(lower))
				return false;
			for (char *at = to[k]; *at; at++)
				if (*at >= 'A' && *at <= 'Z')
					*at = (char)(*at - 'A' + 'a');
		}
		if (glob_match(GLOB_TEXT, glob, lower))
			return true;
	}
	return false;
}
