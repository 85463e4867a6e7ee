// SPDX-License-Identifier: Apache-2.0
/* inside_own.c - what of its tree is a step's own: terminals, message queues, shared memory,
 * credentials, its script, and /proc (masked, read-only where it steers).
 *
 * Runs in: launcher, with the zygote's finished tree for a root. That tree is read-only where these
 * hang, it is drydock's own and holds no link of anybody else's, so mount(2) by path can lead
 * nowhere else, and costs a third of the new calls. What it cannot do in one step, a read-only tree
 * with mounts below it, is not asked of it here: each is one file system or one file. The kernel's
 * /sys is not mounted at all.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { NOTHING_RUNS = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static int own_mount(const char *type, const char *path, unsigned long flags, const char *options,
                     struct dd_err *err)
{
	return mount(type, path, type, flags, options) < 0
	               ? dd_err_set(err, errno, "mount %s at %s", type, path)
	               : 0;
}

/* ---- shared memory, terminals, queues ---- */

/* Shared memory is of processes, and those of a step end with it: so this is the step's own. */
static int own_shm(const struct sandbox_limits *l, struct dd_err *err)
{
	char options[80];

	(void)snprintf(options, sizeof(options), "mode=1777,size=%llu,nr_inodes=%u",
	               (unsigned long long)(l->shm_bytes ? l->shm_bytes : 1ULL << 30),
	               l->shm_files ? l->shm_files : 200000);
	return own_mount("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, options, err);
}

/* The queues are those of the step's own IPC namespace. Landlock needs a place for its rule, or it
 * refuses every mq_open(3). */
static int own_dev(const struct sandbox_limits *limits, struct dd_err *err)
{
	int r = own_mount("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620",
	                  err);
	if (r == 0)
		r = own_mount("mqueue", "/dev/mqueue", NOTHING_RUNS, NULL, err);
	if (r == -ENODEV)
		return dd_err_ctx(err, r, "the kernel has no CONFIG_POSIX_MQUEUE");
	return r < 0 ? r : own_shm(limits, err);
}

/* ---- credentials and script ---- */

/* ramfs, because it is never swapped; writable only until the delivery is in (inside_delivery.c).
 */
static int own_credentials(struct dd_err *err)
{
	return own_mount("ramfs", SANDBOX_CREDENTIALS_DIR, NOTHING_RUNS, "mode=0700", err);
}

static int own_file(const struct sandbox_file *file, int *ret, struct dd_err *err)
{
	*ret = open(file->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
	            file->mode & 0555);
	return *ret < 0 ? dd_err_set(err, errno, "create %s", file->path) : 0;
}

/* What stands in them comes later, from the supervisor and by these descriptors alone. A mount with
 * a file that is open for writing cannot turn read-only, so a second one of the same files lies on
 * it, which is read-only from the start of what the step sees. */
static int own_files(const struct sandbox_spec *spec, int ret[SANDBOX_FILES_MAX],
                     struct dd_err *err)
{
	if (spec->n_files == 0)
		return 0;
	int r = own_mount("ramfs", SANDBOX_FILES_DIR, MS_NOSUID | MS_NODEV, "mode=0755", err);
	for (size_t i = 0; r == 0 && i < spec->n_files; i++)
		r = own_file(&spec->files[i], &ret[i], err);
	if (r < 0)
		return r;
	if (dd_fault("files_cover"))
		return dd_err_set(err, ENOSYS, "make %s read-only", SANDBOX_FILES_DIR);
	return mount(SANDBOX_FILES_DIR, SANDBOX_FILES_DIR, NULL, MS_BIND, NULL) < 0 ||
	                       mount(NULL, SANDBOX_FILES_DIR, NULL,
	                             MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
	                             NULL) < 0
	               ? dd_err_set(err, errno, "make %s read-only", SANDBOX_FILES_DIR)
	               : 0;
}

/* ---- /proc ---- */

static const struct inside_proc_row proc_rows[] = {
	{ "sys", PROC_READ_ONLY, "sysctls: core_pattern, modprobe, binfmt" },
	/* Written to, it makes the kernel watch the whole host's load for the writer. */
	{ "pressure", PROC_READ_ONLY, "load watchers in the kernel" },
	{ "bus", PROC_EMPTY, "host hardware, PCI configuration space" },
	{ "fs", PROC_EMPTY, "the host's file systems and their tunables" },
	{ "irq", PROC_EMPTY, "host hardware, interrupt routing" },
	{ "sysrq-trigger", PROC_NULL, "reboots the host" },
	{ "kcore", PROC_NULL, "kernel memory" },
	{ "kmsg", PROC_NULL, "kernel log of the host" },
	{ "kallsyms", PROC_NULL, "kernel addresses" },
	{ "keys", PROC_NULL, "keyrings of the host" },
	{ "latency_stats", PROC_NULL, "host scheduling" },
	{ "timer_list", PROC_NULL, "host timers and addresses" },
	{ "sched_debug", PROC_NULL, "host scheduling" },
	{ "schedstat", PROC_NULL, "host scheduling" },
	{ "cmdline", PROC_NULL, "how the host was booted: disks, switches, passwords at times" },
	{ "bootconfig", PROC_NULL, "how the host was booted" },
	{ "iomem", PROC_NULL, "memory map of the host" },
	{ "ioports", PROC_NULL, "host hardware" },
	{ "interrupts", PROC_NULL, "host hardware, and when others type or send" },
	{ "softirqs", PROC_NULL, "what the host is doing" },
	{ "modules", PROC_NULL, "what the host's kernel has loaded" },
	{ "key-users", PROC_NULL, "accounts of the host" },
	{ "partitions", PROC_NULL, "disks of the host" },
	{ "diskstats", PROC_NULL, "disks of the host, and what they are doing" },
	{ "swaps", PROC_NULL, "disks of the host" },
	{ "mdstat", PROC_NULL, "disks of the host" },
	{ "mtrr", PROC_NULL, "memory map of the host" },
	{ "buddyinfo", PROC_NULL, "memory of the host" },
	{ "zoneinfo", PROC_NULL, "memory of the host" },
	{ "acpi", PROC_EMPTY, "host hardware" },
	{ "asound", PROC_EMPTY, "host hardware" },
	{ "driver", PROC_EMPTY, "host hardware" },
	{ "scsi", PROC_EMPTY, "host hardware" },
};

const struct inside_proc_row *inside_proc_row(size_t i)
{
	return i < ARRAY_LEN(proc_rows) ? &proc_rows[i] : NULL;
}

/* An empty directory of a read-only mount: where the credentials will be mounted. */
#define EMPTY_DIR SANDBOX_CREDENTIALS_DIR

static int proc_cover(const struct inside_proc_row *row, struct dd_err *err)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%s", row->name);
	const char *over = row->cover == PROC_NULL    ? "/dev/null"
	                   : row->cover == PROC_EMPTY ? EMPTY_DIR
	                                              : path;

	if (mount(over, path, NULL, MS_BIND, NULL) < 0)
		return errno == ENOENT ? 0 /* this kernel does not have it */
		                       : dd_err_set(err, errno, "cover %s", path);
	if (row->cover == PROC_READ_ONLY &&
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | NOTHING_RUNS, NULL) < 0)
		return dd_err_set(err, errno, "make %s read-only", path);
	return 0;
}

