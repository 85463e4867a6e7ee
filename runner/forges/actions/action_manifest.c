// SPDX-License-Identifier: Apache-2.0
/* action_manifest.c - see action_manifest.h. Runs in: supervisor and command line; an action is
 * code from elsewhere, so its manifest is hostile. Fuzzed. */
#include "action_manifest.h"

#include "wf_read.h"

#include <string.h>
#include <strings.h>

struct action_manifest_reading {
	struct wf_reader reader;
	struct action_manifest *out;
	const struct template_node *runs;
};

static const char *const kind_names[] = {
	[ACTION_NONE] = "none",           [ACTION_NODE] = "node",     [ACTION_DOCKER] = "docker",
	[ACTION_COMPOSITE] = "composite", [ACTION_PLUGIN] = "plugin",
};

const char *action_manifest_kind_name(enum action_manifest_kind kind)
{
	return kind_names[kind];
}

static const char *text_of(struct action_manifest_reading *m, const struct template_node *map,
                           const char *key)
{
	const struct template_node *value = template_get(map, key);
	return value && !template_is_collection(value) ? template_text(m->reader.arena, value)
	                                               : NULL;
}

/* ---- inputs and outputs ---- */

static bool says_true(const struct template_node *node)
{
	return node && ((node->kind == TEMPLATE_BOOL && node->truth) ||
	                (node->kind == TEMPLATE_STRING && strcasecmp(node->text, "true") == 0));
}

static void read_inputs(struct action_manifest_reading *m, const struct template_node *map)
{
	struct action_manifest_input *inputs = arena_array(m->reader.arena, map->n,
	                                                   sizeof(*inputs));
	for (size_t i = 0; i < map->n; i++) {
		const struct template_node *value = map->pairs[i].value;
		inputs[i] = (struct action_manifest_input){
			.name = map->pairs[i].key->text,
			.fallback = template_get(value, "default"),
			.deprecated = text_of(m, value, "deprecationMessage"),
			.required = says_true(template_get(value, "required")),
		};
	}
	m->out->inputs = inputs;
	m->out->n_inputs = map->n;
}

static void read_outputs(struct action_manifest_reading *m, const struct template_node *map)
{
	struct action_manifest_output *outputs = arena_array(m->reader.arena, map->n,
	                                                     sizeof(*outputs));
	for (size_t i = 0; i < map->n; i++)
		outputs[i] = (struct action_manifest_output){
			.name = map->pairs[i].key->text,
			.value = template_get(map->pairs[i].value, "value"),
		};
	m->out->outputs = outputs;
	m->out->n_outputs = map->n;
}

/* ---- what runs ---- */

static void missing(struct action_manifest_reading *m, const char *key, const char *what)
{
	struct wf_error *e = wf_error_add(m->reader.errors, WF_MISSING_KEY, m->runs->mark,
	                                  "`runs` of %s needs `%s`", what, key);
	(void)snprintf(e->hint, sizeof(e->hint), "runs: { using: ..., %s: ... }", key);
}

static const char *needed(struct action_manifest_reading *m, const char *key, const char *what)
{
	const char *text = text_of(m, m->runs, key);
	if (!text)
		missing(m, key, what);
	return text;
}

/* A stage before or after runs whatever happened, unless its condition says otherwise. */
static const struct template_node *stage_if(struct action_manifest_reading *m, const char *key)
{
	static const struct template_node always = { .kind = TEMPLATE_STRING,
		                                     .text = "always()",
		                                     .len = sizeof("always()") - 1 };
	const struct expr_rules rules = schema_rules(SCHEMA_ACTION_STEP_IF);
	const struct template_node *written = template_get(m->runs, key);
	return template_condition(&m->reader.walk.split, written ? written : &always, &rules);
}

static void read_node(struct action_manifest_reading *m)
{
	m->out->main = needed(m, "main", "a JavaScript action");
	m->out->pre = text_of(m, m->runs, "pre");
	m->out->post = text_of(m, m->runs, "post");
}

static bool is_image(const char *image)
{
	static const char remote[] = "docker://";
	size_t len = strlen(image);
	if (strncasecmp(image, remote, sizeof(remote) - 1) == 0)
		return len > sizeof(remote) - 1;
	return len >= 10 && (strcmp(image + len - 10, "Dockerfile") == 0 ||
	                     strcmp(image + len - 10, "dockerfile") == 0);
}

