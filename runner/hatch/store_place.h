// SPDX-License-Identifier: Apache-2.0
/* store_place.h - where the store is on this host, and which part of it a job has.
 *
 * STORE/caches/DIGEST/ is one repository's caches (a file `of` says which), STORE/runs/RANDOM/ the
 * artifacts of one run of a workflow; both 0700 and this user's. */
#ifndef RUNNER_STORE_PLACE_H
#define RUNNER_STORE_PLACE_H

#include "hatch.h"
#include "model/event.h"

enum { STORE_PLACE_MAX = 512 };

/* @state (of --state-dir, or NULL) or, without it, /var/cache/drydock for root and the XDG cache
 * directory for others. Makes nothing. */
int store_place(const char *state, uid_t host_uid, char ret[STORE_PLACE_MAX], struct dd_err *err);
/* The directory of the caches of a job; made if need be. @workspace: of a local run, which is told
 * apart by it. */
int store_open_caches(const char *store, const struct event_facts *event, const char *workspace,
                      int *ret_fd, struct dd_err *err);
/* A directory for the artifacts of a new run. Those of runs that are over and were killed go. The
 * run lives as long as *@ret_fd is open somewhere. */
int store_make_run(const char *store, char ret_path[STORE_PLACE_MAX], int *ret_fd,
                   struct dd_err *err);
int store_open_dir(const char *path, int *ret_fd, struct dd_err *err);
/* It, and all in it. */
void store_remove_run(const char *path);

/* What a job of @event reads and writes. */
void store_scopes(const struct event_facts *event, bool trusted, struct hatch_scopes *ret);

#endif
