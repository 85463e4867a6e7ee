// SPDX-License-Identifier: Apache-2.0
/* env_carry.h - which variables a less trusted step may not hand to a more trusted one. */
#ifndef RUNNER_ENV_CARRY_H
#define RUNNER_ENV_CARRY_H

#include <stddef.h>

/* Why a variable of that name does not cross by itself, or NULL: it may. Case does not count: some
 * programs read either. */
const char *env_carry_reason(const char *name, size_t len);

#endif
