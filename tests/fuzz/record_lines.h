// SPDX-License-Identifier: Apache-2.0
/* record_lines.h - a record whose chain holds, from lines "EVENT STEP PHASE JSON": the chain is
 * made here, or no mutation would ever get past it. */
#ifndef TESTS_FUZZ_RECORD_LINES_H
#define TESTS_FUZZ_RECORD_LINES_H

#include "runner/record/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *word_or_null(const char *word)
{
	return word && strcmp(word, "-") != 0 ? word : NULL;
}

static void add_line(struct record *rec, char *line)
{
	char *event = strsep(&line, " "), *step = strsep(&line, " "), *phase = strsep(&line, " ");
	json_t *fields = line ? json_loads(line, JSON_ALLOW_NUL, NULL) : NULL;
	if (json_is_object(fields))
		(void)record_add(rec, RECORD_BEGINS, word_or_null(step), word_or_null(phase), event,
		                 fields, NULL);
	else
		json_decref(fields);
}

/* Into a file of this process, whose name stays in @path. */
static void write_record(char path[64], const uint8_t *data, size_t size)
{
	struct record *rec = NULL;
	char *text = calloc(1, size + 1), *rest = text;
	if (!text)
		abort();
	memcpy(text, data, size);
	(void)snprintf(path, 64, "/dev/shm/drydock-fuzz-%d", (int)getpid());
	(void)unlink(path);
	if (record_open(path, "r", "j", &rec, NULL) < 0)
		abort();
	for (char *line; (line = strsep(&rest, "\n"));)
		add_line(rec, line);
	record_free(rec);
	free(text);
}

#endif
