// SPDX-License-Identifier: Apache-2.0
/* inside_root.c - the step's file tree: a new tmpfs with read-only copies of the few host trees
 * that a build needs.
 *
 * Runs in: launcher. Two halves, because rights differ: inside_open_*() take detached copies while
 * the process still has the supervisor's uid (it can walk to the workspace); inside_root() puts
 * them together after the uid has become the step's. Nothing is masked away from a copy of the
 * host's root: what is not in the table is not there (F-02).
 */
#include "host_view.h"
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
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

/* The job's own tree, in a directory that no step reaches. */
static int open_made_sys(struct inside *in, struct dd_err *err)
{
	const struct sandbox_mount m = { .source = in->spec->made_sys };
	struct stat st;

	in->made_sys = -1;
	if (!m.source)
		return 0;
	dd_auto_fd int source = mount_source(&m, &st, err);
	if (source < 0)
		return source;
	return mnt_clone(source, "", AT_EMPTY_PATH, HOST_ATTRS | MOUNT_ATTR_NOEXEC, &in->made_sys,
	                 err);
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
	return open_made_sys(in, err);
}

/* ---- after the uid has changed ---- */

/* Directories of the new root, parents first. Empty ones are mount points or expected by programs.
 */
static const char *const root_dirs[] = {
	"etc", "proc",    "dev", "dev/pts",     "dev/shm",          "dev/mqueue", "tmp",
	"var", "var/tmp", "run", "run/drydock", "run/drydock/cred", "mnt",
};

static int root_make(struct inside *in, struct dd_err *err)
{
	const struct mnt_opt opts[] = {
		{ "mode", "0755" }, { "size", "16m" }, { "nr_inodes", "4096" }, { NULL, NULL }
	};
	/* Any directory serves: what is below it on the host has been copied already or is not
	 * wanted. */
	dd_auto_fd int over = open("/tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (over < 0)
		return dd_err_set(err, errno,
		                  "/tmp of the host is the mount point of the new root");
	int r = mnt_new("tmpfs", opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &in->root, err);
	if (r == 0)
		r = mnt_attach(in->root, over, "/tmp (new root)", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(root_dirs); i++)
		if (mkdirat(in->root, root_dirs[i], 0755) < 0)
			return dd_err_set(err, errno, "create /%s", root_dirs[i]);
	return 0;
}

/* 1: the host has a symlink here and so has the new root now. */
static int view_symlink(const struct inside *in, const char *path, struct dd_err *err)
{
	char link[256];
	ssize_t len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return 0;
	link[len] = '\0';
	return symlinkat(link, in->root, path + 1) < 0 ? dd_err_set(err, errno, "symlink %s", path)
	                                               : 1;
}

/* A row without a tree: copied bytes, the host's symlink, or nothing. */
static int view_make(const struct inside *in, const struct view_item *item, struct dd_err *err)
{
	const struct sandbox_file copy = {
		.path = item->path, .content = item->bytes, .len = item->len, .mode = 0444
	};

	if (item->bytes)
		return inside_file(in->root, &copy, err);
	return item->kind == HOST_VIEW_ROOT ? view_symlink(in, item->path, err) : 0;
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
			r = mnt_attach_at(in->view[i], in->root, items[i].path, true, err);
	}
	return r < 0 ? r : 0;
}

/* Shared memory is of processes, and those of a step end with it: so this is the step's own. */
static const char shm_target[] = "/dev/shm";

static int shm_attach(const struct inside *in, struct dd_err *err)
{
	const struct sandbox_limits *l = &in->spec->limits;
	char size[32], inodes[32];
	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)(l->shm_bytes ? l->shm_bytes : 1ULL << 30));
	(void)snprintf(inodes, sizeof(inodes), "%u", l->shm_files ? l->shm_files : 200000);
	const struct mnt_opt opts[] = {
		{ "mode", "1777" }, { "size", size }, { "nr_inodes", inodes }, { NULL, NULL }
	};

	dd_auto_fd int shm = -1;
	int r = mnt_new("tmpfs", opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &shm, err);
	return r < 0 ? r : mnt_attach_at(shm, in->root, shm_target, true, err);
}

/* ramfs, because it is never swapped; writable only until the delivery is in (inside_delivery.c).
 */
static int credentials_mount(const struct inside *in, struct dd_err *err)
{
	const struct mnt_opt opts[] = { { "mode", "0700" }, { NULL, NULL } };
	dd_auto_fd int ram = -1;

	int r = mnt_new("ramfs", opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	                &ram, err);
	return r < 0 ? r : mnt_attach_at(ram, in->root, SANDBOX_CREDENTIALS_DIR, true, err);
}

static int mounts_attach(const struct inside *in, struct dd_err *err)
{
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		if (in->mounts[i] < 0)
			continue;
		int r = mnt_attach_at(in->mounts[i], in->root, in->spec->mounts[i].target,
		                      in->mount_is_dir[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int inside_root(struct inside *in, struct dd_err *err)
{
	if (dd_fault("mounts"))
		return dd_err_set(err, ENOSYS, "new root (fsopen, needs Linux 5.2 or later)");
	int r = root_make(in, err);
	if (r == 0)
		r = view_attach(in, err);
	if (r == 0)
		r = inside_dev(in, err);
	if (r == 0)
		r = shm_attach(in, err);
	if (r == 0)
		r = credentials_mount(in, err);
	if (r == 0 && in->made_sys >= 0)
		r = mnt_attach_at(in->made_sys, in->root, "/sys", true, err);
	if (r == 0)
		r = mounts_attach(in, err);
	if (r == 0)
		r = inside_etc(in, err);
	for (size_t i = 0; r == 0 && i < in->spec->n_files; i++)
		r = inside_file(in->root, &in->spec->files[i], err);
	if (r == 0)
		r = inside_proc(in, err);
	return r;
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
static int enter_workdir(const char *workdir, struct dd_err *err)
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

int inside_pivot(const struct inside *in, struct dd_err *err)
{
	/* Only the root tmpfs itself: what hangs below has its own flags. */
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		                             MOUNT_ATTR_NODEV };

	if (mount_setattr(in->root, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return dd_err_set(err, errno, "make the new root read-only");
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
	if (chdir("/") < 0)
		return dd_err_set(err, errno, "enter the new root");
	return enter_workdir(in->spec->workdir, err);
}

/* ---- the same tables, shown ---- */

static const struct made_row {
	const char *path;
	enum sandbox_place_kind kind;
	const char *why;
} made_rows[] = {
	{ shm_target, SANDBOX_PLACE_PRIVATE, "shared memory" },
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
