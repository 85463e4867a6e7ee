// SPDX-License-Identifier: Apache-2.0
/* argv_clean.h - a command line as it may be shown and recorded (L-08). Pure. */
#ifndef RUNNER_ARGV_CLEAN_H
#define RUNNER_ARGV_CLEAN_H

#include <stddef.h>

/* Copy @in (@len bytes, NULs between the arguments, as /proc/PID/cmdline has it) to @out as one
 * line of printable ASCII, cut to @size with its NUL. Programs, options, words, paths and hosts
 * stay. User info, query strings, the values of headers, assignments and of options that may carry
 * a secret become "...". */
void argv_clean(const char *in, size_t len, char *out, size_t size);

#endif
