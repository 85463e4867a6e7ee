// SPDX-License-Identifier: Apache-2.0
/* store_prune.c - removes actions that nobody used for a while. Runs in: command line.
 *
 * A run holds the store as long as it lives (store_open), and touches each tree that it takes: a
 * tree that is old is in no run that is younger. All of it goes only when nobody holds it. */
#include "store.h"

#include "drydock/fd.h"
#include "tree/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DAY_SEC = 86400, ARRIVING_SEC = 2 * DAY_SEC };

static bool is_tree(const char *name)
{
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

static bool is_over(int dir, const char *name, time_t since)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_mtime <= since;
}

static int add_bytes(void *arg, enum manifest_change what, const char *path, uint64_t size,
                     const char *sha256)
{
	(void)what, (void)path, (void)sha256;
	*(uint64_t *)arg += size;
	return 0;
}

static uint64_t bytes_of(int dir, const char *name)
{
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct manifest *m = NULL;
	uint64_t bytes = 0;
	if (fd >= 0 && manifest_scan(fd, NULL, &m, NULL) == 0)
		(void)manifest_each(m, add_bytes, &bytes);
	manifest_free(m);
	return bytes;
}

static int prune_one(const struct store *store, const char *name, const time_t since[2],
                     struct store_pruned *ret, struct dd_err *err)
{
	bool tree = is_tree(name), room = strncmp(name, "arriving-", 9) == 0;
	if ((!tree && !room) || !is_over(store->fd, name, since[room]))
		return 0;
	uint64_t bytes = tree ? bytes_of(store->fd, name) : 0;
	int r = store_drop_room(store, name, err);
	if (r == 0 && tree) {
		ret->trees++;
		ret->bytes += bytes;
	}
	return r;
}

int store_prune(const struct store *store, unsigned days, struct store_pruned *ret,
                struct dd_err *err)
{
	const time_t now = time(NULL);
	const time_t since[2] = { days ? now - (time_t)days * DAY_SEC : now,
		                  days ? now - ARRIVING_SEC : now };
	int r = 0, own = fcntl(store->fd, F_DUPFD_CLOEXEC, 3);
	*ret = (struct store_pruned){ .trees = 0 };
	if (own < 0)
		return dd_err_set(err, errno, "read %s", store->path);
	if (days == 0 && flock(store->fd, LOCK_EX | LOCK_NB) < 0) {
		r = dd_err_say(
			err, EBUSY,
			"a run uses the actions in %s: say --days=N, which leaves what is in "
			"use, or wait for its end",
			store->path);
		(void)close(own);
		return r;
	}
	DIR *d = fdopendir(own);
	if (!d) {
		r = dd_err_set(err, errno, "read %s", store->path);
		(void)close(own);
		return r;
	}
	for (struct dirent *de; r == 0 && (de = readdir(d));)
		r = prune_one(store, de->d_name, since, ret, err);
	(void)closedir(d);
	return r;
}
