// SPDX-License-Identifier: Apache-2.0
/* wf_about.c - what a job says of itself as a whole, for people. Pure; it decides nothing.
 *
 * Runs in: command line and supervisor. The texts are commit content. */
#include "wf_combine.h"
#include "wf_spec.h"

#include <string.h>

const char *wf_permissions_text(struct plan_arena *arena, const struct wf_permissions *permissions)
{
	const char *text = "";

	if (!permissions)
		return NULL;
	for (size_t i = 0; i < WF_PERMISSIONS_N; i++) {
		enum wf_level level = permissions->levels[i];
		if (level != WF_LEVEL_NONE && !permissions->all)
			text = arena_printf(arena, "%s%s%s: %s", text, *text ? ", " : "",
			                    wf_permission_name(i), wf_level_name(level));
	}
	if (permissions->all)
		return permissions->levels[0] == WF_LEVEL_WRITE ? "write-all" : "read-all";
	return *text ? text : "none";
}

static const char *needs_text(struct plan_arena *arena, const struct wf_job *job)
{
	const char *text = NULL;
	for (size_t i = 0; i < job->n_needs; i++)
		text = text ? arena_printf(arena, "%s, %s", text, job->needs[i]->text)
		            : job->needs[i]->text;
	return text;
}

static const char *image_of(struct plan_arena *arena, const struct template_node *node)
{
	const struct template_node *image = node && node->kind == TEMPLATE_MAP
	                                            ? template_get(node, "image")
	                                            : node;
	return image ? wf_written(arena, image) : NULL;
}

static void list_services(struct plan_arena *arena, const struct template_node *map,
                          struct spec_about *out)
{
	if (!map || map->kind != TEMPLATE_MAP)
		return;
	struct pair *services = arena_array(arena, map->n, sizeof(*services));
	for (size_t i = 0; i < map->n; i++) {
		const char *image = image_of(arena, map->pairs[i].value);
		services[i] = (struct pair){ .name = wf_written(arena, map->pairs[i].key),
			                     .value = image ? image : "",
			                     .mark = map->pairs[i].key->mark };
	}
	out->services = services;
	out->n_services = map->n;
}

/* ---- the matrix ---- */

/* The first expression in it, as it is written. */
static const char *first_expression(struct plan_arena *arena, const struct template_node *node)
{
	const char *found = NULL;
	if (node->kind == TEMPLATE_EXPRESSION)
		return wf_written(arena, node);
	for (size_t i = 0; !found && i < node->n; i++) {
		if (node->kind == TEMPLATE_LIST)
			found = first_expression(arena, node->items[i]);
		else if (node->kind == TEMPLATE_MAP &&
		         !(found = first_expression(arena, node->pairs[i].key)))
			found = first_expression(arena, node->pairs[i].value);
	}
	return found;
}

static const char *values_text(struct plan_arena *arena, const struct template_node *list)
{
	const char *text = "";
	if (list->kind != TEMPLATE_LIST)
		return wf_written(arena, list);
	for (size_t i = 0; i < list->n; i++) {
		const struct template_node *item = list->items[i];
		const char *one = template_is_collection(item) ? wf_on_one_line(arena, item)
		                                               : wf_written(arena, item);
		text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", one);
	}
	return text;
}

static void list_axes(struct plan_arena *arena, const struct template_node *matrix,
                      struct spec_about *out)
{
	if (!matrix || matrix->kind != TEMPLATE_MAP)
		return;
	struct pair *axes = arena_array(arena, matrix->n, sizeof(*axes));
	size_t n = 0;
	for (size_t i = 0; i < matrix->n; i++) {
		const struct template_pair *pair = &matrix->pairs[i];
		if (template_is(pair->key, "include") || template_is(pair->key, "exclude"))
			continue;
		axes[n++] = (struct pair){ .name = wf_written(arena, pair->key),
			                   .value = values_text(arena, pair->value) };
	}
	out->axes = axes;
	out->n_axes = n;
}

/* What is known before anything runs: not what other jobs give, nor what a caller does. */
static void list_combinations(const struct wf_flat_job *job, const struct wf_world *world,
                              struct plan_arena *arena, struct spec_about *out)
{
	struct expr_memory mem = { .arena = arena };
	struct wf_errors errors = { .n = 0 };
	struct wf_job_scope scope = { .inputs = world->inputs,
		                      .vars = world->vars,
		                      .unknown = EXPR_NEEDS | (job->caller ? EXPR_INPUTS : 0U) };
	struct wf_combined combined;

	wf_job_scope_init(&scope);
	if (!wf_world_github(world, job->job->id->text, &mem, &scope.github) ||
	    wf_combine(job, &scope, &mem, &combined, &errors) < 0)
		return;
	struct spec_combination *list = arena_array(arena, combined.n, sizeof(*list));
	for (size_t i = 0; i < combined.n; i++) {
		const struct wf_combined_one *one = &combined.items[i];
		struct expr_value json = { .kind = EXPR_NULL };
		list[i] = (struct spec_combination){ .name = one->name,
			                             .runs_on = one->runs_on,
			                             .elsewhere = one->elsewhere };
		if (one->matrix.kind == EXPR_OBJECT &&
		    expr_json_write(&mem, &one->matrix, NULL, NULL, &json))
			list[i].matrix = json.text;
	}
	out->combinations = list;
	out->n_combinations = combined.n;
}

void wf_about(const struct wf_flat *flat, const struct wf_flat_job *flat_job,
              const struct wf_world *world, struct plan_arena *arena, struct spec_about *ret)
{
	const struct wf_job *job = flat_job->job;
	const struct template_node *concurrency = job->concurrency ? job->concurrency
	                                                           : flat->doc->concurrency;

	*ret = (struct spec_about){
		.on = wf_names(arena, flat->doc->on),
		.cond = job->cond_written ? wf_written(arena, job->cond) : NULL,
		.runs_on = wf_on_one_line(arena, job->runs_on),
		.needs = needs_text(arena, job),
		.permissions = wf_permissions_text(arena, job->permissions),
		.environment = wf_on_one_line(arena, job->environment),
		.concurrency = wf_on_one_line(arena, concurrency),
		.container = image_of(arena, job->container),
		.outputs = wf_on_one_line(arena, job->outputs),
		.uses = job->call ? wf_written(arena, job->call->ref) : NULL,
	};
	list_services(arena, job->services, ret);
	list_axes(arena, template_get(job->strategy, "matrix"), ret);
	list_combinations(flat_job, world, arena, ret);
	if (job->strategy)
		ret->computed = first_expression(arena, job->strategy);
}
