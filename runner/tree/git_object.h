// SPDX-License-Identifier: Apache-2.0
/* git_object.h - the tree of a commit, read from the object store of a repository.
 *
 * For one question: is what the index lists what the commit says? Blobs and trees are git's
 * business, which drydock runs in a sandbox only. The bytes are a stranger's: every length is
 * bounded, nothing is mapped.
 */
#ifndef RUNNER_GIT_OBJECT_H
#define RUNNER_GIT_OBJECT_H

#include "git_index.h"

/* The tree of the commit @oid (@oid_len bytes) in the repository @common_fd. -ENOENT: the object is
 * not here (it may be in an alternate store), -EBADMSG: it cannot be read, -E2BIG. Fuzzed. */
int git_commit_tree(int common_fd, const unsigned char *oid, size_t oid_len,
                    unsigned char ret_tree[GIT_OID_MAX], struct dd_err *err);

/* Bytes of a name in hex; 0 when @hex is none. */
size_t git_oid_parse(const char *hex, unsigned char ret[GIT_OID_MAX]);

#endif
