// SPDX-License-Identifier: Apache-2.0
/* shell_command.h - the command line that GitHub's runner would use for a script, by the step's
 * `shell`. */
#ifndef RUNNER_SHELL_COMMAND_H
#define RUNNER_SHELL_COMMAND_H

#include "base/arena.h"
#include "drydock/err.h"

/* @shell: as written, NULL for the default. @ret_argv: NULL-terminated, @script_base with the right
 * extension in the place of {0}; @ret_script: that path. -ENOTSUP for shells that are known and not
 * supported, -EINVAL for a custom one without {0}; @err says what to write. */
int shell_command(struct plan_arena *arena, const char *shell, const char *script_base,
                  const char *const **ret_argv, const char **ret_script, struct dd_err *err);

/* What stands in the file for @script: PowerShell ends at an error and with the last program's
 * status only when it is told to. */
const char *shell_script(struct plan_arena *arena, const char *shell, const char *script);

#endif
