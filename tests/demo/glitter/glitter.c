// SPDX-License-Identifier: Apache-2.0
/* glitter.c - the escape sequences, or nothing. */
#include "glitter.h"

#include <unistd.h>

const char *glitter_bold(int fd)
{
	return isatty(fd) ? "\033[1m" : "";
}

const char *glitter_plain(int fd)
{
	return isatty(fd) ? "\033[0m" : "";
}
