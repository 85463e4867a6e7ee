// SPDX-License-Identifier: Apache-2.0
/* host_view.h - what every step sees of the host's file tree, as data: the launcher shows it, the
 * plan prints it.
 *
 * Read-only in every phase. What is not in the table is not there (F-02): no home directories, no
 * /run, no /var but what is named.
 */
#ifndef DRYDOCK_HOST_VIEW_H
#define DRYDOCK_HOST_VIEW_H

#include <stdbool.h>
#include <stddef.h>

enum host_view_kind {
	HOST_VIEW_TREE = 0, /* a directory, bound read-only */
	/* a small file that every account may read: copied, because a mount costs more than its
	   bytes */
	HOST_VIEW_COPY,
	HOST_VIEW_COPY_UNLESS_SECRET, /* the same for XML, and not if a password is in it */
	HOST_VIEW_ROOT,   /* a directory of / that merged-usr hosts have as a symlink: shown as the
	                     host has it */
	HOST_VIEW_PREFIX, /* every directory of /etc that begins so */
	HOST_VIEW_GLOB,   /* every directory that matches */
};

struct host_view_row {
	const char *path;
	enum host_view_kind kind;
	bool try; /* missing on this host: left out */
	const char *why;
};

extern const struct host_view_row host_view_rows[];
extern const size_t host_view_n;

#endif
