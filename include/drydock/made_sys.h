// SPDX-License-Identifier: Apache-2.0
/* made_sys.h - the /sys of a step: a small tree of files made up from the number of processors.
 *
 * Order: sandbox_spec.made_sys of each step; the zygote of its tree fills it once.
 */
#ifndef DRYDOCK_MADE_SYS_H
#define DRYDOCK_MADE_SYS_H

#include "drydock/err.h"

/* Fill the empty directory @dir (borrowed). While the host's /sys can be read; the tree is for
 * reading only. -errno when a file cannot be made. */
int made_sys_fill(int dir, struct dd_err *err);

#endif
