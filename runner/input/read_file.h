// SPDX-License-Identifier: Apache-2.0
/* read_file.h - the whole of a regular file, up to a bound. */
#ifndef RUNNER_READ_FILE_H
#define RUNNER_READ_FILE_H

#include "base/named_path.h"

#include <stddef.h>

#define READ_FILE_TEXT_MAX ((size_t)1024 * 1024) /* workflow and policy files */

/* Heap, NUL-terminated behind @ret_len bytes; the caller frees. -EFBIG beyond @max, -EINVAL for
 * what is not a regular file (a FIFO would block, a device might never end). */
int read_file_bounded(const char *path, size_t max, char **ret, size_t *ret_len,
                      struct dd_err *err);
/* The same for a path that a command line names: see named_path.h for the links that are followed.
 * @link may be NULL. */
int read_named_file(const char *path, size_t max, char **ret, size_t *ret_len,
                    struct named_link *link, struct dd_err *err);
/* The same from @fd (borrowed, opened with O_NONBLOCK); @name is used in messages. */
int read_fd_bounded(int fd, const char *name, size_t max, char **ret, size_t *ret_len,
                    struct dd_err *err);

#endif
