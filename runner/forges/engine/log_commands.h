// SPDX-License-Identifier: Apache-2.0
/* log_commands.h - workflow commands: lines of a step's output that mean something to a forge.
 *
 * Pure, and fuzzed: the line is hostile. Two forms: `::name key=value,key=value::data` at the
 * beginning of a line, and `##[name key=value;key=value]data` anywhere in it. What is no command
 * that GitHub knows is an ordinary line. Nothing that is printed sets a variable, an output or a
 * path; the commands that did are known, so that they can be told.
 */
#ifndef RUNNER_LOG_COMMANDS_H
#define RUNNER_LOG_COMMANDS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum log_command_kind {
	LOG_NONE = 0, /* an ordinary line */
	LOG_ADD_MASK,
	LOG_DEBUG,
	LOG_NOTICE,
	LOG_WARNING,
	LOG_ERROR,
	LOG_GROUP,
	LOG_ENDGROUP,
	LOG_ECHO,
	LOG_STOP,
	LOG_ADD_MATCHER,
	LOG_REMOVE_MATCHER,
	LOG_SET_OUTPUT, /* from here on: they do nothing, and that is told */
	LOG_SAVE_STATE,
	LOG_SET_ENV,
	LOG_ADD_PATH,
	LOG_REPO_PATH, /* of checkout, for itself */
	LOG__COUNT
};
extern const char *const log_command_names[LOG__COUNT];

enum { LOG_PROPERTIES_MAX = 16 };

struct log_command {
	enum log_command_kind kind;
	const char *data; /* unescaped, with a NUL behind */
	size_t data_len;
	struct {
		const char *key, *value;
	} properties[LOG_PROPERTIES_MAX];
	size_t n_properties;
};

/* False: an ordinary line. */
bool log_command_read(struct plan_arena *arena, const char *line, size_t len,
                      struct log_command *ret);
/* Case does not count; NULL: there is none, or it is empty. */
const char *log_command_property(const struct log_command *command, const char *key);
/* Is the line `::TOKEN::`? Case does not count. */
bool log_command_resumes(const char *line, size_t len, const char *token);
/* May commands be stopped until this token? */
bool log_command_stop_token(const char *token);

/* Where in a file an annotation points to; 0: nowhere. */
struct log_place {
	unsigned line, end_line, column, end_column;
};
void log_command_place(const struct log_command *command, struct log_place *ret);

#endif
