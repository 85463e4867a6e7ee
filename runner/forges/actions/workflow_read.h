// SPDX-License-Identifier: Apache-2.0
/* workflow_read.h - what the readers of a workflow file, its jobs and its steps share; nobody else
 * includes it. */
#ifndef RUNNER_WORKFLOW_READ_H
#define RUNNER_WORKFLOW_READ_H

#include "input/key_table.h"
#include "workflow.h"

#define TREE_ANY (TREE_SCALAR | TREE_LIST | TREE_MAP)

struct workflow_defaults {
	const char *shell, *workdir;
	struct diag_mark shell_mark, workdir_mark;
};

/* workflow_values.c */
void workflow_read_env(struct key_context *ctx, const struct tree_node *map,
                       const struct pair **ret, size_t *ret_n);
void workflow_read_pairs(struct key_context *ctx, const struct tree_node *map,
                         const struct pair **ret, size_t *ret_n); /* any key, any value */
void workflow_read_defaults(struct key_context *ctx, const struct tree_node *v,
                            struct workflow_defaults *out);
/* GitHub takes a number of minutes, also with a fraction; zero, negative and more than 35 days are
 * no timeouts. 0: not known. */
double workflow_read_minutes(struct key_context *ctx, const struct tree_node *v);
const char *workflow_read_id(struct key_context *ctx, const struct tree_node *node,
                             const char *what);
/* A boolean; with an expression, which is noted, @ret stays as it is. */
void workflow_read_bool(struct key_context *ctx, const struct tree_node *v, const char *what,
                        bool *ret);
/* Any value on one line: "a", "[a, b]", "k: v, k: v". Never NULL. */
const char *workflow_flat(struct key_context *ctx, const struct tree_node *node);
const char *workflow_names(struct key_context *ctx,
                           const struct tree_node *node); /* the keys of a map, the items of a list,
                                                             a scalar: "a, b" */
/* The text of a scalar that is one expression from end to end, or NULL. */
const char *workflow_whole_expression(const struct tree_node *node);

/* workflow_step.c: the list of `steps`. */
void workflow_read_steps(struct key_context *ctx, const struct tree_node *list,
                         struct workflow_job *job);

/* workflow_job.c: @ctx->notes is the job's own list. */
void workflow_read_job(struct key_context *ctx, const struct tree_pair *pair,
                       const struct workflow_defaults *outer, struct workflow_job *job);

/* workflow_matrix.c: `strategy`; and, when the job's name is known, how GitHub calls each
 * combination. */
void workflow_read_strategy(struct key_context *ctx, const struct tree_node *map,
                            struct workflow_job *job);

#endif
