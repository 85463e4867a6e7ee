// SPDX-License-Identifier: Apache-2.0
/* fuzz_gitlab_job.c - any bytes as a GitLab job's message: an error, or a job whose variables and
 * markers can be read. A secret's value never comes out among what every step sees. */
#include "runner/forges/gitlab/gl_job.h"
#include "runner/forges/gitlab/gl_script.h"
#include "runner/forges/gitlab/gl_vars.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct plan_arena *arena = arena_new();
	struct gl_job job;
	struct dd_err err = { 0 };
	struct event_facts event;
	struct gl_vars vars = { .plain = NULL };
	int r = gl_job_parse(arena, (const char *)data, size, &job, &err);
	if (r < 0 && err.code == 0)
		abort();
	if (r == 0) {
		gl_job_event(&job, &event);
		for (size_t i = 0; i < job.n_steps; i++)
			for (size_t k = 0; k < job.steps[i].n_script; k++)
				(void)gl_marker_of(gl_element(arena, job.steps[i].script[k]));
		if (gl_vars_make(&job, &(struct gl_runner_facts){ .short_token = "x" }, arena,
		                 &vars, &err) == 0) {
			for (size_t i = 0; i < vars.n_plain; i++)
				if (strstr(vars.plain[i].value, job.token))
					abort();
			gl_vars_wipe(&vars, true);
			(void)munmap(vars.secret_memory, vars.secret_len);
			(void)munmap(vars.masked_memory, vars.secret_len);
		}
	}
	arena_free(arena);
	return 0;
}
