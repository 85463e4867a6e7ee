// SPDX-License-Identifier: Apache-2.0
/* fuzz_policy.c - any bytes as a policy: complaints or a policy, never a crash; and a plan from
 * what was accepted. PATH is empty here, so `use:` finds no tool to start. */
#include "runner/model/event.h"
#include "runner/forges/actions/wf_spec.h"
#include "runner/grant/plan.h"
#include "runner/policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct job_spec *spec;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] =
		"jobs: { j: { runs-on: x, steps: [ { id: publish, run: npm ci }, { name: x, run: "
		"make } ] } }";
	struct diag_list diags = { 0 };
	(void)argc;
	(void)argv;
	(void)setenv("PATH", "/nonexistent", 1);
	(void)setenv("CARGO_HOME", "/nonexistent", 1);
	static struct wf_flat jobs;
	const struct wf_options none = { .load = NULL };
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *wf = NULL;
	struct event_facts event;
	event_local(&event);
	if (wf_parse("w.yml", text, sizeof(text) - 1, &none, &wf, &errors) < 0)
		return 1;
	wf_flatten(wf, &jobs);
	static struct wf_world world;
	struct expr_memory mem = { .arena = wf->arena };
	if (wf_world_make(&(struct wf_world_asked){ .flat = &jobs, .event = &event }, &mem, &world,
	                  &diags) < 0)
		return 1;
	return wf_job_spec(&jobs, &jobs.jobs[0], &event, &world, &spec, &diags) < 0;
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
