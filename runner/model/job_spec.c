// SPDX-License-Identifier: Apache-2.0
/* job_spec.c - judges what a front end says of a job: once, for all of them.
 *
 * Runs in: command line and supervisor. The texts are hostile. A mistake of the front end and a
 * mistake of the repository end alike: the job is not planned. */
#include "job_spec.h"

#include "drydock/err.h"
#include "input/key_table.h"
#include "places.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_TEXT_MAX = 40 };

const char *job_spec_label(struct plan_arena *arena, unsigned index, const char *text)
{
	char fit[LABEL_TEXT_MAX + 1];
	size_t n = 0;
	for (; *text && n < LABEL_TEXT_MAX; text++) {
		if (isalnum((unsigned char)*text))
			fit[n++] = (char)tolower((unsigned char)*text);
		else if (n > 0 && fit[n - 1] != '-')
			fit[n++] = '-';
	}
	while (n > 0 && fit[n - 1] == '-')
		n--;
	fit[n] = '\0';
	return arena_printf(arena, "%02u-%s", index, n ? fit : "step");
}

const char *job_spec_workdir(const struct spec_step *step)
{
	const char *dir = step->recipe.workdir;
	const size_t root = strlen(PLACE_WORKSPACE);
	if (!dir || strncmp(dir, PLACE_WORKSPACE, root) != 0 || (dir[root] && dir[root] != '/'))
		return dir; /* elsewhere, or an expression, until its turn comes */
	return dir[root] == '/' && dir[root + 1] ? dir + root + 1 : NULL;
}

const char *const spec_note_names[] = {
	[SPEC_NOTE_UNSUPPORTED] = "unsupported",
	[SPEC_NOTE_REFUSED] = "refused",
	[SPEC_NOTE_MISSING] = "missing",
};

/* ---- one step ---- */

static bool is_label(const char *label)
{
	return label && *label &&
	       strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(label);
}

static void check_shape(const struct spec_step *step, struct diag_list *diags)
{
	const struct spec_facts *f = &step->facts;
	if (!is_label(step->label) || !step->recipe.name || !*step->recipe.name || !f->job)
		diag_add(diags, step->mark, NULL, "a step has no job, no name or no label");
	if (!f->run == !f->uses)
		diag_add(diags, step->mark, NULL, "a step needs one thing to do, and one only");
	if (f->id && !*f->id)
		diag_add(diags, step->mark, NULL, "the id of a step is empty");
}

static void check_names(const struct spec_step *step, const struct env_layer *layer,
                        struct diag_list *diags)
{
	for (size_t i = 0; i < layer->n; i++)
		if (!key_is_env_name(layer->vars[i].name))
			diag_add(diags, layer->vars[i].mark.line ? layer->vars[i].mark : step->mark,
			         "letters, digits, _, - and ., a letter or _ first",
			         "`%s` cannot be a variable's name", layer->vars[i].name);
}

/* Layers that a step shares with the one before it have been looked at with that one. */
static size_t check_env(const struct spec_step *step, const struct spec_step *before,
                        struct diag_list *diags)
{
	const struct recipe *r = &step->recipe;
	size_t n = 0;
	for (size_t i = 0; i < r->n_env; i++) {
		const struct env_layer *old = before && i < before->recipe.n_env
		                                      ? &before->recipe.env[i]
		                                      : NULL;
		if (!old || old->vars != r->env[i].vars)
			check_names(step, &r->env[i], diags);
		n += r->env[i].n;
	}
	if (n > JOB_SPEC_VARS_MAX)
		diag_add(diags, step->mark, NULL, "%zu variables for one step, more than %d", n,
		         JOB_SPEC_VARS_MAX);
	return n;
}

/* ---- all of them ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void refuse_twice(const struct job_spec *spec, const char **texts, size_t n,
                         const char *what, struct diag_list *diags)
{
	qsort(texts, n, sizeof(*texts), by_text);
	for (size_t i = 1; i < n; i++)
		if (strcmp(texts[i - 1], texts[i]) == 0)
			diag_add(diags, spec->mark, NULL, "two steps of job `%s` have the %s `%s`",
			         spec->id, what, texts[i]);
}

static void check_unique(const struct job_spec *spec, struct diag_list *diags)
{
	const char **texts = calloc(spec->n_steps + 1, sizeof(*texts));
	size_t n = 0;
	if (!texts) {
		diag_add(diags, spec->mark, NULL, "out of memory");
		return;
	}
	for (size_t i = 0; i < spec->n_steps; i++)
		if (spec->steps[i].facts.id)
			texts[n++] = spec->steps[i].facts.id;
	refuse_twice(spec, texts, n, "id", diags);
	for (size_t i = 0; i < spec->n_steps; i++)
		texts[i] = spec->steps[i].label ? spec->steps[i].label : "";
	refuse_twice(spec, texts, spec->n_steps, "label", diags);
	free(texts);
}

int job_spec_check(const struct job_spec *spec, struct diag_list *diags)
{
	size_t before = diags->n, vars = 0;
	if (spec->n_steps > JOB_SPEC_STEPS_MAX) {
		diag_add(diags, spec->mark, NULL, "%zu steps in one job, more than %d",
		         spec->n_steps, JOB_SPEC_STEPS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < spec->n_steps; i++) {
		check_shape(&spec->steps[i], diags);
		vars += check_env(&spec->steps[i], i ? &spec->steps[i - 1] : NULL, diags);
	}
	if (vars > JOB_SPEC_VARS_TOTAL_MAX)
		diag_add(diags, spec->mark,
		         "give a step its own variables, or let a script read a file",
		         "the %zu steps of job `%s` have %zu variables together, more than %d",
		         spec->n_steps, spec->id, vars, JOB_SPEC_VARS_TOTAL_MAX);
	check_unique(spec, diags);
	return diags->n > before || diags->truncated ? -EINVAL : 0;
}

void job_spec_free(struct job_spec *spec)
{
	if (spec)
		arena_free(spec->arena);
}
