// SPDX-License-Identifier: Apache-2.0
/* wf_combine.h - a job whose turn it is: whether it runs, as which combinations of its matrix, and
 * what each of them is called, runs on and may take.
 *
 * Order of use: fill struct wf_job_scope, wf_job_scope_init(), wf_condition(), wf_combine(). `plan`
 * asks before anything has run: what needs the results of other jobs is left as it is written. */
#ifndef RUNNER_WF_COMBINE_H
#define RUNNER_WF_COMBINE_H

#include "wf_flat.h"
#include "wf_matrix.h"

/* What expressions of a job outside of its steps see. */
struct wf_job_scope {
	struct expr_value github, inputs, vars, needs, matrix, strategy;
	struct expr_value jobs;    /* of the outputs of a called workflow */
	struct expr_value secrets; /* of what is given to a called workflow */
	unsigned unknown;          /* contexts (bits of expr.h) that nobody knows yet */
	/* the functions success and failure of jobs: ids are NULL, of all that it waits for; see
	 * expr.h */
	int (*status)(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
	              bool *ret, struct expr_error *err);
	void *user;
	struct expr_scope scope; /* points back at this */
};

void wf_job_scope_init(struct wf_job_scope *s);

/* Does any expression in @node name one of @contexts (bits)? */
bool wf_asks_for(const struct template_node *node, unsigned contexts);

/* Its `if`. -EINVAL with errors. */
int wf_condition(const struct wf_job *job, struct wf_job_scope *s, struct expr_memory *mem,
                 bool *ret, struct wf_errors *errors);

struct wf_combined_one {
	const char *name;
	struct expr_value matrix, strategy;
	const char *runs_on;    /* labels, ", " between them; as written where it is not known */
	const char *elsewhere;  /* the label that no Linux host has, or NULL: it runs here */
	unsigned timeout_sec;   /* of the whole job */
	bool continue_on_error; /* its failure does not count for those that need it */
	const char *group;      /* of `concurrency`; NULL: none */
	const char *environment;
};

struct wf_combined {
	struct wf_combined_one *items;
	size_t n;
	bool fail_fast;
	unsigned max_parallel; /* 0: no bound */
	bool later;            /* nobody knows them yet: n is 0 */
};

/* -EINVAL with errors, where everything is known; what is not is left as it is written. */
int wf_combine(const struct wf_flat_job *job, struct wf_job_scope *s, struct expr_memory *mem,
               struct wf_combined *ret, struct wf_errors *errors);

enum { WF_TIMEOUT_MINUTES = 360 };

#endif
