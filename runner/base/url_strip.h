// SPDX-License-Identifier: Apache-2.0
/* url_strip.h - text for a record: what looks like a URL loses its user info, query string and
 * fragment (L-08). Pure. */
#ifndef RUNNER_URL_STRIP_H
#define RUNNER_URL_STRIP_H

#include <stddef.h>

/* Copy @in (@len bytes, any) to @out, which has room for @len bytes: it only ever gets shorter.
 * Returns the new length; no NUL is written. */
size_t url_strip(const char *in, size_t len, char *out);
/* The same for a string; heap, the caller frees. NULL: no memory. */
char *url_strip_dup(const char *text);

#endif
