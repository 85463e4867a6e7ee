// SPDX-License-Identifier: Apache-2.0
/* workflow_step.c - reads the steps of a job: every key that GitHub documents.
 *
 * Runs in: command line and supervisor. The file is commit content, so it is hostile. */
#include "workflow_read.h"

#include <string.h>

enum { STEPS_MAX = 1000 };

static const char no_action[] =
	"an action is code from elsewhere; write what it does as a `run:` step";

static void step_id(struct key_context *ctx, const struct tree_node *v, void *out)
{
	if (key_text(ctx, v, "id"))
		((struct workflow_step *)out)->id = workflow_read_id(ctx, v, "step");
}

static void step_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->name = key_text(ctx, v, "name");
}

static void step_run(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->run = key_text(ctx, v, "run");
}

static void step_uses(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->uses = key_text(ctx, v, "uses");
}

static void step_with(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow_step *step = out;
	workflow_read_pairs(ctx, v, &step->with, &step->n_with);
}

static void step_if(struct key_context *ctx, const struct tree_node *v, void *out)
{
	/* noted as a key; its text is an expression anyway */
	((struct workflow_step *)out)->cond = workflow_flat(ctx, v);
}

static void step_shell(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->shell = key_text(ctx, v, "shell");
	((struct workflow_step *)out)->shell_mark = v->mark;
}

static void step_workdir(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->workdir = key_text(ctx, v, "working-directory");
	((struct workflow_step *)out)->workdir_mark = v->mark;
}

static void step_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow_step *step = out;
	workflow_read_env(ctx, v, &step->env, &step->n_env);
}

static void step_timeout(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->timeout_minutes = workflow_read_minutes(ctx, v);
}

static void step_continue(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_bool(ctx, v, "continue-on-error",
	                   &((struct workflow_step *)out)->continue_on_error);
}

static const struct key_row step_rows[] = {
	{ .name = "id", .kinds = TREE_SCALAR, .read = step_id },
	{ .name = "if",
	  .kinds = TREE_SCALAR,
	  .read = step_if,
	  .why_not = "conditions come later; put the test into the script" },
	{ .name = "name", .kinds = TREE_SCALAR, .read = step_name },
	{ .name = "uses", .kinds = TREE_SCALAR, .read = step_uses },
	{ .name = "run", .kinds = TREE_SCALAR, .read = step_run },
	{ .name = "shell", .kinds = TREE_SCALAR, .read = step_shell },
	{ .name = "with", .kinds = TREE_MAP, .read = step_with },
	{ .name = "env", .kinds = TREE_MAP, .read = step_env },
	{ .name = "working-directory", .kinds = TREE_SCALAR, .read = step_workdir },
	{ .name = "timeout-minutes", .kinds = TREE_SCALAR, .read = step_timeout },
	{ .name = "continue-on-error", .kinds = TREE_SCALAR, .read = step_continue },
};

/* ---- actions ---- */

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

/* `run` works on a copy of the caller's tree, so a plain checkout has nothing left to do. Every
 * other action is somebody else's code. */
static void judge_action(struct key_context *ctx, const struct tree_pair *uses,
                         const struct tree_pair *with, struct workflow_step *step)
{
	static const char checkout[] = "actions/checkout@";
	if (!step->uses)
		return; /* complained */
	step->is_local_checkout = strncmp(step->uses, checkout, sizeof(checkout) - 1) == 0;
	if (!step->is_local_checkout)
		diag_add(ctx->notes, uses->key->mark, no_action,
		         "`uses` in a step is not supported yet");
	for (size_t i = 0; step->is_local_checkout && i < step->n_with; i++) {
		if (is_checkout_row(step->with[i].name))
			continue;
		diag_add(ctx->notes, step->with[i].mark,
		         "a local run works on a copy of --workspace",
		         "`%s` of a checkout is not supported yet", step->with[i].name);
		step->is_local_checkout = false;
		return;
	}
	if (with && !step->is_local_checkout)
		diag_add(ctx->notes, with->key->mark, no_action,
		         "`with` in a step is not supported yet");
}

static void read_step(struct key_context *ctx, const struct tree_node *node,
                      struct workflow_step *step)
{
	step->mark = node->mark;
	step->mark.length = 1;
	if (!key_walk(ctx, node, "a step", step_rows, ARRAY_LEN(step_rows), step))
		return;
	const struct tree_pair *run = NULL, *uses = NULL, *with = NULL;
	for (size_t i = 0; i < node->n; i++) {
		const char *key = node->pairs[i].key->text;
		run = strcmp(key, "run") == 0 ? &node->pairs[i] : run;
		uses = strcmp(key, "uses") == 0 ? &node->pairs[i] : uses;
		with = strcmp(key, "with") == 0 ? &node->pairs[i] : with;
	}
	if (!run && !uses)
		diag_add(ctx->diags, step->mark, NULL, "a step needs `run` or `uses`");
	else if (run && uses)
		diag_add(ctx->diags, uses->key->mark, "make two steps of it",
		         "a step has either `run` or `uses`");
	else if (run && with)
		diag_add(ctx->diags, with->key->mark,
		         "give a script its values by env:", "`with` is for `uses`");
	else if (uses)
		judge_action(ctx, uses, with, step);
}

static void refuse_same_id(struct key_context *ctx, const struct tree_node *list,
                           const struct workflow_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; steps[i].id && k < i; k++) {
			if (!steps[k].id || strcmp(steps[i].id, steps[k].id) != 0)
				continue;
			const struct tree_node *id = tree_get(list->items[i], "id"),
					       *first = tree_get(list->items[k], "id");
			diag_add(ctx->diags, id->mark, NULL,
			         "two steps with id `%s`: the first at line %u", steps[i].id,
			         first->mark.line);
			break;
		}
}

void workflow_read_steps(struct key_context *ctx, const struct tree_node *list,
                         struct workflow_job *job)
{
	if (list->n == 0 || list->n > STEPS_MAX) {
		diag_add(ctx->diags, list->mark, NULL,
		         list->n ? "more than 1000 steps" : "`steps` is empty");
		return;
	}
	struct workflow_step *steps = arena_array(ctx->arena, list->n, sizeof(*steps));
	for (size_t i = 0; i < list->n; i++)
		read_step(ctx, list->items[i], &steps[i]);
	refuse_same_id(ctx, list, steps, list->n);
	job->steps = steps;
	job->n_steps = list->n;
}
