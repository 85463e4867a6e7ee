// SPDX-License-Identifier: Apache-2.0
/* step_secrets.h - values of credentials in the middle of a variable's text, where the recipe has a
 * blank for them. */
#ifndef RUNNER_STEP_SECRETS_H
#define RUNNER_STEP_SECRETS_H

#include "lease/lease.h"

/* NAME=TEXT with the blanks of @recipe filled from what @set holds of @leases, in secret memory;
 * NULL when there is none in @text. Supervisor only. */
int step_secrets_fill(const struct recipe *recipe, const struct grant_lease *leases,
                      size_t n_leases, struct lease_set *set, const char *name, const char *text,
                      char **ret, struct dd_err *err);

#endif
