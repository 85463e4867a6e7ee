// SPDX-License-Identifier: Apache-2.0
/* store.h - the actions that this host has, each tree under the digest of all that is in it.
 *
 * Runs in: command line, or job host of a forge's job, before anything of the job runs. A mirror is
 * the operator's directory of archives, checkouts and repositories; what is in them is somebody
 * else's. Order of use: store_open(), store_take() for each action, store_close(). What is taken
 * stays for the next run, and is looked at again there: a tree that is not what its name says is
 * thrown away.
 */
#ifndef RUNNER_STORE_H
#define RUNNER_STORE_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>

struct store {
	int fd;
	char path[512];
};
#define STORE_NONE                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* The directory @path, made where it is missing; held until store_close(), so that nobody empties
 * it meanwhile. */
int store_open(const char *path, struct store *ret, struct dd_err *err);
void store_close(struct store *store);

/* "owner/repo" and what stands behind the @. */
struct store_asked {
	const char *mirror; /* a directory of this host */
	const char *repository, *ref;
	/* hex: what the ref was agreed to be; NULL: what it is there now. Of a repository alone */
	const char *commit;
};

struct store_took_action {
	char tree[600];   /* on this host; nobody writes there */
	char sha256[65];  /* of everything in it */
	char commit[65];  /* as its own bytes say; "": nobody can tell */
	char source[600]; /* where it came from, below the mirror */
	/* what the ref is in that repository: "commit", "tag", "branch"; "": it came as files */
	const char *ref_is;
};

/* -ENOENT: the mirror has none of that name and ref; @err says what was looked for. -EACCES: it has
 * one that is not what it says it is, or may be a fork's. */
int store_take(const struct store *store, const struct store_asked *asked,
               struct store_took_action *ret, struct dd_err *err);

/* What was fetched before from @url needs no network: the tree of that commit by that name, if it
 * still is what was kept. 1: *@ret is set; 0: not known. */
int store_known(const struct store *store, const char *url, const struct store_asked *asked,
                struct store_took_action *ret, struct dd_err *err);
/* Remember it. @took: of store_take(), of a repository that was fetched from @url. */
int store_note(const struct store *store, const char *url, const struct store_asked *asked,
               const struct store_took_action *took, struct dd_err *err);
/* Of a tree on this host, as sha256 names it. */
int store_tree_digest(int dir_fd, char ret[65], struct dd_err *err);

/* A directory of its own in the store, for what is on its way into it; gone with
 * store_drop_room(). */
int store_make_room(const struct store *store, char ret_name[64], int *ret_fd, struct dd_err *err);
int store_drop_room(const struct store *store, const char *name, struct dd_err *err);

/* Remove trees that nobody used for @days; 0: all, and then no run may hold the store (-EBUSY: one
 * does). What was on its way into it and belongs to nobody goes as well. */
struct store_pruned {
	unsigned trees;
	uint64_t bytes;
};
int store_prune(const struct store *store, unsigned days, struct store_pruned *ret,
                struct dd_err *err);

/* Can it be the name of a repository ("owner/repo"), and of a ref? */
bool store_is_repository(const char *name);
bool store_is_ref(const char *ref);

#endif
