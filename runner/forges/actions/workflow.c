// SPDX-License-Identifier: Apache-2.0
/* workflow.c - GitHub workflow YAML into struct workflow, or complaints with positions.
 *
 * Runs in: command line and supervisor. The file is commit content, so it is hostile: it says what
 * to run and never in which phase, with which trust or with which credential (G-05). What `run`
 * cannot do is noted, never skipped. */
#include "workflow_read.h"

#include "input/read_file.h"

#include <stdlib.h>

enum { JOBS_MAX = 256 };

struct file_reading {
	struct workflow *wf;
	struct workflow_defaults defaults;
	const struct tree_node *jobs;
};

static void file_name(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->wf->name = key_text(ctx, v, "name");
}

/* Only the names of the events: their filters decide at the forge. */
static void file_on(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->wf->on = workflow_names(ctx, v);
}

static void file_permissions(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->wf->permissions = workflow_flat(ctx, v);
}

static void file_concurrency(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->wf->concurrency = workflow_flat(ctx, v);
}

static void file_env(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct workflow *wf = ((struct file_reading *)out)->wf;
	workflow_read_env(ctx, v, &wf->env, &wf->n_env);
}

static void file_defaults(struct key_context *ctx, const struct tree_node *v, void *out)
{
	workflow_read_defaults(ctx, v, &((struct file_reading *)out)->defaults);
}

static void file_jobs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct file_reading *)out)->jobs = v; /* read last: defaults may stand below them */
	if (v->n == 0 || v->n > JOBS_MAX)
		diag_add(ctx->diags, v->mark, NULL,
		         v->n ? "more than 256 jobs" : "`jobs` is empty");
}

static const struct key_row file_rows[] = {
	{ .name = "name", .kinds = TREE_SCALAR, .read = file_name },
	{ .name = "run-name", .kinds = TREE_SCALAR },
	{ .name = "on", .kinds = TREE_ANY, .read = file_on },
	{ .name = "permissions", .kinds = TREE_ANY, .read = file_permissions },
	{ .name = "env", .kinds = TREE_MAP, .read = file_env },
	{ .name = "defaults", .kinds = TREE_MAP, .read = file_defaults },
	{ .name = "concurrency", .kinds = TREE_ANY, .read = file_concurrency },
	{ .name = "jobs", .kinds = TREE_MAP, .read = file_jobs, .required = true },
};

static void read_file(struct key_context *ctx, const struct tree_node *root, struct workflow *wf)
{
	struct file_reading reading = { .wf = wf };
	if (!key_walk(ctx, root, "a workflow", file_rows, ARRAY_LEN(file_rows), &reading) ||
	    !reading.jobs)
		return;
	if (reading.jobs->n > JOBS_MAX)
		return;
	wf->jobs = arena_array(ctx->arena, reading.jobs->n, sizeof(*wf->jobs));
	wf->n_jobs = reading.jobs->n;
	for (size_t i = 0; i < wf->n_jobs; i++) {
		ctx->notes = &wf->jobs[i].notes;
		workflow_read_job(ctx, &reading.jobs->pairs[i], &reading.defaults, &wf->jobs[i]);
	}
}

int workflow_parse(const char *name, const char *text, size_t len, struct workflow **ret,
                   struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct workflow *wf = arena_alloc(arena, sizeof(*wf));
	struct tree_node *root = NULL;
	size_t before = diags->n;
	wf->arena = arena;
	wf->path = arena_strdup(arena, name);
	struct key_context ctx = {
		.arena = arena, .source = text, .diags = diags, .notes = &wf->notes
	};
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

int workflow_load(const char *path, struct workflow **ret, struct diag_list *diags,
                  struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_named_file(path, READ_FILE_TEXT_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "workflow");
	r = workflow_parse(path, text, len, ret, diags);
	free(text);
	return r < 0 ? dd_err_say(err, -r, "%s is not a workflow that can be run", path) : 0;
}

void workflow_free(struct workflow *wf)
{
	if (!wf)
		return;
	for (size_t i = 0; i < wf->n_jobs; i++)
		diag_list_done(&wf->jobs[i].notes);
	diag_list_done(&wf->notes);
	arena_free(wf->arena);
}
