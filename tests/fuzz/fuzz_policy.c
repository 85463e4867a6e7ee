// SPDX-License-Identifier: Apache-2.0
/* fuzz_policy.c - any bytes as a policy: complaints or a policy, never a crash; and a plan from
 * what was accepted. PATH is empty here, so `use:` finds no tool to start. */
#include "runner/model/event.h"
#include "runner/forges/actions/workflow_spec.h"
#include "runner/grant/plan.h"
#include "runner/policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct job_spec *spec;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] =
		"jobs: { j: { steps: [ { id: publish, run: npm ci }, { name: x, run: make } ] } }";
	struct diag_list diags = { 0 };
	(void)argc;
	(void)argv;
	(void)setenv("PATH", "/nonexistent", 1);
	(void)setenv("CARGO_HOME", "/nonexistent", 1);
	struct workflow *wf = NULL;
	struct event_facts event;
	event_local(&event);
	return workflow_parse("w.yml", text, sizeof(text) - 1, &wf, &diags) < 0 ||
	       workflow_job_spec(wf, NULL, &event, &spec, &diags) < 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct plan *plan = NULL;
	if (policy_parse("p.yml", (const char *)data, size, &policy, &diags) == 0)
		(void)plan_make(spec, policy, &plan, &diags);
	else if (diags.n == 0)
		abort(); /* a refusal without a reason */
	plan_free(plan);
	policy_free(policy);
	diag_list_done(&diags);
	return 0;
}
