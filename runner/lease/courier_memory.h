// SPDX-License-Identifier: Apache-2.0
/* courier_memory.h - keeps what a courier says and hears out of cores and out of swap. */
#ifndef RUNNER_LEASE_COURIER_MEMORY_H
#define RUNNER_LEASE_COURIER_MEMORY_H

#include "drydock/err.h"

/* In the courier, when its libraries are loaded and before it reads a secret: its heap, its stack
 * and
 * @own (static data that secrets pass) are locked, and so is all that it maps from here on. -ENOMEM
 * with the remedy where they cannot be and the host has swap; without swap there is nothing to keep
 * them out of. */
int courier_memory_hold(void *own, size_t len, struct dd_err *err);

#endif
