// SPDX-License-Identifier: Apache-2.0
/* fault.h - takes one kernel feature away, so that "fails closed" is tested and not hoped.
 *
 * DRYDOCK_FAULT=name[,name...] in the environment of the drydock process makes the named set-up call fail as an old kernel
 * would. It can only ever make drydock refuse, so it is honoured in every build; `drydock doctor` says when it is set.
 * A step never sees or sets it. Read once, before any thread or child exists, by dd_fault_init().
 */
#ifndef DRYDOCK_FAULT_H
#define DRYDOCK_FAULT_H

#include <stdbool.h>

void dd_fault_init(void);              /* sandbox/fault.c; called first in main() */
bool dd_fault(const char *point);      /* true: behave as if the call of this name had failed with ENOSYS */

#endif
