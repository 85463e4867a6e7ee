// SPDX-License-Identifier: Apache-2.0
/* store_read.h - takes an archive or a commit of a repository apart, in a process that can do
 * nothing else. */
#ifndef RUNNER_STORE_READ_H
#define RUNNER_STORE_READ_H

#include "store_stream.h"

/* The archive @file_fd (tar, tar.gz, zip) into the empty directory @to_fd, without the one folder
 * that everything in it lies in. @dir_fd: where it lies. -ENOENT: this host has no libarchive. */
int store_read_archive(int dir_fd, int file_fd, int to_fd, struct store_took *took,
                       struct dd_err *err);

/* The tree of the commit @oid out of the objects of the repository @git_fd, each compared with its
 * name. Whoever calls compares took->commit with what was asked for and took->tree with what the
 * commit says. @tips: hex names of the commits that the repository's own branches and tags are on,
 * NULL-terminated: @oid must be one of them or lie behind one, or it is somebody else's (-EACCES).
 */
int store_read_commit(int git_fd, const char *oid, const char *const *tips, int to_fd,
                      struct store_took *took, struct dd_err *err);

#endif
