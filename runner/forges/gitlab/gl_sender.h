// SPDX-License-Identifier: Apache-2.0
/* gl_sender.h - the courier of one job: accepts it, sends its log as it grows, tells how it ended,
 * and hears whether it is still wanted.
 *
 * Frames to it: SENDER_START once, SENDER_UPLOAD, SENDER_END once. From it: the rest of the list.
 */
#ifndef RUNNER_GL_SENDER_H
#define RUNNER_GL_SENDER_H

#include "courier/courier_process.h"
#include "gl_api.h"

enum sender_frame {
	SENDER_START = 1,  /* struct sender_job, then the token */
	SENDER_END,        /* struct sender_end: no byte comes to the log any more */
	SENDER_UPLOAD,     /* struct gl_upload: an artifact; before the end */
	SENDER_DOWNLOAD,   /* a: a job whose archive is wanted; b: bytes that it may have */
	SENDER_DOWNLOADED, /* a: enum gl_uploaded; b: its bytes, at the end of the file that the
	                    * courier was lent; what the server said */
	SENDER_UPLOADED,   /* a: enum gl_uploaded; what the server said */
	SENDER_ACCEPTED,   /* the job is ours */
	SENDER_DECLINED,   /* it is not: nothing is to be run or said; with a sentence */
	SENDER_CANCEL,     /* end it, and run what always runs */
	SENDER_ABORT,      /* end it at once, nothing follows */
	SENDER_DONE,       /* the server knows how it ended */
	SENDER_LOST,       /* it could not be told; with a sentence */
};

struct sender_job {
	int64_t id;
	bool accepted; /* by an earlier courier */
	bool debug;    /* the log is for developers only */
};

struct sender_end {
	char state[16], reason[48];
	int exit_code;
};

/* Starts it. It is lent @trace_fd, of which it reads the file from its beginning, and @spool_fd,
 * onto whose end it puts what it downloads. */
int gl_sender_start(const struct gl_instance *instance, int trace_fd, int spool_fd,
                    struct courier_process *ret, struct dd_err *err);
int gl_sender_download(const struct courier_process *c, long long dependency, uint64_t max);
int gl_sender_begin(const struct courier_process *c, const struct sender_job *job,
                    const char *token);
int gl_sender_upload(const struct courier_process *c, const struct gl_upload *what);
int gl_sender_end(const struct courier_process *c, const struct sender_end *end);

#endif
