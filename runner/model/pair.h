// SPDX-License-Identifier: Apache-2.0
/* pair.h - a name and a value: a variable, a parameter, a service and its image. */
#ifndef RUNNER_PAIR_H
#define RUNNER_PAIR_H

struct pair {
	const char *name, *value;
};

#endif
