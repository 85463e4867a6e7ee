// SPDX-License-Identifier: Apache-2.0
/* sandbox_shown.h - what every sandbox shows of the host's files and what Landlock lets a step do
 * with them, as data.
 *
 * For `plan`, `policy explain` and the like. The rows are those that the launcher itself works
 * through (host_view.h, sandbox/inside_root.c, sandbox/landlock.c), so what is printed cannot
 * differ from what is built. Pure; any role.
 */
#ifndef DRYDOCK_SANDBOX_SHOWN_H
#define DRYDOCK_SANDBOX_SHOWN_H

#include "sandbox.h"

enum sandbox_place_kind {
	SANDBOX_PLACE_HOST = 0, /* the host's own, read-only */
	SANDBOX_PLACE_PRIVATE,  /* made for this sandbox, writable, gone with it */
	SANDBOX_PLACE_MADE,     /* made for this sandbox, read-only for the step */
};

struct sandbox_place {
	char path[80]; /* a `*` at its end: every entry that begins so */
	enum sandbox_place_kind kind;
	bool optional; /* left out where the host has none */
	const char *why;
};

/* Besides the mounts of a spec. False: @i is behind the last one. */
bool sandbox_place_at(size_t i, struct sandbox_place *ret);

enum { SANDBOX_RIGHTS_MAX = 16 };

struct sandbox_landlock_rule {
	const char *path;
	/* names as in the kernel's header, lower case, NULL-terminated; those that the kernel knows
	 * are enforced */
	const char *rights[SANDBOX_RIGHTS_MAX + 1];
	const char *summary; /* "read and run" */
	const char *why;
};

/* The rules for a spec with @mounts. False: @i is behind the last one. @ret borrows from @mounts.
 */
bool sandbox_landlock_rule_at(const struct sandbox_mount *mounts, size_t n_mounts, size_t i,
                              struct sandbox_landlock_rule *ret);

#endif
