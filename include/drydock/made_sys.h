// SPDX-License-Identifier: Apache-2.0
/* made_sys.h - the /sys of a step: a small tree of files made up from the number of processors.
 *
 * Order: made_sys_fill() once per job, then its path as sandbox_spec.made_sys of each step.
 */
#ifndef DRYDOCK_MADE_SYS_H
#define DRYDOCK_MADE_SYS_H

#include "drydock/err.h"

/* Fill the empty directory @dir (borrowed). Supervisor, before any step; the tree is for reading
 * only, and removed like any other. -errno when a file cannot be made. */
int made_sys_fill(int dir, struct dd_err *err);

#endif
