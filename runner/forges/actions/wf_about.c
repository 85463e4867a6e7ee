// SPDX-License-Identifier: Apache-2.0
/* wf_about.c - what a job says of itself as a whole, for people. Pure; it decides nothing.
 *
 * Runs in: command line and supervisor. The texts are commit content. */
#include "wf_matrix.h"
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

/* What the name of a job is made of at GitHub, as far as the file alone tells it. */
static int about_context(void *user, const char *name, struct expr_value *ret,
                         struct expr_error *err)
{
	const struct wf_combination *c = user;
	(void)err;
	if (strcmp(name, "matrix") == 0)
		*ret = c->matrix;
	else if (strcmp(name, "strategy") == 0)
		*ret = c->strategy;
	return 0;
}

static const char *computed_name(struct plan_arena *arena, const struct template_node *name,
                                 struct wf_combination *c, struct expr_memory *mem)
{
	const struct expr_scope scope = { .context = about_context, .user = c };
	struct wf_errors errors = { .n = 0 };
	struct expr_value text;
	unsigned asked = 0;

	for (size_t i = 0; i < name->n; i++)
		if (name->parts[i].expr)
			asked |= expr_contexts_of(name->parts[i].expr);
	if ((asked & ~(unsigned)(EXPR_MATRIX | EXPR_STRATEGY)) ||
	    template_string(name, &scope, mem, &text, &errors) < 0)
		return wf_written(arena, name);
	return arena_strndup(arena, text.text, text.len);
}

static void list_combinations(struct plan_arena *arena, const struct wf_flat_job *flat_job,
                              struct spec_about *out)
{
	const struct wf_job *job = flat_job->job;
	const bool computed = job->name->kind == TEMPLATE_EXPRESSION;
	struct expr_memory mem = { .arena = arena };
	struct wf_errors errors = { .n = 0 };
	struct wf_matrix matrix;

	if (!job->strategy ||
	    wf_matrix_expand(job->strategy, computed ? NULL : wf_written(arena, job->name), &mem,
	                     &matrix, &errors) < 0 ||
	    matrix.computed_later)
		return;
	const char **names = arena_array(arena, matrix.n + 1, sizeof(*names));
	for (size_t i = 0; i < matrix.n; i++)
		names[i] = computed ? computed_name(arena, job->name, &matrix.combinations[i], &mem)
		                    : matrix.combinations[i].name;
	out->combinations = names;
}

void wf_about(const struct wf_flat *flat, const struct wf_flat_job *flat_job,
              struct plan_arena *arena, struct spec_about *ret)
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
	list_combinations(arena, flat_job, ret);
	if (job->strategy)
		ret->computed = first_expression(arena, job->strategy);
}
