// SPDX-License-Identifier: Apache-2.0
/* job_result.h - what a job came to, on its way from the supervisor's process to whoever started
 * the job: `needs.X.result` and `needs.X.outputs` of the jobs behind it.
 *
 * Order of use: job_result_open() before job_start(), whose forks inherit the file; the engine
 * writes once, at its end; job_result_read() when the job is over. A job that ended without a word
 * failed. The file is memory, closed on exec, so no step ever sees it; what stands in it was
 * written by steps all the same, so it is read bounded, and every text keeps the mark of who may
 * have written it.
 */
#ifndef RUNNER_JOB_RESULT_H
#define RUNNER_JOB_RESULT_H

#include "forges/actions/expr_value.h"

#include "drydock/err.h"

enum job_result_is {
	JOB_RESULT_FAILURE = 0,
	JOB_RESULT_SUCCESS,
	JOB_RESULT_CANCELLED,
	JOB_RESULT_SKIPPED,
	JOB_RESULT__COUNT
};
const char *job_result_name(enum job_result_is is); /* as needs.X.result has it */

struct job_result {
	enum job_result_is is;
	struct expr_value outputs; /* an object of texts */
};

enum { JOB_RESULT_BYTES_MAX = 50 * 1024 * 1024 };

/* A descriptor that the caller closes, or -errno. */
int job_result_open(struct dd_err *err);
int job_result_write(int fd, const struct job_result *result, struct dd_err *err);
/* 0 also for a job that wrote nothing: it failed. -errno: what it wrote is no result. */
int job_result_read(int fd, struct expr_memory *mem, struct job_result *ret, struct dd_err *err);

#endif
