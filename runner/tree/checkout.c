// SPDX-License-Identifier: Apache-2.0
/* checkout.c - finds the directory that a job is run on, and its repository. */
#include "checkout.h"

#include "base/named_path.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <stdbool.h>

void checkout_close(struct checkout *c)
{
	dd_close_p(&c->dir_fd);
	dd_close_p(&c->root_fd);
	git_place_close(&c->git);
	git_stores_close(&c->stores);
}

/* The workspace becomes the root that was found. */
static int take_root(struct checkout *c, struct dd_err *err)
{
	char proc[64];
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", c->root_fd);
	ssize_t n = readlink(proc, c->path, sizeof(c->path) - 1);
	if (n < 0)
		return dd_err_set(err, errno, "name the root of the repository");
	c->path[n] = '\0';
	c->prefix[0] = '\0';
	dd_close(c->dir_fd);
	c->dir_fd = openat(c->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c->dir_fd < 0 ? dd_err_set(err, errno, "open %s", c->path) : 0;
}

static int open_checkout(const char *workspace, struct checkout *c, struct dd_err *err)
{
	const char *path = workspace ? workspace : ".";
	if (strlen(path) >= sizeof(c->path))
		return dd_err_set(err, ENAMETOOLONG, "the workspace");
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	int r = named_open(path, O_RDONLY | O_DIRECTORY, 0, &c->dir_fd, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "the workspace");
	r = git_root_find(c->dir_fd, &c->root_fd, c->prefix, c->why_not, err);
	if (r <= 0)
		return r;
	git_place_open(c->root_fd, &c->git);
	if (c->git.kind == GIT_NONE) { /* something that looked like one */
		(void)snprintf(c->why_not, sizeof(c->why_not), "%s", c->git.why_not);
		dd_close_p(&c->root_fd);
		c->prefix[0] = '\0';
		return 0;
	}
	git_facts_read(&c->git, &c->facts);
	return !workspace && c->prefix[0] ? take_root(c, err) : 0;
}

int checkout_rev(struct checkout *c, const char *rev, struct dd_err *err)
{
	struct git_rev found = { .sha = "" };
	if (c->git.kind == GIT_NONE)
		return dd_err_say(err, EINVAL,
		                  "--rev: the workspace %.200s is in no git repository%s%.250s",
		                  c->path, c->why_not[0] ? ": " : "", c->why_not);
	if (c->prefix[0])
		return dd_err_say(
			err, EINVAL,
			"--rev takes a whole repository, and %.150s is the part %.150s of one; "
			"leave --workspace out, or name its root",
			c->path, c->prefix);
	int r = git_stores_open(&c->git, &c->stores, err);
	if (r == 0)
		r = git_rev_find(&c->git, &c->stores, rev, &found, err);
	if (r < 0)
		return r;
	(void)snprintf(c->rev, sizeof(c->rev), "%s", rev);
	(void)snprintf(c->facts.sha, sizeof(c->facts.sha), "%s", found.sha);
	(void)snprintf(c->facts.ref, sizeof(c->facts.ref), "%s", found.ref);
	return 0;
}

int checkout_open(const char *workspace, struct checkout *ret, struct dd_err *err)
{
	*ret = (struct checkout)CHECKOUT_NONE;
	int r = open_checkout(workspace, ret, err);
	if (r < 0)
		checkout_close(ret);
	return r < 0 ? r : 0;
}
