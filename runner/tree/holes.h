// SPDX-License-Identifier: Apache-2.0
/* holes.h - where the bytes of a sparse file are.
 *
 * A hole costs a step nothing. It is never read and never written: hashed as zeros, kept as a hole.
 */
#ifndef RUNNER_HOLES_H
#define RUNNER_HOLES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Does it take less room than it has bytes? */
bool file_is_sparse(const struct stat *st);

/* From @at, a position in a file of @size bytes: the next data begins at *ret_data and ends at
 * *ret_end; both are @size when only a hole is left. @sparse false, or a file system that cannot
 * say: all is data. Moves the position of @fd. */
void file_next_data(int fd, bool sparse, uint64_t at, uint64_t size, uint64_t *ret_data,
                    uint64_t *ret_end);

#endif
