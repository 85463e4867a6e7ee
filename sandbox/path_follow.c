// SPDX-License-Identifier: Apache-2.0
/* path_follow.c - where a path leads inside a step: the links of the host are followed as far as
 * the step sees them.
 *
 * Runs in: command line and supervisor, with the caller's rights; nothing is opened. Whether a
 * place is shown, shown_path.c says; what is a link, the host's tree does. A link may be changed
 * between this look and a step's: what is printed is a hint, never a decision.
 */
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "host_view.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as the kernel */, PATH_ROOM = 2048 };

static bool follow_is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static struct sandbox_path follow_find(const char *path, const char *const *shown)
{
	for (size_t i = 0; shown && shown[i]; i++)
		if (follow_is_at_or_below(path, shown[i]))
			return (struct sandbox_path){ shown[i], SANDBOX_READ_ONLY,
				                      "shown besides the host view", true };
	return sandbox_path_find(path);
}

/* A directory that was made because something that is shown lies below it, and holds nothing else.
 */
static bool leads_to_something(const char *path, const char *const *shown)
{
	for (size_t i = 0; shown && shown[i]; i++)
		if (follow_is_at_or_below(shown[i], path) && access(shown[i], F_OK) == 0)
			return true;
	for (size_t i = 0; i < host_view_n; i++) {
		const struct host_view_row *row = &host_view_rows[i];
		if (row->path[0] == '/' && follow_is_at_or_below(row->path, path) &&
		    access(row->path, F_OK) == 0)
			return true;
	}
	return false;
}

/* The walk: what has been reached, and what is still to be looked up from there. */
struct walk {
	const char *const *shown;
	char at[PATH_ROOM]; /* without links; "" is the root */
	char rest[PATH_ROOM];
	unsigned links;
	char *last_link;
	size_t last_link_size;
};

/* Put @link before what is left of the path. */
static int take_link(struct walk *w, const char *link, const char *left)
{
	char rest[PATH_ROOM];
	int n = snprintf(rest, sizeof(rest), "%s/%s", link, left);

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (n < 0 || (size_t)n >= sizeof(rest))
		return -ENAMETOOLONG;
	if (link[0] == '/')
		w->at[0] = '\0';
	(void)snprintf(w->rest, sizeof(w->rest), "%s", rest);
	return 0;
}

/* One name further. 1: there is more; 0: all of the path has been walked. */
static int walk_name(struct walk *w)
{
	char next[PATH_ROOM], link[PATH_ROOM];
	const char *name = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(name, "/");
	const char *left = name + len + strspn(name + len, "/");
	ssize_t n = -1;

	if (len == 0)
		return 0;
	if (len == 1 && name[0] == '.') {
		memmove(w->rest, left, strlen(left) + 1);
		return 1;
	}
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		char *slash = strrchr(w->at, '/');
		w->at[slash ? slash - w->at : 0] = '\0';
		memmove(w->rest, left, strlen(left) + 1);
		return 1;
	}
	int made = snprintf(next, sizeof(next), "%s/%.*s", w->at, (int)len, name);
	if (made < 0 || (size_t)made >= sizeof(next))
		return -ENAMETOOLONG;
	/* A copied file is what its link leads to; everything else of the host is as the host has
	 * it. */
	if (follow_find(next, w->shown).of_host && !sandbox_view_is_copy(next))
		n = readlink(next, link, sizeof(link) - 1);
	if (n >= 0) {
		link[n] = '\0';
		(void)snprintf(w->last_link, w->last_link_size, "%s", next);
		int r = take_link(w, link, left);
		return r < 0 ? r : 1;
	}
	memcpy(w->at, next, (size_t)made + 1);
	memmove(w->rest, left, strlen(left) + 1);
	return 1;
}

int sandbox_path_follow(const char *path, const char *const *shown, struct sandbox_followed *ret)
{
	struct walk w = { .shown = shown,
		          .last_link = ret->link,
		          .last_link_size = sizeof(ret->link) };
	int r = 1;

	ret->link[0] = '\0';
	if (path[0] != '/')
		return -EINVAL;
	if ((size_t)snprintf(w.rest, sizeof(w.rest), "%s", path) >= sizeof(w.rest))
		return -ENAMETOOLONG;
	while (r == 1)
		r = walk_name(&w);
	if (r < 0)
		return r;
	const char *end = w.at[0] ? w.at : "/";
	if ((size_t)snprintf(ret->path, sizeof(ret->path), "%s", end) >= sizeof(ret->path))
		return -ENAMETOOLONG;
	ret->end = follow_find(end, shown);
	if (ret->end.access == SANDBOX_ABSENT && leads_to_something(end, shown))
		ret->end = (struct sandbox_path){ "/", SANDBOX_READ_ONLY,
			                          "a directory of the sandbox's root: only what "
			                          "is shown below it is in it",
			                          false };
	if (ret->end.of_host && view_leaves_out(end))
		ret->end = (struct sandbox_path){ ret->end.path, SANDBOX_ABSENT,
			                          "left out: a password is in it, or others may "
			                          "not read it",
			                          false };
	return 0;
}
