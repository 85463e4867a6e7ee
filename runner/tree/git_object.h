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

/* What the annotated tag @oid is on. 1: *@ret is it; 0: it is a commit and no tag; as above. Of one
 * object directory: .git/objects, or one that it borrows from. */
int git_tag_target(int objects_fd, const unsigned char *oid, size_t oid_len,
                   unsigned char ret[GIT_OID_MAX], struct dd_err *err);

/* Any object of at most @max bytes, and only if its name is what its bytes are called: who asks for
 * a name gets what that names, whoever wrote the store. The caller frees ret->data. As above, and
 * -EBADMSG for other bytes. */
enum git_type { GIT_COMMIT = 1, GIT_TREE, GIT_BLOB, GIT_TAG };
extern const char *const git_type_names[]; /* from 1 on */
struct git_bytes {
	unsigned char *data;
	size_t len;
	enum git_type type;
};
int git_object_read(int objects_fd, const unsigned char *oid, size_t oid_len, size_t max,
                    struct git_bytes *ret, struct dd_err *err);

/* The one object of the @n directories whose name begins with @hex (2 digits at least). -ENOENT,
 * -ENOTUNIQ. */
int git_oid_complete(const int *objects, size_t n, const char *hex, size_t oid_len, char ret[65]);

/* Bytes of a name in hex; 0 when @hex is none. */
size_t git_oid_parse(const char *hex, unsigned char ret[GIT_OID_MAX]);

#endif
