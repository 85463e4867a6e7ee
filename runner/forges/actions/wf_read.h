// SPDX-License-Identifier: Apache-2.0
/* wf_read.h - what the files that read a workflow document share; only wf_*.c include it. */
#ifndef RUNNER_WF_READ_H
#define RUNNER_WF_READ_H

#include "schema.h"
#include "wf_doc.h"

struct wf_reader {
	struct wf_doc *doc;
	struct plan_arena *arena;
	const struct wf_options *options;
	struct wf_errors *errors;
	struct schema_walk walk;
	unsigned n_jobs;
	enum schema_id root, step_if; /* what a file is, and a step's condition in it */
	const char **files;           /* each once, however often it is called */
	size_t n_files;
};

/* One file into nodes that the schema allows, or NULL with errors. @path lives in the arena. */
struct template_node *wf_read_file(struct wf_reader *r, const char *path, const char *text,
                                   size_t len);

/* wf_jobs.c */
void wf_read_jobs(struct wf_reader *r, const struct template_node *map, const struct wf_job **ret,
                  size_t *ret_n);
/* wf_steps.c */
void wf_read_steps(struct wf_reader *r, const struct template_node *list, struct wf_job *job);
void wf_read_step_list(struct wf_reader *r, const struct template_node *list,
                       const struct wf_step **ret, size_t *ret_n);
/* wf_calls.c: all that @jobs call, and what those call. */
void wf_read_calls(struct wf_reader *r, struct wf_job *jobs, size_t n);
/* wf_permissions.c */
const struct wf_permissions *wf_read_permissions(struct wf_reader *r,
                                                 const struct template_node *node);
void wf_inherit_permissions(struct wf_job *jobs, size_t n, const struct wf_permissions *from);
void wf_check_permissions(struct wf_reader *r, const struct wf_job *caller,
                          const struct wf_job *nested, const struct wf_permissions *asked,
                          const struct wf_permissions *most);
/* wf_check.c: what can be said of a value before anything is computed. */
void wf_check_strategy(struct wf_reader *r, const struct template_node *node);
void wf_check_runs_on(struct wf_reader *r, const struct template_node *node);
void wf_check_container(struct wf_reader *r, const struct template_node *node, bool service);
void wf_check_services(struct wf_reader *r, const struct template_node *node);
void wf_check_concurrency(struct wf_reader *r, const struct template_node *node);
void wf_check_snapshot(struct wf_reader *r, const struct template_node *node);

/* wf_ids.c: ids of jobs and of steps. */
struct wf_ids {
	struct expr_memory mem;
	struct expr_value known;
};
void wf_ids_open(struct wf_ids *ids, struct plan_arena *arena);
/* False with an error at @node. */
bool wf_ids_add(struct wf_reader *r, struct wf_ids *ids, const struct template_node *node,
                const char *what);
/* "__" and @from with what an id cannot hold made _, and a number behind where it is taken. NULL
 * when no more are free. */
const char *wf_ids_make(struct plan_arena *arena, struct wf_ids *ids, const char *from, size_t len);

#endif
