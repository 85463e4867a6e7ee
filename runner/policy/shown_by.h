// SPDX-License-Identifier: Apache-2.0
/* shown_by.h - which entry of `sandbox.read` would show a place of the host to steps. */
#ifndef RUNNER_SHOWN_BY_H
#define RUNNER_SHOWN_BY_H

#include <stdbool.h>
#include <stddef.h>

/* The narrowest directory (or the file itself) that is of use when a step needs @path, which has
 * no links in it: a program's own tree, not only its bin/. False: no entry may show it, or none
 * should. Looks at the host's tree with the caller's rights. */
bool shown_by(const char *path, char *out, size_t size);
/* May others read @path, on the whole way to it? A step is a stranger to every file of the host. */
bool shown_to_others(const char *path);

#endif
