// SPDX-License-Identifier: Apache-2.0
/* engine_env.c - variables: of the file, of the job, of what steps wrote, of the step, and what the
 * forge says about the job. Runs in: supervisor.
 *
 * Later wins: file, job, GITHUB_ENV, step; GITHUB_*, RUNNER_* and the like win over all. A map is
 * evaluated as a whole before any of it counts: values of one map do not see each other. */
#include "engine_parts.h"

#include "base/glob.h"
#include "env_carry.h"
#include "forges/actions/runner_facts.h"
#include "model/places.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { PATHS_MAX = 1000, WITHHELD_MAX = 1000 };

/* Anything that environ can hold, as in GitHub's runner: programs read names that no shell can. */
bool engine_is_env_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == '=' || name[i] == 0x7f)
			return false;
	return len > 0;
}

/* ---- one map ---- */

static bool add_variable(struct job_engine *e, struct expr_memory *mem, struct expr_value *into,
                         const struct template_pair *pair)
{
	struct expr_value name, value;

	if (engine_text(e, pair->key, mem, &name) < 0 ||
	    engine_text(e, pair->value, mem, &value) < 0)
		return false;
	if (!engine_is_env_name(name.text, name.len)) {
		(void)snprintf(e->why, sizeof(e->why),
		               "%s:%u:%u: `%.80s` cannot be a variable's name",
		               pair->key->mark.file ? pair->key->mark.file : "",
		               pair->key->mark.line, pair->key->mark.column, name.text);
		return false;
	}
	if (memchr(value.text, '\0', value.len)) {
		(void)snprintf(e->why, sizeof(e->why),
		               "%s:%u:%u: the value of `%.80s` holds a NUL, which no variable can",
		               pair->value->mark.file ? pair->value->mark.file : "",
		               pair->value->mark.line, pair->value->mark.column, name.text);
		return false;
	}
	if (expr_object_set(mem, into->object, name.text, name.len, value))
		return true;
	(void)snprintf(e->why, sizeof(e->why), "its variables need more memory than they may use");
	return false;
}

/* An object of texts. */
static int read_map(struct job_engine *e, const struct template_node *node, struct expr_memory *mem,
                    struct expr_value *ret)
{
	struct wf_errors errors = { .n = 0 };
	struct template_node *map = NULL;

	if (!expr_object_new(mem, true, ret))
		return -EINVAL;
	if (!node)
		return 0;
	if (template_resolve(node, &e->scope, mem, &map, &errors) < 0) {
		engine_why(e, &errors);
		return -EINVAL;
	}
	if (map->kind == TEMPLATE_NULL)
		return 0;
	if (map->kind != TEMPLATE_MAP) {
		(void)snprintf(e->why, sizeof(e->why), "%s:%u:%u: variables must be a map",
		               node->mark.file ? node->mark.file : "", node->mark.line,
		               node->mark.column);
		return -EINVAL;
	}
	for (size_t i = 0; i < map->n; i++)
		if (!add_variable(e, mem, ret, &map->pairs[i]))
			return -EINVAL;
	return 0;
}

struct env_layer engine_env_layer_of(struct plan_arena *arena, const struct expr_value *object,
                                     const char *origin)
{
	size_t n = object->object->n;
	struct pair *vars = arena_array(arena, n, sizeof(*vars));
	for (size_t i = 0; i < n; i++)
		vars[i] = (struct pair){ .name = object->object->members[i].key,
			                 .value = object->object->members[i].value.text };
	return (struct env_layer){ .origin = origin, .vars = vars, .n = n };
}

static bool merge(struct expr_memory *mem, struct expr_value *into, const struct expr_value *from)
{
	for (size_t i = 0; i < from->object->n; i++) {
		const struct expr_member *m = &from->object->members[i];
		if (!expr_object_set(mem, into->object, m->key, m->key_len, m->value))
			return false;
	}
	return true;
}

/* ---- at the job's begin ---- */

/* The last map of `run` counts as a whole; what is empty in it does not count at all. */
static int read_defaults(struct job_engine *e)
{
	const struct template_node *levels[] = { e->what.file_defaults, e->what.job->defaults };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		const struct template_node *run = template_get(levels[i], "run"), *node;
		struct expr_value shell = expr_null(), directory = expr_null();
		if (!run)
			continue;
		if ((node = template_get(run, "shell")) &&
		    engine_text(e, node, &e->mem, &shell) < 0)
			return -EINVAL;
		if ((node = template_get(run, "working-directory")) &&
		    engine_text(e, node, &e->mem, &directory) < 0)
			return -EINVAL;
		e->default_shell = shell.kind == EXPR_STRING && shell.len ? shell.text : NULL;
		e->default_directory = directory.kind == EXPR_STRING && directory.len
		                               ? directory.text
		                               : NULL;
	}
	return 0;
}

