// SPDX-License-Identifier: Apache-2.0
/* fuzz_record_facts.c - any bytes as the events of a record whose chain holds: facts, or an error that says so.
 *
 * The input is lines "EVENT STEP PHASE JSON"; the chain around them is made here, or no mutation would ever get past it. */
#include "../../runner/record.h"
#include "../../runner/record_facts.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *word_or_null(const char *word)
{
	return word && strcmp(word, "-") != 0 ? word : NULL;
}

static void add_line(struct record *rec, char *line)
{
	char *event = strsep(&line, " "), *step = strsep(&line, " "), *phase = strsep(&line, " ");
	json_t *fields = line ? json_loads(line, JSON_ALLOW_NUL, NULL) : NULL;
	if (json_is_object(fields))
		(void)record_add(rec, word_or_null(step), word_or_null(phase), event, fields, NULL);
	else
		json_decref(fields);
}

static void write_record(const char *path, char *text)
{
	struct record *rec = NULL;
	(void)unlink(path);
	if (record_open(path, "r", "j", &rec, NULL) < 0)
		abort();
	for (char *line; (line = strsep(&text, "\n"));)
		add_line(rec, line);
	record_free(rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_facts *facts = NULL;
	struct dd_err err = { 0 };
	char path[64];
	char *text = calloc(1, size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	(void)snprintf(path, sizeof(path), "/dev/shm/drydock-fuzz-facts-%d", (int)getpid());
	write_record(path, text);
	if (record_facts_load(path, &facts, &err) < 0 && err.code == 0)
		abort();
	for (size_t i = 0; facts && i < facts->n_steps; i++)
		if (!facts->steps[i].ref || !facts->steps[i].phase || facts->steps[i].gate.n_receipts > size)
			abort();
	record_facts_free(facts);
	free(text);
	return 0;
}
