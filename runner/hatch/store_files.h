// SPDX-License-Identifier: Apache-2.0
/* store_files.h - one directory of the store: what was put in, who wrote it, and how much there is.
 *
 * Two files an entry: KIND-ID.blob, its bytes, never written after it has that name, and
 * KIND-ID.json, what is known of it. The second is renamed into place last, so an entry is there
 * whole or not at all; a blob without it is nobody's. `in-*` are uploads; whoever writes one holds
 * a shared flock on it, so that the next start removes those of the dead. `lock` is held (flock)
 * while entries are looked up, added or removed: jobs of one repository run at the same time. */
#ifndef RUNNER_STORE_FILES_H
#define RUNNER_STORE_FILES_H

#include "base/digest.h"
#include "hatch_messages.h"

#include <stddef.h>

enum { STORE_ID = 17, STORE_ENTRIES_MAX = 20000, STORE_STAMP = 80 };

struct store_entry {
	char kind; /* 'c' a cache, 'a' an artifact */
	char id[STORE_ID];
	uint64_t number; /* of an artifact, as its clients call it */
	char key[HATCH_KEY_MAX + 1], version[HATCH_KEY_MAX + 1];
	char scope[HATCH_REF_MAX + 1]; /* ref of the job that wrote it */
	bool trusted;                  /* written by a job of a protected ref */
	uint64_t size;
	char sha256[65];
	char mime[STORE_MIME_MAX + 1];
	int64_t created, used; /* seconds since 1970 */
	char run[64], job[64], step[64];
	/* of the blob when its digest held: device, inode and when it changed last; "": not known
	 */
	char stamp[STORE_STAMP];
};

struct store_list {
	struct store_entry *entries;
	size_t n;
};

/* Entries of @kind in @dir, newest first. What cannot be read is no entry. */
int store_scan(int dir, char kind, struct store_list *ret, struct dd_err *err);
void store_list_done(struct store_list *list);
/* The lock of @dir; close it to let go. */
int store_lock_dir(int dir, bool exclusive, int *ret_fd, struct dd_err *err);
/* An empty file "in-..." to write, its name in @ret. */
int store_incoming(int dir, char ret[32], int *ret_fd, struct dd_err *err);
/* @incoming becomes the blob of @entry, whose id is made here. Under the lock. */
int store_publish(int dir, const char *incoming, struct store_entry *entry, struct dd_err *err);
int store_open_blob(int dir, const struct store_entry *entry, int *ret_fd, struct dd_err *err);
/* Size and SHA-256 of what @fd has from where it stands. */
int store_digest(struct digest *digest, int fd, uint64_t *ret_size, char ret_hex[65],
                 struct dd_err *err);
/* The blob, if it still is what its digest says; @fd stands at its beginning. */
int store_open_same(int dir, const struct store_entry *entry, struct digest *digest, int *ret_fd,
                    struct dd_err *err);
/* The same, and its digest is taken only where the kernel says that something may have changed
 * since it was last known to hold: no process can set that back. */
int store_open_kept(int dir, const struct store_entry *entry, struct digest *digest, int *ret_fd,
                    struct dd_err *err);
/* It was asked for: now. */
void store_touch(int dir, const struct store_entry *entry);
int store_remove(int dir, const struct store_entry *entry, struct dd_err *err);
/* Uploads of the dead, and blobs that are nobody's. Under the lock. */
int store_sweep(int dir, struct dd_err *err);

#endif
