// SPDX-License-Identifier: Apache-2.0
/* gl_api.h - GitLab's runner API, one function a call: what is sent, and what each answer means.
 *
 * Couriers only. Answers become small enums here; nothing above looks at a status.
 */
#ifndef RUNNER_GL_API_H
#define RUNNER_GL_API_H

#include "agent/registration.h"
#include "courier/forge_wire.h"

enum {
	GL_JOB_MAX = 16 * 1024 * 1024, /* bytes of a job's message */
	GL_PATCH_MAX = 1024 * 1024,
	GL_INTERVAL_MAX_SEC = 15 * 60,
	GL_SAID_MAX = 400,
};

/* How a runner's calls reach its GitLab. */
struct gl_instance {
	const char *url; /* as registered */
	const char *ca;  /* a file with every authority to trust, or NULL: the system's */
	const char *certificate, *key; /* files with which we say who we are, or NULL */
	const char *token;             /* of the runner, or NULL in a job's courier */
	const char *system_id;
};

int gl_wire(const struct gl_instance *instance, struct wire **ret, struct dd_err *err);
/* "drydock 0.1.0 (main; gcc12; linux/amd64)" */
const char *gl_agent_name(void);
/* The `info` object: who we are, and the features that are promised. New reference. */
json_t *gl_info(void);

/* ---- with the runner's token ---- */

enum gl_verdict {
	GL_MAYBE = 0, /* no word about the token: the server has trouble, or nobody answered */
	GL_GOOD,
	GL_BAD_TOKEN,
};

struct gl_verified {
	long long id;      /* 0: an old server that does not say */
	long long expires; /* of the token, seconds since the epoch; 0: never */
	char said[GL_SAID_MAX];
};

enum gl_verdict gl_verify(struct wire *w, const struct gl_instance *instance,
                          struct gl_verified *ret);
/* A new token in the place of the old one, which is dead then. @ret_token is malloc'ed. */
int gl_reset_token(struct wire *w, const struct gl_instance *instance, char **ret_token,
                   long long *ret_expires, struct dd_err *err);
int gl_unregister(struct wire *w, const struct gl_instance *instance, struct dd_err *err);

enum gl_asked {
	GL_ASK_TROUBLE = 0, /* ask again after a while */
	GL_ASK_JOB,
	GL_ASK_NOTHING,
	GL_ASK_AGAIN, /* lost a race */
	GL_ASK_BAD_TOKEN,
};

struct gl_job_asked {
	char *message; /* GL_ASK_JOB: of the job; heap, the caller frees */
	size_t len;
	long long id;
	bool retried;
	char said[GL_SAID_MAX];
};

/* @last_update: in and out, as the server gave it last; "" at first. */
enum gl_asked gl_request_job(struct wire *w, const struct gl_instance *instance,
                             char last_update[WIRE_HEADER_MAX], struct gl_job_asked *ret);

/* ---- with the job's token ---- */

/* What the server wants of the job besides; the strongest wins. */
enum gl_wish { GL_GO_ON = 0, GL_CANCEL, GL_ABORT };

enum gl_put {
	GL_PUT_TRY_AGAIN = 0,
	GL_PUT_DONE,
	GL_PUT_LATER,  /* accepted, and not finished: say it again after the interval */
	GL_PUT_RESEND, /* the trace is not what was said: all of it again */
	GL_PUT_ABORT,
	GL_PUT_DECLINED, /* of the first: the job is not ours any more */
};

struct gl_job_ref {
	long long id;
	const char *token;
};

struct gl_state {
	const char *state;  /* "running", "success", "failed" */
	const char *reason; /* or NULL */
	int exit_code;
	uint32_t crc;
	uint64_t bytes; /* of the trace; 0: nothing is said of it */
	bool first;     /* the job is accepted with it */
};

struct gl_reply {
	enum gl_wish wish;
	unsigned interval_sec; /* 0: it says none */
	uint64_t offset;       /* of a patch: where the next one begins */
	char said[GL_SAID_MAX];
};

enum gl_put gl_put_state(struct wire *w, const struct gl_job_ref *job, const struct gl_state *state,
                         struct gl_reply *ret);

enum gl_patch {
	GL_PATCH_FAILED = 0, /* the offset stays */
	GL_PATCH_TAKEN,
	GL_PATCH_RANGE, /* go on at gl_reply.offset */
	GL_PATCH_GIVE_UP,
	GL_PATCH_ABORT,
};

enum gl_patch gl_patch_trace(struct wire *w, const struct gl_job_ref *job, uint64_t from,
                             const char *bytes, size_t len, bool debug, struct gl_reply *ret);

struct gl_upload {
	char type[64], format[16], expire_in[64];
	char name[256]; /* of the file, at GitLab */
	char path[700]; /* of the file, here */
};

enum gl_uploaded { GL_UPLOAD_FAILED = 0, GL_UPLOAD_DONE, GL_UPLOAD_REFUSED };

/* With its own tries. @said: what the server said. */
enum gl_uploaded gl_upload(struct wire *w, const struct gl_job_ref *job,
                           const struct gl_upload *what, char said[GL_SAID_MAX]);

/* The archive of the job @dependency onto the end of @fd, at most @max bytes. @ret_len: of it.
 * GL_UPLOAD_REFUSED: there is none, or not for this job. */
enum gl_uploaded gl_download(struct wire *w, const struct gl_job_ref *job, long long dependency,
                             int fd, uint64_t max, uint64_t *ret_len, char said[GL_SAID_MAX]);

/* ---- pure, for tests ---- */

/* What an answer to a PUT or PATCH means, by its status and its Job-Status header. */
enum gl_put gl_put_means(long status, const char *job_status, bool first);
enum gl_patch gl_patch_means(long status, const char *job_status);
enum gl_wish gl_wish_of(const char *job_status);
/* "0-N" -> N; 0 when it cannot be read. */
uint64_t gl_range_end(const char *range);
/* Seconds, at most GL_INTERVAL_MAX_SEC; 0: no number of seconds. */
unsigned gl_interval(const char *text);
/* RFC 3339 -> seconds since the epoch; 0: none. */
long long gl_time(const char *text);
/* As names of directories and logs show a token: no prefix, nine characters. */
void gl_short_token(const char *token, char ret[16]);

#endif
