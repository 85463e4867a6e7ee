// SPDX-License-Identifier: Apache-2.0
/* wf_calls.c - the workflows that jobs call, and what is given to them. Runs in: command line and
 * supervisor; reads commit content.
 *
 * Read depth first, each call anew: what a call makes of a file depends on what it gives. Depth,
 * files and the account of memory bound it, so a file that calls itself ends there. */
#include "wf_read.h"

#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 51, CALL_DEPTH_MAX = 10 };

/* ---- inputs ---- */

static const struct template_node *find(const struct template_node *map,
                                        const struct template_node *key)
{
	struct expr_value k = expr_string(key->text, key->len);

	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct template_node *have = map->pairs[i].key;
		struct expr_value h = expr_string(have->text, have->len);
		if (have->kind == TEMPLATE_STRING && expr_equal(&h, &k))
			return map->pairs[i].value;
	}
	return NULL;
}

static bool is_true(const struct template_node *node)
{
	return node && node->kind == TEMPLATE_BOOL && node->truth;
}

/* A literal must be of the type; what an expression gives is looked at when it is computed. */
static void check_type(struct wf_reader *r, const struct template_node *type,
                       const struct template_node *value)
{
	struct schema_walk walk = {
		.split = r->walk.split,
		.account = { .bytes_max = SIZE_MAX, .events_max = SIZE_MAX, .depth_max = 50 },
		.computed = true
	};
	struct template_node copy = *value;

	if (template_has_expression(value))
		return;
	(void)schema_apply_input(&walk, &copy, type);
}

static void check_undefined(struct wf_reader *r, const struct template_node *definitions,
                            const struct template_node *given, enum wf_class class,
                            const char *what)
{
	for (size_t i = 0; given && given->kind == TEMPLATE_MAP && i < given->n; i++) {
		const struct template_pair *pair = &given->pairs[i];
		if (pair->key->kind != TEMPLATE_STRING || find(definitions, pair->key))
			continue;
		struct wf_error *e = wf_error_add(r->errors, class, pair->value->mark,
		                                  "the called workflow has no %s `%.100s`", what,
		                                  pair->key->text);
		e->at = pair->key->mark;
	}
}

static void check_inputs(struct wf_reader *r, const struct wf_call *call)
{
	const struct template_node *map = call->input_definitions;

	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct template_pair *pair = &map->pairs[i];
		const struct template_node *type = template_get(pair->value, "type"),
					   *fallback = template_get(pair->value, "default"),
					   *given = find(call->with, pair->key);
		if (type && fallback)
			check_type(r, type, fallback);
		if (type && given)
			check_type(r, type, given);
		if (!given && is_true(template_get(pair->value, "required")))
			(void)wf_error_add(r->errors, WF_INPUT_REQUIRED, call->ref->mark,
			                   "the called workflow needs the input `%.100s`",
			                   pair->key->text);
	}
	check_undefined(r, map, call->with, WF_INPUT_UNDEFINED, "input");
}

static void check_secrets(struct wf_reader *r, const struct wf_call *call)
{
	const struct template_node *map = call->secret_definitions;

	if (call->inherit_secrets)
		return;
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct template_pair *pair = &map->pairs[i];
		if (!find(call->secrets, pair->key) &&
		    is_true(template_get(pair->value, "required")))
			(void)wf_error_add(r->errors, WF_SECRET_REQUIRED, call->ref->mark,
			                   "the called workflow needs the secret `%.100s`",
			                   pair->key->text);
	}
	check_undefined(r, map, call->secrets, WF_SECRET_UNDEFINED, "secret");
}

/* ---- a called file ---- */

/* Whether `on` names workflow_call; its definition, when there is one, into @ret. */
static bool is_callable(const struct template_node *on, const struct template_node **ret)
{
	static const char name[] = "workflow_call";

	*ret = NULL;
	if (on && on->kind == TEMPLATE_STRING)
		return template_is(on, name);
	for (size_t i = 0; on && on->kind == TEMPLATE_LIST && i < on->n; i++)
		if (template_is(on->items[i], name))
			return true;
	*ret = template_get(on, name);
	return *ret;
}

static void read_on(struct wf_reader *r, const struct template_node *on, struct wf_call *call)
{
	const struct template_node *definition;

	if (!is_callable(on, &definition)) {
		(void)wf_error_add(
			r->errors, WF_NOT_CALLABLE, on->mark,
			"this workflow cannot be called: `on` does not name workflow_call");
		return;
	}
	call->input_definitions = template_get(definition, "inputs");
	call->secret_definitions = template_get(definition, "secrets");
	call->outputs = template_get(definition, "outputs");
	check_inputs(r, call);
	check_secrets(r, call);
}

