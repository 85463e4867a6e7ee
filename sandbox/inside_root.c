// SPDX-License-Identifier: Apache-2.0
/* inside_root.c - the file tree that steps have in common: a directory of the job (or a new tmpfs)
 * with read-only copies of the few host trees that a build needs.
 *
 * Runs in: zygote; the working directory is entered by the launcher. Two halves: inside_open_*()
 * take detached copies before the new root hides anything; inside_root() puts them together once
 * ids are mapped. Nothing is masked away from a copy of the host's root: what is not in the table
 * is not there (F-02). A step gets a copy of the finished tree in which every mount is locked: no
 * capability in its own namespaces lets it take one off, or make a read-only one writable.
 */
#include "host_view.h"
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/made_sys.h"
#include "drydock/sandbox_shown.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define HOST_ATTRS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* ---- before the uid changes ---- */

int inside_open_view(struct inside *in, struct dd_err *err)
{
	size_t n;
	const struct view_item *items = view_get(&n);

	for (size_t i = 0; i < n; i++) {
		const struct view_item *item = &items[i];
		struct stat st;
		in->view[i] = -1;
		if (view_is_copy(item->kind))
			continue; /* its bytes are here already */
		if (item->kind == HOST_VIEW_ROOT &&
		    (lstat(item->path, &st) < 0 || S_ISLNK(st.st_mode)))
			continue; /* made as a symlink in view_attach(), or absent */
		int r = mnt_clone(AT_FDCWD, item->path, AT_RECURSIVE, HOST_ATTRS, &in->view[i],
		                  err);
		if (r == -ENOENT && item->try)
			continue;
		if (r < 0)
			return dd_err_ctx(err, r, "host view: %s", item->path);
	}
	return 0;
}

static int mount_source(const struct sandbox_mount *m, struct stat *ret_st, struct dd_err *err)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	dd_auto_fd int fd = m->source[0] == '/' ? (int)syscall(SYS_openat2, AT_FDCWD, m->source,
	                                                       &how, sizeof(how))
	                                        : -1;
	if (m->source[0] != '/')
		return dd_err_say(err, EINVAL, "mount source %s: must be absolute", m->source);
	if (fd < 0 && errno == ELOOP)
		return dd_err_say(err, ELOOP,
		                  "mount source %s: a component is a symbolic link; refused, "
		                  "because a step may have planted it. "
		                  "Give the path without links (realpath)",
		                  m->source);
	if (fd < 0)
		return dd_err_set(err, errno, "mount source %s", m->source);
	if (fstat(fd, ret_st) < 0)
		return dd_err_set(err, errno, "mount source %s", m->source);
	if (S_ISLNK(ret_st->st_mode))
		return dd_err_say(err, ELOOP,
		                  "mount source %s: is a symbolic link; refused, because a step "
		                  "may have planted it",
		                  m->source);
	if (!S_ISDIR(ret_st->st_mode) && !S_ISREG(ret_st->st_mode))
		return dd_err_say(
			err, EINVAL,
			"mount source %s: only directories and regular files can be mounted",
			m->source);
	return dd_take_fd(&fd);
}

/* A place of the root tree is there already, and must not be lost behind another mount. */
static int root_check_place(const struct sandbox_spec *spec, const struct sandbox_mount *m,
                            struct dd_err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *over = spec->mounts[i].target;
		size_t len = strlen(over);
		if (strncmp(m->target, over, len) == 0 && m->target[len] == '/')
			return dd_err_say(err, EINVAL, "mount target %s: %s is mounted over it",
			                  m->target, over);
	}
	return 0;
}

