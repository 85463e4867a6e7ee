// SPDX-License-Identifier: Apache-2.0
/* probe_note.c - what every question of the probe needs: a finding in words, a line of the
 * kernel's.
 *
 * Runs in: whoever asks, and the children that ask for it. */
#include "probe.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void probe_note(char found[PROBE_FOUND], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(found, PROBE_FOUND, fmt, ap);
	va_end(ap);
}

ssize_t probe_read_line(const char *path, char *buf, size_t size)
{
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return n;
}

long probe_read_sysctl(const char *path, long otherwise)
{
	char text[32];
	return probe_read_line(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : otherwise;
}
