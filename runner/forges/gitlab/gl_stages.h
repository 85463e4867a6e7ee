// SPDX-License-Identifier: Apache-2.0
/* gl_stages.h - a job that waits: each stage that the official runner calls for lets the segments
 * of that stage run, and no other (gl_executor.h).
 *
 * A job_script around the one of gl_front.h, in the supervisor. Between two stages nothing of the
 * job lives but its trees. Who asks is a process of the same account, over a socket in a directory
 * of that account's.
 */
#ifndef RUNNER_GL_STAGES_H
#define RUNNER_GL_STAGES_H

#include "gl_front.h"

enum { GL_STAGE_NAME_MAX = 128 };

/* To the job: a stage, with a pipe that its log goes into. */
struct gl_stage_ask {
	char stage[GL_STAGE_NAME_MAX];
};
/* And what came of it. */
struct gl_stage_answer {
	enum gl_result result; /* GL_RESULT_NONE: nothing of the job belongs to that stage */
	int exit_code;
	char why[300];
};

struct gl_stages_spec {
	const struct gl_front_spec *front;
	const struct job_script *inner;
	int listener; /* SEQPACKET, borrowed */
	int runner;   /* a pidfd of the official runner's process, borrowed; -1: not known */
	int ready;    /* owned: one byte when the job waits for its first stage */
	int trace_fd; /* of the trace: becomes the pipe of who asked */
	int log_fd;   /* what is said while nobody asks */
};

struct gl_stages;
int gl_stages_new(const struct gl_stages_spec *spec, struct gl_stages **ret, struct dd_err *err);
const struct job_script *gl_stages_script(struct gl_stages *s);

/* Does the job itself have a part in it? The others are the runner's own. Pure. */
bool gl_stage_is_known(const char *stage);
/* One that is of drydock's own steps: the job may have nothing in it. Pure. */
bool gl_stage_may_be_empty(const char *stage);

#endif
