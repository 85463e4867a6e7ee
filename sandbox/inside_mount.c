// SPDX-License-Identifier: Apache-2.0
/* inside_mount.c - the new mount API (5.2; mount_setattr 5.12), one checked call each.
 *
 * Runs in: launcher. No path is ever resolved through a symbolic link, and no fallback to mount(2): its remount loop
 * cannot make a tree read-only in one step, so a submount could stay writable.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int mnt_set(int dirfd, const char *path, uint64_t attrs, struct dd_err *err)
{
	struct mount_attr attr = { .attr_set = attrs, .propagation = MS_PRIVATE };

	if (dd_fault("mount_setattr"))
		return dd_err_set(err, ENOSYS, "mount_setattr (needs Linux 5.12 or later)");
	if (mount_setattr(dirfd, path, AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW, &attr, sizeof(attr)) < 0)
		return dd_err_set(err, errno, "mount_setattr%s", errno == ENOSYS ? " (needs Linux 5.12 or later)" : "");
	return 0;
}

int mnt_clone(int dirfd, const char *path, unsigned clone_flags, uint64_t attrs, int *ret_tree, struct dd_err *err)
{
	if (dd_fault("open_tree"))
		return dd_err_set(err, ENOSYS, "open_tree (needs Linux 5.2 or later)");
	dd_auto_fd int tree = open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | clone_flags);
	if (tree < 0)
		return dd_err_set(err, errno, "open_tree");
	int r = attrs ? mnt_set(tree, "", attrs, err) : 0;
	if (r < 0)
		return r;
	*ret_tree = dd_take_fd(&tree);
	return 0;
}

int mnt_new(const char *fstype, const struct mnt_opt *opts, uint64_t attrs, int *ret_mount, struct dd_err *err)
{
	dd_auto_fd int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	if (fs < 0)
		return dd_err_set(err, errno, "fsopen %s", fstype);
	for (; opts && opts->key; opts++) {
		unsigned cmd = opts->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		if (fsconfig(fs, cmd, opts->key, opts->value, 0) < 0)
			return dd_err_set(err, errno, "%s option %s=%s", fstype, opts->key, opts->value ? opts->value : "");
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

/* Open one component of a target. O_NOFOLLOW with O_DIRECTORY turns a symlink into ENOTDIR: nobody's link is walked
 * (F-06). */
static int target_open(int at, const char *name, bool dir)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW | (dir ? O_DIRECTORY : 0),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

static int target_make(int root, int at, const char *name, bool dir)
{
	struct stat here, top;

	if (fstat(at, &here) < 0 || fstat(root, &top) < 0)
		return -errno;
	if (here.st_dev != top.st_dev)
		return -EXDEV;
	if (dir)
		return mkdirat(at, name, 0755) < 0 ? -errno : 0;
	int fd = openat(at, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	dd_close(fd);
	return 0;
}

static int target_step(int root, int at, const char *name, bool dir, const char *path, int *ret, struct dd_err *err)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return dd_err_say(err, EINVAL, "mount target %s: has the component %s; give a normalised path", path, name);
	int fd = target_open(at, name, dir);
	if (fd < 0 && errno == ENOENT) {
		int r = target_make(root, at, name, dir);
		if (r == -EXDEV)
			return dd_err_say(err, ENOENT, "mount target %s: %s does not exist in the host tree mounted there, and nothing "
			                  "is created in host trees; create it first", path, name);
		if (r < 0)
			return dd_err_set(err, -r, "mount target %s: create %s", path, name);
		fd = target_open(at, name, dir);
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return dd_err_say(err, ELOOP, "mount target %s: %s is a symbolic link or not a directory; refused, because set-up would "
		                  "write where the link points", path, name);
	if (fd < 0)
		return dd_err_set(err, errno, "mount target %s: open %s", path, name);
	*ret = fd;
	return 0;
}

int mnt_target(int root, const char *path, bool dir, int *ret_target, struct dd_err *err)
{
	dd_auto_fd int at = fcntl(root, F_DUPFD_CLOEXEC, INSIDE_FD_FLOOR);
	if (at < 0)
		return dd_err_set(err, errno, "mount target %s", path);
	if (path[0] != '/' || strspn(path, "/") == strlen(path))
		return dd_err_say(err, EINVAL, "mount target '%s': must be an absolute path below /", path);

	for (const char *p = path + strspn(path, "/"); *p;) {
		size_t len = strcspn(p, "/");
		char name[256];
		if (len >= sizeof(name))
			return dd_err_say(err, ENAMETOOLONG, "mount target %.100s...: component too long", path);
		memcpy(name, p, len);
		name[len] = '\0';
		p += len;
		p += strspn(p, "/");

		int next = -1;
		int r = target_step(root, at, name, *p ? true : dir, path, &next, err);
		if (r < 0)
			return r;
		dd_close(at);
		at = next;
	}
	struct stat st;
	if (fstat(at, &st) < 0)
		return dd_err_set(err, errno, "mount target %s", path);
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode) != dir)
		return dd_err_say(err, EINVAL, "mount target %s: exists and is not a %s", path, dir ? "directory" : "file");
	*ret_target = dd_take_fd(&at);
	return 0;
}

int mnt_attach_at(int tree, int root, const char *path, bool dir, struct dd_err *err)
{
	dd_auto_fd int target = -1;
	int r = mnt_target(root, path, dir, &target, err);
	return r < 0 ? r : mnt_attach(tree, target, path, err);
}
