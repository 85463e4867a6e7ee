// SPDX-License-Identifier: Apache-2.0
/* stamps.c - asks a file system for its kind, and then whether it keeps its word.
 *
 * Runs in the supervisor. The list alone would trust every version of those file systems, the
 * experiment alone every overlay that lies over one of them at the moment.
 */
#include "stamps.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define PROBE_NAME ".stamps"

/* Their page_mkwrite calls file_update_time() (Linux 5.15 to 6.18, fs/ of each). */
static const long known[] = {
	EXT4_SUPER_MAGIC,                                /* ext2 and ext3 too */
	BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, 0x58465342, /* XFS */
};

static bool is_known(int dir_fd)
{
	struct statfs fs;
	if (fstatfs(dir_fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if ((long)fs.f_type == known[i])
			return true;
	return false;
}

void stamps_prepare(struct stamps *s, int dir_fd)
{
	*s = (struct stamps)STAMPS_NONE;
	if (!is_known(dir_fd))
		return;
	s->fd = openat(dir_fd, PROBE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	               0600);
	if (s->fd >= 0 && (unlinkat(dir_fd, PROBE_NAME, 0) < 0 || write(s->fd, "a", 1) != 1))
		dd_close_p(&s->fd);
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool wait_for_tick(struct timespec after)
{
	const struct timespec pause = { .tv_nsec = 1000L * 1000 };
	struct timespec now;
	for (unsigned i = 0; i < 50; i++) {
		if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
			return false;
		if (later(now, after))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static bool ask(int fd)
{
	struct stat before, after;
	if (fd < 0 || fstat(fd, &before) < 0 || !wait_for_tick(before.st_ctim))
		return false;
	volatile char *page = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return false;
	/* Read before it is written: where nobody asks to hear of stores, the page is now writable,
	 * and the store is seen by nobody. */
	*page = (char)(*page + 1);
	bool unmapped = munmap((void *)(uintptr_t)page, 1) == 0;
	return unmapped && fstat(fd, &after) == 0 && later(after.st_ctim, before.st_ctim);
}

bool stamps_mapped_stores(struct stamps *s)
{
	if (!s->asked) {
		s->stamps = ask(s->fd);
		s->asked = true;
	}
	return s->stamps;
}

void stamps_done(struct stamps *s)
{
	dd_close_p(&s->fd);
}
