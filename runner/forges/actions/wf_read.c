// SPDX-License-Identifier: Apache-2.0
/* wf_read.c - reads a workflow file whole: YAML, schema, jobs, and what it calls. Runs in: command
 * line and supervisor; the files are commit content, fuzzed.
 *
 * In stages, each on what the one before found right: the schema over the whole file, then jobs and
 * steps, then the graph, then called files. So one error does not bring ten others with it. */
#include "wf_read.h"

#include "unicode_text.h"

#include <stdint.h>
#include <string.h>

enum {
	SIZE_MAX_BYTES = 10 * 1024 * 1024,
	EVENTS_MAX = 1000000,
	NESTING_MAX = 50,
	YAML_NODES_MAX = 50000,
	YAML_DEPTH_MAX = 64, /* above the schema's own bound, which has the better words */
};

/* ---- YAML ---- */

static enum wf_class class_of(enum tree_trouble trouble)
{
	static const enum wf_class classes[] = {
		[TREE_TROUBLE_NONE] = WF_SYNTAX,     [TREE_TROUBLE_SYNTAX] = WF_SYNTAX,
		[TREE_TROUBLE_BYTES] = WF_FILE_SIZE, [TREE_TROUBLE_DEPTH] = WF_DEPTH,
		[TREE_TROUBLE_NODES] = WF_NODES,     [TREE_TROUBLE_ANCHOR] = WF_ANCHOR,
		[TREE_TROUBLE_TAG] = WF_TAG,
	};
	return classes[trouble];
}

/* The first complaint decides: behind it nothing was read. */
static void yaml_errors(struct wf_reader *r, const char *path, const struct diag_list *diags,
                        enum tree_trouble trouble)
{
	struct diag_mark whole = { .file = path };
	const struct diag *d = diags->n ? &diags->items[0] : NULL;
	struct wf_error *e = wf_error_add(r->errors, class_of(trouble), whole, "%s",
	                                  d ? d->text : "not YAML");

	if (!d)
		return;
	e->at = d->mark;
	e->at.file = path;
	(void)snprintf(e->hint, sizeof(e->hint), "%s", d->hint);
}

/* Files that are called again are read again, but named once. */
static bool is_new_file(struct wf_reader *r, const char *path)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (text_equal(r->files[i], strlen(r->files[i]), path, strlen(path)))
			return false;
	r->files = arena_grow(r->arena, r->files, r->n_files, sizeof(*r->files));
	r->files[r->n_files++] = path;
	return true;
}

struct template_node *wf_read_file(struct wf_reader *r, const char *path, const char *text,
                                   size_t len)
{
	const struct tree_options options = { .aliases = !r->options->refuse_anchors,
		                              .tags = true,
		                              .any_keys = true,
		                              .depth_max = YAML_DEPTH_MAX,
		                              .nodes_max = YAML_NODES_MAX };
	struct diag_list diags = { 0 };
	struct tree_node *tree = NULL;
	enum tree_trouble trouble;
	size_t before = r->errors->n;
	const struct diag_mark whole = { .file = path };

	if (is_new_file(r, path) &&
	    !schema_count(&r->walk, schema_text_bytes(path, strlen(path)), whole))
		return NULL;
	if (r->options->file_size_max && len > r->options->file_size_max) {
		(void)wf_error_add(r->errors, WF_FILE_SIZE, whole,
		                   "the file is larger than %zu bytes", r->options->file_size_max);
		return NULL;
	}
	if (tree_parse_with(r->arena, path, text, len, &options, &tree, &trouble, &diags) < 0)
		yaml_errors(r, path, &diags, trouble);
	diag_list_done(&diags);
	if (!tree)
		return NULL;
	r->walk.split.source = text;
	struct template_node *root = schema_apply(&r->walk, template_of_tree(r->arena, tree),
	                                          r->root);
	return r->errors->n > before ? NULL : root;
}

/* ---- the file ---- */

static const char *text_of(const struct template_node *map, const char *key)
{
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++)
		if (template_is(map->pairs[i].key, key))
			return map->pairs[i].value->kind == TEMPLATE_STRING
			               ? map->pairs[i].value->text
			               : NULL;
	return NULL;
}

