// SPDX-License-Identifier: Apache-2.0
/* workflow_job.c - reads one job of a workflow: every key that GitHub documents.
 *
 * Runs in: command line and supervisor. The file is commit content, so it is hostile: what it says
 * of permissions, environments and secrets is shown by `plan` and decides nothing. */
#include "workflow_read.h"

#include <string.h>

static const char write_steps[] = "list the steps in this job";
static const char from_policy[] = "credentials come from the policy";

struct job_reading {
	struct workflow_job *job;
	struct workflow_defaults defaults;
	const struct tree_node *strategy;
};

static struct workflow_job *job_of(void *out)
{
	return ((struct job_reading *)out)->job;
}

static void job_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->name = key_text(ctx, v, "name");
}

static void job_if(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->cond = workflow_flat(ctx, v);
}

static void job_needs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->needs = workflow_flat(ctx, v);
}

static void job_runs_on(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->runs_on = workflow_flat(ctx, v);
}

static void job_permissions(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->permissions = workflow_flat(ctx, v);
}

static void job_environment(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->environment = workflow_flat(ctx, v);
}

static void job_concurrency(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->concurrency = workflow_flat(ctx, v);
}

static void job_outputs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->outputs = workflow_flat(ctx, v);
}

static void job_uses(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->uses = key_text(ctx, v, "uses");
}

static void job_with(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_pairs(ctx, v, &job_of(out)->with, &job_of(out)->n_with);
}

static void job_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_env(ctx, v, &job_of(out)->env, &job_of(out)->n_env);
}

static void job_defaults(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_defaults(ctx, v, &((struct job_reading *)out)->defaults);
}

static void job_timeout(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->timeout_minutes = workflow_read_minutes(ctx, v);
}

static void job_strategy(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)ctx;
	((struct job_reading *)out)->strategy = v; /* read last: the names need the job's name */
}

static void job_steps(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_steps(ctx, v, job_of(out));
}

/* ---- container and services ---- */

/* What of a container matters to a plan: which image. The other keys are checked by name only. */
static const struct key_row container_rows[] = {
	{ .name = "image", .kinds = TREE_SCALAR, .required = true },
	{ .name = "credentials", .kinds = TREE_MAP },
	{ .name = "env", .kinds = TREE_MAP },
	{ .name = "ports", .kinds = TREE_LIST },
	{ .name = "volumes", .kinds = TREE_LIST },
	{ .name = "options", .kinds = TREE_SCALAR },
	{ .name = "entrypoint", .kinds = TREE_SCALAR },
	{ .name = "command", .kinds = TREE_SCALAR },
};

static const char *read_container(struct key_context *ctx, const struct tree_node *v,
                                  const char *where)
{
	if (v->kind == TREE_SCALAR)
		return v->text;
	if (!key_walk(ctx, v, where, container_rows, ARRAY_LEN(container_rows), NULL))
		return "";
	const struct tree_node *image = tree_get(v, "image");
	return image && image->kind == TREE_SCALAR ? image->text : "";
}

static void job_container(struct key_context *ctx, const struct tree_node *v, void *out)
{
	job_of(out)->container = read_container(ctx, v, "container");
}

static void job_services(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct pair *services = arena_array(ctx->arena, v->n, sizeof(*services));
	for (size_t i = 0; i < v->n; i++) {
		const struct tree_node *key = v->pairs[i].key;
		char where[140];
		(void)snprintf(where, sizeof(where), "services.%.120s", key->text);
		services[i] = (struct pair){ .name = key->text,
			                     .value = read_container(ctx, v->pairs[i].value, where),
			                     .mark = key->mark };
	}
	job_of(out)->services = services;
	job_of(out)->n_services = v->n;
}

static const struct key_row job_rows[] = {
	{ .name = "name", .kinds = TREE_SCALAR, .read = job_name },
	{ .name = "permissions", .kinds = TREE_ANY, .read = job_permissions },
	{ .name = "needs",
	  .kinds = TREE_SCALAR | TREE_LIST,
	  .read = job_needs,
	  .why_not = "run the jobs one by one with --job" },
	{ .name = "if",
	  .kinds = TREE_SCALAR,
	  .read = job_if,
	  .why_not = "choose the job with --job" },
	{ .name = "runs-on", .kinds = TREE_ANY, .read = job_runs_on },
	{ .name = "environment",
	  .kinds = TREE_SCALAR | TREE_MAP,
	  .read = job_environment,
	  .why_not = from_policy },
	{ .name = "concurrency", .kinds = TREE_ANY, .read = job_concurrency },
	{ .name = "outputs", .kinds = TREE_MAP, .read = job_outputs, .why_not = "jobs run alone" },
	{ .name = "env", .kinds = TREE_MAP, .read = job_env },
	{ .name = "defaults", .kinds = TREE_MAP, .read = job_defaults },
	{ .name = "steps", .kinds = TREE_LIST, .read = job_steps },
	{ .name = "timeout-minutes", .kinds = TREE_SCALAR, .read = job_timeout },
	{ .name = "strategy",
	  .kinds = TREE_MAP,
	  .read = job_strategy,
	  .why_not = "write one job for each combination" },
	{ .name = "continue-on-error", .kinds = TREE_SCALAR, .why_not = "say it at the step" },
	{ .name = "container",
	  .kinds = TREE_SCALAR | TREE_MAP,
	  .read = job_container,
	  .why_not = "steps run on the host's own tools" },
	{ .name = "services",
	  .kinds = TREE_MAP,
	  .read = job_services,
	  .why_not = "start what is needed inside a step" },
	{ .name = "uses", .kinds = TREE_SCALAR, .read = job_uses, .why_not = write_steps },
	{ .name = "with", .kinds = TREE_MAP, .read = job_with, .why_not = write_steps },
	{ .name = "secrets", .kinds = TREE_SCALAR | TREE_MAP, .why_not = from_policy },
};

void workflow_read_job(struct key_context *ctx, const struct tree_pair *pair,
                       const struct workflow_defaults *outer, struct workflow_job *job)
{
	struct job_reading reading = { .job = job };
	char where[140];
	job->id = workflow_read_id(ctx, pair->key, "job");
	job->mark = pair->key->mark;
	(void)snprintf(where, sizeof(where), "jobs.%.120s", pair->key->text);
	if (!key_walk(ctx, pair->value, where, job_rows, ARRAY_LEN(job_rows), &reading))
		return;
	bool steps = tree_get(pair->value, "steps"), uses = tree_get(pair->value, "uses");
	if (!steps && !uses)
		diag_add(ctx->diags, job->mark, NULL, "job `%s` has no `steps`", pair->key->text);
	else if (steps && uses)
		diag_add(ctx->diags, job->mark, NULL, "job `%s` has either `steps` or `uses`",
		         pair->key->text);
	if (reading.strategy && job->id)
		workflow_read_strategy(ctx, reading.strategy, job);
	bool own_shell = reading.defaults.shell, own_dir = reading.defaults.workdir;
	job->default_shell = own_shell ? reading.defaults.shell : outer->shell;
	job->default_shell_mark = own_shell ? reading.defaults.shell_mark : outer->shell_mark;
	job->default_workdir = own_dir ? reading.defaults.workdir : outer->workdir;
	job->default_workdir_mark = own_dir ? reading.defaults.workdir_mark : outer->workdir_mark;
}
