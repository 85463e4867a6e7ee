// SPDX-License-Identifier: Apache-2.0
/* inside_dev.c - six devices and the links of /dev.
 *
 * Runs in: zygote. Device nodes cannot be made in a user namespace, so the host's are bound, each
 * held against its device number first: a planted link or file ends set-up (F-07).
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct dev_row {
	const char *name;
	unsigned major, minor; /* Documentation/admin-guide/devices.txt */
} dev_rows[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};
_Static_assert(ARRAY_LEN(dev_rows) == INSIDE_DEV_MAX, "struct inside holds one fd per device");

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
	return 0;
}
