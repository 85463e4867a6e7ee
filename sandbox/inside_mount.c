// SPDX-License-Identifier: Apache-2.0
/* inside_mount.c - the new mount API (5.2; mount_setattr 5.12), one checked call each.
 *
 * Runs in: launcher. No path is ever resolved through a symbolic link, and no fallback to mount(2):
 * its remount loop cannot make a tree read-only in one step, so a submount could stay writable.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int mnt_set(int dirfd, const char *path, uint64_t attrs, struct dd_err *err)
{
	struct mount_attr attr = { .attr_set = attrs, .propagation = MS_PRIVATE };

	if (dd_fault("mount_setattr"))
		return dd_err_set(err, ENOSYS, "mount_setattr (needs Linux 5.12 or later)");
	if (mount_setattr(dirfd, path, AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW, &attr,
	                  sizeof(attr)) < 0)
		return dd_err_set(err, errno, "mount_setattr%s",
		                  errno == ENOSYS ? " (needs Linux 5.12 or later)" : "");
	return 0;
}

int mnt_clone(int dirfd, const char *path, unsigned clone_flags, uint64_t attrs, int *ret_tree,
              struct dd_err *err)
{
	if (dd_fault("open_tree"))
		return dd_err_set(err, ENOSYS, "open_tree (needs Linux 5.2 or later)");
	dd_auto_fd int tree = open_tree(dirfd, path,
	                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | clone_flags);
	if (tree < 0)
		return dd_err_set(err, errno, "open_tree");
	int r = attrs ? mnt_set(tree, "", attrs, err) : 0;
	if (r < 0)
		return r;
	*ret_tree = dd_take_fd(&tree);
	return 0;
}

int mnt_new(const char *fstype, const struct mnt_opt *opts, uint64_t attrs, int *ret_mount,
            struct dd_err *err)
{
	dd_auto_fd int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	if (fs < 0)
		return dd_err_set(err, errno, "fsopen %s", fstype);
	for (; opts && opts->key; opts++) {
		unsigned cmd = opts->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		if (fsconfig(fs, cmd, opts->key, opts->value, 0) < 0)
			return dd_err_set(err, errno, "%s option %s=%s", fstype, opts->key,
			                  opts->value ? opts->value : "");
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return dd_err_set(err, errno, "create %s", fstype);
	int mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (mount < 0)
		return dd_err_set(err, errno, "fsmount %s", fstype);
	*ret_mount = mount;
	return 0;
}

int mnt_attach(int tree, int target, const char *what, struct dd_err *err)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return dd_err_set(err, errno, "mount at %s", what);
	return 0;
}

/* Walk @path from @at, following nothing: O_NOFOLLOW with O_DIRECTORY turns a symlink into ENOTDIR,
 * RESOLVE_NO_SYMLINKS one in the middle into ELOOP (F-06). With RESOLVE_NO_XDEV in @more, only on
 * the file system of @at. */
static int target_open(int at, const char *path, bool dir, uint64_t more)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW | (dir ? O_DIRECTORY : 0),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more,
	};
	return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

int mnt_create(int root, const char *path, mode_t mode)
{
	struct open_how how = {
		.flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
		           RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* Make @name in @at, a directory of the root's own file system, unless something is there. 1: made.
 */
static int target_make(int at, const char *name, bool dir)
{
	if (dir)
		return mkdirat(at, name, 0755) == 0 ? 1 : errno == EEXIST ? 0 : -errno;
	int fd = mnt_create(at, name, 0644);
	if (fd < 0)
		return fd == -EEXIST ? 0 : fd;
	dd_close(fd);
	return 1;
}

static int target_fault(const char *path, const char *name, int code, struct dd_err *err)
{
	if (code == EXDEV)
		return dd_err_say(err, ENOENT,
		                  "mount target %s: %s does not exist in the host tree mounted "
		                  "there, and nothing is created in host "
		                  "trees; create it first",
		                  path, name);
	if (code == ENOTDIR || code == ELOOP)
		return dd_err_say(err, ELOOP,
		                  "mount target %s: %s is a symbolic link or not a directory; "
		                  "refused, because set-up would write where "
		                  "the link points",
		                  path, name);
	return dd_err_set(err, code, "mount target %s: %s", path, name);
}

/* The directory @path (relative, of @len bytes) below @root, where something is about to be made:
 * on the file system of @root itself, or -EXDEV. */
static int parent_open(int root, const char *path, size_t len, int *ret)
{
	char whole[PATH_MAX];

	memcpy(whole, path, len);
	whole[len] = '\0';
	int fd = target_open(root, whole, true, RESOLVE_NO_XDEV);
	if (fd < 0 && errno == ENOENT) { /* seldom: made from the top */
		for (char *slash = whole; (slash = strchr(slash, '/')); *slash++ = '/') {
			*slash = '\0';
			int at = target_open(root, whole, true, RESOLVE_NO_XDEV);
			int r = at < 0 && errno == ENOENT ? target_make(root, whole, true)
			        : at < 0                  ? -errno
			                                  : 0;
			if (at >= 0)
				dd_close(at);
			if (r < 0)
				return r;
		}
		int r = target_make(root, whole, true);
		if (r < 0)
			return r;
		fd = target_open(root, whole, true, RESOLVE_NO_XDEV);
	}
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Absolute, and every component a name. */
static int target_is_normal(const char *path, struct dd_err *err)
{
	if (path[0] != '/' || path[1] == '\0' || strlen(path) >= PATH_MAX)
		return dd_err_say(err, EINVAL,
		                  "mount target '%.200s': must be an absolute path below /", path);
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		size_t len = strcspn(++p, "/");
		if (len > NAME_MAX)
			return dd_err_say(err, ENAMETOOLONG,
			                  "mount target %.100s...: component too long", path);
		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return dd_err_say(
				err, EINVAL,
				"mount target %s: has the component '%.*s'; give a normalised path",
				path, (int)len, p);
	}
	return 0;
}

int mnt_target(int root, const char *path, bool dir, int *ret_target, struct dd_err *err)
{
	int r = target_is_normal(path, err);
	if (r < 0)
		return r;
	const char *slash = strrchr(path, '/');
	dd_auto_fd int parent = -1;
	int made = slash == path ? 0
	                         : parent_open(root, path + 1, (size_t)(slash - path) - 1, &parent);
	int at = parent < 0 ? root : parent;
	if (made == 0)
		made = target_make(at, slash + 1, dir);
	if (made < 0 && made != -EXDEV)
		return target_fault(path, slash + 1, -made, err);
	/* -EXDEV: it lies in a host tree, where it must be already. */
	dd_auto_fd int target = made < 0 ? target_open(root, path + 1, dir, 0)
	                                 : target_open(at, slash + 1, dir, 0);
	if (target < 0)
		return target_fault(path, slash + 1, made < 0 && errno == ENOENT ? EXDEV : errno,
		                    err);
	struct stat st;
	if (made != 1 &&
	    (fstat(target, &st) < 0 || S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode) != dir))
		return dd_err_say(err, EINVAL, "mount target %s: exists and is not a %s", path,
		                  dir ? "directory" : "file");
	*ret_target = dd_take_fd(&target);
	return 0;
}
