// SPDX-License-Identifier: Apache-2.0
/* fuzz_template.c - any bytes as YAML whose texts hold expressions: values, pieces that put
 * together are the text, or errors with a place inside of the file. */
#include "runner/forges/actions/taint.h"
#include "runner/forges/actions/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct expr_rules rules = { .contexts = EXPR_CONTEXT__ALL,
	                                 .functions = EXPR_STATUS | EXPR_HASH_FILES };

struct world {
	struct template_split split;
	struct expr_memory mem;
	struct wf_errors errors;
	struct expr_value github;
	unsigned lines;
};

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	(void)name;
	(void)err;
	*ret = ((struct world *)user)->github;
	return 0;
}

static void check_errors(const struct world *w)
{
	for (size_t i = 0; i < w->errors.n; i++) {
		const struct wf_error *e = &w->errors.items[i];
		if (e->class == WF_NO_CLASS || !e->text[0] || e->at.line > w->lines ||
		    e->at.column == 0)
			abort();
	}
}

static void try_scalar(struct world *w, struct template_node *node)
{
	struct expr_scope scope = { .context = find, .user = w, .steps_max = 200000 };
	struct template_piece *pieces = NULL;
	struct expr_value text;
	size_t n = 0, at = 0;
	bool failed;

	w->errors.n = 0;
	node = template_split(&w->split, node, &rules, &failed);
	if (failed == (w->errors.n == 0))
		abort();
	check_errors(w);
	if (failed || node->kind == TEMPLATE_INSERT || node->bad)
		return;
	int r = template_string(node, &scope, &w->mem, &text, &w->errors);
	check_errors(w);
	if (r == 0 && template_pieces(node, &scope, &w->mem, &pieces, &n, &w->errors) == 0) {
		bool tainted = false;
		for (size_t i = 0; i < n; at += pieces[i++].len) {
			if (text.len - at < pieces[i].len ||
			    memcmp(text.text + at, pieces[i].text, pieces[i].len) != 0 ||
			    pieces[i].text[pieces[i].len] != '\0')
				abort();
			tainted |= !!pieces[i].outsider;
		}
		if (at != text.len || (text.len && tainted != !!text.outsider && text.outsider))
			abort();
	}
	(void)template_condition(&w->split, node, &rules);
	check_errors(w);
}

static void walk(struct world *w, struct template_node *node)
{
	for (size_t i = 0; node->kind == TEMPLATE_LIST && i < node->n; i++)
		walk(w, node->items[i]);
	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n; i++) {
		walk(w, node->pairs[i].key);
		walk(w, node->pairs[i].value);
	}
	if (!template_is_collection(node))
		try_scalar(w, node);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const struct tree_options loose = {
		.aliases = true, .tags = true, .any_keys = true, .depth_max = 60, .nodes_max = 2000
	};
	static const char event[] =
		"{\"event\": {\"title\": \"x'$(y)\", \"n\": [1, \"b\"]}, \"sha\":"
		" \"abc\"}";
	struct world w = { .mem = { .arena = arena_new(), .limit = 16 * 1024 * 1024 } };
	struct diag_list diags = { 0 };
	struct tree_node *root = NULL;
	const char *text = (const char *)data, *why;
	size_t at;

	w.split = (struct template_split){ .arena = w.mem.arena,
		                           .source = text,
		                           .errors = &w.errors };
	w.lines = 1;
	for (size_t i = 0; i < size; i++)
		w.lines += text[i] == '\n';
	if (expr_json_parse(&w.mem, event, sizeof(event) - 1, NULL, &w.github, &at, &why) < 0 ||
	    !taint_mark_github(&w.mem, &w.github))
		abort();
	if (tree_parse_with(w.mem.arena, "f.yml", text, size, &loose, &root, NULL, &diags) == 0)
		walk(&w, template_of_tree(w.mem.arena, root));
	diag_list_done(&diags);
	arena_free(w.mem.arena);
	return 0;
}