int engine_env_begin(struct job_engine *e)
{
	struct expr_value file, job;

	if (read_map(e, e->what.file_env, &e->mem, &file) < 0)
		return -EINVAL;
	if (!merge(&e->mem, &e->views[TRUST_BUILD].global_env, &file) ||
	    read_map(e, e->what.job->env, &e->mem, &job) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ENGINE_TRUSTS; i++)
		if (!merge(&e->mem, &e->views[i].global_env, &file) ||
		    !merge(&e->mem, &e->views[i].global_env, &job))
			return -EINVAL;
	e->file_env = engine_env_layer_of(e->arena, &file, "workflow");
	e->job_env = engine_env_layer_of(e->arena, &job, "job");
	return read_defaults(e);
}

/* ---- of a step ---- */

/* What the steps that use the actions around this one set for all in them: the outermost first. */
static bool merge_around(struct expr_memory *mem, const struct engine_frame *frame,
                         struct expr_value *into)
{
	return !frame->outer ||
	       (merge_around(mem, frame->outer, into) && merge(mem, into, &frame->turn.own_env));
}

static size_t layers_around(const struct engine_frame *frame, struct env_layer *layers)
{
	if (!frame->outer)
		return 0;
	size_t n = layers_around(frame->outer, layers);
	layers[n] = frame->turn.own;
	return n + 1;
}

int engine_env_step(struct job_engine *e)
{
	struct engine_turn *now = &e->now;
	const struct engine_view *view = &e->views[engine_trust_of(now->grant)];
	struct expr_value env;

	if (!expr_object_new(&now->mem, true, &env) || !merge(&now->mem, &env, &view->global_env) ||
	    !merge_around(&now->mem, now->frame, &env)) {
		(void)snprintf(e->why, sizeof(e->why), "its variables need too much memory");
		return -EINVAL;
	}
	for (size_t i = 0; i < env.object->n; i++) {
		struct expr_value *v = &env.object->members[i].value;
		v->text = engine_secrets_fit(e, now->arena, v->text);
		v->len = strlen(v->text);
	}
	/* its own are evaluated while `env` is still what is around it */
	now->env = env;
	if (read_map(e, now->step->env, &now->mem, &now->own_env) < 0)
		return -EINVAL;
	now->own = engine_env_layer_of(now->arena, &now->own_env, "step");
	if (!merge(&now->mem, &env, &now->own_env)) {
		(void)snprintf(e->why, sizeof(e->why), "its variables need too much memory");
		return -EINVAL;
	}
	for (size_t i = 0; i < env.object->n && !now->saw_outsider; i++)
		now->saw_outsider = env.object->members[i].value.outsider;
	return 0;
}

/* ---- written by steps ---- */

static bool put_variable(struct job_engine *e, struct engine_view *view, const char *name,
                         size_t len, struct expr_value value)
{
	return expr_object_set(&e->mem, view->written.object, name, len, value) &&
	       expr_object_set(&e->mem, view->global_env.object, name, len, value);
}

/* The operator's word, which no step can hear. */
static bool is_carried(const struct job_engine *e, bool is_path, const char *name)
{
	const struct grant_terms *push = NULL;
	for (size_t i = 0; i < e->plan->n_grants && !push; i++)
		if (e->plan->grants[i].phase == DD_PHASE_PUSH)
			push = e->plan->grants[i].terms;
	const char *const *globs = !push ? NULL : is_path ? push->carry_path : push->carry_env;
	for (size_t i = 0; globs && globs[i]; i++)
		if (glob_match(is_path ? GLOB_PATH : GLOB_LINE, globs[i], name))
			return true;
	return false;
}

/* The last of one name and one writer is enough. */
static void withhold(struct job_engine *e, bool is_path, const char *name, const char *reason)
{
	for (size_t i = 0; i < e->n_withheld; i++)
		if (e->withheld[i].is_path == is_path && strcmp(e->withheld[i].name, name) == 0)
			return;
	if (e->n_withheld == WITHHELD_MAX)
		return;
	e->withheld = arena_grow(e->arena, e->withheld, e->n_withheld, sizeof(*e->withheld));
	e->withheld[e->n_withheld++] =
		(struct engine_withheld){ .is_path = is_path,
		                          .name = arena_strdup(e->arena, name),
		                          .reason = reason,
		                          .grant = e->now.grant->index };
}

