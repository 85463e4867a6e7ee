// SPDX-License-Identifier: Apache-2.0
/* wf_doc.h - a workflow, read and checked whole: jobs in the order of the file, their graph, their
 * steps, and the workflows that they call. Nothing in it is computed yet.
 *
 * What is computed when (schema.h says with which contexts): `cond` and `strategy` when a job's
 * needs are done, then for each combination of the matrix (wf_matrix.h) name, runs-on, timeout and
 * the like; in the job env, defaults, steps and outputs. Nodes are template_node: literals, or
 * expressions for template_value() and its kin.
 *
 * Everything lives in the document's arena. Places name files by wf_doc.files.
 */
#ifndef RUNNER_WF_DOC_H
#define RUNNER_WF_DOC_H

#include "drydock/err.h"
#include "template.h"

/* ---- permissions ---- */

enum wf_level { WF_LEVEL_NONE, WF_LEVEL_READ, WF_LEVEL_WRITE };
enum { WF_PERMISSIONS_N = 20 };

struct wf_permissions {
	enum wf_level levels[WF_PERMISSIONS_N];
	bool all; /* written as read-all or write-all */
};

const char *wf_permission_name(size_t i); /* "contents" */
const char *wf_level_name(enum wf_level level);

/* ---- steps ---- */

struct wf_step {
	struct diag_mark mark;
	const char *id;  /* as written, or internal: "__run", "__actions_checkout_2" */
	bool id_written; /* internal ids never appear in `steps` */
	const struct template_node *run, *uses; /* exactly one; `uses` is a literal */
	const struct template_node *name, *env, *with, *shell, *working_directory;
	const struct template_node *timeout_minutes, *continue_on_error;
	const struct template_node *cond; /* an expression of one part; always there */
	bool cond_written;
};

enum wf_uses { WF_USES_REPOSITORY, WF_USES_LOCAL, WF_USES_SELF, WF_USES_DOCKER };
enum wf_uses wf_uses_kind(
	const char *uses); /* owner/repo[/path]@ref, ./path, $/path, docker://image */

/* ---- jobs ---- */

struct wf_call;

struct wf_job {
	const struct template_node *id;           /* a literal */
	const struct template_node *name;         /* never NULL: the id when none is written */
	const struct template_node *const *needs; /* literals */
	const size_t *need_jobs;                  /* the same as places in the jobs of this file */
	size_t n_needs;
	const struct template_node *cond; /* as of a step */
	bool cond_written;
	const struct template_node *strategy, *concurrency;
	const struct wf_permissions *permissions; /* NULL: none are written here or above */
	/* a job with steps */
	const struct template_node *runs_on, *timeout_minutes, *cancel_timeout_minutes;
	const struct template_node *continue_on_error, *env, *environment, *defaults;
	const struct template_node *container, *services, *outputs, *snapshot;
	const struct wf_step *steps;
	size_t n_steps;
	/* a job that calls a workflow; NULL otherwise */
	const struct wf_call *call;
};

struct wf_call {
	const struct template_node *ref;            /* "./.github/workflows/x.yml" */
	const struct template_node *with, *secrets; /* as given; NULL: none */
	bool inherit_secrets;
	bool unread; /* of another repository, and left alone: it has no jobs */
	/* of the file that is called */
	const struct template_node *input_definitions, *secret_definitions, *outputs;
	const struct template_node *env, *defaults, *concurrency;
	const struct wf_permissions *permissions;
	const struct wf_job *jobs;
	size_t n_jobs;
};

/* ---- the file ---- */

struct wf_input {                               /* of workflow_dispatch */
	const char *name, *type;                /* string, boolean, number, choice, environment */
	const struct template_node *definition; /* NULL: nothing but the name is written */
};

struct wf_doc {
	struct plan_arena *arena;
	const char *const *files; /* this one first, then those that it calls */
	size_t n_files;
	const struct template_node *name, *run_name, *on, *env, *defaults, *concurrency;
	const struct wf_permissions *permissions;
	const struct wf_input *inputs;
	size_t n_inputs;
	const struct wf_job *jobs;
	size_t n_jobs;
};

/* ---- reading ---- */

struct wf_options {
	bool refuse_anchors;
	/* 0 stands for GitHub's own bound: 1 MiB a file, 10 MiB, 50, a million, no bound, 51, 10 */
	size_t file_size_max;
	size_t size_max;
	unsigned depth_max;
	size_t events_max;
	unsigned jobs_max; /* over all files */
	unsigned files_max;
	unsigned call_depth_max;
	/* What the callers' permissions are when none are written: false, reading contents and
	 * packages only. */
	bool permissions_write_all;
	/* Where there is one runner, a job need not say which: GitHub refuses a job without
	 * runs-on. */
	bool runs_on_optional;
	bool skip_calls;        /* leave called workflows unread */
	bool skip_remote_calls; /* those of other repositories, which only a forge could fetch */
	/* The text of a called workflow, to be freed by the reader; @caller is the file that calls.
	 * -ENOENT when there is none, and any other -errno with a sentence in @err when it cannot
	 * be had. NULL: nothing can be called. */
	int (*load)(void *user, const char *caller, const char *ref, char **ret, size_t *ret_len,
	            struct dd_err *err);
	void *user;
};

/* 0 with a document, or -EINVAL with errors, which wf_errors_done() frees. @path is the file's name
 * as people know it. */
int wf_parse(const char *path, const char *text, size_t len, const struct wf_options *options,
             struct wf_doc **ret, struct wf_errors *errors);
void wf_free(struct wf_doc *doc); /* NULL is fine */

/* The job of that id, whose case does not count, or NULL. */
const struct wf_job *wf_find_job(const struct wf_job *jobs, size_t n, const char *id);

#endif
