// SPDX-License-Identifier: Apache-2.0
/* fuzz_log_commands.c - any line of a step: a command or an ordinary line, and places that are
 * ones. */
#include "runner/forges/engine/log_commands.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_arena *arena = arena_new();
	char *line = arena_alloc(arena, size + 1);
	struct log_command command;
	struct log_place place;

	memcpy(line, data, size);
	if (log_command_read(arena, line, size, &command)) {
		if (command.kind <= LOG_NONE || command.kind >= LOG__COUNT ||
		    command.data[command.data_len] != '\0' || command.data_len > size ||
		    command.n_properties > LOG_PROPERTIES_MAX)
			abort();
		log_command_place(&command, &place);
		if ((place.end_line && place.end_line < place.line) ||
		    (place.column && !place.line) ||
		    (place.end_column && place.end_column < place.column))
			abort();
		for (size_t i = 0; i < command.n_properties; i++)
			(void)log_command_property(&command, command.properties[i].key);
		if (log_command_stop_token(command.data))
			(void)log_command_resumes(line, size, command.data);
	}
	arena_free(arena);
	return 0;
}
