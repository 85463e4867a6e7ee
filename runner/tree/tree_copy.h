// SPDX-License-Identifier: Apache-2.0
/* tree_copy.h - the parts of a copy: for whoever chooses himself which entries of a tree travel.
 *
 * Supervisor. Whole trees: tree_copy() in workspace.h.
 */
#ifndef RUNNER_TREE_COPY_H
#define RUNNER_TREE_COPY_H

#include "dir_stack.h"
#include "tree_walk.h"
#include "workspace.h"

struct copy {
	struct dir_stack to;
	struct tree_owner owner;
	/* left out wherever they lie: directories with what is below them, and files */
	const struct tree_place *without;
	size_t n_without;
	size_t hidden; /* of them, those that were there */
	/* Called for an entry or a directory whose name is ".git", instead of copying it; NULL: it
	 * is like any other. @to_fd: where the copy would lie */
	int (*git)(void *arg, const struct tree_entry *entry, int to_fd, struct dd_err *err);
	void *arg;
	/* the owner of the copy may read and remove all of it, nobody else any of it */
	bool for_owner;
	/* a file that would bring the copy over it stays out; 0: as many as there are */
	uint64_t bytes_max;
	size_t too_large; /* of them */
	struct tree_counts counts;
	bool no_clone, no_range; /* tried once: this pair of file systems cannot */
};

/* The regular file @name of @from_fd, of @st when it was looked at, to the same name in @to_fd. */
int copy_file(struct copy *c, int from_fd, const char *name, int to_fd, struct dd_err *err);
int copy_link(struct copy *c, int from_fd, const char *name, const struct stat *st, int to_fd,
              struct dd_err *err);
/* Owner, mode and times of @st. */
int copy_attributes(const struct copy *c, int fd, const struct stat *st, struct dd_err *err);
bool copy_is_without(const struct copy *c, const struct stat *st);
/* A file of ours: @text as @name in @to_fd. */
int copy_text(struct copy *c, int to_fd, const char *name, const char *text, size_t len,
              struct dd_err *err);
/* All below @from_fd into @to_fd, which is where c->to begins: it is initialised here and done. */
int copy_tree(struct copy *c, int from_fd, int to_fd, struct dd_err *err);

#endif
