// SPDX-License-Identifier: Apache-2.0
/* gl_keep.h - what a GitLab job brings along and keeps besides its sources: caches, artifacts of
 * other jobs.
 *
 * Both are archives, and archives are packed and unpacked in steps of drydock's own, with no
 * network and no credential (archive/archive.h). What such a step reads or writes is one open file:
 * of the host's store of caches, or the ticket's `dependencies`, into which the courier has put
 * them.
 */
#ifndef RUNNER_GL_KEEP_H
#define RUNNER_GL_KEEP_H

#include "gl_job.h"
#include "model/job_spec.h"

enum { GL_KEYS_MAX = 16 };

struct gl_cache_plan {
	const struct gl_cache *cache;
	const char *keys[GL_KEYS_MAX]; /* its own, then those it falls back to */
	size_t n_keys;
	bool pull, push;
};

struct gl_keep {
	struct gl_cache_plan *caches;
	size_t n_caches;
	const char *version; /* of caches in the store: of this forge, in this form */
	/* drydock's own program, as such a step sees it */
	const char *program;
	struct recipe_shown shown;
	struct recipe_file tracked; /* of the step at hand: paths that git knows */
	const char **notes;         /* for the log */
	size_t n_notes;
};

struct pair;
/* @url: of the forge. Reads where this program lies, nothing else. -EINVAL: a cache says what no
 * runner obeys. */
int gl_keep_make(const struct gl_job *job, const char *url, const struct pair *vars, size_t n_vars,
                 struct plan_arena *arena, struct gl_keep *ret, struct dd_err *err);
/* Of a step of drydock's own, before it is known what it has to do. */
void gl_keep_recipe(const struct gl_keep *keep, const char *name, const char *verb,
                    struct plan_arena *arena, struct recipe *ret);

/* A key as every runner of GitLab reads it: no way out by `..`, no blanks at its end. NULL: nothing
 * is left of it. Pure. */
const char *gl_cache_key(struct plan_arena *arena, const char *text);

/* One archive in the file that a step unpacks. */
struct gl_region {
	uint64_t at, len;
};
/* The command line that unpacks @n of them, at most @bytes_max in all. */
const char *const *gl_unpack_argv(const struct gl_keep *keep, struct plan_arena *arena,
                                  const struct gl_region *regions, size_t n, uint64_t bytes_max);
struct job;
/* The command line that packs @cache into at most @bytes_max, and what it reads besides. -E2BIG:
 * more patterns or tracked files than it takes. */
int gl_pack_argv(struct gl_keep *keep, struct plan_arena *arena, const struct gl_cache *cache,
                 const struct job *job, const struct pair *vars, size_t n_vars, uint64_t bytes_max,
                 const char *const **ret, struct dd_err *err);

#endif
