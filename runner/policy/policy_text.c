// SPDX-License-Identifier: Apache-2.0
/* policy_text.c - reads a policy file for the places of its keys. Runs in: command line. */
#include "policy_text.h"

#include "input/read_file.h"

#include <stdlib.h>
#include <string.h>

int policy_text_parse(const char *name, const char *text, size_t len, struct policy_text *ret,
                      struct dd_err *err)
{
	struct diag_list diags = { 0 };
	struct policy_text t = { .arena = arena_new(), .len = len };

	t.path = arena_strdup(t.arena, name);
	t.text = arena_strndup(t.arena, text, len);
	int r = tree_parse(t.arena, t.path, t.text, len, &t.root, &diags);
	if (r < 0)
		r = dd_err_say(err, -r, "%.200s:%u:%u: %.200s", t.path,
		               diags.n ? diags.items[0].mark.line : 0,
		               diags.n ? diags.items[0].mark.column : 0,
		               diags.n ? diags.items[0].text : "cannot be read");
	diag_list_done(&diags);
	if (r < 0)
		arena_free(t.arena);
	else
		*ret = t;
	return r;
}

int policy_text_load(const char *path, struct policy_text *ret, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	struct named_link link;
	int r = read_named_file(path, READ_FILE_TEXT_MAX, &text, &len, &link, err);
	if (r == 0 && (r = policy_text_parse(path, text, len, ret, err)) < 0 && link.path[0])
		r = dd_err_say(err, -r,
		               "%.150s was reached through the link %.150s, and cannot be read",
		               path, link.path);
	free(text);
	return r;
}

void policy_text_done(struct policy_text *text)
{
	arena_free(text->arena);
	*text = (struct policy_text){ .arena = NULL };
}

static const struct tree_pair *find_pair(const struct tree_node *map, const char *key, size_t len)
{
	for (size_t i = 0; map && map->kind == TREE_MAP && i < map->n; i++)
		if (strlen(map->pairs[i].key->text) == len &&
		    memcmp(map->pairs[i].key->text, key, len) == 0)
			return &map->pairs[i];
	return NULL;
}

const struct tree_node *policy_text_at(const struct policy_text *text, const char *dotted,
                                       const struct tree_node **ret_key)
{
	const struct tree_node *at = text->root;
	const struct tree_pair *pair = NULL;
	for (const char *p = dotted; *p && at; p += strspn(p, ".")) {
		size_t len = strcspn(p, ".");
		pair = find_pair(at, p, len);
		at = pair ? pair->value : NULL;
		p += len;
	}
	if (ret_key)
		*ret_key = at && pair ? pair->key : NULL;
	return at;
}
