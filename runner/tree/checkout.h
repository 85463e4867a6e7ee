// SPDX-License-Identifier: Apache-2.0
/* checkout.h - what a job is run on: a directory of the caller's, and the repository that it is of.
 *
 * Command line and supervisor. Nothing here runs git, and nothing of the caller's is written.
 * Order of use: checkout_open(), look at it, checkout_copy() once, checkout_close().
 *
 * In a repository the copy is what git tracks there, as it stands on disk. Without one, or where
 * its index cannot be believed (damaged, split, empty, of another tree), it is everything.
 */
#ifndef RUNNER_CHECKOUT_H
#define RUNNER_CHECKOUT_H

#include "git_facts.h"
#include "git_place.h"
#include "git_rev.h"
#include "workspace.h"

struct checkout {
	int dir_fd; /* what the job's workspace is made from */
	/* its name: as it was given, "." or absolute */
	char path[PATH_MAX];
	int root_fd;           /* the root of its repository, -1: it is of none */
	char prefix[PATH_MAX]; /* from there to dir_fd: "" or "sub/dir/" */
	struct git_place git;
	struct git_facts facts;
	/* the commit alone, as it was asked for; "": what stands on disk. Then the facts are of
	 * that commit, and its objects lie in the stores */
	char rev[256];
	struct git_stores stores;
	char why_not[300]; /* there is a .git, and it counts for nothing; or "" */
};

#define CHECKOUT_NONE                                                                              \
	{                                                                                          \
		.dir_fd = -1, .root_fd = -1, .git = GIT_PLACE_NONE                                 \
	}

/* @workspace: as on the command line; NULL: the root of the repository around the current
 * directory, or that directory where there is none. */
/* What a job is copied from, and what of it. */
struct checkout_wanted {
	bool untracked; /* also what git does not track or ignores */
	/* files and directories that no step is shown, wherever they lie */
	const struct tree_place *without;
	size_t n_without;
	struct tree_owner owner;
};

enum checkout_staged {
	STAGED_UNKNOWN = 0, /* the commit, or the index, cannot be read to its end */
	STAGED_NOTHING,     /* the index is what was committed */
	STAGED_CHANGES,
};

enum { CHECKOUT_NOTES_MAX = 12 };
struct checkout_notes {
	char text[CHECKOUT_NOTES_MAX][400];
	size_t n;
};

struct checkout_copied {
	struct tree_counts counts;
	/* what git tracks alone: then nothing in the copy is untracked */
	bool tracked_only;
	/* against the index, where the copy was made by it: files that differ, and that are gone */
	size_t tracked, changed, missing;
	enum checkout_staged staged;
	size_t submodules, absent; /* absent: of them, those that are not checked out */
	size_t hidden;             /* entries that no step is shown */
	struct checkout_notes notes;
};

/* Is what is copied other than what was committed? */
bool checkout_is_dirty(const struct checkout_copied *c);

/* What is known ahead of a copy, for `plan`: whether git will work in the steps, and why the copy
 * will be everything. */
void checkout_look(const struct checkout *c, struct checkout_notes *ret);

/* Into the empty directory @to_fd. */
int checkout_copy(const struct checkout *c, const struct checkout_wanted *wanted, int to_fd,
                  struct checkout_copied *ret, struct dd_err *err);

int checkout_open(const char *workspace, struct checkout *ret, struct dd_err *err);
/* The job is run on the commit @rev alone (git_rev.h). Before anybody looks at the facts. */
int checkout_rev(struct checkout *c, const char *rev, struct dd_err *err);
/* With a rev, checkout_copy() makes a .git and no file beside it: somebody has git write them,
 * where nothing of the caller's is. What that git reads besides: the objects of store @i (from 1),
 * into the empty directory @to_fd. */
int checkout_copy_store(const struct checkout *c, size_t i, struct tree_owner owner, int to_fd,
                        struct dd_err *err);
void checkout_close(struct checkout *c);

#endif
