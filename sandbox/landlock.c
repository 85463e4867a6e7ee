// SPDX-License-Identifier: Apache-2.0
/* landlock.c - a second, independent answer to "which files may a step write": no write outside the
 * read-write mounts of its spec.
 *
 * Runs in: the process about to exec, after pivot_root and no_new_privs, before the filter. If a
 * mount came out writable by mistake, this still refuses (K-09). The list is derived from
 * spec->mounts, so plan, mounts and Landlock cannot disagree. It only ever allows what is named.
 * Rights add up along a path, so a read-only mount below a read-write one is up to the mount alone.
 * The network is not handled here: the step's namespace holds only lo.
 */
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/sandbox_shown.h"
#include "inside.h"
#include "landlock_abi.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Own definitions: the headers of a build host may be older than the kernel that runs this. Numbers
 * from the kernel's include/uapi/linux/landlock.h, which never change once released. */
enum landlock_right {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_CHAR = 1 << 6,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_MAKE_SOCK = 1 << 9,
	LL_MAKE_FIFO = 1 << 10,
	LL_MAKE_BLOCK = 1 << 11,
	LL_MAKE_SYM = 1 << 12,
	/* ABI 2: link or rename into another directory; under ABI 1 that is always EXDEV */
	LL_REFER = 1 << 13,
	LL_TRUNCATE = 1 << 14,  /* ABI 3 */
	LL_IOCTL_DEV = 1 << 15, /* ABI 5 */
};

enum {
	LL_READ = LL_EXECUTE | LL_READ_FILE | LL_READ_DIR,
	/* Everything but devices: a build needs none, and a 0:0 character device is an overlay's
	   whiteout (F-10). */
	LL_WRITE = LL_READ | LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR |
	           LL_MAKE_REG | LL_MAKE_SOCK | LL_MAKE_FIFO | LL_MAKE_SYM | LL_REFER | LL_TRUNCATE,
	/* files of one directory, nothing to run */
	LL_QUEUES = LL_READ_FILE | LL_READ_DIR | LL_WRITE_FILE | LL_REMOVE_FILE | LL_MAKE_REG |
	            LL_TRUNCATE,
	/* a rule on a file takes no others */
	LL_ON_FILES = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV,
};

enum { LL_SCOPE_ABSTRACT_UNIX = 1 << 0, LL_SCOPE_SIGNAL = 1 << 1, LL_RULE_PATH_BENEATH = 1 };

struct ll_ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net; /* ABI 4 */
	uint64_t scoped;      /* ABI 6 */
};

struct ll_path_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* What each ABI added; a row applies from its ABI on. The size is what that kernel accepts: more is
 * E2BIG. */
static const struct abi_row {
	int abi; /* 1 = Linux 5.13, 2 = 5.19, 3 = 6.2, 4 = 6.7, 5 = 6.10, 6 = 6.12 */
	uint64_t handled_fs;
	uint64_t scoped;
	size_t attr_size;
} abi_rows[] = {
	{ 1, LL_MAKE_SYM * 2 - 1, 0, offsetof(struct ll_ruleset_attr, handled_net) },
	{ 2, LL_REFER, 0, offsetof(struct ll_ruleset_attr, handled_net) },
	{ 3, LL_TRUNCATE, 0, offsetof(struct ll_ruleset_attr, handled_net) },
	{ 4, 0, 0, offsetof(struct ll_ruleset_attr, scoped) },
	{ 5, LL_IOCTL_DEV, 0, offsetof(struct ll_ruleset_attr, scoped) },
	{ 6, 0, LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL, sizeof(struct ll_ruleset_attr) },
};

/* Places that every sandbox has, besides the mounts of its spec. A missing one gets no rule, which
 * only narrows. */
static const struct place_row {
	const char *path;
	uint64_t rights;
	const char *why;
} place_rows[] = {
	{ "/", LL_READ, "what is shown may be read and run" },
	{ "/dev/shm", LL_WRITE, "private to the step" },
	{ "/dev/mqueue", LL_QUEUES, "message queues, private to the step" },
	{ "/dev", LL_WRITE_FILE | LL_IOCTL_DEV, "null, tty, pseudo-terminals" },
	{ "/proc", LL_WRITE_FILE | LL_TRUNCATE,
	  "oom_score_adj and the like of own processes; what matters is read-only by mount" },
};

int landlock_abi(struct dd_err *err)
{
	enum { CREATE_RULESET_VERSION = 1 };
	const char *remedy = "needs Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and "
			     "landlock in the kernel's lsm= list";

	if (dd_fault("landlock"))
		return dd_err_set(err, ENOSYS, "Landlock (taken away by DRYDOCK_FAULT)");
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_RULESET_VERSION);
	if (abi < 0)
		return dd_err_set(err, errno, "Landlock (%s)", remedy);
	if (abi < 1)
		return dd_err_say(err, ENOSYS, "Landlock: the kernel names version %ld; %s", abi,
		                  remedy);
	return (int)abi;
}

