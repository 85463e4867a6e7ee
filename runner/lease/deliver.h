// SPDX-License-Identifier: Apache-2.0
/* deliver.h - puts the values of one step into the form that its clients read: a variable, a file,
 * a descriptor, the configuration of a tool. Supervisor only; nothing leaves secret memory here. */
#ifndef RUNNER_LEASE_DELIVER_H
#define RUNNER_LEASE_DELIVER_H

#include "source.h"

/* What @holder's leases are called in the step, into @set. @values: one for each of them. Every
 * spelling of a value that a form makes is masked too. -EINVAL: a value that cannot be masked, or
 * that the form cannot carry (C-14). */
int lease_deliver(const struct lease_holder *holder, const struct lease_value *values,
                  struct mask *mask, struct lease_set *set, struct dd_err *err);

#endif