static void read_docker(struct action_manifest_reading *m)
{
	const char *image = needed(m, "image", "a Docker action");
	if (image && !is_image(image))
		(void)wf_error_add(
			m->reader.errors, WF_UNEXPECTED_VALUE, template_get(m->runs, "image")->mark,
			"`image: %.100s` is neither a Dockerfile nor docker://IMAGE", image);
	m->out->image = image;
	m->out->main = text_of(m, m->runs, "entrypoint");
	m->out->pre = text_of(m, m->runs, "pre-entrypoint");
	m->out->post = text_of(m, m->runs, "post-entrypoint");
	m->out->args = template_get(m->runs, "args");
	m->out->env = template_get(m->runs, "env");
}

static void read_composite(struct action_manifest_reading *m)
{
	const struct template_node *steps = template_get(m->runs, "steps");
	if (!steps)
		missing(m, "steps", "a composite action");
	else
		wf_read_step_list(&m->reader, steps, &m->out->steps, &m->out->n_steps);
}

static const struct using_row {
	const char *using;
	enum action_manifest_kind kind;
	void (*read)(struct action_manifest_reading *m);
} using_rows[] = {
	{ "node12", ACTION_NODE, read_node },     { "node16", ACTION_NODE, read_node },
	{ "node20", ACTION_NODE, read_node },     { "node24", ACTION_NODE, read_node },
	{ "docker", ACTION_DOCKER, read_docker }, { "composite", ACTION_COMPOSITE, read_composite },
};

static void read_using(struct action_manifest_reading *m, const char *using)
{
	for (size_t i = 0; i < ARRAY_LEN(using_rows); i++) {
		if (strcasecmp(using_rows[i].using, using) != 0)
			continue;
		m->out->kind = using_rows[i].kind;
		using_rows[i].read(m);
		return;
	}
	struct wf_error *e = wf_error_add(m->reader.errors, WF_UNEXPECTED_VALUE,
	                                  template_get(m->runs, "using")->mark,
	                                  "`using: %.100s` is no kind of action", using);
	(void)snprintf(e->hint, sizeof(e->hint),
	               "composite, docker, node12, node16, node20, node24");
}

static void read_runs(struct action_manifest_reading *m)
{
	const char *plugin = text_of(m, m->runs, "plugin");
	const char *using = text_of(m, m->runs, "using");

	if (plugin) {
		m->out->kind = ACTION_PLUGIN;
		m->out->main = plugin;
		return;
	}
	if (!using) {
		missing(m, "using", "an action");
		return;
	}
	m->out->using = using;
	read_using(m, using);
	m->out->pre_if = stage_if(m, "pre-if");
	m->out->post_if = stage_if(m, "post-if");
}

/* ---- the file ---- */

static void read_all(struct action_manifest_reading *m, const char *path, const char *text,
                     size_t len)
{
	const struct template_node *root = wf_read_file(&m->reader, path, text, len);
	const struct template_node *inputs, *outputs;
	const char *name, *description;

	if (!root)
		return;
	name = text_of(m, root, "name");
	description = text_of(m, root, "description");
	m->out->name = name ? name : "";
	m->out->description = description ? description : "";
	if ((inputs = template_get(root, "inputs")))
		read_inputs(m, inputs);
	if ((outputs = template_get(root, "outputs")))
		read_outputs(m, outputs);
	m->runs = template_get(root, "runs");
	if (m->runs)
		read_runs(m);
	else
		(void)wf_error_add(m->reader.errors, WF_MISSING_KEY, root->mark,
		                   "an action needs `runs`");
}

int action_manifest_parse(const char *path, const char *text, size_t len,
                          struct action_manifest **ret, struct wf_errors *errors)
{
	enum { FILE_BYTES_MAX = 1024 * 1024, EVENTS = 1000000, NESTING = 50 };
	static const struct wf_options options = { .refuse_anchors = true,
		                                   .file_size_max = FILE_BYTES_MAX };
	struct plan_arena *arena = arena_new();
	struct action_manifest *out = arena_alloc(arena, sizeof(*out));
	struct action_manifest_reading m = {
		.out = out,
		.reader = { .arena = arena,
		            .options = &options,
		            .errors = errors,
		            .root = SCHEMA_ACTION,
		            .step_if = SCHEMA_ACTION_STEP_IF,
		            .walk = { .split = { .arena = arena, .errors = errors },
		                      .account = { .bytes_max = (size_t)10 * FILE_BYTES_MAX,
		                                   .events_max = EVENTS,
		                                   .depth_max = NESTING } } },
	};

	*out = (struct action_manifest){
		.arena = arena, .name = "", .description = "", .using = ""
	};
	read_all(&m, arena_strdup(arena, path), text, len);
	if (errors->n > 0) {
		wf_errors_keep(errors);
		action_manifest_free(out);
		return -EINVAL;
	}
	*ret = out;
	return 0;
}

void action_manifest_free(struct action_manifest *manifest)
{
	if (manifest)
		arena_free(manifest->arena);
}
