// SPDX-License-Identifier: Apache-2.0
/* message_values.h - the contexts of a job message as values of the expression language. */
#ifndef RUNNER_MESSAGE_VALUES_H
#define RUNNER_MESSAGE_VALUES_H

#include "drydock/err.h"
#include "forges/actions/expr_value.h"

#include <jansson.h>

/* @value: bare JSON, or an object whose `t` says what it is. NULL is null. -EINVAL: it is neither;
 * -E2BIG: more than @mem may hold. Texts are copied. */
int message_value(const json_t *value, struct expr_memory *mem, struct expr_value *ret,
                  struct dd_err *err);

#endif
