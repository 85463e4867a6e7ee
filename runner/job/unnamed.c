// SPDX-License-Identifier: Apache-2.0
/* unnamed.c - looks at the open files of a step's processes.
 *
 * Runs in: supervisor. Nothing is opened: only looked at, through /proc/PID/fd, which takes no lock
 * that a process of the step could hold. Processes and descriptors that are looked at are bounded,
 * so a step with very many costs a bounded time, and is then counted too low.
 */
#include "unnamed.h"

#include "drydock/fd.h"
#include "step_pids.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { PIDS_MAX = 4096, LOOKS_MAX = 100000, SEEN_MAX = 8192 };

struct unnamed {
	pid_t pids[PIDS_MAX];
	size_t n_pids;
	unsigned looks;
	struct {
		dev_t dev;
		ino_t ino;
	} seen[SEEN_MAX]; /* open addressing; ino 0 is free */
	size_t n_seen;
	dev_t scratch; /* counted as a whole; 0: not found */
	uint64_t bytes;
};

static bool is_new(struct unnamed *u, const struct stat *st)
{
	size_t i = (size_t)((st->st_ino * 0x9e3779b97f4a7c15ULL) >> 32) % SEEN_MAX;
	if (u->n_seen > SEEN_MAX / 2)
		return false;
	for (; u->seen[i].ino; i = (i + 1) % SEEN_MAX)
		if (u->seen[i].ino == st->st_ino && u->seen[i].dev == st->st_dev)
			return false;
	u->seen[i].ino = st->st_ino;
	u->seen[i].dev = st->st_dev;
	u->n_seen++;
	return true;
}

static void look_at_process(struct unnamed *u, pid_t pid)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return;
	for (const struct dirent *e = readdir(dir); e && u->looks < LOOKS_MAX; e = readdir(dir)) {
		struct stat st;
		u->looks++;
		if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) < 0 ||
		    !S_ISREG(st.st_mode) || st.st_nlink > 0 || st.st_dev == u->scratch)
			continue;
		if (st.st_blocks > 0 && is_new(u, &st))
			u->bytes += (uint64_t)st.st_blocks * 512;
	}
	(void)closedir(dir);
}

static void count_scratch(struct unnamed *u, pid_t pid)
{
	char path[64];
	struct statfs fs;
	struct stat st;
	(void)snprintf(path, sizeof(path), "/proc/%d/root/dev/shm", (int)pid);
	dd_auto_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0 || fs.f_type != TMPFS_MAGIC)
		return;
	u->scratch = st.st_dev;
	u->bytes += (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
}

uint64_t unnamed_bytes(pid_t init)
{
	dd_auto_free struct unnamed *u = calloc(1, sizeof(*u));
	if (!u || init <= 0)
		return 0;
	u->n_pids = step_pids(init, u->pids, PIDS_MAX);
	/* init itself was never executed in the step's user namespace: nobody may look at it */
	for (size_t i = 1; i < u->n_pids && u->scratch == 0 && i < 16; i++)
		count_scratch(u, u->pids[i]);
	for (size_t i = 0; i < u->n_pids && u->looks < LOOKS_MAX; i++)
		look_at_process(u, u->pids[i]);
	return u->bytes;
}
