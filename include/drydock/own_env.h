// SPDX-License-Identifier: Apache-2.0
/* own_env.h - takes the operator's environment out of a process that was forked and not executed:
 * the variables, the strings, and the region that the kernel shows as /proc/PID/environ.
 *
 * Order of use: own_env_find() in the parent, once; own_env_clear() in the child, before it reads a
 * foreign byte. A process that parses hostile bytes has no use for the operator's variables, and
 * somebody who takes it over should find none (C-20).
 */
#ifndef DRYDOCK_OWN_ENV_H
#define DRYDOCK_OWN_ENV_H

#include "fd.h"

#include <fcntl.h>

extern char **environ;

/* One copy in the whole program: weak, because the ground floor has no object of its own. */
__attribute__((weak)) char *own_env_start;
__attribute__((weak)) size_t own_env_len;

/* Where the kernel put the environment (proc_pid_stat(5), fields 50 and 51). -EPROTO: it does not
 * say. */
static inline int own_env_find(struct dd_err *err)
{
	unsigned long start = 0, end = 0;
	char text[1024];

	if (own_env_start)
		return 0;
	dd_auto_fd int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	const char *p = strrchr(text, ')'); /* field 2; what it encloses may hold anything */
	for (int field = 2; p && field < 50; field++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, " %lu %lu", &start, &end) != 2 || !start || end < start)
		return dd_err_say(err, EPROTO,
		                  "/proc/self/stat does not tell where the environment is, and no "
		                  "process that reads foreign bytes may hold it");
	own_env_start = (char *)start;
	own_env_len = end - start;
	return 0;
}

/* Strings that setenv(3) made are elsewhere than those that the kernel put there. */
static inline void own_env_clear(void)
{
	for (char **e = environ; e && *e; e++)
		explicit_bzero(*e, strlen(*e));
	if (own_env_start)
		explicit_bzero(own_env_start, own_env_len);
	if (environ)
		environ[0] = NULL;
}

#endif
