// SPDX-License-Identifier: Apache-2.0
/* inside_delivery.c - receives what the step runs, where and with which environment, and its secret
 * files, in the process about to exec and nowhere else.
 *
 * Runs in: the process that becomes the step, not dumpable: under all of its locks, or before them
 * when files come, which a capability has to seal. Every length is checked before it is used,
 * although the supervisor is believed. Files go to a ramfs of their own,
 * which is never swapped, and which turns read-only when they are there.
 */
#include "inside.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int read_all(int sock, void *buf, size_t len, struct dd_err *err)
{
	char *p = buf;
	while (len > 0) {
		ssize_t n = read(sock, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(err, errno, "read the delivery");
		if (n == 0)
			_exit(0); /* never released: the supervisor gave up, nothing to say */
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Each string has a byte at least, and two lists end with a NULL. */
enum { POINTERS_MAX = DELIVERY_MAX + 2 };

int inside_delivery_room(struct delivered *ret, struct dd_err *err)
{
	const size_t block = DELIVERY_MAX + 1, pointers = POINTERS_MAX * sizeof(*ret->envp);
	char *room = mmap(NULL, pointers + block, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return dd_err_set(err, errno, "room for the delivery");
	ret->envp = (char **)(void *)room;
	ret->block = room + pointers;
	return 0;
}

/* @n strings from *@at on; NULL before *@at is past @end: fewer came than were announced. */
static char **strings_split(char **list, uint32_t n, char **at, const char *end)
{
	for (uint32_t i = 0; i < n; i++) {
		if (*at >= end)
			return NULL;
		list[i] = *at;
		*at += strlen(*at) + 1;
	}
	list[n] = NULL;
	return list;
}

static int strings_read(int sock, const struct delivery_head *head, struct delivered *to,
                        struct dd_err *err)
{
	int r = read_all(sock, to->block, head->bytes, err);
	if (r < 0)
		return r;
	char *at = to->block, *end = to->block + head->bytes;
	*end = '\0';
	to->argv = to->envp + head->n_env + 1;
	if (!strings_split(to->envp, head->n_env, &at, end) ||
	    !strings_split(to->argv, head->n_argv, &at, end) || at >= end)
		return dd_err_say(err, EBADMSG, "delivery: %u and %u strings announced, fewer came",
		                  head->n_env, head->n_argv);
	to->workdir = at;
	return 0;
}

static int secret_write(int sock, int dir, const char *name, size_t len, struct dd_err *err)
{
	char chunk[4096];
	int r = 0;

	dd_auto_fd int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
	                           0400);
	if (fd < 0)
		return dd_err_set(err, errno, "credential file %s", name);
	while (r == 0 && len > 0) {
		size_t part = len < sizeof(chunk) ? len : sizeof(chunk);
		r = read_all(sock, chunk, part, err);
		if (r == 0 && write(fd, chunk, part) != (ssize_t)part)
			r = dd_err_set(err, errno, "credential file %s", name);
		len -= part;
	}
	explicit_bzero(chunk, sizeof(chunk));
	return r;
}

/* The file loses its name, and what is left of it is a descriptor that only reads: of a ramfs like
 * the others, so it is never swapped, as a memfd could be. */
static int secret_unname(int dir, const char *name, struct delivered *ret, struct dd_err *err)
{
	if (ret->n_fds == SANDBOX_FDS_MAX)
		return dd_err_say(err, E2BIG, "delivery: more than %d descriptors",
		                  SANDBOX_FDS_MAX);
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, INSIDE_FD_FLOOR + SANDBOX_FDS_MAX);
	if (high < 0 || unlinkat(dir, name, 0) < 0) {
		int r = dd_err_set(err, errno, "credential descriptor %s", name);
		dd_close_p(&high);
		return r;
	}
	ret->fd[ret->n_fds++] = high;
	return 0;
}

static int secret_read(int sock, int dir, struct delivered *ret, struct dd_err *err)
{
	struct delivery_file file;
	char name[DELIVERY_NAME_MAX + 1] = { 0 };

	int r = read_all(sock, &file, sizeof(file), err);
	if (r < 0)
		return r;
	if (file.name_len == 0 || file.name_len > DELIVERY_NAME_MAX ||
	    file.content_len > DELIVERY_MAX)
		return dd_err_say(err, EBADMSG,
		                  "delivery: a credential file's name or content is too long");
	r = read_all(sock, name, file.name_len, err);
	if (r < 0)
		return r;
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strlen(name) != file.name_len)
		return dd_err_say(err, EINVAL, "credential file name: must be one path component");
	r = secret_write(sock, dir, name, file.content_len, err);
	return r == 0 && file.unnamed ? secret_unname(dir, name, ret, err) : r;
}

static int credentials_open(struct dd_err *err)
{
	int dir = open(SANDBOX_CREDENTIALS_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? dd_err_set(err, errno, "%s", SANDBOX_CREDENTIALS_DIR) : dir;
}

static int credentials_seal(int dir, struct dd_err *err)
{
	if (fchmodat(dir, ".", 0500, 0) < 0)
		return dd_err_set(err, errno, "mode of %s", SANDBOX_CREDENTIALS_DIR);
	return mnt_set(dir, "",
	               MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	               err);
}

/* Mounted at build time (inside_own.c): by now max_mnt_namespaces is 0, and the kernel counts a
 * detached mount as one. It turns read-only also when nothing will come, or a step could fill
 * memory through it. */
int inside_seal_credentials(struct dd_err *err)
{
	dd_auto_fd int dir = credentials_open(err);
	return dir < 0 ? dir : credentials_seal(dir, err);
}

static int secrets_read(int sock, uint32_t n, struct delivered *ret, struct dd_err *err)
{
	dd_auto_fd int dir = credentials_open(err);
	int r = dir < 0 ? dir : 0;

	for (uint32_t i = 0; r == 0 && i < n; i++)
		r = secret_read(sock, dir, ret, err);
	return r < 0 ? r : credentials_seal(dir, err);
}

int inside_delivery(int sock, bool files, struct delivered *ret, struct dd_err *err)
{
	struct delivery_head head;
	int r = read_all(sock, &head, sizeof(head), err);
	if (r < 0)
		return r;
	if (head.magic != DELIVERY_MAGIC || head.bytes > DELIVERY_MAX || head.n_argv == 0 ||
	    head.n_env > head.bytes || head.n_argv > head.bytes - head.n_env ||
	    head.n_files > DELIVERY_FILES_MAX || (head.n_files && !files))
		return dd_err_say(err, EBADMSG, "delivery: not in the expected form or too long");
	r = strings_read(sock, &head, ret, err);
	return r < 0 || !files ? r : secrets_read(sock, head.n_files, ret, err);
}
