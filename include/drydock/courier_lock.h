// SPDX-License-Identifier: Apache-2.0
/* courier_lock.h - what a courier of the runner gives up before it speaks with the network: ids
 * stay, capabilities, new programs, written files and all but some eighty system calls go. */
#ifndef DRYDOCK_COURIER_LOCK_H
#define DRYDOCK_COURIER_LOCK_H

#include "err.h"

/* In the courier, once, before libraries are loaded that it needs later. There is no way back, and
 * no going on without it. */
int courier_lock(struct dd_err *err);

#endif
