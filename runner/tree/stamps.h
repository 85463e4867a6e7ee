// SPDX-License-Identifier: Apache-2.0
/* stamps.h - does the file system of a tree write down when a file was changed through a mapping?
 *
 * Where it does not (tmpfs, and so an overlay over one), a changed file can look as if nobody had
 * touched it, and a digest must not be taken over from an earlier scan (F-17).
 */
#ifndef RUNNER_STAMPS_H
#define RUNNER_STAMPS_H

#include "drydock/err.h"

#include <stdbool.h>

/* One file, made on the file system of the tree, where no step sees it. */
struct stamps {
	int fd; /* -1: the kind of file system is not known to stamp */
	bool asked, stamps;
};

#define STAMPS_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* @dir_fd: a directory of ours on the same file system as the tree. Never fails: what cannot be
 * found out is "no". */
void stamps_prepare(struct stamps *s, int dir_fd);
/* Asks the file system once, with a store through a mapping. Later than a tick of the kernel's
 * clock (10 ms) after stamps_prepare(), or it waits for one. */
bool stamps_mapped_stores(struct stamps *s);
void stamps_done(struct stamps *s);

#endif