static void read_called(struct wf_reader *r, const struct template_node *root,
                        struct wf_job *caller, struct wf_call *call)
{
	const struct wf_permissions *most = caller->permissions;

	if (!template_get(root, "on"))
		(void)wf_error_add(r->errors, WF_NOT_CALLABLE, root->mark,
		                   "this workflow cannot be called: it has no `on`");
	call->env = template_get(root, "env");
	call->defaults = template_get(root, "defaults");
	call->concurrency = template_get(root, "concurrency");
	call->permissions = most;
	for (size_t i = 0; i < root->n; i++) {
		const struct template_pair *pair = &root->pairs[i];
		if (template_is(pair->key, "on"))
			read_on(r, pair->value, call);
		else if (template_is(pair->key, "concurrency"))
			wf_check_concurrency(r, pair->value);
		else if (template_is(pair->key, "jobs"))
			wf_read_jobs(r, pair->value, &call->jobs, &call->n_jobs);
		else if (template_is(pair->key, "permissions")) {
			call->permissions = wf_read_permissions(r, pair->value);
			wf_check_permissions(r, caller, NULL, call->permissions, most);
		}
	}
	struct wf_job *jobs =
		(struct wf_job *)(uintptr_t)call->jobs; /* nobody else has seen them yet */
	for (size_t i = 0; i < call->n_jobs; i++)
		wf_check_permissions(r, caller, &jobs[i], jobs[i].permissions, most);
	wf_inherit_permissions(jobs, call->n_jobs, call->permissions);
}

/* ---- calling ---- */

/* A local path is one of the repository, whatever file calls. */
static const char *path_of(const char *ref)
{
	return strncmp(ref, "./", 2) == 0 ? ref + 2 : ref;
}

static struct template_node *load(struct wf_reader *r, const struct template_node *ref)
{
	const unsigned most = r->options->files_max ? r->options->files_max : FILES_MAX;
	const char *path = path_of(ref->text);
	struct dd_err err = { 0 };
	char *text = NULL;
	size_t len = 0;
	int got = -ENOENT;

	if (r->options->load)
		got = r->options->load(r->options->user, ref->mark.file, ref->text, &text, &len,
		                       &err);
	if (got < 0) {
		(void)wf_error_add(r->errors, WF_NOT_FOUND, ref->mark,
		                   "%.150s cannot be called: %.200s", ref->text,
		                   err.code ? err.msg : "there is no such file");
		return NULL;
	}
	/* places point into the text while the file is read */
	const char *kept = arena_strndup(r->arena, text, len);
	free(text);
	struct template_node *root = wf_read_file(r, path, kept, len);
	if (r->n_files > most && r->errors->n == 0) {
		(void)wf_error_add(r->errors, WF_TOO_MANY_FILES, ref->mark,
		                   "more than %u files for one workflow", most);
		return NULL;
	}
	return root;
}

/* Errors of the called file say from where it was called. */
static void name_caller(struct wf_reader *r, const struct template_node *ref)
{
	for (size_t i = 0; i < r->errors->n; i++) {
		struct wf_error *e = &r->errors->items[i];
		if (!e->caller.line && (!e->node.file || strcmp(e->node.file, ref->mark.file) != 0))
			e->caller = ref->mark;
	}
}

static void call_jobs(struct wf_reader *r, struct wf_job *jobs, size_t n, unsigned depth);

static void call_job(struct wf_reader *r, struct wf_job *job, unsigned depth)
{
	const unsigned most = r->options->call_depth_max ? r->options->call_depth_max
	                                                 : CALL_DEPTH_MAX;
	struct wf_call *call = (struct wf_call *)(uintptr_t)job->call;

	if (depth > most) {
		const struct diag_mark whole = { .file = job->id->mark.file };
		struct wf_error *e =
			wf_error_add(r->errors, WF_CALL_DEPTH, whole,
		                     "workflows call one another deeper than %u levels", most);
		e->at = call->ref->mark;
		return;
	}
	call->unread = r->options->skip_remote_calls && strncmp(call->ref->text, "./", 2) != 0;
	if (call->unread)
		return;
	struct template_node *root = load(r, call->ref);
	if (root)
		read_called(r, root, job, call);
	name_caller(r, call->ref);
	if (r->errors->n == 0)
		call_jobs(r, (struct wf_job *)(uintptr_t)call->jobs, call->n_jobs, depth + 1);
}

static void call_jobs(struct wf_reader *r, struct wf_job *jobs, size_t n, unsigned depth)
{
	for (size_t i = 0; i < n && r->errors->n == 0; i++)
		if (jobs[i].call)
			call_job(r, &jobs[i], depth);
}

void wf_read_calls(struct wf_reader *r, struct wf_job *jobs, size_t n)
{
	call_jobs(r, jobs, n, 1);
}
