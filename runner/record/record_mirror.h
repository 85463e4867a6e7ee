// SPDX-License-Identifier: Apache-2.0
/* record_mirror.h - the lines of a record as they are written, also to the journal of the system,
 * to a socket, to a syslog daemon: for collectors.
 *
 * A process of its own passes them on, so that a collector that stalls holds nobody: what finds no
 * room is dropped here and counted, and the record itself has it all the same. Use: mirror_new
 * before anything is secret, mirror_line for every line, mirror_end.
 */
#ifndef RUNNER_RECORD_MIRROR_H
#define RUNNER_RECORD_MIRROR_H

#include "drydock/err.h"

#include <stdint.h>

enum { MIRRORS_MAX = 4 };

/* What the operator may name, for help and messages. */
#define MIRROR_FORMS "journald, unix:PATH or syslog:PATH"

/* Can the record go to all of @to (NULL-terminated, or NULL)? Whether anybody listens there is for
 * the moment of each line. -EINVAL, -E2BIG with DD_BLAME_CALLER. */
int mirror_look(const char *const *to, struct dd_err *err);

struct mirror;
/* @to: NULL-terminated, or NULL; the journal comes by itself where standard error is connected to
 * it, as in a service. *ret is NULL where there is nothing to do. @forget is called in the process
 * that passes on: it overwrites what that must not hold. -EINVAL with DD_BLAME_CALLER: @to. */
int mirror_new(const char *const *to, void (*forget)(void *arg), void *arg, struct mirror **ret,
               struct dd_err *err);
/* Any process that has forked since may call it. Never waits. NULL is allowed. */
void mirror_line(struct mirror *m, const char *line, size_t len);
/* Lines that some collector did not get, so far. */
uint64_t mirror_dropped(const struct mirror *m);
/* The process that called mirror_new(): wait, not for long, until the rest is passed on. Returns
 * mirror_dropped(). @ret_why (may be NULL): the last reason, alive until the next call. */
uint64_t mirror_end(struct mirror *m, const char **ret_why);

#endif
