// SPDX-License-Identifier: Apache-2.0
/* gl_trace.h - the log of a job as GitLab shows it, on its way through a file.
 *
 * The file holds exactly the bytes that GitLab will: stamped, masked, cut. Several processes write
 * it, one at a time, with one state in shared memory: the job's host (head and end), keeper and
 * supervisor (steps). The courier reads it. It stays whole until the job is over: the server may
 * ask for all of it again.
 */
#ifndef RUNNER_GL_TRACE_H
#define RUNNER_GL_TRACE_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gl_stream { GL_RUNNER = 0, GL_STDOUT, GL_STDERR, GL__STREAMS };
enum gl_colour { GL_SAY = 0, GL_SAY_GOOD, GL_SAY_WARNING, GL_SAY_ERROR, GL_SAY_TITLE };

struct gl_trace_spec {
	int fd; /* of the file, borrowed; O_APPEND */
	uint64_t limit;
	bool stamps, sections;
	/* prefixes of tokens to mask, besides those that always are */
	const char *const *prefixes;
	size_t n_prefixes;
	/* the time, for tests; NULL: the clock */
	void (*now)(int64_t *ret_sec, long *ret_usec);
};

struct gl_trace;
int gl_trace_new(const struct gl_trace_spec *spec, struct gl_trace **ret, struct dd_err *err);
void gl_trace_free(struct gl_trace *t);

/* A line that drydock says. */
__attribute__((format(printf, 3, 4))) void gl_trace_say(struct gl_trace *t, enum gl_colour colour,
                                                        const char *fmt, ...);
/* A line of a step. @continues: the next call goes on with it. */
void gl_trace_line(struct gl_trace *t, enum gl_stream stream, const char *text, size_t len,
                   bool continues);
/* "section_start:..." or its end; nothing where the server does not want sections. @options may be
 * NULL: "[collapsed=true]". */
void gl_trace_section(struct gl_trace *t, bool start, const char *name, const char *options);
/* A section that a script opened or closed by itself, with its own time. */
void gl_trace_own_section(struct gl_trace *t, enum gl_stream stream, const char *marker,
                          size_t len);
/* Did a write fail, so that the log is not whole? */
int gl_trace_error(const struct gl_trace *t);

/* Token prefixes and the parameters of URLs, out of one line. Pure. @out: room for
 * gl_mask_room(len). Returns the length. */
size_t gl_mask_room(size_t len);
size_t gl_mask_line(const char *const *prefixes, size_t n, const char *text, size_t len, char *out);

#endif
