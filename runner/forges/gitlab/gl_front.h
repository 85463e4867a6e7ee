// SPDX-License-Identifier: Apache-2.0
/* gl_front.h - a GitLab job as it runs: which segment is next, what came of it, what its log shows.
 *
 * A job_script and a job_sink; both run in the supervisor (notes in the keeper besides). What the
 * job came to is left in shared memory for its host.
 */
#ifndef RUNNER_GL_FRONT_H
#define RUNNER_GL_FRONT_H

#include "gl_plan.h"
#include "gl_trace.h"
#include "job/job_script.h"
#include "job/job_sink.h"
#include "agent/agent_counts.h"

enum gl_result {
	GL_RESULT_NONE = 0, /* it did not come to an end by itself */
	GL_SUCCESS,
	GL_SCRIPT_FAILED,
	GL_TIMED_OUT,
	GL_CANCELLED,
	GL_REFUSED,
	GL_UNSUPPORTED, /* it asks for what this runner has not */
	GL_BROKEN,
};

struct gl_outcome {
	enum gl_result result;
	int exit_code;
	char why[300];
	bool uploads; /* something was packed, and its section of the log is open */
	bool stop;    /* said by the host: nothing runs any more, not even what always runs */
};

const char *gl_upload_section(bool succeeded);

/* What the courier has fetched for the job: archives one after the other in one file. */
struct gl_fetched {
	int fd; /* to read; borrowed; -1: nothing */
	const struct gl_region *regions;
	size_t n;
};

struct gl_front;
struct gl_front_spec {
	const struct gl_job *job;
	struct gl_vars *vars;
	struct gl_plan *plan;
	struct gl_keep *keep;
	struct gl_fetched fetched;
	struct gl_trace *trace;
	struct gl_outcome *outcome; /* shared with the host */
	const char *ticket;         /* directory: where what is uploaded is put */
	int64_t deadline_ms;        /* of the job */
	/* one byte comes here when the forge has taken note that the job runs: 'y' then, anything
	 * else, or the end of it, means that nothing is run */
	int go_fd;
	struct agent_counts *counts; /* shared with the agent; or NULL */
};
int gl_front_new(const struct gl_front_spec *spec, struct gl_front **ret, struct dd_err *err);
const struct job_script *gl_front_script(struct gl_front *f);
const struct job_sink *gl_front_sink(struct gl_front *f);

/* "1h20m", "90s", "1.5h" as Go writes durations; 0: it is none. Pure. */
unsigned gl_duration_sec(const char *text);

#endif
