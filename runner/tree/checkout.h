// SPDX-License-Identifier: Apache-2.0
/* checkout.h - what a job is run on: a directory of the caller's, and the repository that it is of.
 *
 * Command line and supervisor. Nothing here runs git, and nothing of the caller's is written.
 * Order of use: checkout_open(), look at it, checkout_close().
 */
#ifndef RUNNER_CHECKOUT_H
#define RUNNER_CHECKOUT_H

#include "git_facts.h"
#include "git_place.h"

struct checkout {
	int dir_fd; /* what the job's workspace is made from */
	/* its name: as it was given, "." or absolute */
	char path[PATH_MAX];
	int root_fd;           /* the root of its repository, -1: it is of none */
	char prefix[PATH_MAX]; /* from there to dir_fd: "" or "sub/dir/" */
	struct git_place git;
	struct git_facts facts;
	char why_not[300]; /* there is a .git, and it counts for nothing; or "" */
};

#define CHECKOUT_NONE                                                                              \
	{                                                                                          \
		.dir_fd = -1, .root_fd = -1, .git = GIT_PLACE_NONE                                 \
	}

/* @workspace: as on the command line; NULL: the root of the repository around the current
 * directory, or that directory where there is none. */
int checkout_open(const char *workspace, struct checkout *ret, struct dd_err *err);
void checkout_close(struct checkout *c);

#endif
