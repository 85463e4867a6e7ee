// SPDX-License-Identifier: Apache-2.0
/* record_events.h - a record event by event, checked on the way. Command line only. */
#ifndef RUNNER_RECORD_EVENTS_H
#define RUNNER_RECORD_EVENTS_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdio.h>

/* One line for each event, times since the first; @json: each event as one line of JSON. -EBADMSG:
 * the chain does not hold from some line on. */
int record_show_events(const char *path, bool json, FILE *out, struct dd_err *err);

#endif
