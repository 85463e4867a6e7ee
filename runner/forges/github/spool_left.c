// SPDX-License-Identifier: Apache-2.0
/* spool_left.c - see spool_left.h. Runs in: agent; spool_hold() in the job host. */
#include "spool_left.h"

#include "drydock/fd.h"
#include "job/job_dirs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void spool_hold(int dir_fd)
{
	(void)flock(dir_fd, LOCK_EX | LOCK_NB);
}

/* True: it is to go. @ret_kept: it is nobody's, and stays. */
static bool is_done_with(int spool, bool *ret_kept)
{
	struct spool_state state = { .complete = 0 };
	struct stat st;
	dd_auto_fd int fd = openat(spool, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pread(fd, &state, sizeof(state), 0) != (ssize_t)sizeof(state))
		state.complete = 0;
	if (state.complete == 2)
		return true;
	bool old = fstat(spool, &st) == 0 &&
	           time(NULL) - st.st_mtime > (time_t)SPOOL_KEPT_DAYS * 86400;
	*ret_kept = !old;
	return old;
}

unsigned spools_clean(const char *state)
{
	char path[700];
	unsigned kept = 0;

	(void)snprintf(path, sizeof(path), "%.600s/github", state);
	dd_auto_fd int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = at < 0 ? NULL : opendir(path);
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		struct dd_err ignored = { 0 };
		bool stays = false;
		if (e->d_name[0] == '.') /* also the locks of runners */
			continue;
		dd_auto_fd int fd = openat(at, e->d_name,
		                           O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		if (is_done_with(fd, &stays))
			(void)job_dirs_remove(at, e->d_name, &ignored);
		kept += stays;
	}
	if (dir)
		(void)closedir(dir);
	return kept;
}
