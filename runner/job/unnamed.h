// SPDX-License-Identifier: Apache-2.0
/* unnamed.h - the space that a step holds and that no walk of its tree finds: files without a name,
 * and its shared memory.
 *
 * Supervisor only, beside the living step. A lower bound: a file that is only mapped, or on its way
 * in a socket, is not seen.
 */
#ifndef RUNNER_UNNAMED_H
#define RUNNER_UNNAMED_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes on disk or in memory: unlinked files and memfds that a process below @init (the step's pid
 * 1) has open, each once, and all of its /dev/shm. 0 when nothing can be seen. */
uint64_t unnamed_bytes(pid_t init);

#endif