/* GitHub refuses this one name; the step goes on. */
static bool is_blocked(struct job_engine *e, const struct command_pair *pair)
{
	if (strcasecmp(pair->name, "NODE_OPTIONS") != 0)
		return false;
	engine_complain(e,
	                "NODE_OPTIONS cannot be set by GITHUB_ENV; set it in `env:` of the step");
	return true;
}

int engine_env_written(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err)
{
	enum engine_trust trust = engine_trust_of(e->now.grant);

	for (size_t i = 0; i < pairs->n; i++) {
		const struct command_pair *p = &pairs->items[i];
		struct expr_value value;
		const char *name = expr_strndup(&e->mem, p->name, p->name_len);
		if (is_blocked(e, p))
			continue;
		if (!name || !expr_copy_string(&e->mem, p->value, p->value_len, &value))
			return engine_no_memory(err);
		value.outsider = engine_origin(e, "env.%s", name);
		if (!put_variable(e, &e->views[TRUST_BUILD], name, p->name_len, value))
			return engine_no_memory(err);
		const char *reason = trust == TRUST_PUSH ? NULL
		                                         : env_carry_reason(name, p->name_len);
		if (reason && !is_carried(e, false, name))
			withhold(e, false, name, reason);
		else if (!put_variable(e, &e->views[TRUST_PUSH], name, p->name_len, value))
			return engine_no_memory(err);
	}
	return 0;
}

/* An entry that is there already becomes the newest. */
static void put_path(struct job_engine *e, struct engine_view *view, const char *path)
{
	size_t kept = 0;
	for (size_t i = 0; i < view->n_paths; i++)
		if (strcmp(view->paths[i], path) != 0)
			view->paths[kept++] = view->paths[i];
	if (kept == view->n_paths)
		view->paths = arena_grow(e->arena, view->paths, kept, sizeof(*view->paths));
	view->paths[kept] = path;
	view->n_paths = kept + 1;
}

int engine_paths_written(struct job_engine *e, const struct command_pairs *paths,
                         struct dd_err *err)
{
	for (size_t i = 0; i < paths->n; i++) {
		const char *path = arena_strdup(e->arena, paths->items[i].value);
		if (e->views[TRUST_BUILD].n_paths >= PATHS_MAX)
			return dd_err_say(err, E2BIG, "more than %d entries in GITHUB_PATH",
			                  PATHS_MAX);
		put_path(e, &e->views[TRUST_BUILD], path);
		if (engine_trust_of(e->now.grant) == TRUST_PUSH || is_carried(e, true, path))
			put_path(e, &e->views[TRUST_PUSH], path);
		else
			withhold(e, true, path, "programs are found there");
	}
	return 0;
}

