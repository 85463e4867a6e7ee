// SPDX-License-Identifier: Apache-2.0
/* inside_dev_proc.c - the step's /dev (six devices, own pseudo terminals and message queues) and
 * /proc (own, masked, read-only where it steers).
 *
 * Runs in: launcher. The kernel's /sys is not mounted at all. Device nodes cannot be made in a user
 * namespace, so the host's are bound, each held against its device number first: a planted link or
 * file ends set-up (F-07).
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static const struct dev_row {
	const char *name;
	unsigned major, minor; /* Documentation/admin-guide/devices.txt */
} dev_rows[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};
_Static_assert(ARRAY_LEN(dev_rows) == INSIDE_DEV_MAX, "struct inside holds one fd per device");

enum { DEV_NULL = 0 };

static const struct link_row {
	const char *name, *to;
} dev_links[] = {
	{ "/dev/ptmx", "pts/ptmx" },          { "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },  { "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

static int dev_open(const struct dev_row *row, int *ret, struct dd_err *err)
{
	char path[32];
	struct stat st;
	(void)snprintf(path, sizeof(path), "/dev/%s", row->name);

	dd_auto_fd int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return dd_err_set(err, errno, "host device %s", path);
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "host device %s", path);
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != row->major ||
	    minor(st.st_rdev) != row->minor)
		return dd_err_say(err, ENODEV,
		                  "host device %s: is not character device %u:%u; refused", path,
		                  row->major, row->minor);
	int r = mnt_clone(fd, "", AT_EMPTY_PATH, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, ret, err);
	return r < 0 ? dd_err_ctx(err, r, "host device %s", path) : 0;
}

int inside_open_dev(struct inside *in, struct dd_err *err)
{
	if (dd_fault("dev"))
		return dd_err_set(err, ENOSYS, "host devices");
	for (size_t i = 0; i < ARRAY_LEN(dev_rows); i++) {
		int r = dev_open(&dev_rows[i], &in->dev[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int inside_dev(struct inside *in, struct dd_err *err)
{
	const struct mnt_opt pts_opts[] = { { "ptmxmode", "0666" },
		                            { "mode", "0620" },
		                            { NULL, NULL } };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(dev_rows); i++) {
		char path[32];
		(void)snprintf(path, sizeof(path), "/dev/%s", dev_rows[i].name);
		r = inside_attach(in, in->dev[i], path, false, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(dev_links); i++) {
		const char *name;
		int base = inside_base(in, dev_links[i].name, &name);
		if (symlinkat(dev_links[i].to, base, name + 1) < 0)
			return dd_err_set(err, errno, "create %s", dev_links[i].name);
	}
	dd_auto_fd int pts = -1, queues = -1;
	r = mnt_new("devpts", pts_opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &pts, err);
	if (r == 0)
		r = inside_attach(in, pts, "/dev/pts", true, err);
	/* The queues of the step's own IPC namespace. Landlock needs a place for its rule, or it
	 * refuses every mq_open(3). */
	if (r == 0)
		r = mnt_new("mqueue", NULL,
		            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &queues, err);
	if (r == -ENODEV)
		return dd_err_ctx(err, r, "the kernel has no CONFIG_POSIX_MQUEUE");
	return r < 0 ? r : inside_attach(in, queues, "/dev/mqueue", true, err);
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

static int proc_cover(const struct inside *in, int proc, const struct inside_proc_row *row,
                      struct dd_err *err)
{
	dd_auto_fd int tree = -1;
	int r;

	dd_auto_fd int target = openat(proc, row->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 && errno == ENOENT)
		return 0; /* this kernel does not have it */
	if (target < 0)
		return dd_err_set(err, errno, "/proc/%s", row->name);
	if (row->cover == PROC_READ_ONLY)
		r = mnt_clone(target, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, &tree, err);
	else if (row->cover == PROC_NULL)
		r = mnt_clone(in->dev[DEV_NULL], "", AT_EMPTY_PATH, 0, &tree, err);
	else
		r = mnt_clone(in->root, "mnt", 0, MOUNT_ATTR_RDONLY, &tree, err);
	return r < 0 ? dd_err_ctx(err, r, "cover /proc/%s", row->name)
	             : mnt_attach(tree, target, row->name, err);
}

const struct inside_proc_row *inside_proc_row(size_t i)
{
	return i < ARRAY_LEN(proc_rows) ? &proc_rows[i] : NULL;
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

static int proc_mount(int *ret, struct dd_err *err)
{
	if (dd_fault("proc"))
		return dd_err_set(err, ENOSYS, "mount proc");
	int r = mnt_new("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, ret,
	                err);
	if (r == -EPERM)
		return dd_err_ctx(err, r,
		                  "the kernel allows a new proc only where the present one is "
		                  "wholly visible, and something covers "
		                  "part of it here (unit: drop ProtectKernelTunables, "
		                  "ProtectKernelLogs, InaccessiblePaths below /proc; "
		                  "docker: --security-opt systempaths=unconfined)");
	return r;
}

int inside_proc(struct inside *in, struct dd_err *err)
{
	struct statfs fs;
	dd_auto_fd int proc = -1;
	int r = proc_mount(&proc, err);
	if (r == 0)
		r = inside_attach(in, proc, "/proc", true, err);
	if (r < 0)
		return r;
	/* K-10: whatever is written below goes to a real procfs or nowhere. */
	if (fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return dd_err_say(err, EINVAL, "the new /proc is not a procfs; refused");
	int limits[ARRAY_LEN(ns_limits)];
	/* on failure the launcher ends, and its descriptors with it */
	r = ns_limits_open(proc, limits, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(proc_rows); i++)
		r = proc_cover(in, proc, &proc_rows[i], err);
	return r < 0 ? r : ns_limits_write(limits, err);
}
