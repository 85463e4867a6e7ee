// SPDX-License-Identifier: Apache-2.0
/* err.h - what went wrong: a number for the code, a sentence for the operator.
 *
 * Plain bytes, no pointers, no heap: one write(2) carries it out of a half-built child (smaller than PIPE_BUF), and it
 * works after seccomp. Library code fills it; only the edges (the command line, the supervisor's loop) print it.
 * Safe in every role.
 */
#ifndef DRYDOCK_ERR_H
#define DRYDOCK_ERR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct dd_err {
	int  code;     /* errno value, > 0; 0 means "not set" */
	char msg[500]; /* outermost context first, no newline: "step 3: open gate: nft batch: Operation not permitted" */
};

/* Fill @err (NULL is allowed: the caller only probes) with the sentence, followed by ": " and the text of @code.
 * Returns -code, so that a failure is one line: return dd_err_set(err, errno, "open %s", path);
 * strerrordesc_np(3), not strerror(3): the latter may allocate, and die in a filter. */
__attribute__((format(printf, 3, 4))) static inline int dd_err_set(struct dd_err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		err->code = code;
		size_t len = strlen(err->msg);
		const char *text = strerrordesc_np(code);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", text ? text : "unknown error");
	}
	return -code;
}

/* As dd_err_set, but the sentence stands alone: for refusals where the errno text would mislead. */
__attribute__((format(printf, 3, 4))) static inline int dd_err_say(struct dd_err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		err->code = code;
	}
	return -code;
}

/* Put context in front of an error that a callee has set: "<context>: <msg>". Returns @r unchanged. */
__attribute__((format(printf, 3, 4))) static inline int dd_err_ctx(struct dd_err *err, int r, const char *fmt, ...)
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
