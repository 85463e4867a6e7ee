// SPDX-License-Identifier: Apache-2.0
/* host_view.h - inside sandbox/: the host view made ready for a launch. The supervisor fills it,
 * the launcher inherits it by fork. */
#ifndef SANDBOX_HOST_VIEW_H
#define SANDBOX_HOST_VIEW_H

#include "drydock/host_view.h"

#include <sys/stat.h>

struct view_item {
	char path[80];
	enum host_view_kind kind;
	bool try;
	/* HOST_VIEW_COPY: what the file holds; NULL: not there, or not for everybody */
	char *bytes;
	size_t len;
	struct stat as; /* what the bytes were read from */
};

static inline bool view_is_copy(enum host_view_kind kind)
{
	return kind == HOST_VIEW_COPY || kind == HOST_VIEW_COPY_UNLESS_SECRET;
}

/* Would the file of the host view at @path not be shown, for what it holds? Any role. */
bool view_leaves_out(const char *path);
/* Supervisor, before clone3: expand the prefixes when /etc has changed, read again the files that
 * have. Never fails: less is shown, never more. */
void view_refresh(void);
/* The items as of the last refresh; static storage. */
const struct view_item *view_get(size_t *ret_n);

#endif
