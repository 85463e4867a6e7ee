// SPDX-License-Identifier: Apache-2.0
/* workflow.c - GitHub workflow YAML into struct workflow, or complaints with positions.
 *
 * Runs in: command line and supervisor. The file is commit content, so it is hostile: it says what to run and never in which phase,
 * with which trust or with which credential (G-05). What is not supported is refused, never skipped. */
#include "workflow.h"

#include "../key_table.h"
#include "../read_file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TREE_ANY (TREE_SCALAR | TREE_LIST | TREE_MAP)

enum { JOBS_MAX = 256, STEPS_MAX = 1000, ENV_MAX = 1000, TIMEOUT_MINUTES_MAX = 35 * 24 * 60 };

static const char no_forge[] = "a run without a forge cannot do this; move it into a `run:` step";
static const char write_steps[] = "list the steps in this job";

/* --- values shared by workflow, job and step ---- */

struct env_out {
	const struct workflow_env **env;
	size_t                     *n;
};

static void read_env(struct key_context *ctx, const struct tree_node *map, struct env_out out)
{
	struct workflow_env *env = arena_array(ctx->arena, map->n, sizeof(*env));
	size_t k = 0;
	if (map->n > ENV_MAX) { /* layers are laid over one another by comparing names */
		diag_add(ctx->diags, map->mark, NULL, "more than 1000 variables");
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct tree_node *key = map->pairs[i].key, *value = map->pairs[i].value;
		if (!key_is_variable_name(key->text)) {
			diag_add(ctx->diags, key->mark, "letters, digits and _, not a digit first", "`%s` cannot be a variable's name",
				 key->text);
			continue;
		}
		if (!key_kind(ctx, value, TREE_SCALAR, key->text) || key_has_expression(ctx, value))
			continue;
		env[k++] = (struct workflow_env){
			.name = key->text, .value = tree_is_null(value) ? "" : value->text, .mark = key->mark
		};
	}
	*out.env = env;
	*out.n = k;
}

struct defaults {
	const char      *shell, *workdir;
	struct diag_mark shell_mark, workdir_mark;
};

static void default_shell(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct defaults *)out)->shell = key_text(ctx, v, "shell");
	((struct defaults *)out)->shell_mark = v->mark;
}

static void default_workdir(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct defaults *)out)->workdir = key_text(ctx, v, "working-directory");
	((struct defaults *)out)->workdir_mark = v->mark;
}

static void defaults_run(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const struct key_row rows[] = {
		{ .name = "shell", .kinds = TREE_SCALAR, .read = default_shell },
		{ .name = "working-directory", .kinds = TREE_SCALAR, .read = default_workdir },
	};
	(void)key_walk(ctx, v, "defaults.run", rows, ARRAY_LEN(rows), out);
}

static void read_defaults(struct key_context *ctx, const struct tree_node *v, struct defaults *out)
{
	static const struct key_row rows[] = { { .name = "run", .kinds = TREE_MAP, .read = defaults_run } };
	(void)key_walk(ctx, v, "defaults", rows, ARRAY_LEN(rows), out);
}

/* GitHub takes a number of minutes, also with a fraction; zero, negative and more than 35 days are no timeouts. */
static double read_minutes(struct key_context *ctx, const struct tree_node *v)
{
	const char *text = key_text(ctx, v, "timeout-minutes");
	if (!text)
		return 0;
	char *end;
	double minutes = isdigit((unsigned char)text[0]) ? strtod(text, &end) : 0;
	bool decimal = strspn(text, "0123456789.") == strlen(text);
	if (v->plain && decimal && minutes > 0 && minutes <= TIMEOUT_MINUTES_MAX && *end == '\0')
		return minutes;
	diag_add(ctx->diags, v->mark, "a number of minutes, more than 0 and at most 50400", "`timeout-minutes` cannot be `%s`", text);
	return 0;
}

static const char *read_id(struct key_context *ctx, const struct tree_node *node, const char *what)
{
	const char *id = node->text;
	bool ok = isalpha((unsigned char)id[0]) || id[0] == '_';
	for (const char *p = id; ok && *p; p++)
		ok = isalnum((unsigned char)*p) || *p == '_' || *p == '-';
	if (ok && strlen(id) <= 100)
		return id;
	diag_add(ctx->diags, node->mark, "a letter or _ first, then letters, digits, - and _; at most 100", "`%s` cannot be the id of a %s",
		 id, what);
	return NULL;
}

/* --- a step ---- */

static void step_id(struct key_context *ctx, const struct tree_node *v, void *out)
{
	if (key_text(ctx, v, "id"))
		((struct workflow_step *)out)->id = read_id(ctx, v, "step");
}

static void step_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->name = key_text(ctx, v, "name");
}

