// SPDX-License-Identifier: Apache-2.0
/* record.h - the chained log of a run: JSON Lines, append-only, one object per line, each naming the SHA-256 of the line before.
 *
 * Written by the supervisor only. Never a secret, a query string, or a URL with user info (L-08). A line that cannot be written
 * ends the job: there is no run without a record. Field names: docs/record.md.
 */
#ifndef RUNNER_RECORD_H
#define RUNNER_RECORD_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct record;

/* Create @path (O_EXCL, 0600). @run is a unique id, @job the job's. */
int  record_open(const char *path, const char *run, const char *job, struct record **ret, struct dd_err *err);
/* Append one event. @step and @phase may be NULL. Steals @fields (an object, may be NULL), whose names must not clash with the common ones. Written with one
 * write(2); fdatasync at run.end and cred.*. */
int  record_add(struct record *rec, const char *step, const char *phase, const char *event, json_t *fields, struct dd_err *err);
const char *record_path(const struct record *rec);
uint64_t record_seq(const struct record *rec); /* of the last line */
/* For the keeper after a supervisor's death: append to an existing record whose chain is intact (a torn last line is cut off and said so). */
int  record_reopen(const char *path, struct record **ret, struct dd_err *err);
void record_free(struct record *rec); /* closes; writes nothing */

/* 0: the chain holds, @ret_lines counted. -EBADMSG: @err names the line and what is wrong (edited, deleted, torn, not JSON). */
int record_verify(const char *path, uint64_t *ret_lines, struct dd_err *err);

#endif
