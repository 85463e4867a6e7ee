// SPDX-License-Identifier: Apache-2.0
/* plan_job.c - what a workflow says of a job as a whole, copied into the plan; and the notes about
 * what `run` cannot do. Pure.
 *
 * Runs in: command line and supervisor. Nothing here decides anything: it is the workflow's own
 * word, and hostile. */
#include "plan_build.h"

#include <string.h>

const struct pair *plan_copy_pairs(struct plan_arena *arena, const struct workflow_env *from,
                                   size_t n)
{
	struct pair *pairs = arena_array(arena, n, sizeof(*pairs));
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct pair){ arena_strdup(arena, from[i].name),
			                  arena_strdup(arena, from[i].value) };
	return pairs;
}

static const char *joined(struct plan_arena *arena, const char *const *values)
{
	size_t len = 1;
	for (size_t i = 0; values && values[i]; i++)
		len += strlen(values[i]) + 2;
	char *text = arena_alloc(arena, len), *at = text;
	for (size_t i = 0; values && values[i]; i++)
		at = stpcpy(stpcpy(at, i ? ", " : ""), values[i]);
	return text;
}

static void describe_matrix(struct plan_arena *arena, const struct workflow_matrix *from,
                            struct plan_job *job)
{
	struct pair *axes = arena_array(arena, from->n_axes, sizeof(*axes));
	size_t n = 0;
	for (size_t i = 0; i < from->n_axes; i++)
		axes[i] = (struct pair){ arena_strdup(arena, from->axes[i].name),
			                 joined(arena, from->axes[i].values) };
	job->axes = axes;
	job->n_axes = from->n_axes;
	job->computed = arena_strdup(arena, from->computed);
	if (!from->names)
		return;
	while (from->names[n])
		n++;
	const char **names = arena_array(arena, n + 1, sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = arena_strdup(arena, from->names[i]);
	job->combinations = names;
}

void plan_describe_job(struct plan_build *b)
{
	struct plan_arena *arena = b->plan->arena;
	const struct workflow_job *from = b->job;
	struct plan_job *job = &b->plan->job;
	const char *permissions = from->permissions ? from->permissions : b->wf->permissions;
	const char *concurrency = from->concurrency ? from->concurrency : b->wf->concurrency;
	*job = (struct plan_job){
		.on = arena_strdup(arena, b->wf->on),
		.cond = arena_strdup(arena, from->cond),
		.runs_on = arena_strdup(arena, from->runs_on),
		.needs = arena_strdup(arena, from->needs),
		.permissions = arena_strdup(arena, permissions),
		.environment = arena_strdup(arena, from->environment),
		.concurrency = arena_strdup(arena, concurrency),
		.container = arena_strdup(arena, from->container),
		.outputs = arena_strdup(arena, from->outputs),
		.uses = arena_strdup(arena, from->uses),
		.services = plan_copy_pairs(arena, from->services, from->n_services),
		.n_services = from->n_services,
	};
	describe_matrix(arena, &from->matrix, job);
}

static size_t copy_notes(struct plan_arena *arena, const struct diag_list *from,
                         struct plan_note *to)
{
	for (size_t i = 0; i < from->n; i++) {
		to[i] = (struct plan_note){ from->items[i].mark,
			                    arena_strdup(arena, from->items[i].text),
			                    arena_strdup(arena, from->items[i].hint) };
		to[i].mark.file = arena_strdup(arena, from->items[i].mark.file);
	}
	return from->n;
}

void plan_keep_notes(struct plan_build *b)
{
	const struct diag_list *lists[] = { &b->wf->notes, &b->job->notes, &b->notes };
	struct plan_note *notes = arena_array(
		b->plan->arena, lists[0]->n + lists[1]->n + lists[2]->n, sizeof(*notes));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		b->plan->n_notes += copy_notes(b->plan->arena, lists[i], notes + b->plan->n_notes);
	b->plan->notes = notes;
}
