// SPDX-License-Identifier: Apache-2.0
/* signed_head.h - a signature over the head of a record: whoever has the public key sees that no
 * line was edited, removed or added since, at the end either (V-06).
 *
 * It stands beside the record, in RECORD.sig: one line, a JWS (RFC 7515) of the type below. The key
 * is the operator's. No step sees it: it is read by the keeper when the last step is long dead
 * (V-01).
 */
#ifndef RUNNER_LEASE_SIGNED_HEAD_H
#define RUNNER_LEASE_SIGNED_HEAD_H

#include "drydock/err.h"

#include <stdint.h>

#define SIGNED_HEAD_TYP    "drydock-record+jws"
#define SIGNED_HEAD_SUFFIX ".sig"

/* Can @key_file sign? */
int signed_head_key_look(const char *key_file, struct dd_err *err);
/* Before anything runs: can it, and is there room for a signature of @record? */
int signed_head_look(const char *key_file, const char *record, struct dd_err *err);
/* Sign the finished record at the path @record. -EBADMSG, -ENODATA as record_verify(): such a one
 * is not signed. */
int signed_head_write(const char *key_file, const char *record, struct dd_err *err);
/* Does the signature in @sig_file (NULL: the one beside it) hold for @lines and @head? -EBADMSG: it
 * is of another record, or of this one before it was changed; -ENOENT: there is none. @ret_time:
 * when it was signed. */
int signed_head_verify(const char *public_file, const char *record, const char *sig_file,
                       uint64_t lines, const char *head, char ret_time[40], struct dd_err *err);

#endif