static int make_ruleset(int abi, uint64_t *ret_handled, int *ret_fd, struct dd_err *err)
{
	struct ll_ruleset_attr attr = { .handled_fs = 0 };
	size_t size = 0;
	for (size_t i = 0; i < ARRAY_LEN(abi_rows) && abi_rows[i].abi <= abi; i++) {
		attr.handled_fs |= abi_rows[i].handled_fs;
		attr.scoped |= abi_rows[i].scoped;
		size = abi_rows[i].attr_size;
	}
	/* close-on-exec from birth */
	long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return dd_err_set(err, errno, "Landlock rule set (version %d)", abi);
	*ret_handled = attr.handled_fs;
	*ret_fd = (int)fd;
	return 0;
}

/* -ENOENT and -ELOOP are for the caller to judge; every other failure is one. */
static int landlock_allow(int ruleset, uint64_t handled, const char *path, uint64_t rights,
                          struct dd_err *err)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	dd_auto_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0)
		return dd_err_set(err, errno, "Landlock rule for %s", path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "Landlock rule for %s", path);

	struct ll_path_attr attr = { .allowed = rights & handled, .parent_fd = fd };
	if (!S_ISDIR(st.st_mode))
		attr.allowed &= LL_ON_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PATH_BENEATH, &attr, 0) < 0)
		return dd_err_set(err, errno, "Landlock rule for %s", path);
	return 0;
}

static int allow_places(int ruleset, uint64_t handled, struct dd_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(place_rows); i++) {
		int r = landlock_allow(ruleset, handled, place_rows[i].path, place_rows[i].rights,
		                       err);
		if (r < 0 && r != -ENOENT && r != -ELOOP)
			return r;
	}
	return 0;
}

static int allow_mounts(int ruleset, uint64_t handled, const struct sandbox_spec *spec,
                        struct dd_err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct sandbox_mount *m = &spec->mounts[i];
		if (!(m->flags & SANDBOX_MOUNT_RW))
			continue;
		int r = landlock_allow(ruleset, handled, m->target, LL_WRITE, err);
		if (r < 0 && !(r == -ENOENT && (m->flags & SANDBOX_MOUNT_TRY)))
			return r;
	}
	return 0;
}

int inside_landlock(const struct sandbox_spec *spec, struct dd_err *err)
{
	int abi = landlock_abi(err);
	if (abi < 0)
		return abi;
	if ((unsigned)abi < spec->landlock_abi_min)
		return dd_err_say(err, ENOSYS,
		                  "Landlock version %d is older than the %u that this step asks "
		                  "for; use a newer kernel",
		                  abi, spec->landlock_abi_min);
	dd_auto_fd int ruleset = -1;
	uint64_t handled = 0;
	int r = make_ruleset(abi, &handled, &ruleset, err);
	if (r == 0)
		r = allow_places(ruleset, handled, err);
	if (r == 0)
		r = allow_mounts(ruleset, handled, spec, err);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return dd_err_set(err, errno, "enforce the Landlock rule set");
	return 0;
}

/* ---- the same rules, shown ---- */

static const struct right_row {
	uint64_t right;
	const char *name;
} right_rows[] = {
	{ LL_EXECUTE, "execute" },       { LL_WRITE_FILE, "write_file" },
	{ LL_READ_FILE, "read_file" },   { LL_READ_DIR, "read_dir" },
	{ LL_REMOVE_DIR, "remove_dir" }, { LL_REMOVE_FILE, "remove_file" },
	{ LL_MAKE_CHAR, "make_char" },   { LL_MAKE_DIR, "make_dir" },
	{ LL_MAKE_REG, "make_reg" },     { LL_MAKE_SOCK, "make_sock" },
	{ LL_MAKE_FIFO, "make_fifo" },   { LL_MAKE_BLOCK, "make_block" },
	{ LL_MAKE_SYM, "make_sym" },     { LL_REFER, "refer" },
	{ LL_TRUNCATE, "truncate" },     { LL_IOCTL_DEV, "ioctl_dev" },
};
_Static_assert(ARRAY_LEN(right_rows) == SANDBOX_RIGHTS_MAX, "a rule shown holds every right");

static const char *summary_of(uint64_t rights)
{
	return rights == LL_READ       ? "read and run"
	       : rights == LL_WRITE    ? "read, run and write, no device nodes"
	       : rights & LL_IOCTL_DEV ? "write and ioctl"
	       : rights == LL_QUEUES   ? "read and write files"
	                               : "write";
}

static void show_rule(const char *path, uint64_t rights, const char *why,
                      struct sandbox_landlock_rule *ret)
{
	size_t n = 0;
	*ret = (struct sandbox_landlock_rule){ .path = path,
		                               .summary = summary_of(rights),
		                               .why = why };
	for (size_t i = 0; i < ARRAY_LEN(right_rows); i++)
		if (rights & right_rows[i].right)
			ret->rights[n++] = right_rows[i].name;
}

bool sandbox_landlock_rule_at(const struct sandbox_mount *mounts, size_t n_mounts, size_t i,
                              struct sandbox_landlock_rule *ret)
{
	size_t at = ARRAY_LEN(place_rows);
	if (i < at) {
		show_rule(place_rows[i].path, place_rows[i].rights, place_rows[i].why, ret);
		return true;
	}
	for (size_t k = 0; k < n_mounts; k++) {
		if (!(mounts[k].flags & SANDBOX_MOUNT_RW) || at++ < i)
			continue;
		show_rule(mounts[k].target, LL_WRITE, "mounted read-write", ret);
		return true;
	}
	return false;
}