int engine_withheld_tell(struct job_engine *e, struct dd_err *err)
{
	if (engine_trust_of(e->now.grant) != TRUST_PUSH)
		return 0;
	for (size_t i = 0; i < e->n_withheld; i++) {
		struct engine_withheld *w = &e->withheld[i];
		if (w->told)
			continue;
		w->told = true;
		int r = job_voice_withheld(e->job, e->now.grant->index, w->is_path, w->name,
		                           w->reason, w->grant, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what the recipe gets ---- */

/* Of the github context: what steps are told of it, empty where it has none of that name, so that
 * no env says it instead. Never GITHUB_TOKEN. */
static const char *const told[] = {
	"action",
	"action_path",
	"action_ref",
	"action_repository",
	"actor",
	"actor_id",
	"api_url",
	"base_ref",
	"env",
	"event_name",
	"event_path",
	"graphql_url",
	"head_ref",
	"job",
	"output",
	"path",
	"ref",
	"ref_name",
	"ref_protected",
	"ref_type",
	"repository",
	"repository_id",
	"repository_owner",
	"repository_owner_id",
	"retention_days",
	"run_attempt",
	"run_id",
	"run_number",
	"server_url",
	"sha",
	"state",
	"step_summary",
	"triggering_actor",
	"workflow",
	"workflow_ref",
	"workflow_sha",
	"workspace",
};

static const char *const told_runner[] = {
	"os", "arch", "name", "environment", "temp", "tool_cache", "workspace",
};

static size_t add_told(struct job_engine *e, const struct expr_value *context, const char *prefix,
                       const char *const *names, size_t n, struct pair *ret)
{
	size_t made = 0;
	for (size_t i = 0; i < n; i++) {
		const struct expr_value *v = expr_object_get(context->object, names[i],
		                                             strlen(names[i]));
		struct expr_value text = expr_text("");
		if ((!v || v->kind == EXPR_NULL) && strcmp(names[i], "action_path") == 0)
			continue; /* of composite actions only */
		if (v && (!expr_is_scalar(v) || !expr_to_string(&e->now.mem, v, &text) ||
		          memchr(text.text, '\0', text.len)))
			continue;
		char *name = arena_printf(e->now.arena, "%s_%s", prefix, names[i]);
		for (char *at = name; *at; at++)
			*at = (char)toupper((unsigned char)*at);
		ret[made++] = (struct pair){ .name = name, .value = text.text };
	}
	return made;
}

static struct env_layer owned_layer(struct job_engine *e)
{
	struct pair *vars = arena_array(e->now.arena, ARRAY_LEN(told) + ARRAY_LEN(told_runner) + 3,
	                                sizeof(*vars));
	size_t n = 0;
	vars[n++] = (struct pair){ .name = "GITHUB_ACTIONS", .value = "true" };
	n += add_told(e, &e->github, "github", told, ARRAY_LEN(told), vars + n);
	n += add_told(e, &e->runner, "runner", told_runner, ARRAY_LEN(told_runner), vars + n);
	if (e->debug)
		vars[n++] = (struct pair){ .name = "RUNNER_DEBUG", .value = "1" };
	vars[n++] = (struct pair){ .name = "RUNNER_TRACKING_ID", .value = e->tracking };
	return (struct env_layer){ .origin = "drydock", .vars = vars, .n = n, .fixed = true };
}

/* PATH as the layers so far have it, with what steps put in front of it. */
static struct env_layer path_layer(struct job_engine *e, const struct env_layer *layers, size_t n)
{
	const struct engine_view *view = &e->views[engine_trust_of(e->now.grant)];
	const char *path = PLACE_PATH;
	struct pair *var;

	if (view->n_paths == 0)
		return (struct env_layer){ .origin = "GITHUB_PATH" };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < layers[i].n; k++)
			if (strcmp(layers[i].vars[k].name, "PATH") == 0)
				path = layers[i].vars[k].value;
	size_t len = strlen(path) + 1;
	for (size_t i = 0; i < view->n_paths; i++)
		len += strlen(view->paths[i]) + 1;
	char *whole = arena_alloc(e->now.arena, len), *at = whole;
	for (size_t i = view->n_paths; i > 0; i--)
		at = stpcpy(stpcpy(at, view->paths[i - 1]), ":");
	(void)stpcpy(at, path);
	var = arena_alloc(e->now.arena, sizeof(*var));
	*var = (struct pair){ .name = "PATH", .value = whole };
	return (struct env_layer){ .origin = "GITHUB_PATH", .vars = var, .n = 1 };
}

/* @layer without what the step at hand does not hold; the layer itself where there is nothing. */
static struct env_layer fit_layer(struct job_engine *e, const struct env_layer *layer)
{
	struct env_layer fit = *layer;
	struct pair *vars = NULL;

	for (size_t i = 0; i < layer->n; i++) {
		if (!engine_secrets_in(e, layer->vars[i].value))
			continue;
		if (!vars) {
			vars = arena_array(e->now.arena, layer->n, sizeof(*vars));
			memcpy(vars, layer->vars, layer->n * sizeof(*vars));
			fit.vars = vars;
		}
		vars[i].value = engine_secrets_fit(e, e->now.arena, layer->vars[i].value);
	}
	return fit;
}

static void env_layers(struct job_engine *e)
{
	struct env_layer *layers = arena_array(e->now.arena, 9 + e->now.frame->depth,
	                                       sizeof(*layers));
	size_t n = 0;

	layers[n++] = e->file_env;
	layers[n++] = e->job_env;
	layers[n++] = engine_env_layer_of(
		e->now.arena, &e->views[engine_trust_of(e->now.grant)].written, "GITHUB_ENV");
	n += layers_around(e->now.frame, layers + n);
	layers[n++] = e->now.own;
	layers[n++] = e->now.given[0];
	layers[n++] = e->now.given[1];
	layers[n] = path_layer(e, layers, n);
	n++;
	layers[n++] = owned_layer(e);
	layers[n++] = e->now.values;
	for (size_t i = 0; i < n; i++)
		layers[i] = fit_layer(e, &layers[i]);
	engine_secrets_recipe(e);
	e->now.recipe.env = layers;
	e->now.recipe.n_env = n;
}

void engine_recipe_rest(struct job_engine *e)
{
	struct engine_turn *now = &e->now;

	now->recipe.files = &e->event_file;
	now->recipe.n_files = 1;
	now->recipe.channel = runner_file_names;
	now->recipe.time_sec = now->timeout_sec;
	env_layers(e);
}