int inside_open_mounts(struct inside *in, struct dd_err *err)
{
	if (in->spec->n_mounts > SANDBOX_MOUNTS_MAX)
		return dd_err_say(err, E2BIG, "%zu mounts, at most %d", in->spec->n_mounts,
		                  SANDBOX_MOUNTS_MAX);
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		const struct sandbox_mount *m = &in->spec->mounts[i];
		struct stat st;
		in->mounts[i] = -1;
		if (in->spec->root && (m->flags & SANDBOX_MOUNT_PLACE)) {
			int r = root_check_place(in->spec, m, err);
			if (r < 0)
				return r;
			continue;
		}
		dd_auto_fd int source = mount_source(m, &st, err);
		if (source == -ENOENT && (m->flags & SANDBOX_MOUNT_TRY))
			continue;
		if (source < 0)
			return source;
		uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
		if (!(m->flags & SANDBOX_MOUNT_RW))
			attrs |= MOUNT_ATTR_RDONLY;
		if (m->flags & SANDBOX_MOUNT_NOEXEC)
			attrs |= MOUNT_ATTR_NOEXEC;
		in->mount_is_dir[i] = S_ISDIR(st.st_mode);
		int r = mnt_clone(source, "", AT_EMPTY_PATH | AT_RECURSIVE, attrs, &in->mounts[i],
		                  err);
		if (r < 0)
			return dd_err_ctx(err, r, "mount source %s", m->source);
	}
	return 0;
}

/* ---- the root ---- */

/* Directories that hold made-up files, on one tmpfs that is read-only when the step starts. */
static const char *const made_dirs[] = { "/etc", "/run", "/dev" };
_Static_assert(ARRAY_LEN(made_dirs) == INSIDE_MADE_MAX, "struct inside holds one fd for each");
/* What they are begun with, parents first. */
static const char *const made_subdirs[] = {
	"dev/pts", "dev/shm", "dev/mqueue", "run/drydock", "run/drydock/cred", "run/drydock/step",
};

/* Directories of the root itself: mount points, or expected by programs. */
static const char *const root_dirs[] = {
	"/etc", "/run", "/dev", "/proc", "/mnt", "/tmp", "/var/tmp"
};

/* The made-up directory that @path is, or lies in. */
static int made_index(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(made_dirs); i++) {
		size_t len = strlen(made_dirs[i]);
		if (strncmp(path, made_dirs[i], len) == 0 &&
		    (path[len] == '/' || path[len] == '\0'))
			return (int)i;
	}
	return -1;
}

int inside_base(const struct inside *in, const char *path, const char **ret_rest)
{
	int i = made_index(path);
	size_t len = i < 0 ? 0 : strlen(made_dirs[i]);

	*ret_rest = path + (path[len] ? len : 0);
	return path[len] && i >= 0 ? in->made[i] : in->root;
}

int inside_attach(const struct inside *in, int tree, const char *path, bool dir, struct dd_err *err)
{
	const char *rest;
	dd_auto_fd int target = -1;
	int base = inside_base(in, path, &rest);
	int r = mnt_target(base, rest, dir, &target, err);
	if (r == 0)
		r = mnt_attach(tree, target, path, err);
	return r < 0 && rest != path ? dd_err_ctx(err, r, "%s", path) : r;
}

/* The host's symlink at @path, made in @root too unless it is there. Without one, nothing. */
static int root_symlink(int root, const char *path, struct dd_err *err)
{
	char link[256];
	ssize_t len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return 0;
	link[len] = '\0';
	return symlinkat(link, root, path + 1) < 0 && errno != EEXIST
	               ? dd_err_set(err, errno, "symlink %s", path)
	               : 0;
}

static int root_target(int root, const char *path, bool dir, struct dd_err *err)
{
	dd_auto_fd int target = -1;
	return made_index(path) >= 0 ? 0 : mnt_target(root, path, dir, &target, err);
}

/* All that must be in the root before anything is mounted on it. What of it is there already stays:
 * the steps before this one had the same tree. */
static int root_fill(const struct inside *in, int root, struct dd_err *err)
{
	const struct sandbox_spec *spec = in->spec;
	size_t n;
	const struct view_item *items = view_get(&n);
	dd_auto_fd int made = -1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(root_dirs); i++) {
		r = mnt_target(root, root_dirs[i], true, &made, err);
		dd_close_p(&made);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (in->view[i] >= 0)
			r = root_target(root, items[i].path, true, err);
		else if (items[i].kind == HOST_VIEW_ROOT)
			r = root_symlink(root, items[i].path, err);
	}
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		if (in->mounts[i] >= 0)
			r = root_target(root, spec->mounts[i].target, in->mount_is_dir[i], err);
	return r == 0 && spec->made_sys ? root_target(root, "/sys", true, err) : r;
}

