// SPDX-License-Identifier: Apache-2.0
/* seccomp_view.h - what a seccomp profile says about each system call, for people: `plan
 * --syscalls`, `policy explain`, doctor.
 *
 * Read by the parser of the filter itself, so that what is shown cannot differ from what is loaded
 * (a test asks the filter bytes about every row). Order of use: seccomp_view_load(), look,
 * seccomp_view_free(). Pure but for reading the file. Any role outside of the sandbox.
 */
#ifndef DRYDOCK_SECCOMP_VIEW_H
#define DRYDOCK_SECCOMP_VIEW_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

enum seccomp_answer {
	SECCOMP_ANSWER_ERRNO = 0, /* zero is the safe value: refused */
	SECCOMP_ANSWER_ALLOW,
	SECCOMP_ANSWER_KILL,
	SECCOMP_ANSWER_DEPENDS, /* on its arguments */
};

struct seccomp_view_call {
	const char *name;
	int nr;
	enum seccomp_answer answer;
	/* errno value: of ERRNO, and of the last line of DEPENDS when that refuses; otherwise 0 */
	int err;
	bool named; /* some line, or @extra, mentions it; false: the profile's default */
	bool never; /* cannot be allowed by a policy */
	/* of the line that decides; of the first one of DEPENDS; of `default` for what is not
	 * named; 0: @extra */
	unsigned line;
	const char *why; /* the reason that stands before that line */
	/* what a step's log says when it is refused, the remedy in it: of the line that refuses;
	 * NULL: nothing is said */
	const char *tell;
	/* in which file the line stands: the profile, or the base below it; NULL: @extra */
	const char *file;
};

struct seccomp_view;

/* @path: a profile as seccomp_program_load() takes it. @extra: names allowed besides,
 * NULL-terminated, or NULL; -EINVAL names one that is no system call, or that may never be allowed.
 * Everything handed out below lives as long as the view. */
int seccomp_view_load(const char *path, const char *const *extra, struct seccomp_view **ret,
                      struct dd_err *err);
void seccomp_view_free(struct seccomp_view *view);
size_t seccomp_view_count(const struct seccomp_view *view);
/* Sorted by name; every call of this architecture that libseccomp or the profile knows. NULL: @i is
 * out of range. */
const struct seccomp_view_call *seccomp_view_at(const struct seccomp_view *view, size_t i);
const struct seccomp_view_call *seccomp_view_find(const struct seccomp_view *view,
                                                  const char *name); /* NULL: no such call */

#endif
