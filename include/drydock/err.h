// SPDX-License-Identifier: Apache-2.0
/* err.h - what went wrong: a number for the code, a sentence for the operator.
 *
 * Plain bytes, no pointers, no heap: one write(2) carries it out of a half-built child (smaller
 * than PIPE_BUF), and it works after seccomp. Library code fills it; only the edges (the command
 * line, the supervisor's loop) print it. Safe in every role.
 */
#ifndef DRYDOCK_ERR_H
#define DRYDOCK_ERR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Who can do something about it. Set where the sentence is written, for the number cannot tell:
 * EACCES is what a policy says and what a kernel says. Zero is the host, because that is what a
 * failed system call means unless somebody knows better, and it ends the job. */
enum dd_blame {
	DD_BLAME_HOST = 0, /* a call failed that a fit host lets pass */
	DD_BLAME_CALLER,   /* what the command line or the forge named is not there or not right */
	DD_BLAME_POLICY,   /* the operator's policy refuses it */
	DD_BLAME_STEP,     /* what a step asked for, or what somebody left in a tree */
	DD_BLAME__COUNT
};

struct dd_err {
	int code; /* errno value, > 0; 0 means "not set" */
	enum dd_blame blame;
	/* outermost context first, no newline: "step 3: open gate: nft batch: Operation not
	 * permitted" */
	char msg[500];
};

/* A failure is never 0: a short write(2) leaves errno as it was, and "0" would read as success.
 * Such a code becomes EIO. */
static inline int dd_err_code(int code)
{
	return code > 0 ? code : EIO;
}

static inline int dd_err_negative(int r)
{
	return r < 0 ? r : -EIO;
}

/* dd_err_set(err, code, fmt, ...): fill @err (NULL is allowed: the caller only probes) with the
 * sentence, followed by ": " and the text of @code. Returns -code, always negative, so that a
 * failure is one line: return dd_err_set(err, errno, "open %s", path); A macro because analysers do
 * not look into variadic functions: this way they see that the result is negative. */
#define dd_err_set(err, ...) dd_err_negative(dd_err_write(err, __VA_ARGS__))

/* As dd_err_set, but the sentence stands alone: for refusals where the errno text would mislead. */
#define dd_err_say(err, ...) dd_err_negative(dd_err_write_plain(err, __VA_ARGS__))

/* strerrordesc_np(3), not strerror(3): the latter may allocate, and die in a filter. */
__attribute__((format(printf, 3, 4))) static inline int dd_err_write(struct dd_err *err, int code,
                                                                     const char *fmt, ...)
{
	code = dd_err_code(code);
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		err->code = code;
		err->blame = DD_BLAME_HOST;
		size_t len = strlen(err->msg);
		const char *text = strerrordesc_np(code);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
		               text ? text : "unknown error");
	}
	return -code;
}

__attribute__((format(printf, 3, 4))) static inline int dd_err_write_plain(struct dd_err *err,
                                                                           int code,
                                                                           const char *fmt, ...)
{
	code = dd_err_code(code);
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		err->code = code;
		err->blame = DD_BLAME_HOST;
	}
	return -code;
}

/* Say whose fault the failure is that @err has the sentence of:
 *	return dd_err_blame(err, DD_BLAME_STEP, dd_err_say(err, EFBIG, "..."));
 * Returns @r unchanged. Context (dd_err_ctx) keeps the blame, a new sentence does not. */
static inline int dd_err_blame(struct dd_err *err, enum dd_blame blame, int r)
{
	if (err)
		err->blame = blame;
	return r;
}

/* Put context in front of an error that a callee has set: "<context>: <msg>". Returns @r unchanged.
 */
__attribute__((format(printf, 3, 4))) static inline int dd_err_ctx(struct dd_err *err, int r,
                                                                   const char *fmt, ...)
{
	if (err) {
		char inner[sizeof(err->msg)];
		memcpy(inner, err->msg, sizeof(inner));
		inner[sizeof(inner) - 1] = '\0';
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		size_t len = strlen(err->msg);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", inner);
	}
	return r;
}

#endif
