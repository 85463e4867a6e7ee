// SPDX-License-Identifier: Apache-2.0
/* policy_actions.c - `actions:` of a policy. Runs in: command line and supervisor. */
#include "policy_model.h"

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

static const char *directory(struct key_context *ctx, const struct tree_node *v, const char *what)
{
	const char *path = key_text(ctx, v, what);
	if (path && path[0] == '/' && path[1])
		return path;
	if (path)
		diag_add(ctx->diags, v->mark, "an absolute path", "%s: `%.200s` is no directory",
		         what, path);
	return NULL;
}

static void actions_mirror(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct policy_actions *)out)->mirror = directory(ctx, v, "actions.mirror");
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
			.dir = directory(ctx, v->pairs[i].value, "actions.node"),
		};
	}
	actions->nodes = nodes;
}

static const struct key_row actions_rows[] = {
	{ .name = "pin", .kinds = TREE_SCALAR, .read = actions_pin },
	{ .name = "allow", .kinds = TREE_SCALAR | TREE_LIST, .read = actions_allow },
	{ .name = "mirror", .kinds = TREE_SCALAR, .read = actions_mirror },
	{ .name = "node", .kinds = TREE_MAP, .read = actions_node },
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