static void step_run(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->run = key_text(ctx, v, "run");
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
	read_env(ctx, v, (struct env_out){ &step->env, &step->n_env });
}

static void step_timeout(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct workflow_step *)out)->timeout_minutes = read_minutes(ctx, v);
}

static void step_continue(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_bool(ctx, v, "continue-on-error", &((struct workflow_step *)out)->continue_on_error);
}

static const struct key_row step_rows[] = {
	{ .name = "id", .kinds = TREE_SCALAR, .read = step_id },
	{ .name = "name", .kinds = TREE_SCALAR, .read = step_name },
	{ .name = "run", .kinds = TREE_SCALAR, .read = step_run },
	{ .name = "shell", .kinds = TREE_SCALAR, .read = step_shell },
	{ .name = "env", .kinds = TREE_MAP, .read = step_env },
	{ .name = "working-directory", .kinds = TREE_SCALAR, .read = step_workdir },
	{ .name = "timeout-minutes", .kinds = TREE_SCALAR, .read = step_timeout },
	{ .name = "continue-on-error", .kinds = TREE_SCALAR, .read = step_continue },
	{ .name = "uses", .why_not = no_forge },
	{ .name = "with", .why_not = no_forge },
	{ .name = "if", .why_not = "conditions come later; put the test into the script" },
};

static void read_step(struct key_context *ctx, const struct tree_node *node, struct workflow_step *step)
{
	step->mark = node->mark;
	step->mark.length = 1;
	if (!key_walk(ctx, node, "a step", step_rows, ARRAY_LEN(step_rows), step))
		return;
	if (!tree_get(node, "run") && !tree_get(node, "uses"))
		diag_add(ctx->diags, step->mark, NULL, "a step needs `run`");
}

static void refuse_same_id(struct key_context *ctx, const struct tree_node *list, const struct workflow_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; steps[i].id && k < i; k++) {
			if (!steps[k].id || strcmp(steps[i].id, steps[k].id) != 0)
				continue;
			const struct tree_node *id = tree_get(list->items[i], "id"), *first = tree_get(list->items[k], "id");
			diag_add(ctx->diags, id->mark, NULL, "two steps with id `%s`: the first at line %u", steps[i].id, first->mark.line);
			break;
		}
}

/* --- a job ---- */

struct job_reading {
	struct workflow_job *job;
	struct defaults      defaults;
};

static void job_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct job_reading *)out)->job->name = key_text(ctx, v, "name");
}

static void job_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow_job *job = ((struct job_reading *)out)->job;
	read_env(ctx, v, (struct env_out){ &job->env, &job->n_env });
}

static void job_defaults(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_defaults(ctx, v, &((struct job_reading *)out)->defaults);
}

static void job_timeout(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct job_reading *)out)->job->timeout_minutes = read_minutes(ctx, v);
}

static void job_steps(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow_job *job = ((struct job_reading *)out)->job;
	if (v->n == 0 || v->n > STEPS_MAX) {
		diag_add(ctx->diags, v->mark, NULL, v->n ? "more than 1000 steps" : "`steps` is empty");
		return;
	}
	struct workflow_step *steps = arena_array(ctx->arena, v->n, sizeof(*steps));
	for (size_t i = 0; i < v->n; i++)
		read_step(ctx, v->items[i], &steps[i]);
	refuse_same_id(ctx, v, steps, v->n);
	job->steps = steps;
	job->n_steps = v->n;
}

static const struct key_row job_rows[] = {
	{ .name = "name", .kinds = TREE_SCALAR, .read = job_name },
	{ .name = "runs-on", .kinds = TREE_ANY },
	{ .name = "permissions", .kinds = TREE_ANY },
	{ .name = "concurrency", .kinds = TREE_ANY },
	{ .name = "env", .kinds = TREE_MAP, .read = job_env },
	{ .name = "defaults", .kinds = TREE_MAP, .read = job_defaults },
	{ .name = "timeout-minutes", .kinds = TREE_SCALAR, .read = job_timeout },
	{ .name = "steps", .kinds = TREE_LIST, .read = job_steps },
	{ .name = "needs", .why_not = "run the jobs one by one with --job" },
	{ .name = "if", .why_not = "choose the job with --job" },
	{ .name = "strategy", .why_not = "write one job for each combination" },
	{ .name = "services", .why_not = "start what is needed inside a step" },
	{ .name = "container", .why_not = "steps run on the host's own tools" },
	{ .name = "outputs", .why_not = "jobs run alone" },
	{ .name = "uses", .why_not = write_steps },
	{ .name = "with", .why_not = write_steps },
	{ .name = "secrets", .why_not = "credentials come from the policy" },
	{ .name = "environment", .why_not = "credentials come from the policy" },
	{ .name = "continue-on-error", .why_not = "say it at the step" },
};

