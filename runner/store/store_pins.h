// SPDX-License-Identifier: Apache-2.0
/* store_pins.h - what a commit's files were when this host saw them first.
 *
 * An archive cannot prove which commit it is. But a commit never changes: an archive that is said
 * to be one, and has other files than the last that was said to be it, is not run. */
#ifndef RUNNER_STORE_PINS_H
#define RUNNER_STORE_PINS_H

#include "store.h"

/* @commit: 40 or 64 hex digits. 0: it has these files, or was never seen, and is remembered.
 * -EACCES: it had others. */
int store_pin(const struct store *store, const char *repository, const char *commit,
              const char sha256[65], struct dd_err *err);

#endif
