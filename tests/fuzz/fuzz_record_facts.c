// SPDX-License-Identifier: Apache-2.0
/* fuzz_record_facts.c - any events in a record whose chain holds: facts, or an error that says so.
 */
#include "runner/record/record_facts.h"

#include "record_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_facts *facts = NULL;
	struct dd_err err = { 0 };
	char path[64];
	write_record(path, data, size);
	if (record_facts_load(path, &facts, &err) < 0 && err.code == 0)
		abort();
	for (size_t i = 0; facts && i < facts->n_steps; i++)
		if (!facts->steps[i].ref || !facts->steps[i].phase ||
		    facts->steps[i].gate.n_receipts > size)
			abort();
	record_facts_free(facts);
	return 0;
}
