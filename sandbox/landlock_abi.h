// SPDX-License-Identifier: Apache-2.0
/* landlock_abi.h - which version of Landlock the kernel speaks; for inside_landlock() and
 * sandbox_probe(). */
#ifndef SANDBOX_LANDLOCK_ABI_H
#define SANDBOX_LANDLOCK_ABI_H

#include "drydock/err.h"

/* 1 or more; -ENOSYS (kernel without), -EOPNOTSUPP (built in, switched off at boot) with the remedy
 * in @err. Any role. */
int landlock_abi(struct dd_err *err);

#endif
