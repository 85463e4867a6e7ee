// SPDX-License-Identifier: Apache-2.0
/* store_stream.h - a tree, entry by entry, from the process that takes it out of an archive or a
 * repository to the one that writes it down.
 *
 * The first parses what strangers made and can do nothing but read that; the second can write and
 * parses nothing but these entries. It looks at every name, link and size again: the first is not
 * believed. Order: commits (of a repository), then entries, then END or ERROR.
 */
#ifndef RUNNER_STORE_STREAM_H
#define RUNNER_STORE_STREAM_H

#include "drydock/err.h"
#include "tree/git_index.h"
#include "tree/workspace.h"

enum store_kind {
	STORE_FILE = 1,
	STORE_DIR,
	STORE_LINK,   /* its bytes are where it points to */
	STORE_MODULE, /* another repository: its bytes are the name of a commit there */
	STORE_COMMIT, /* no entry: the bytes of the commit that all entries together are */
	STORE_END,
	STORE_ERROR, /* its bytes are a sentence; mode is an errno */
};

enum { STORE_PATH_MAX = 4095, STORE_ENTRIES_MAX = 100 * 1000, STORE_DEPTH_MAX = 64 };
#define STORE_BYTES_MAX (1ULL << 30)

/* ---- the process that reads ---- */

/* What follows are @size bytes. 0, or -EPIPE: nobody listens any more. */
int store_say(int fd, enum store_kind kind, unsigned mode, const char *path, uint64_t size);
int store_say_bytes(int fd, const void *bytes, size_t len);

/* ---- the process that writes ---- */

struct store_took {
	uint64_t bytes_max; /* in: of all files together; 0: STORE_BYTES_MAX */
	struct tree_counts counts;
	/* of a repository: the tree that the entries are, and the one that the commit says; both by
	 * the bytes that came, and the commit's name by its own */
	bool has_commit;
	unsigned char tree[GIT_OID_MAX], commit_tree[GIT_OID_MAX], commit[GIT_OID_MAX];
	size_t oid_len;
};

/* All of it into the empty directory @to_fd; nothing is followed, nothing lies outside of it.
 * -EBADMSG: an entry that no archive may have; -EFBIG: too many, or too large; otherwise the
 * reader's own word. */
int store_write(int from_fd, int to_fd, struct store_took *took, struct dd_err *err);

#endif
