// SPDX-License-Identifier: Apache-2.0
/* pair.h - a name and a value, and where they are written: a variable, a parameter, a service and
 * its image. */
#ifndef RUNNER_PAIR_H
#define RUNNER_PAIR_H

#include "input/diag.h"

struct pair {
	const char *name, *value;
	struct diag_mark mark; /* line 0: not from a file */
};

#endif
