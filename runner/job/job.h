// SPDX-License-Identifier: Apache-2.0
/* job.h - one job as the supervisor holds it. Filled by cmd_run before the fork, never shared with
 * a step. */
#ifndef RUNNER_JOB_H
#define RUNNER_JOB_H

#include "drydock/egress_spent.h"
#include "drydock/phase.h"
#include "model/event.h"
#include "job_dirs.h"
#include "job_terms.h"
#include "grant/plan.h"
#include "record/record.h"
#include "step_result.h"
#include "tree/stamps.h"
#include "tree/workspace.h"

/* The trees of the job (job_tree.c). */
struct job_tree {
	int work_fd;              /* the shared workspace */
	int pristine_fd;          /* the checkout as copied in; -1 when no push step asks for it */
	struct manifest *initial; /* of the workspace before the first step */
	struct manifest *now;     /* after the step that ended last */
	/* after the build step that ended last; NULL: none yet. Borrowed from now, or owned */
	struct manifest *built;
	struct tracked *tracked;
	struct stamps stamps;
};

struct job {
	const struct plan *plan;
	const struct identity *id;
	struct job_dirs dirs;
	const char *workspace; /* the caller's directory, copied, never written */
	const char *out;       /* where declared artifacts go, or NULL */
	const char *record_path;
	const struct event_facts *event; /* NULL: no event file was given */
	/* report instead of refusing public destinations and system calls outside the profile */
	bool observe;
	/* this host cannot say which system calls the filter refuses; it refuses them all the same
	 */
	bool calls_untold;
	char cgroup[256]; /* the job's cgroup; empty: the host offers none */
	uid_t gate_uid, step_uid;
	struct job_terms_set terms;
	struct job_tree tree;
	struct record *rec;
	struct step_result *results; /* plan->n_grants */
	/* what the steps so far have used of the list of each phase; made by the first of them */
	struct egress_spent *spent[DD_PHASE__COUNT];
	pid_t keeper;  /* our parent; its death ends the job at once */
	int signal_fd; /* SIGINT, SIGTERM: cancel */
	bool cancelled;
};

#endif
