// SPDX-License-Identifier: Apache-2.0
/* fuzz_workflow.c - any bytes as a workflow: complaints that can be printed, or a plan that can be printed; never a crash. */
#include "../../runner/event.h"
#include "../../runner/local/workflow.h"
#include "../../runner/plan_print.h"
#include "../../runner/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static FILE *sink(void)
{
	static FILE *out;
	if (!out)
		out = fopen("/dev/null", "we");
	return out ? out : stderr;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct diag_list diags = { 0 };
	struct workflow *wf = NULL;
	struct plan *plan = NULL;
	struct event_facts event;
	event_local(&event);
	if (workflow_parse("w.yml", (const char *)data, size, &wf, &diags) == 0)
		(void)plan_make(wf, NULL, NULL, &event, &plan, &diags);
	if (!plan && diags.n == 0)
		abort(); /* a refusal without a reason */
	if (plan) {
		const struct plan_print_options all = { .rules = true, .syscalls = true };
		if (plan_print_text(plan, NULL, all, sink()) < 0 || plan_print_json(plan, NULL, all, sink()) < 0)
			abort();
	}
	diag_print(sink(), &diags, (const char *)data, size);
	plan_free(plan);
	workflow_free(wf);
	diag_list_done(&diags);
	return 0;
}
