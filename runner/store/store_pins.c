// SPDX-License-Identifier: Apache-2.0
/* store_pins.c - see store_pins.h. Runs in: job host. One file a commit, written beside its place
 * and linked there: whoever comes second finds the first one's word. */
#include "store_pins.h"

#include "drydock/fd.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PINS "pins"

/* "owner,repo@commit": no name of a repository has a comma. */
static void name_of(const char *repository, const char *commit, char ret[300])
{
	(void)snprintf(ret, 300, "%.205s@%.64s", repository, commit);
	for (char *p = ret; *p; p++)
		*p = (char)(*p == '/' ? ',' : tolower((unsigned char)*p));
}

static int open_pins(const struct store *store, int *ret, struct dd_err *err)
{
	if (mkdirat(store->fd, PINS, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s/" PINS, store->path);
	*ret = openat(store->fd, PINS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? dd_err_set(err, errno, "open %s/" PINS, store->path) : 0;
}

static int remember(int pins, const char *name, const char sha256[65], struct dd_err *err)
{
	char beside[40];
	int r = 0;

	(void)snprintf(beside, sizeof(beside), ".%d", (int)getpid());
	(void)unlinkat(pins, beside, 0);
	dd_auto_fd int fd = openat(pins, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || dprintf(fd, "%s", sha256) != 64 || fsync(fd) < 0 ||
	    (linkat(pins, beside, pins, name, 0) < 0 && errno != EEXIST))
		r = dd_err_set(err, errno ? errno : EIO, "remember an action");
	(void)unlinkat(pins, beside, 0);
	return r;
}

int store_pin(const struct store *store, const char *repository, const char *commit,
              const char sha256[65], struct dd_err *err)
{
	dd_auto_fd int pins = -1;
	char name[300], known[65] = "";
	int r = open_pins(store, &pins, err);

	if (r < 0)
		return r;
	name_of(repository, commit, name);
	dd_auto_fd int fd = openat(pins, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return remember(pins, name, sha256, err);
	ssize_t n = fd < 0 ? -1 : pread(fd, known, 64, 0);
	if (n < 0)
		return dd_err_set(err, errno, "read %s/" PINS "/%s", store->path, name);
	if (strncmp(known, sha256, 65) == 0)
		return 0;
	return dd_err_say(
		err, EACCES,
		"the files that are said to be commit %.64s are others than when this host "
		"saw it first (sha256 %.64s now, %.64s then); if that has a good reason, "
		"remove %s/" PINS "/%s",
		commit, sha256, known, store->path, name);
}
