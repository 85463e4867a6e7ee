// SPDX-License-Identifier: Apache-2.0
/* gl_artifacts.h - which files of the workspace a job leaves at GitLab, and in which form.
 *
 * gl_pack() runs in the supervisor when no process of the job lives: files are chosen from what was
 * hashed after the last step, copied out by that digest, and packed. The courier uploads what lies
 * in the ticket's directory.
 */
#ifndef RUNNER_GL_ARTIFACTS_H
#define RUNNER_GL_ARTIFACTS_H

#include "gl_job.h"
#include "model/pair.h"

/* A pattern of a job as the globs that it means: without braces, relative to the project, "dir"
 * also as everything below it. Their number; 0: it leads out of the project, or is none. Pure. */
enum { GL_GLOBS_MAX = 64 };
size_t gl_globs(struct plan_arena *arena, const char *pattern, const char *ret[GL_GLOBS_MAX]);

/* Variables that every step sees may stand in names, patterns and keys. */
const char *gl_expand_plain(struct plan_arena *arena, const struct pair *vars, size_t n,
                            const char *text);

/* Is it uploaded when the job @succeeded, or failed? */
bool gl_artifact_wanted(const struct gl_artifact *a, bool succeeded);
/* The same of any `when` of GitLab's. */
bool gl_is_wanted(const char *when, bool succeeded);
/* "keelson-main.zip": how the file is called at GitLab. */
const char *gl_artifact_name(struct plan_arena *arena, const struct gl_artifact *a,
                             const struct pair *vars, size_t n_vars);

struct job;
struct gl_packing {
	struct job *job; /* to take files of (job_voice.h) */
	const char *dir; /* of the ticket: "DIR/artifact-N" is made there */
	unsigned number;
	const struct pair *vars; /* that names and patterns may hold */
	size_t n_vars;
	/* a sentence for the log of the job */
	void (*say)(void *arg, bool warning, const char *text);
	void *arg;
};
/* What a packing that was killed left in @dir. */
void gl_pack_sweep(const char *dir);
/* 1: packed; 0: nothing matched, which was told; negative with @err: it could not be. */
int gl_pack(const struct gl_packing *how, const struct gl_artifact *a, struct dd_err *err);

#endif
