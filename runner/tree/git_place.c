// SPDX-License-Identifier: Apache-2.0
/* git_place.c - finds repositories, and believes a .git file only when what it names agrees. */
#include "git_place.h"

#include "base/text_escape.h"
#include "drydock/fd.h"
#include "git_config.h"
#include "input/read_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { LINE_MAX_BYTES = PATH_MAX };

static bool same_inode(int a, int b)
{
	struct stat x, y;
	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* The first line of a small file, without its end. */
static int read_line(int dir_fd, const char *name, char ret[LINE_MAX_BYTES])
{
	dd_auto_fd int fd = openat(dir_fd, name,
	                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	ssize_t n = S_ISREG(st.st_mode) ? read(fd, ret, LINE_MAX_BYTES - 1) : -1;
	if (n < 0)
		return -EINVAL;
	ret[n] = '\0';
	ret[strcspn(ret, "\r\n")] = '\0';
	return 0;
}

static int open_dir(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Does the file "gitdir" of a worktree's directory name the .git file of @root_fd? */
static bool worktree_points_back(int git_fd, int root_fd)
{
	char line[LINE_MAX_BYTES] = "";
	if (read_line(git_fd, "gitdir", line) < 0 || line[0] == '\0')
		return false;
	dd_auto_fd int named = openat(git_fd, line, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	dd_auto_fd int own = openat(root_fd, ".git", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return same_inode(named, own);
}

/* @git_fd is COMMON/worktrees/NAME: a directory that somebody made cannot choose whose it is. */
static int open_common(int git_fd)
{
	char line[LINE_MAX_BYTES] = "";
	if (read_line(git_fd, "commondir", line) < 0 || line[0] == '\0')
		return -1;
	dd_auto_fd int common = open_dir(git_fd, line);
	dd_auto_fd int above = open_dir(git_fd, "..");
	dd_auto_fd int worktrees = common < 0 ? -1 : open_dir(common, "worktrees");
	return same_inode(above, worktrees) ? dd_take_fd(&common) : -1;
}

struct back_pointer {
	int git_fd, root_fd;
};

static int is_back_pointer(void *arg, const struct git_variable *var)
{
	const struct back_pointer *b = arg;
	if (strcmp(var->section, "core") != 0 || strcmp(var->key, "worktree") != 0 || !var->value)
		return 0;
	dd_auto_fd int named = open_dir(b->git_fd, var->value);
	return same_inode(named, b->root_fd);
}

/* Does its configuration say that @root_fd is its work tree? */
static bool submodule_points_back(int git_fd, int root_fd)
{
	struct back_pointer back = { git_fd, root_fd };
	dd_auto_free char *text = NULL;
	size_t len = 0;
	dd_auto_fd int fd = openat(git_fd, "config",
	                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && read_fd_bounded(fd, "config", GIT_CONFIG_MAX, &text, &len, NULL) == 0 &&
	       git_config_each(text, len, is_back_pointer, &back, NULL) == 1;
}

static void not_usable(struct git_place *p, const char *why, const char *path)
{
	char shown[TEXT_ESCAPE_MAX * 120 + 1];
	(void)text_escape(shown, path, strnlen(path, 120));
	(void)snprintf(p->why_not, sizeof(p->why_not), "%s%.150s", why, shown);
}

/* A .git file: "gitdir: PATH". */
static void open_named(int root_fd, struct git_place *p)
{
	static const char head[] = "gitdir: ";
	char line[LINE_MAX_BYTES] = "";
	if (read_line(root_fd, ".git", line) < 0 || strncmp(line, head, sizeof(head) - 1) != 0) {
		not_usable(p, ".git is neither a directory nor does it name one", "");
		return;
	}
	const char *path = line + sizeof(head) - 1;
	dd_auto_fd int git = open_dir(root_fd, path);
	if (git < 0) {
		not_usable(p, ".git names a directory that is not there: ", path);
		return;
	}
	if (worktree_points_back(git, root_fd) && (p->common_fd = open_common(git)) >= 0) {
		p->kind = GIT_WORKTREE;
		p->git_fd = dd_take_fd(&git);
	} else if (submodule_points_back(git, root_fd) &&
	           (p->common_fd = open_dir(git, ".")) >= 0) {
		p->kind = GIT_SUBMODULE;
		p->git_fd = dd_take_fd(&git);
	} else {
		not_usable(p, ".git names a directory that does not point back here: ", path);
	}
}

void git_place_open(int root_fd, struct git_place *ret)
{
	struct stat st;
	*ret = (struct git_place)GIT_PLACE_NONE;
	if (fstatat(root_fd, ".git", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		open_named(root_fd, ret);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		not_usable(ret, ".git is a link or no file at all, and is not followed", "");
		return;
	}
	ret->git_fd = openat(root_fd, ".git", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret->common_fd = ret->git_fd < 0 ? -1 : open_dir(ret->git_fd, ".");
	if (ret->common_fd < 0) {
		git_place_close(ret);
		not_usable(ret, ".git cannot be opened", "");
		return;
	}
	ret->kind = GIT_DIR;
}

void git_place_close(struct git_place *place)
{
	dd_close_p(&place->git_fd);
	dd_close_p(&place->common_fd);
	place->kind = GIT_NONE;
}

/* ---- upwards ---- */

/* What git takes for a repository: a .git that has a HEAD, or a .git file. */
static bool looks_like_one(int dir_fd, const struct stat *git, unsigned up)
{
	struct stat head;
	/* a link in the workspace itself is looked at, and then refused with a word */
	return S_ISREG(git->st_mode) || (up == 0 && S_ISLNK(git->st_mode)) ||
	       (S_ISDIR(git->st_mode) &&
	        fstatat(dir_fd, ".git/HEAD", &head, AT_SYMLINK_NOFOLLOW) == 0);
}

static int way_down(int root_fd, int dir_fd, char ret[PATH_MAX], struct dd_err *err)
{
	char proc[64], root[PATH_MAX], dir[PATH_MAX];
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", root_fd);
	ssize_t n = readlink(proc, root, sizeof(root) - 1);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir_fd);
	ssize_t m = readlink(proc, dir, sizeof(dir) - 1);
	if (n < 0 || m < 0)
		return dd_err_set(err, errno, "find the way from the repository to the workspace");
	if (n == 1 && root[0] == '/')
		n = 0;
	root[n] = dir[m] = '\0';
	if (m > n && strncmp(root, dir, (size_t)n) == 0 && dir[n] == '/' && m - n + 1 < PATH_MAX) {
		(void)snprintf(ret, PATH_MAX, "%.*s/", (int)(m - n - 1), dir + n + 1);
		return 1;
	}
	return dd_err_say(err, ENOENT, "find the way from the repository to the workspace");
}

int git_root_find(int dir_fd, int *ret_root_fd, char ret_prefix[PATH_MAX], char ret_why_not[300],
                  struct dd_err *err)
{
	dd_auto_fd int at = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above, git;

	ret_prefix[0] = ret_why_not[0] = '\0';
	if (at < 0 || fstat(at, &here) < 0)
		return dd_err_set(err, errno, "open the workspace");
	for (unsigned up = 0; up < PATH_MAX; up++) {
		bool found = fstatat(at, ".git", &git, AT_SYMLINK_NOFOLLOW) == 0 &&
		             looks_like_one(at, &git, up);
		/* As git's safe.directory: a repository that another user left in /tmp must not
		 * decide what of it is copied. */
		if (found && up > 0 && git.st_uid != geteuid()) {
			(void)snprintf(
				ret_why_not, 300,
				"the repository above belongs to another user, and does not count");
			found = false;
		}
		if (found) {
			int r = up ? way_down(at, dir_fd, ret_prefix, err) : 1;
			if (r > 0 && (*ret_root_fd = open_dir(at, ".")) < 0)
				return dd_err_set(err, errno, "open the root of the repository");
			return r;
		}
		int next = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return 0;
		dd_close(at);
		at = next;
		if (fstat(at, &above) < 0)
			return dd_err_set(err, errno, "look at a directory above the workspace");
		if (above.st_dev == here.st_dev && above.st_ino == here.st_ino)
			return 0;
		here = above;
	}
	return 0;
}