/* `workflow_dispatch` is loosely checked by GitHub, and so here: what is no map has no inputs. */
static void read_inputs(struct wf_reader *r, const struct template_node *on)
{
	const struct template_node *inputs = template_get(template_get(on, "workflow_dispatch"),
	                                                  "inputs");

	if (!inputs || inputs->kind != TEMPLATE_MAP)
		return;
	struct wf_input *list = arena_array(r->arena, inputs->n, sizeof(*list));
	for (size_t i = 0; i < inputs->n; i++) {
		const struct template_pair *pair = &inputs->pairs[i];
		const char *type = text_of(pair->value, "type");
		list[i].name = template_text(r->arena, pair->key);
		list[i].type = type ? type : "string";
		list[i].definition = pair->value->kind == TEMPLATE_MAP ? pair->value : NULL;
	}
	r->doc->inputs = list;
	r->doc->n_inputs = inputs->n;
}

static void read_root(struct wf_reader *r, const struct template_node *root)
{
	struct wf_doc *doc = r->doc;
	const struct wf_job *jobs = NULL;

	doc->name = template_get(root, "name");
	doc->run_name = template_get(root, "run-name");
	doc->on = template_get(root, "on");
	doc->env = template_get(root, "env");
	doc->defaults = template_get(root, "defaults");
	doc->concurrency = template_get(root, "concurrency");
	read_inputs(r, doc->on);
	for (size_t i = 0; i < root->n;
	     i++) { /* in the order of the file, for the order of errors */
		const struct template_pair *pair = &root->pairs[i];
		if (template_is(pair->key, "concurrency"))
			wf_check_concurrency(r, pair->value);
		else if (template_is(pair->key, "permissions"))
			doc->permissions = wf_read_permissions(r, pair->value);
		else if (template_is(pair->key, "jobs"))
			wf_read_jobs(r, pair->value, &jobs, &doc->n_jobs);
	}
	doc->jobs = jobs;
}

static struct wf_job *own_jobs(const struct wf_doc *doc)
{
	return (struct wf_job *)(uintptr_t)doc->jobs; /* nobody else has seen them yet */
}

static void read_all(struct wf_reader *r, const char *path, const char *text, size_t len)
{
	struct template_node *root = wf_read_file(r, path, text, len);

	if (!root)
		return;
	read_root(r, root);
	wf_inherit_permissions(own_jobs(r->doc), r->doc->n_jobs, r->doc->permissions);
	if (r->errors->n == 0 && !r->options->skip_calls)
		wf_read_calls(r, own_jobs(r->doc), r->doc->n_jobs);
}

int wf_parse(const char *path, const char *text, size_t len, const struct wf_options *options,
             struct wf_doc **ret, struct wf_errors *errors)
{
	struct plan_arena *arena = arena_new();
	struct wf_doc *doc = arena_alloc(arena, sizeof(*doc));
	struct wf_reader r = { .doc = doc,
		               .arena = arena,
		               .options = options,
		               .errors = errors,
		               .root = SCHEMA_WORKFLOW,
		               .step_if = SCHEMA_STEP_IF,
		               .walk = { .split = { .arena = arena, .errors = errors },
		                         .runs_on_optional = options->runs_on_optional } };

	r.walk.account = (struct schema_account){
		.bytes_max = options->size_max ? options->size_max : SIZE_MAX_BYTES,
		.events_max = options->events_max ? options->events_max : EVENTS_MAX,
		.depth_max = options->depth_max ? options->depth_max : NESTING_MAX,
	};
	doc->arena = arena;
	read_all(&r, arena_strdup(arena, path), text, len);
	doc->files = r.files;
	doc->n_files = r.n_files;
	if (errors->n > 0) {
		wf_errors_keep(errors);
		wf_free(doc);
		return -EINVAL;
	}
	*ret = doc;
	return 0;
}

void wf_free(struct wf_doc *doc)
{
	if (doc)
		arena_free(doc->arena);
}
