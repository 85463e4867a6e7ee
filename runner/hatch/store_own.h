// SPDX-License-Identifier: Apache-2.0
/* store_own.h - caches of the store for steps of drydock's own, which have no hatch: the supervisor
 * asks for a file before such a step begins, and puts one in when it has ended.
 *
 * Runs in: supervisor, when no process of the job has the file. The rules are those of
 * store_cache.c: the same trust, the same bounds. As at GitLab a key is found whole or not at all,
 * and a newer cache takes the place of the one with its key.
 */
#ifndef RUNNER_STORE_OWN_H
#define RUNNER_STORE_OWN_H

#include "hatch.h"

/* Hears what becomes of caches, as the supervisor does from a hatch. */
typedef void (*store_own_tell)(void *arg, const struct hatch_event *event);

struct store_own;
/* @spec: rights, scopes, phase, cache_dir and its bounds, run, job, step; borrowed while @ret
 * lives. Removes what the dead left and what nobody asked for. */
int store_own_new(const struct hatch_spec *spec, store_own_tell tell, void *arg,
                  struct store_own **ret, struct dd_err *err);
void store_own_free(struct store_own *own); /* what was begun and not kept is gone */

/* The first of @keys that there is. 1: @ret_fd has it, compared with its digest, @ret_key is
 * which; 0: there is none, with @err where one was damaged; -EACCES: the policy does not let it;
 * other: the store cannot. */
int store_own_find(struct store_own *own, const char *const *keys, size_t n, const char *version,
                   char ret_key[HATCH_KEY_MAX + 1], uint64_t *ret_size, int *ret_fd,
                   struct dd_err *err);
/* A file to write, one at a time; borrowed. -EACCES as above. */
int store_own_begin(struct store_own *own, const char *key, const char *version, int *ret_fd,
                    struct dd_err *err);
/* Nobody can write it any more. 1: it is in the store; 0: it is what is there already. */
int store_own_keep(struct store_own *own, struct dd_err *err);

#endif
