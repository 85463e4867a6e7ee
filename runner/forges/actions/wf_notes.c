// SPDX-License-Identifier: Apache-2.0
/* wf_notes.c - what of a job this build cannot run. Pure; the texts are commit content.
 *
 * Runs in: command line and supervisor. `plan` shows a job with notes, `run` refuses it before
 * anything of the workflow runs: nothing is ever skipped in silence. */
#include "wf_notes.h"

#include <string.h>

static const char no_action[] =
	"an action is code from elsewhere; write what it does as a `run:` step";
static const char not_yet[] = "`%s` is not supported yet";

/* ---- the checkout ---- */

/* Parameters of actions/checkout that say how the forge hands over the same tree. All others ask
 * for another one, or for credentials. */
static const char *const checkout_rows[] = {
	"clean",         "fetch-depth",         "fetch-tags",
	"lfs",           "persist-credentials", "set-safe-directory",
	"show-progress", "submodules",
};

static bool is_checkout_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(checkout_rows); i++)
		if (strcmp(checkout_rows[i], name) == 0)
			return true;
	return false;
}

static bool is_checkout(const struct wf_step *step)
{
	static const char checkout[] = "actions/checkout@";
	return step->uses && step->uses->kind == TEMPLATE_STRING &&
	       strncmp(step->uses->text, checkout, sizeof(checkout) - 1) == 0;
}

/* What of a checkout asks for another tree than the caller's; NULL: nothing. */
static const struct template_node *other_tree(const struct template_node *with)
{
	if (with && with->kind != TEMPLATE_MAP)
		return with;
	for (size_t i = 0; with && i < with->n; i++)
		if (with->pairs[i].key->kind != TEMPLATE_STRING ||
		    !is_checkout_row(with->pairs[i].key->text))
			return with->pairs[i].key;
	return NULL;
}

bool wf_is_local_checkout(const struct wf_step *step)
{
	return is_checkout(step) && !other_tree(step->with);
}

static void note_uses(const struct wf_step *step, struct plan_arena *arena, struct diag_list *notes)
{
	const struct template_node *other = other_tree(step->with);
	if (!is_checkout(step))
		diag_add(notes, step->uses->mark, no_action, "`uses: %.100s` is not supported yet",
		         wf_written(arena, step->uses));
	else if (other)
		diag_add(notes, other->mark, "a local run works on a copy of --workspace",
		         "`%.60s` of a checkout is not supported yet", wf_written(arena, other));
}

/* ---- what is computed ---- */

/* Where its first expression stands; line 0: it has none. */
static struct diag_mark expression_at(const struct template_node *node)
{
	struct diag_mark at = { .line = 0 };
	if (!node)
		return at;
	if (node->kind == TEMPLATE_EXPRESSION || node->kind == TEMPLATE_INSERT)
		return node->n ? node->parts[0].expr ? node->parts[0].at : node->parts[1].at
		               : node->mark;
	for (size_t i = 0; !at.line && i < node->n; i++) {
		if (node->kind == TEMPLATE_LIST)
			at = expression_at(node->items[i]);
		else if (node->kind == TEMPLATE_MAP &&
		         !(at = expression_at(node->pairs[i].key)).line)
			at = expression_at(node->pairs[i].value);
	}
	return at;
}

static void note_expressions(const struct template_node *const *nodes, size_t n,
                             struct diag_list *notes)
{
	for (size_t i = 0; i < n; i++) {
		struct diag_mark at = expression_at(nodes[i]);
		if (at.line)
			diag_add(notes, at, "write the value itself, or pass it with env:",
			         "expressions are not supported yet");
	}
}

static void note_step(const struct wf_step *step, struct plan_arena *arena, struct diag_list *notes)
{
	const struct template_node *const computed[] = {
		step->run,
		step->name,
		step->env,
		step->working_directory,
		step->shell,
		step->timeout_minutes,
		step->continue_on_error,
	};
	note_expressions(computed, ARRAY_LEN(computed), notes);
	if (step->cond_written)
		diag_add(notes, step->cond->mark,
		         "conditions come later; put the test into the script", not_yet, "if");
	if (step->uses)
		note_uses(step, arena, notes);
}

/* ---- the job ---- */

static bool has_container(const struct template_node *container)
{
	return container && !(container->kind == TEMPLATE_STRING && container->len == 0) &&
	       container->kind != TEMPLATE_NULL;
}

void wf_note_job(const struct wf_flat_job *flat, struct plan_arena *arena, struct diag_list *notes)
{
	const struct wf_job *job = flat->job;
	const struct {
		const struct template_node *node;
		const char *key, *hint;
	} rows[] = {
		{ job->n_needs ? job->needs[0] : NULL, "needs",
		  "run the jobs one by one with --job" },
		{ job->cond_written ? job->cond : NULL, "if", "choose the job with --job" },
		{ job->strategy, "strategy", "write one job for each combination" },
		{ job->continue_on_error, "continue-on-error", "say it at the step" },
		{ job->outputs, "outputs", "jobs run alone" },
		{ job->environment, "environment", "credentials come from the policy" },
		{ has_container(job->container) ? job->container : NULL, "container",
		  "steps run on the host's own tools" },
		{ job->services, "services", "start what is needed inside a step" },
		{ job->snapshot, "snapshot", "nothing is kept of a machine" },
		{ job->call ? job->call->ref : NULL, "uses", "list the steps in this job" },
	};
	const struct template_node *const computed[] = { flat->file_env, job->env, job->defaults,
		                                         job->timeout_minutes };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].node)
			diag_add(notes, rows[i].node->mark, rows[i].hint, not_yet, rows[i].key);
	note_expressions(computed, ARRAY_LEN(computed), notes);
	for (size_t i = 0; i < job->n_steps; i++)
		note_step(&job->steps[i], arena, notes);
}
