// SPDX-License-Identifier: Apache-2.0
/* reader_lock.h - what a process gives up before it reads a tree that hostile code wrote: all of
 * the file system but that tree, the network, new programs, and all but some thirty system calls.
 */
#ifndef DRYDOCK_READER_LOCK_H
#define DRYDOCK_READER_LOCK_H

#include "err.h"

/* In the reader, once. @dir_fd: the tree; what is open already stays open, and may be written to.
 * @bytes_max: of memory. There is no way back, and no going on without it. */
int reader_lock(int dir_fd, size_t bytes_max, struct dd_err *err);

#endif