/* Filled with the supervisor's id: that is whose the tree is, and not the step's. */
int inside_open_root(struct inside *in, struct dd_err *err)
{
	const struct sandbox_mount m = { .source = in->spec->root };
	struct stat st;

	if (!m.source)
		return 0;
	dd_auto_fd int source = mount_source(&m, &st, err);
	if (source < 0)
		return dd_err_ctx(err, source, "root of the sandbox");
	if (!S_ISDIR(st.st_mode))
		return dd_err_set(err, ENOTDIR, "root of the sandbox %s", m.source);
	int r = root_fill(in, source, err);
	if (r == 0)
		r = mnt_clone(source, "", AT_EMPTY_PATH, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		              &in->tree, err);
	return r < 0 ? dd_err_ctx(err, r, "root of the sandbox %s", m.source) : 0;
}

/* ---- after the uid has changed ---- */

static int tmpfs_make(const char *mode, int *ret, struct dd_err *err)
{
	const struct mnt_opt opts[] = {
		{ "mode", mode }, { "size", "16m" }, { "nr_inodes", "4096" }, { NULL, NULL }
	};
	return mnt_new("tmpfs", opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret, err);
}

static int root_make(struct inside *in, struct dd_err *err)
{
	int r = 0;
	/* Any directory serves: what is below it on the host has been copied already or is not
	 * wanted. */
	dd_auto_fd int over = open("/tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (over < 0)
		return dd_err_set(err, errno,
		                  "/tmp of the host is the mount point of the new root");
	if (in->tree >= 0)
		in->root = in->tree;
	else
		r = tmpfs_make("0755", &in->root, err);
	if (r == 0)
		r = mnt_attach(in->root, over, "/tmp (new root)", err);
	return r == 0 && in->tree < 0 ? root_fill(in, in->root, err) : r;
}

/* The directories of made-up files: of one tmpfs, so it hangs at /mnt for a moment (clones can be
 * taken of attached mounts only, before 6.15). */
static int made_make(struct inside *in, struct dd_err *err)
{
	dd_auto_fd int all = -1;
	int r = tmpfs_make("0755", &all, err);

	for (size_t i = 0; i < INSIDE_MADE_MAX; i++)
		in->made[i] = -1;
	if (r == 0) {
		dd_auto_fd int mnt = openat(in->root, "mnt",
		                            O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = mnt < 0 ? dd_err_set(err, errno, "open /mnt")
		            : mnt_attach(all, mnt, "/mnt", err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(made_dirs); i++)
		if (mkdirat(all, made_dirs[i] + 1, 0755) < 0)
			r = dd_err_set(err, errno, "create %s", made_dirs[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(made_subdirs); i++)
		if (mkdirat(all, made_subdirs[i], 0755) < 0)
			r = dd_err_set(err, errno, "create /%s", made_subdirs[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(made_dirs); i++) {
		dd_auto_fd int target = -1;
		r = mnt_clone(all, made_dirs[i] + 1, 0, 0, &in->made[i], err);
		if (r == 0)
			r = mnt_target(in->root, made_dirs[i], true, &target, err);
		if (r == 0)
			r = mnt_attach(in->made[i], target, made_dirs[i], err);
	}
	if (r < 0)
		return r;
	if (fchdir(in->root) < 0 || umount2("mnt", MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return dd_err_set(err, errno, "hide the tmpfs of made-up files");
	return 0;
}

/* A row without a tree: copied bytes, or nothing. */
static int view_make(const struct inside *in, const struct view_item *item, struct dd_err *err)
{
	const struct sandbox_file copy = {
		.path = item->path, .content = item->bytes, .len = item->len, .mode = 0444
	};

	return item->bytes ? inside_file(in, &copy, err) : 0;
}

static int view_attach(const struct inside *in, struct dd_err *err)
{
	size_t n;
	const struct view_item *items = view_get(&n);
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		if (in->view[i] < 0)
			r = view_make(in, &items[i], err);
		else
			/* whole trees are directories, or refused here */
			r = inside_attach(in, in->view[i], items[i].path, true, err);
	}
	return r < 0 ? r : 0;
}

static int mounts_attach(const struct inside *in, struct dd_err *err)
{
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		if (in->mounts[i] < 0)
			continue;
		int r = inside_attach(in, in->mounts[i], in->spec->mounts[i].target,
		                      in->mount_is_dir[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* On a tmpfs: on a disk its hundred inodes would be the most of what a short job writes. */
static int make_sys(const struct inside *in, struct dd_err *err)
{
	const struct mnt_opt opts[] = {
		{ "mode", "0755" }, { "size", "64m" }, { "nr_inodes", "0" }, { NULL, NULL }
	};
	dd_auto_fd int sys = -1;
	int r = mnt_new("tmpfs", opts, HOST_ATTRS & ~(unsigned)MOUNT_ATTR_RDONLY, &sys, err);

	if (r == 0)
		r = inside_attach(in, sys, "/sys", true, err);
	if (r == 0)
		r = dd_err_ctx(err, made_sys_fill(sys, err), "the made-up /sys");
	return r < 0 ? r : mnt_set(sys, "", HOST_ATTRS | MOUNT_ATTR_NOEXEC, err);
}

/* A step may mount a proc of its own only where one is wholly visible in its tree. This one shows
 * the job's processes. It lies where every step mounts its terminals, so no step sees it; the
 * kernel counts it all the same, since that mount is not a locked one. */
static int job_proc(const struct inside *in, struct dd_err *err)
{
	dd_auto_fd int proc = -1;

	if (dd_fault("proc"))
		return dd_err_set(err, ENOSYS, "mount proc");
	int r = mnt_new("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	                &proc, err);
	if (r == -EPERM)
		return dd_err_ctx(err, r,
		                  "the kernel allows a new proc only where the present one is "
		                  "wholly visible, and something covers "
		                  "part of it here (unit: drop ProtectKernelTunables, "
		                  "ProtectKernelLogs, InaccessiblePaths below /proc; "
		                  "docker: --security-opt systempaths=unconfined)");
	return r < 0 ? r : inside_attach(in, proc, INSIDE_JOB_PROC, true, err);
}

int inside_root(struct inside *in, struct dd_err *err)
{
	if (dd_fault("mounts"))
		return dd_err_set(err, ENOSYS, "new root (fsopen, needs Linux 5.2 or later)");
	int r = root_make(in, err);
	if (r == 0)
		r = made_make(in, err);
	if (r == 0)
		r = view_attach(in, err);
	if (r == 0)
		r = inside_dev(in, err);
	if (r == 0 && in->spec->made_sys)
		r = make_sys(in, err);
	if (r == 0)
		r = mounts_attach(in, err);
	if (r == 0)
		r = inside_etc(in, err);
	return r < 0 ? r : job_proc(in, err);
}

/* ---- the last word ---- */

/* Whatever the reason, one code and one blame: the tree that a step sees is not the host's fault.
 */
static int no_workdir(struct dd_err *err, const char *workdir, const char *remark)
{
	int code = errno;
	return dd_err_blame(err, DD_BLAME_STEP,
	                    dd_err_say(err, ENOTDIR, "working directory %s: %s%s", workdir,
	                               strerrordesc_np(code), remark));
}

/* F-08: the kernel reports a directory outside the root as "(unreachable)"; a link in the workspace
 * can only lead to another place of the new root, a magic link of /proc is refused. */
int inside_workdir(const char *workdir, struct dd_err *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	char cwd[4096];

	if (!workdir || workdir[0] != '/' || strstr(workdir, "/../") ||
	    (strlen(workdir) >= 3 && strcmp(workdir + strlen(workdir) - 3, "/..") == 0))
		return dd_err_say(err, EINVAL,
		                  "working directory '%s': must be absolute and without ..",
		                  workdir ? workdir : "");
	dd_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return dd_err_set(err, errno, "open the new root");
	dd_auto_fd int fd = (int)syscall(SYS_openat2, root, workdir, &how, sizeof(how));
	if (fd < 0)
		return no_workdir(err, workdir,
		                  errno == ELOOP ? " (links of /proc lead outside)" : "");
	if (fchdir(fd) < 0)
		return no_workdir(err, workdir, "");
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0 || cwd[0] != '/')
		return dd_err_say(err, EACCES,
		                  "working directory %s: is not inside the sandbox's root",
		                  workdir);
	return 0;
}

/* The mount itself: what hangs below has its own flags. */
static int make_read_only(int mount, const char *path, struct dd_err *err)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		                             MOUNT_ATTR_NODEV };

	return mount_setattr(mount, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0
	               ? dd_err_set(err, errno, "make %s read-only", path)
	               : 0;
}

int inside_pivot(const struct inside *in, struct dd_err *err)
{
	int r = in->tree < 0 ? make_read_only(in->root, "/", err) : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(made_dirs); i++)
		r = make_read_only(in->made[i], made_dirs[i], err);
	if (r < 0)
		return r;
	if (fchdir(in->root) < 0)
		return dd_err_set(err, errno, "enter the new root");
	if (dd_fault("pivot_root"))
		return dd_err_set(err, ENOSYS, "pivot_root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return dd_err_set(err, errno, "pivot_root");
	/* The old root now lies over the new one, at ".": take it away before anything looks a path
	 * up. */
	if (umount2(".", MNT_DETACH) < 0)
		return dd_err_set(err, errno, "detach the host's root");
	return chdir("/") < 0 ? dd_err_set(err, errno, "enter the new root") : 0;
}

/* ---- the same tables, shown ---- */

static const struct made_row {
	const char *path;
	enum sandbox_place_kind kind;
	const char *why;
} made_rows[] = {
	{ "/dev/shm", SANDBOX_PLACE_PRIVATE, "shared memory" },
	{ "/proc", SANDBOX_PLACE_MADE,
	  "own processes only; sysctls read-only, kernel memory and the host's tables covered" },
	{ "/dev", SANDBOX_PLACE_MADE,
	  "null, zero, full, random, urandom, tty and pseudo-terminals" },
	{ "/dev/mqueue", SANDBOX_PLACE_PRIVATE, "message queues of this step, 800 KiB together" },
	{ "/sys", SANDBOX_PLACE_MADE, "processors and `lo`, made up; nothing of the host" },
	{ "/mnt", SANDBOX_PLACE_MADE, "empty" },
	{ SANDBOX_CREDENTIALS_DIR, SANDBOX_PLACE_MADE,
	  "files of credentials, in memory that is never swapped" },
};

static void show_place(struct sandbox_place *ret, const char *path, enum sandbox_place_kind kind,
                       const char *why)
{
	*ret = (struct sandbox_place){ .kind = kind, .why = why };
	(void)snprintf(ret->path, sizeof(ret->path), "%s", path);
}

static void show_host(const struct host_view_row *row, struct sandbox_place *ret)
{
	bool prefix = row->kind == HOST_VIEW_PREFIX;
	*ret = (struct sandbox_place){ .kind = SANDBOX_PLACE_HOST,
		                       .optional = row->try,
		                       .why = row->why };
	(void)snprintf(ret->path, sizeof(ret->path), "%s%s%s", prefix ? "/etc/" : "", row->path,
	               prefix ? "*" : "");
}

bool sandbox_place_at(size_t i, struct sandbox_place *ret)
{
	if (i < host_view_n) {
		show_host(&host_view_rows[i], ret);
		return true;
	}
	i -= host_view_n;
	if (i < ARRAY_LEN(made_rows)) {
		show_place(ret, made_rows[i].path, made_rows[i].kind, made_rows[i].why);
		return true;
	}
	const char *etc = inside_etc_path(i - ARRAY_LEN(made_rows));
	if (etc)
		show_place(ret, etc, SANDBOX_PLACE_MADE,
		           "of this sandbox: accounts, host names, the resolver");
	return etc != NULL;
}
