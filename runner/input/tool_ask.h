// SPDX-License-Identifier: Apache-2.0
/* tool_ask.h - what a tool of this host answers to one question.
 *
 * Command line only; never in a job. The tool is the operator's, its output is bounded foreign
 * bytes.
 */
#ifndef RUNNER_TOOL_ASK_H
#define RUNNER_TOOL_ASK_H

#include "drydock/err.h"

/* Run argv[0] (searched in PATH) in `/` with only PATH, HOME and the named variables, at most 10 s
 * and 256 KiB. @env: names, a trailing star means a prefix; NULL-terminated, as @argv. @ret is
 * heap, NUL-terminated, owned by the caller. -ENOENT: not installed. */
int tool_ask(const char *const *argv, const char *const *env, char **ret, struct dd_err *err);

#endif
