// SPDX-License-Identifier: Apache-2.0
/* plan_print.h - a plan for people and for tools.
 *
 * Order of use: plan_shown_load(), plan_print_text() or plan_print_json(), plan_shown_free(); or
 * plan_print() for all of it. Never a secret: a plan holds only the names of credentials. All text
 * of the workflow is escaped.
 */
#ifndef RUNNER_PLAN_PRINT_H
#define RUNNER_PLAN_PRINT_H

#include "drydock/seccomp_view.h"
#include "grant/plan.h"
#include "grant/step_env.h"
#include "grant/step_mounts.h"

struct run_args;
struct job_source;

/* What follows from a plan but does not stand in it: read from the data files of drydock. */
struct plan_shown {
	const struct plan *plan;
	/* plan->n_grants; steps with the same profile and additions share one */
	struct seccomp_view **views;
};

struct plan_print_options {
	bool rules;    /* text: the nftables rules in full; JSON always has them */
	bool syscalls; /* every system call with its answer, line and reason */
};

/* -ENOENT, -EINVAL: a profile that is not there or is wrong, or an addition that it forbids. */
int plan_shown_load(const struct plan *plan, struct plan_shown *ret, struct dd_err *err);
void plan_shown_free(struct plan_shown *shown);

/* The mounts of a step as `run` makes them; instead of a directory of the job, the source says what
 * it is. */
void plan_shown_mounts(const struct grant *grant, struct step_mounts *ret);
/* The nftables rules of a step; heap, caller frees; NULL without memory. */
char *plan_shown_rules(const struct grant_terms *terms);
/* One sentence: what of the workspace a step in push sees. */
const char *plan_shown_view(const struct grant_terms *terms);
/* The environment of the written step; step_env_done(). */
void plan_shown_env(const struct grant *grant, struct step_env *ret);

enum { PLAN_ENTRY_MAX = EGRESS_HOST_MAX + 16 };
void plan_shown_entry(const struct egress_entry *e,
                      char ret[PLAN_ENTRY_MAX]); /* "*.example.com:443", "192.0.2.0/24:22" */

/* A list as long as this is shown with the first step that has it; the others name that step. */
enum { PLAN_ENTRIES_LONG = 200 };
/* The first grant with the terms of @grant if their list is that long; otherwise @grant. */
const struct grant *plan_shown_with(const struct plan *plan, const struct grant *grant);

struct seccomp_counts {
	unsigned allowed, depends, refused, killed;
	const char *otherwise; /* the answer to what the profile does not name: "ENOSYS" */
};
void plan_shown_counts(const struct seccomp_view *view, struct seccomp_counts *ret);
const char *plan_shown_answer(
	const struct seccomp_view_call
		*call); /* "allow", "depends", "kill", or the name of an errno value */

/* With @shown NULL (fuzzing) nothing is said about system calls. 0, or -EIO when it could not be
 * built or written. */
int plan_print_text(const struct plan *plan, const struct plan_shown *shown,
                    struct plan_print_options how, FILE *out);
int plan_print_json(const struct plan *plan, const struct plan_shown *shown,
                    struct plan_print_options how, FILE *out);
/* Of a whole workflow: what it is, and in `jobs` each of the @n plans as above. */
int plan_print_jobs_json(const struct plan *const *plans, const struct plan_shown *shown, size_t n,
                         struct plan_print_options how, FILE *out);

/* Print the plans of @source on standard output as @args ask: of the job that was named, or of all
 * of them. Returns an exit code; says what is wrong on standard error. Command line only. */
int plan_print(const struct run_args *args, const struct job_source *source);

#endif
