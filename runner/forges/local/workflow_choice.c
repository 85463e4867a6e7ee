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

/* The value that a combination has for the key of KEY=VALUE, or NULL. */
static const struct expr_value *picked(const struct wf_combined_one *one, const char *pick)
{
	return one->matrix.kind == EXPR_OBJECT
	               ? expr_object_get(one->matrix.object, pick, strcspn(pick, "="))
	               : NULL;
}

static bool fits(const struct wf_combined_one *one, const char *pick, struct expr_memory *mem)
{
	const struct expr_value *have = picked(one, pick);
	const struct expr_value want = expr_text(strchr(pick, '=') + 1);
	struct expr_value text;
	return have && expr_to_string(mem, have, &text) && expr_equal(&text, &want);
}

void workflow_pick(const struct run_args *args, struct expr_memory *mem,
                   struct wf_combined *combined)
{
	for (size_t i = 0; i < args->n_picks; i++) {
		size_t kept = 0, known = 0;
		for (size_t k = 0; k < combined->n; k++)
			known += picked(&combined->items[k], args->picks[i]) != NULL;
		if (known == 0 && !args->job)
			continue; /* another job's matrix is meant */
		for (size_t k = 0; k < combined->n; k++)
			if (fits(&combined->items[k], args->picks[i], mem))
				combined->items[kept++] = combined->items[k];
		combined->n = kept;
	}
}
