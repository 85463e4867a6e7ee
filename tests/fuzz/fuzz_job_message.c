// SPDX-License-Identifier: Apache-2.0
/* fuzz_job_message.c - the document with which a forge hands over a job: JSON, tokens, contexts,
 * event, and the workflow that they become. */
#include "forges/github/job_message.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct job_message message;
	struct job_address address;
	struct diag_list diags = { 0 };
	struct dd_err err = { 0 };

	int r = job_message_read((const char *)data, size, &message, &diags, &err);
	if (r == 0 && message.doc->jobs[0].n_steps != message.workflow.n_steps)
		abort();
	if (r < 0 && err.code == 0)
		abort(); /* refused without a word */
	job_message_done(&message);
	diag_list_done(&diags);
	(void)job_address_read((const char *)data, size, &address, &err);
	job_address_done(&address);
	return 0;
}
