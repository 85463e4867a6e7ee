// SPDX-License-Identifier: Apache-2.0
/* digest.h - SHA-256 as lower-case hex, over memory or as bytes arrive (OpenSSL picks the
 * processor's own instructions).
 *
 * Use: digest_new, any number of digest_start / digest_update / digest_hex, digest_free. One object
 * per thread.
 */
#ifndef RUNNER_DIGEST_H
#define RUNNER_DIGEST_H

#include "drydock/err.h"

#include <stddef.h>

enum { DIGEST_HEX = 65 }; /* 64 digits and the NUL */

struct digest;
int digest_new(struct digest **ret, struct dd_err *err);
void digest_free(struct digest *d);
/* Each returns 0, or -EIO when the library fails. */
int digest_start(struct digest *d, struct dd_err *err);
int digest_update(struct digest *d, const void *bytes, size_t len, struct dd_err *err);
int digest_hex(struct digest *d, char hex[DIGEST_HEX], struct dd_err *err);
/* All of it in one call. */
int digest_bytes(struct digest *d, const void *bytes, size_t len, char hex[DIGEST_HEX],
                 struct dd_err *err);

#endif
