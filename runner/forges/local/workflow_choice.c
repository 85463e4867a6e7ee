// SPDX-License-Identifier: Apache-2.0
/* workflow_choice.c - which jobs and combinations of a workflow a run is about. Pure.
 *
 * Runs in: command line. */
#include "workflow_choice.h"

#include <string.h>

/* Where it asks for no status a false condition stays false: success is implied. */
static bool is_false_already(const struct job_source *source, const struct wf_flat_job *job)
{
	const struct wf_job *from = job->job;
	struct expr_memory mem = { .arena = source->wf->arena };
	struct wf_errors errors = { .n = 0 };
	struct wf_job_scope scope = { .inputs = source->world.inputs, .vars = source->world.vars };
	bool yes = true;

	if (!from->cond_written ||
	    wf_asks_for(from->cond, EXPR_NEEDS | (job->caller ? EXPR_INPUTS : 0U)) ||
	    strncmp(from->cond->text, "success() && ", strlen("success() && ")) != 0)
		return false;
	wf_job_scope_init(&scope);
	return wf_world_github(&source->world, from->id->text, &mem, &scope.github) &&
	       wf_condition(from, &scope, &mem, &yes, &errors) == 0 && !yes;
}

static bool is_elsewhere(const struct spec_about *about)
{
	for (size_t i = 0; i < about->n_combinations; i++)
		if (!about->combinations[i].elsewhere)
			return false;
	return about->n_combinations > 0;
}

bool workflow_never_runs(const struct job_source *source, const struct source_job *job)
{
	for (const struct wf_flat_job *at = job->job; at; at = at->caller)
		if (is_false_already(source, at))
			return true;
	return is_elsewhere(&job->spec->about);
}

/* ---- --matrix ---- */

static bool fits(const struct run_args *args, struct expr_memory *mem,
                 const struct wf_combined_one *one)
{
	for (size_t i = 0; i < args->n_picks; i++) {
		const char *equals = strchr(args->picks[i], '=');
		const struct expr_value want = expr_text(equals + 1);
		const struct expr_value *have =
			one->matrix.kind == EXPR_OBJECT
				? expr_object_get(one->matrix.object, args->picks[i],
		                                  (size_t)(equals - args->picks[i]))
				: NULL;
		struct expr_value text;
		if (!have || !expr_to_string(mem, have, &text) || !expr_equal(&text, &want))
			return false;
	}
	return true;
}

void workflow_pick(const struct run_args *args, struct expr_memory *mem,
                   struct wf_combined *combined)
{
	size_t kept = 0;
	for (size_t i = 0; i < combined->n; i++)
		if (fits(args, mem, &combined->items[i]))
			combined->items[kept++] = combined->items[i];
	combined->n = kept;
}