/* What covers must be there: a mount that finds no source says the same as one without a target. */
static int proc_covers_check(struct dd_err *err)
{
	return access("/dev/null", F_OK) < 0 || access(EMPTY_DIR, F_OK) < 0
	               ? dd_err_set(err, errno, "what covers parts of /proc")
	               : 0;
}

/* K-07: one number per kind, for this user namespace; the step cannot raise it, because /proc/sys
 * turns read-only and its capabilities are gone. Missing kinds are older kernels that have no such
 * namespace. */
static const struct ns_limit_row {
	const char *file;
	bool required;
} ns_limits[] = {
	{ "sys/user/max_user_namespaces", true },   { "sys/user/max_mnt_namespaces", true },
	{ "sys/user/max_pid_namespaces", true },    { "sys/user/max_net_namespaces", true },
	{ "sys/user/max_ipc_namespaces", true },    { "sys/user/max_uts_namespaces", true },
	{ "sys/user/max_cgroup_namespaces", true }, { "sys/user/max_time_namespaces", false },
};

/* Opened before /proc/sys is covered, written after: the kernel counts every detached mount, and so
 * every cover, as a mount namespace (alloc_mnt_ns), and would answer ENOSPC. */
static int ns_limits_open(int proc, int fds[ARRAY_LEN(ns_limits)], struct dd_err *err)
{
	if (dd_fault("max_user_namespaces"))
		return dd_err_set(err, ENOSYS, "/proc/sys/user/max_user_namespaces");
	for (size_t i = 0; i < ARRAY_LEN(ns_limits); i++) {
		fds[i] = openat(proc, ns_limits[i].file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fds[i] < 0 && (errno != ENOENT || ns_limits[i].required))
			return dd_err_set(err, errno, "open /proc/%s", ns_limits[i].file);
	}
	return 0;
}

static int ns_limits_write(const int fds[ARRAY_LEN(ns_limits)], struct dd_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(ns_limits); i++) {
		if (fds[i] >= 0 && write(fds[i], "0\n", 2) != 2)
			return dd_err_set(err, errno, "write /proc/%s", ns_limits[i].file);
		dd_close(fds[i]);
	}
	return 0;
}

static int proc_mount(struct dd_err *err)
{
	if (dd_fault("proc"))
		return dd_err_set(err, ENOSYS, "mount proc");
	return own_mount("proc", "/proc", NOTHING_RUNS, NULL, err);
}

static int own_proc(struct dd_err *err)
{
	struct statfs fs;
	int r = proc_mount(err);
	if (r < 0)
		return r;
	dd_auto_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* K-10: whatever is written below goes to a real procfs or nowhere. */
	if (proc < 0 || fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return dd_err_say(err, EINVAL, "the new /proc is not a procfs; refused");
	int limits[ARRAY_LEN(ns_limits)];
	/* on failure the launcher ends, and its descriptors with it */
	r = ns_limits_open(proc, limits, err);
	if (r == 0)
		r = proc_covers_check(err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(proc_rows); i++)
		r = proc_cover(&proc_rows[i], err);
	return r < 0 ? r : ns_limits_write(limits, err);
}

int inside_own(const struct sandbox_spec *spec, int ret_files[SANDBOX_FILES_MAX],
               struct dd_err *err)
{
	int r = own_dev(&spec->limits, err);
	if (r == 0)
		r = own_files(spec, ret_files, err);
	if (r == 0)
		r = own_proc(err);
	/* after /proc, parts of which are covered by what is under it */
	return r < 0 ? r : own_credentials(err);
}
