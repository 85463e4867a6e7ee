// SPDX-License-Identifier: Apache-2.0
/* trace.h - one line for each message between drydock's processes, for whoever debugs drydock
 * itself.
 *
 * DRYDOCK_TRACE=FILE in the environment of the drydock process appends to FILE (made with mode
 * 0600). A line has the monotonic time, who wrote it, the direction, the peer and the type of a
 * message, and numbers; never text that a step, a policy or a credential brought. Supervisor's side
 * only: launcher and gate close every descriptor that they were not given, this one too.
 */
#ifndef DRYDOCK_TRACE_H
#define DRYDOCK_TRACE_H

#include "err.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* One copy in the whole program, as in fault.h. The descriptor plus one, so that zero is none. */
__attribute__((weak)) int dd_trace_fd_plus_one;

/* Called in main() before any process is made. Without DRYDOCK_TRACE: 0, and nothing is traced. */
static inline int dd_trace_init(struct dd_err *err)
{
	const char *path = getenv("DRYDOCK_TRACE");
	if (!path || !*path)
		return 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
	              0600);
	if (fd < 0)
		return dd_err_set(err, errno, "DRYDOCK_TRACE: open %.200s", path);
	dd_trace_fd_plus_one = fd + 1;
	return 0;
}

__attribute__((format(printf, 1, 2))) static inline void dd_trace(const char *fmt, ...)
{
	char line[200];
	struct timespec t;
	va_list ap;
	if (!dd_trace_fd_plus_one)
		return;
	int saved = errno;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	int n = snprintf(line, sizeof(line), "%lld.%06ld %d ", (long long)t.tv_sec,
	                 t.tv_nsec / 1000, (int)getpid());
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	(void)!write(dd_trace_fd_plus_one - 1, line, (size_t)n); /* a trace is a courtesy */
	errno = saved;
}

#endif
