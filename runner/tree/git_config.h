// SPDX-License-Identifier: Apache-2.0
/* git_config.h - a git configuration as data: read without obeying it, and copied without what
 * commands or lends power.
 *
 * Runs in the supervisor and the command line, on bytes that a stranger may have written. Pure.
 */
#ifndef RUNNER_GIT_CONFIG_H
#define RUNNER_GIT_CONFIG_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { GIT_CONFIG_MAX = 1024 * 1024 };

/* One variable. Section and key in lower case; @sub: between the quotes, as written, or NULL;
 * @value: NULL for a key without "=". */
struct git_variable {
	const char *section, *sub, *key, *value;
};
/* Non-zero stops, and is returned. */
typedef int (*git_variable_fn)(void *arg, const struct git_variable *var);

/* Fuzzed. -EBADMSG with the line: git would not read it either. Includes are not followed. */
int git_config_each(const char *text, size_t len, git_variable_fn fn, void *arg,
                    struct dd_err *err);

/* What the copy of a configuration is made of. */
struct git_config_copy {
	/* core.worktree of the copy, or NULL; bare is always false */
	const char *worktree;
	char *text; /* the copy: heap, NUL-terminated; the caller frees */
	size_t len, cap;
	/* "section.key" of what was left out, each once, ", " between them; "" for nothing. Never
	 * a value or a subsection: those can be secrets */
	char left_out[300];
};

/* Keep what git needs to understand the repository; leave out credentials, helpers, headers,
 * programs and includes (C-11). URLs lose their user and password. -ENOMEM, -EBADMSG. */
int git_config_clean(const char *text, size_t len, struct git_config_copy *copy,
                     struct dd_err *err);

#endif
