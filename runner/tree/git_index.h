// SPDX-License-Identifier: Apache-2.0
/* git_index.h - what a git index lists, read without running git.
 *
 * Runs in the supervisor and the command line, on a file that a stranger may have written: git
 * itself would obey the configuration beside it (F-11). Pure but for git_index_read().
 */
#ifndef RUNNER_GIT_INDEX_H
#define RUNNER_GIT_INDEX_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { GIT_OID_MAX = 32 }; /* SHA-256; SHA-1 has 20 bytes */

/* One path. Stages of a merge are listed one after the other. */
struct git_entry {
	const char *path; /* in the index's own memory */
	/* of the file when git looked last, in git's 32 bits; all zero: it has not */
	uint32_t ctime_sec, ctime_nsec, mtime_sec, mtime_nsec, ino, size;
	uint32_t mode; /* 0100644, 0100755, 0120000 (a link), 0160000 (a submodule) */
	unsigned char oid[GIT_OID_MAX];
	uint8_t stage;  /* not 0: a merge that is not resolved */
	bool unwritten; /* skip-worktree: git itself left it out (sparse checkout) */
	bool intended;  /* `git add -N`: nothing of it is in the index yet */
};

struct git_index {
	struct git_entry *entries; /* sorted by path, bytewise */
	size_t n, cap;
	char *names;
	size_t names_len, names_cap;
	size_t oid_len; /* 20 or 32 */
	bool split;     /* entries are in another file: this is not the whole list */
	bool sparse;    /* directories stand for what is in them: nor is this */
	uint32_t mtime_sec, mtime_nsec; /* of the index itself; git_index_read() only */
};

/* Fuzzed. -EBADMSG: it was cut, edited, or is no index; -E2BIG. */
int git_index_parse(const void *bytes, size_t len, struct git_index *ret, struct dd_err *err);
/* The file @fd (borrowed). */
int git_index_read(int fd, struct git_index *ret, struct dd_err *err);
void git_index_done(struct git_index *index);

/* The name of the tree that all entries together are: what a commit of them would have. -EBUSY:
 * there is none, a merge is not resolved; -ENODATA: this is not the whole list; -EIO. */
int git_index_tree(const struct git_index *index, unsigned char ret[GIT_OID_MAX],
                   struct dd_err *err);

/* The name of a blob with the bytes of @fd from its start, @size of them. -EBUSY: there are fewer.
 */
int git_blob_name(int fd, uint64_t size, size_t oid_len, unsigned char ret[GIT_OID_MAX],
                  struct dd_err *err);
/* Of any object: "commit", "tree", "blob", "tag". */
int git_name(const char *type, const void *bytes, size_t len, size_t oid_len,
             unsigned char ret[GIT_OID_MAX], struct dd_err *err);
/* The same of a blob in memory. */
int git_bytes_name(const void *bytes, size_t len, size_t oid_len, unsigned char ret[GIT_OID_MAX],
                   struct dd_err *err);

/* The first entry whose path is not less than @path. */
size_t git_index_find(const struct git_index *index, const char *path);

#endif
