// SPDX-License-Identifier: Apache-2.0
/* wf_matrix.h - which jobs GitHub makes of one with a `strategy`, in its order, and how it calls
 * them.
 *
 * Vectors are crossed, the last one turning fastest; what an `exclude` fits is left out; each
 * `include` adds its further keys to every combination whose vectors it does not contradict, or is
 * one of its own. */
#ifndef RUNNER_WF_MATRIX_H
#define RUNNER_WF_MATRIX_H

#include "schema.h"

enum { WF_COMBINATIONS_MAX = 256 };

struct wf_combination {
	/* "NAME (a, b)", when a name was given: at most 100 characters */
	const char *name;
	struct expr_value matrix;   /* null without a matrix */
	struct expr_value strategy; /* fail-fast, job-index, job-total, max-parallel */
};

struct wf_matrix {
	struct wf_combination *combinations; /* at least one */
	size_t n;
	bool fail_fast;
	unsigned max_parallel; /* 0: no bound is written */
	/* some of it is an expression, so there is no telling yet: n is 0. Only before it is
	 * computed. */
	bool computed_later;
};

/* @strategy: NULL, or as it is written, or resolved and held against SCHEMA_STRATEGY. @job_name: a
 * literal name or the id; NULL when the name is an expression of its own, which gets nothing
 * behind. -EINVAL with errors. */
int wf_matrix_expand(const struct template_node *strategy, const char *job_name,
                     struct expr_memory *mem, struct wf_matrix *ret, struct wf_errors *errors);

/* The strategy computed (contexts github, inputs, vars, needs), held against the schema, and
 * expanded. */
int wf_matrix_compute(const struct template_node *strategy, const char *job_name,
                      const struct expr_scope *scope, struct expr_memory *mem,
                      struct wf_matrix *ret, struct wf_errors *errors);

#endif