static void read_job(struct key_context *ctx, const struct tree_pair *pair, const struct defaults *outer, struct workflow_job *job)
{
	struct job_reading reading = { .job = job };
	char where[140];
	job->id = read_id(ctx, pair->key, "job");
	job->mark = pair->key->mark;
	(void)snprintf(where, sizeof(where), "jobs.%.120s", pair->key->text);
	if (!key_walk(ctx, pair->value, where, job_rows, ARRAY_LEN(job_rows), &reading))
		return;
	if (!tree_get(pair->value, "steps") && !tree_get(pair->value, "uses"))
		diag_add(ctx->diags, job->mark, NULL, "job `%s` has no `steps`", pair->key->text);
	bool own_shell = reading.defaults.shell, own_dir = reading.defaults.workdir;
	job->default_shell = own_shell ? reading.defaults.shell : outer->shell;
	job->default_shell_mark = own_shell ? reading.defaults.shell_mark : outer->shell_mark;
	job->default_workdir = own_dir ? reading.defaults.workdir : outer->workdir;
	job->default_workdir_mark = own_dir ? reading.defaults.workdir_mark : outer->workdir_mark;
}

/* --- the file ---- */

struct file_reading {
	struct workflow        *wf;
	struct defaults         defaults;
	const struct tree_node *jobs;
};

static void file_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->wf->name = key_text(ctx, v, "name");
}

static void file_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow *wf = ((struct file_reading *)out)->wf;
	read_env(ctx, v, (struct env_out){ &wf->env, &wf->n_env });
}

static void file_defaults(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_defaults(ctx, v, &((struct file_reading *)out)->defaults);
}

static void file_jobs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->jobs = v; /* read last: defaults may stand below them */
	if (v->n == 0 || v->n > JOBS_MAX)
		diag_add(ctx->diags, v->mark, NULL, v->n ? "more than 256 jobs" : "`jobs` is empty");
}

static const struct key_row file_rows[] = {
	{ .name = "name", .kinds = TREE_SCALAR, .read = file_name },
	{ .name = "run-name", .kinds = TREE_SCALAR },
	{ .name = "on", .kinds = TREE_ANY },
	{ .name = "permissions", .kinds = TREE_ANY },
	{ .name = "concurrency", .kinds = TREE_ANY },
	{ .name = "env", .kinds = TREE_MAP, .read = file_env },
	{ .name = "defaults", .kinds = TREE_MAP, .read = file_defaults },
	{ .name = "jobs", .kinds = TREE_MAP, .read = file_jobs, .required = true },
};

static void read_file(struct key_context *ctx, const struct tree_node *root, struct workflow *wf)
{
	struct file_reading reading = { .wf = wf };
	if (!key_walk(ctx, root, "a workflow", file_rows, ARRAY_LEN(file_rows), &reading) || !reading.jobs)
		return;
	if (reading.jobs->n > JOBS_MAX)
		return;
	struct workflow_job *jobs = arena_array(ctx->arena, reading.jobs->n, sizeof(*jobs));
	for (size_t i = 0; i < reading.jobs->n; i++)
		read_job(ctx, &reading.jobs->pairs[i], &reading.defaults, &jobs[i]);
	wf->jobs = jobs;
	wf->n_jobs = reading.jobs->n;
}

int workflow_parse(const char *name, const char *text, size_t len, struct workflow **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct workflow *wf = arena_alloc(arena, sizeof(*wf));
	struct tree_node *root = NULL;
	size_t before = diags->n;
	wf->arena = arena;
	wf->path = arena_strdup(arena, name);
	struct key_context ctx = { .arena = arena, .source = text, .diags = diags, .expressions_refused = true };
	int r = tree_parse(arena, wf->path, text, len, &root, diags);
	if (r == 0) {
		read_file(&ctx, root, wf);
		if (diags->n > before || diags->truncated)
			r = -EINVAL;
	}
	if (r < 0) {
		workflow_free(wf);
		return r;
	}
	if (!wf->name)
		wf->name = wf->path; /* as GitHub does */
	*ret = wf;
	return 0;
}

int workflow_load(const char *path, struct workflow **ret, struct diag_list *diags, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file_bounded(path, READ_FILE_TEXT_MAX, &text, &len, err);
	if (r < 0)
		return dd_err_ctx(err, r, "workflow");
	r = workflow_parse(path, text, len, ret, diags);
	free(text);
	return r < 0 ? dd_err_say(err, -r, "%s is not a workflow that can be run", path) : 0;
}

void workflow_free(struct workflow *wf)
{
	if (wf)
		arena_free(wf->arena);
}
