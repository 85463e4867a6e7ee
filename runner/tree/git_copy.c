// SPDX-License-Identifier: Apache-2.0
/* git_copy.c - puts the copy of a repository together. */
#include "git_copy.h"

#include "base/text_escape.h"
#include "drydock/fd.h"
#include "input/read_file.h"

#include <dirent.h>
#include <fcntl.h>

enum part { PART_FILE = 0, PART_CONFIG, PART_TREE };

static const struct part_row {
	const char *name;
	enum part part;
	bool shared; /* one for all worktrees of a repository */
	bool needed; /* git takes a directory without it for no repository */
} part_rows[] = {
	{ "HEAD", PART_FILE, false, true },
	{ "index", PART_FILE, false, false },
	{ "ORIG_HEAD", PART_FILE, false, false },
	{ "config.worktree", PART_CONFIG, false, false },
	{ "info/sparse-checkout", PART_FILE, false, false },
	{ "config", PART_CONFIG, true, true },
	{ "packed-refs", PART_FILE, true, false },
	{ "shallow", PART_FILE, true, false },
	{ "info/exclude", PART_FILE, true, false },
	{ "info/attributes", PART_FILE, true, false },
	{ "info/grafts", PART_FILE, true, false },
	{ "refs", PART_TREE, true, true },
	{ "reftable", PART_TREE, true, false },
	{ "objects", PART_TREE, true, true },
	{ "lfs/objects", PART_TREE, true, false },
};

struct git_copying {
	struct copy *c;
	const struct git_place *place;
	int to_fd; /* the new .git */
	struct git_copied *ret;
	struct dd_err *err;
};

static int make_dir(const struct git_copying *g, int at, const char *name, int *ret_fd)
{
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return dd_err_set(g->err, errno, "make .git/%s", name);
	dd_auto_fd int fd = open_beneath(at, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return dd_err_set(g->err, -fd, "open .git/%s", name);
	if (g->c->owner.change && fchown(fd, g->c->owner.uid, g->c->owner.gid) < 0)
		return dd_err_set(g->err, errno, "give .git/%s to uid %u", name, g->c->owner.uid);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

/* @path is "name" or "dir/name": the directory on both sides, and where the name begins. */
static int enter(const struct git_copying *g, int from, const char *path, int *ret_from,
                 int *ret_to, const char **ret_name)
{
	char dir[32];
	const char *slash = strchr(path, '/');
	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1,
	               slash ? path : ".");
	*ret_name = slash ? slash + 1 : path;
	*ret_from = open_beneath(from, dir, O_RDONLY | O_DIRECTORY, 0);
	if (*ret_from < 0)
		return 1; /* absent, or no directory: as good as absent */
	return make_dir(g, g->to_fd, dir, ret_to);
}

static int copy_config(const struct git_copying *g, int from, int to, const char *name)
{
	struct git_config_copy config = { .text = NULL };
	struct dd_err why = { 0 };
	dd_auto_free char *text = NULL;
	size_t len = 0;
	dd_auto_fd int fd = open_beneath(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	int r = fd < 0 ? fd : read_fd_bounded(fd, name, GIT_CONFIG_MAX, &text, &len, &why);
	(void)snprintf(config.left_out, sizeof(config.left_out), "%s", g->ret->left_out);
	if (r == 0)
		r = git_config_clean(text, len, &config, &why);
	if (r < 0 && r != -ENOENT)
		(void)snprintf(g->ret->config_bad, sizeof(g->ret->config_bad), "%.190s", why.msg);
	(void)snprintf(g->ret->left_out, sizeof(g->ret->left_out), "%s", config.left_out);
	static const char plain[] = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
	bool usable = r == 0;
	r = r == -ENOMEM ? dd_err_set(g->err, ENOMEM, "copy a git configuration")
	                 : copy_text(g->c, to, name, usable ? config.text : plain,
	                             usable ? config.len : sizeof(plain) - 1, g->err);
	free(config.text);
	return r;
}

/* Without the files that lead to objects elsewhere: what they name is not there in a step. */
static int copy_part_tree(const struct git_copying *g, int from, int to, const char *name)
{
	static const char *const leads[] = { "info/alternates", "info/http-alternates" };
	struct tree_place without[ARRAY_LEN(leads)];
	dd_auto_fd int from_dir = open_beneath(from, name, O_RDONLY | O_DIRECTORY, 0);
	dd_auto_fd int to_dir = -1;
	int r = make_dir(g, to, name, &to_dir);
	if (r < 0 || from_dir < 0)
		return r;
	struct copy part = { .owner = g->c->owner,
		             .without = without,
		             .no_clone = g->c->no_clone,
		             .no_range = g->c->no_range };
	for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
		struct stat st;
		if (fstatat(from_dir, leads[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			without[part.n_without++] = (struct tree_place){ st.st_dev, st.st_ino };
	}
	r = copy_tree(&part, from_dir, to_dir, g->err);
	g->c->counts.files += part.counts.files;
	g->c->counts.bytes += part.counts.bytes;
	g->c->no_clone = part.no_clone;
	g->c->no_range = part.no_range;
	return r;
}

static int copy_part(const struct git_copying *g, const struct part_row *row)
{
	dd_auto_fd int from = -1;
	dd_auto_fd int to = -1;
	const char *name;
	struct stat st;
	int r = enter(g, row->shared ? g->place->common_fd : g->place->git_fd, row->name, &from,
	              &to, &name);
	if (r != 0)
		return r < 0 ? r : 0;
	if (row->part == PART_TREE)
		return row->needed || faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
		               ? copy_part_tree(g, from, to, name)
		               : 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return row->part == PART_CONFIG && row->needed ? copy_config(g, from, to, name) : 0;
	return row->part == PART_CONFIG ? copy_config(g, from, to, name)
	                                : copy_file(g->c, from, name, to, g->err);
}

/* A split index has its other half in sharedindex.NAME. */
static int copy_shared_indexes(const struct git_copying *g)
{
	int fd = openat(g->place->git_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;
	if (!dir) {
		dd_close(fd);
		return 0;
	}
	for (const struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir))
		if (strncmp(e->d_name, "sharedindex.", 12) == 0)
			r = copy_file(g->c, dirfd(dir), e->d_name, g->to_fd, g->err);
	(void)closedir(dir);
	return r;
}

void git_alternates(const struct git_place *place, char ret[300])
{
	char line[120];
	ret[0] = '\0';
	dd_auto_fd int fd = place->kind == GIT_NONE
	                            ? -1
	                            : open_beneath(place->common_fd, "objects/info/alternates",
	                                           O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (n <= 0)
		return;
	line[n] = '\0';
	size_t len = strcspn(line, "\r\n");
	char text[TEXT_ESCAPE_MAX * sizeof(line) + 1];
	(void)text_escape(text, line, len);
	(void)snprintf(ret, 300, "%.290s", text);
}

int git_copy(struct copy *c, const struct git_place *place, int to_fd, struct git_copied *ret,
             struct dd_err *err)
{
	struct git_copying g = { .c = c, .place = place, .to_fd = -1, .ret = ret, .err = err };
	dd_auto_fd int git = -1;
	int r = make_dir(&g, to_fd, ".git", &git);
	g.to_fd = git;
	for (size_t i = 0; i < ARRAY_LEN(part_rows) && r == 0; i++)
		r = copy_part(&g, &part_rows[i]);
	if (r == 0)
		r = copy_shared_indexes(&g);
	if (r == 0 && !ret->alternates[0])
		git_alternates(place, ret->alternates);
	return r < 0 ? dd_err_ctx(err, r, "copy the repository") : 0;
}
