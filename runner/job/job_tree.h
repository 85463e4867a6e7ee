// SPDX-License-Identifier: Apache-2.0
/* job_tree.h - the workspace of a job from copy to artifacts: what steps see of it, what they did
 * to it.
 *
 * Supervisor only, and only while no process of the job's steps lives. Order of use: places and
 * prepare once; before each step view; after each step that could write after_step; at the end out.
 * Every function records what it saw.
 */
#ifndef RUNNER_JOB_TREE_H
#define RUNNER_JOB_TREE_H

#include "grant/step_mounts.h"
#include "job.h"

/* The writable places that fetch and build steps share, empty. */
int job_tree_places(struct job *job, struct dd_err *err);
/* Copy the workspace to its place among them. */
int job_tree_prepare(struct job *job, struct dd_err *err);

/* Make the directories of @step. For push: a fresh copy of the checkout and the artifacts, each
 * checked against the digest that the build step left (F-14, A-09). -EACCES: policy refuses this
 * step (tampered sources, an artifact that changed); @err says which file. */
int job_tree_view(struct job *job, const struct job_step *step, struct step_view *ret,
                  struct dd_err *err);

/* What the steps of a job share, whichever of them sees it. Makes nothing. */
void job_tree_shared(const struct job *job, struct step_view *ret);

/* Remove what was made for @step alone. Whatever of it is there; all is tried, the first error is
 * returned. */
int job_tree_drop_view(struct job *job, const struct job_step *step, struct dd_err *err);

/* Compare the tree with what it was, write fs.delta and violation events. */
int job_tree_after_step(struct job *job, const struct job_step *step, struct dd_err *err);

/* A step brought the sources, and nothing else has run: they are the checkout from here on. */
int job_tree_sources(struct job *job, struct dd_err *err);

/* Copy the declared artifacts of the last build to job->out; artifact events. */
int job_tree_out(struct job *job, struct dd_err *err);
void job_tree_done(struct job_tree *tree);

#endif
