// SPDX-License-Identifier: Apache-2.0
/* fuzz_workflow.c - any bytes as a workflow: complaints that can be printed, or plans of its jobs
 * that can be printed; never a crash. */
#include "runner/model/event.h"
#include "runner/forges/actions/wf_spec.h"
#include "runner/view/plan_print.h"
#include "runner/policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static FILE *sink(void)
{
	static FILE *out;
	if (!out)
		out = fopen("/dev/null", "we");
	return out ? out : stderr;
}

enum { JOBS_TRIED = 3 };

static void plan_job(const struct wf_flat *jobs, const struct wf_flat_job *job,
                     const struct wf_world *world, const char *source, size_t len)
{
	const struct plan_print_options all = { .rules = true, .syscalls = true };
	struct diag_list diags = { 0 };
	struct job_spec *spec = NULL;
	struct plan *plan = NULL;
	struct event_facts event;
	event_local(&event);
	if ((wf_job_spec(jobs, job, &event, world, &spec, &diags) < 0 ||
	     plan_make(spec, NULL, &plan, &diags) < 0) &&
	    diags.n == 0)
		abort(); /* a refusal without a reason */
	if (plan && (plan_print_text(plan, NULL, all, sink()) < 0 ||
	             plan_print_json(plan, NULL, all, sink()) < 0))
		abort();
	diag_print(sink(), &diags, source, len);
	plan_free(plan);
	job_spec_free(spec);
	diag_list_done(&diags);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const struct wf_options none = { .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	struct wf_flat jobs;
	struct wf_doc *wf = NULL;
	const char *source = (const char *)data;
	if (wf_parse("w.yml", source, size, &none, &wf, &errors) == 0) {
		struct expr_memory mem = { .arena = wf->arena };
		struct diag_list diags = { 0 };
		struct event_facts event;
		struct wf_world world;
		event_local(&event);
		wf_flatten(wf, &jobs);
		const struct wf_world_asked asked = { .flat = &jobs, .event = &event };
		if (wf_world_make(&asked, &mem, &world, &diags) < 0 && diags.n == 0)
			abort();
		if (diags.n > 0)
			jobs.n = 0; /* an input that has to be given */
		diag_list_done(&diags);
		for (size_t i = 0; i < jobs.n && i < JOBS_TRIED; i++)
			plan_job(&jobs, &jobs.jobs[i], &world, source, size);
	}
	wf_errors_done(&errors);
	wf_free(wf);
	return 0;
}
