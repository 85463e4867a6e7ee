// SPDX-License-Identifier: Apache-2.0
/* glob.h - one meaning of `*`, `?` and `**` for policies, artifacts and manifests.
 *
 * GLOB_PATH: `?` is one byte and `*` any number of bytes within a directory; `**` crosses slashes,
 * and a
 * `**` that stands for whole directories may stand for
 * none (a pattern of `a`, two stars and `b`, joined by slashes, matches a/b). GLOB_TEXT: a star
 * crosses everything, newlines included. Every other byte means itself. Time is at most length of
 * pattern times length of text, whatever either says.
 */
#ifndef RUNNER_GLOB_H
#define RUNNER_GLOB_H

#include <stdbool.h>

enum glob_kind { GLOB_PATH = 0, GLOB_TEXT };
enum { GLOB_PATTERN_MAX = 1024 }; /* a longer pattern matches nothing */

bool glob_match(enum glob_kind kind, const char *pattern, const char *text);

#endif
