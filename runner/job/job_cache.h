// SPDX-License-Identifier: Apache-2.0
/* job_cache.h - caches of the host's store for a front end whose jobs say by themselves what is
 * cached: found before a step of drydock's own unpacks them, kept when one has packed them.
 *
 * Called in the supervisor, between steps, by a job's script. Trust and bounds are those of every
 * cache (docs/cache.md): a job of a protected ref is never given what another job wrote.
 */
#ifndef RUNNER_JOB_CACHE_H
#define RUNNER_JOB_CACHE_H

#include "hatch/hatch.h"

struct job;

enum { JOB_CACHE_KEY_MAX = HATCH_KEY_MAX };

struct job_cache_found {
	int fd; /* the caller closes */
	uint64_t size;
	char key[JOB_CACHE_KEY_MAX + 1];
};

/* The first of @keys that there is of @version, for the written step @grant (from 1). 1: *@ret is
 * set; 0: there is none; -EACCES: the policy does not let the step, and @err has the line that
 * would; other: the store cannot. Each is recorded. */
int job_cache_find(struct job *job, unsigned grant, const char *const *keys, size_t n,
                   const char *version, struct job_cache_found *ret, struct dd_err *err);
/* A file into which the step may pack; borrowed until job_cache_keep() or the next begin.
 * @ret_most: what fits. */
int job_cache_begin(struct job *job, unsigned grant, const char *key, const char *version,
                    int *ret_fd, uint64_t *ret_most, struct dd_err *err);
/* The step has ended well. 1: kept; 0: the same as is there already. */
int job_cache_keep(struct job *job, unsigned grant, struct dd_err *err);
struct job_cache;
void job_cache_free(struct job_cache *cache); /* NULL is fine; what was not kept is gone */

#endif
