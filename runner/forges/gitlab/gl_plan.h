// SPDX-License-Identifier: Apache-2.0
/* gl_plan.h - a GitLab job as a job_spec: its scripts cut into segments by what the policy says of
 * each command.
 *
 * Two rounds, both pure. In the first every command is a step of its own, so that the rules of the
 * policy are held against it as it is written; in the second neighbours of one phase are one step.
 * A rule that would decide differently about the second is refused: nothing that was cut may end up
 * in another phase than it was cut for.
 */
#ifndef RUNNER_GL_PLAN_H
#define RUNNER_GL_PLAN_H

#include "gl_keep.h"
#include "gl_script.h"
#include "gl_sources.h"
#include "gl_vars.h"
#include "grant/plan.h"

enum { GL_LAYERS = 3 };

/* What a segment is. All but those of a script are steps of drydock's own. */
enum gl_kind {
	GL_OF_SCRIPT = 0,
	GL_GET_SOURCES,
	GL_RESTORE_CACHE, /* @index: of gl_keep's caches */
	GL_GET_ARTIFACTS, /* of other jobs */
	GL_ARCHIVE_CACHE,
};

struct gl_segment {
	enum gl_kind kind; /* the rest is empty unless it is of a script */
	size_t index;
	const struct gl_step *of;
	const char *const *elements;
	size_t n;
	enum dd_phase phase;
	bool asked;   /* a marker opened it, and a rule lets it: what runs in it is not matched */
	bool follows; /* not the first of its script */
	bool leaves;  /* not the last of its script */
	bool after;   /* of after_script */
};

struct gl_plan {
	struct job_spec spec;
	struct plan *plan;
	struct gl_segment *segments;        /* one for each step of @spec */
	struct env_layer layers[GL_LAYERS]; /* of every step, before anything has run */
	const char **notes;                 /* for the job's log */
	size_t n_notes;
};

/* -EACCES: the policy refuses the job; -EINVAL: it cannot be run. Both with @diags or @err. */
int gl_plan_make(const struct gl_job *job, const struct gl_vars *vars,
                 const struct gl_sources *sources, const struct gl_keep *keep,
                 const struct event_facts *event, const struct policy *policy,
                 struct plan_arena *arena, struct gl_plan *ret, struct diag_list *diags,
                 struct dd_err *err);
void gl_plan_done(struct gl_plan *plan);

/* What the job asks for and this build, or this host, has not: a sentence for its log; NULL: it can
 * be run. @images: globs of names that the host's root stands for, or NULL. */
const char *gl_unsupported(const struct gl_job *job, const char *const *images,
                           const char *const *projects, struct plan_arena *arena);

#endif
