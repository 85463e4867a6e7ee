// SPDX-License-Identifier: Apache-2.0
/* archive_unpack.c - see archive.h.
 *
 * Runs in: step. Names are hostile: each is looked at before anything is made, directories are
 * entered one after the other and never through a link, and what comes out is counted as it
 * comes, whatever an entry says of its size. */
#include "archive_io.h"

#include "base/arena.h"
#include "drydock/fd.h"
#include "tree/workspace.h"

#include <fcntl.h>
#include <limits.h>
#include <minizip/unzip.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, UNIX = 3, ENCRYPTED = 1, EXTRA_MAX = 4096, TIMES = 0x5455 };

struct dir_mode {
	const char *path;
	mode_t mode;
};

struct unpacking {
	int to;
	unzFile zip;
	uint64_t bytes_max;
	struct archive_counts *counts;
	struct plan_arena *arena;
	void *names;            /* of all entries so far (tsearch) */
	struct dir_mode *modes; /* of directories, put on when everything is in them */
	size_t n_modes;
	char last[PATH_MAX]; /* the directory that the last entry lay in, and it opened */
	int last_fd;
	char *chunk;
	struct dd_err *err;
};

struct zip_item {
	char path[ARCHIVE_PATH_MAX + 1];
	unz_file_info64 info;
	mode_t mode; /* whole, as of stat(2) */
	struct timespec mtime;
};

static int bad(const struct unpacking *u, const char *path, const char *what)
{
	return dd_err_say(u->err, EBADMSG, "entry `%.200s` %s", path, what);
}

/* ---- names ---- */

static int check_name(const struct unpacking *u, const char *path)
{
	size_t depth = 0;
	if (!*path || *path == '/')
		return bad(u, path, "has no name, or an absolute one");
	for (const char *at = path; *at; at += *at == '/') {
		size_t n = strcspn(at, "/");
		if (n == 0 || n > NAME_MAX || (n == 1 && at[0] == '.') ||
		    (n == 2 && at[0] == '.' && at[1] == '.'))
			return bad(u, path, "has a part that no name may have");
		if (++depth > ARCHIVE_DEPTH_MAX)
			return bad(u, path, "lies too deep");
		at += n;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int check_once(struct unpacking *u, const char *path)
{
	char *own = arena_strdup(u->arena, path);
	char **found = tsearch(own, &u->names, compare);
	if (!found)
		return dd_err_set(u->err, ENOMEM, "remember a name");
	return *found == own ? 0 : bad(u, path, "is there twice");
}

/* ---- where it goes ---- */

static int enter(int at, const char *name)
{
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The directory of @path, made as far as it is missing, borrowed; @ret_name: its last part. */
static int parent_of(struct unpacking *u, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	*ret_name = slash ? slash + 1 : path;
	if (u->last_fd >= 0 && strlen(u->last) == len && strncmp(u->last, path, len) == 0)
		return u->last_fd;
	int at = fcntl(u->to, F_DUPFD_CLOEXEC, 3);
	for (size_t from = 0; at >= 0 && from < len;) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(path + from, "/");
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, path + from);
		int next = enter(at, name);
		int code = errno;
		dd_close(at);
		errno = code;
		at = next;
		from += n + 1;
	}
	if (at < 0)
		return errno == ENOTDIR || errno == ELOOP
		               ? bad(u, path, "lies behind a link, or what is no directory")
		               : dd_err_set(u->err, errno, "make the directory of %.200s", path);
	dd_close(u->last_fd);
	u->last_fd = at;
	(void)snprintf(u->last, sizeof(u->last), "%.*s", (int)len, path);
	return at;
}

/* What lies there makes room, but for a directory. */
static int clear_place(const struct unpacking *u, int dir, const char *name, const char *path)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? bad(u, path, "would take the place of a directory")
	                       : dd_err_set(u->err, errno, "replace %.200s", path);
}

/* ---- entries ---- */

/* The next bytes of the entry at hand; 0: there are no more. */
static int take(struct unpacking *u, const char *path, size_t most)
{
	int n = unzReadCurrentFile(u->zip, u->chunk, (unsigned)most);
	if (n < 0)
		return bad(u, path,
		           "cannot be read: it is damaged, or of a method that is not "
		           "known");
	if ((uint64_t)n > u->bytes_max - u->counts->bytes)
		return dd_err_say(u->err, EFBIG,
		                  "more than %llu bytes would come out of it (at `%.200s`)",
		                  (unsigned long long)u->bytes_max, path);
	u->counts->bytes += (uint64_t)n;
	return n;
}

static int put(const struct unpacking *u, int fd, size_t len, const char *path)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, u->chunk + done, len - done);
		if (n < 0 && errno != EINTR)
			return dd_err_set(u->err, errno, "write %.200s", path);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int unpack_file(struct unpacking *u, const struct zip_item *e)
{
	const char *name;
	const struct timespec times[2] = { e->mtime, e->mtime };
	int dir = parent_of(u, e->path, &name), n;
	int r = dir < 0 ? dir : clear_place(u, dir, name, e->path);
	if (r < 0)
		return r;
	dd_auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                           0600);
	if (fd < 0)
		return dd_err_set(u->err, errno, "make %.200s", e->path);
	while (r == 0 && (n = take(u, e->path, CHUNK)) != 0)
		r = n < 0 ? n : put(u, fd, (size_t)n, e->path);
	if (r == 0 && (fchmod(fd, e->mode & 0777) < 0 || futimens(fd, times) < 0))
		r = dd_err_set(u->err, errno, "finish %.200s", e->path);
	return r;
}

static int unpack_link(struct unpacking *u, const struct zip_item *e)
{
	const char *name;
	const struct timespec times[2] = { e->mtime, e->mtime };
	int n = take(u, e->path, ARCHIVE_PATH_MAX + 1);
	if (n < 0)
		return n;
	if (n == 0 || n > ARCHIVE_PATH_MAX || memchr(u->chunk, 0, (size_t)n))
		return bad(u, e->path, "is a link to nowhere");
	u->chunk[n] = '\0';
	int dir = parent_of(u, e->path, &name);
	int r = dir < 0 ? dir : clear_place(u, dir, name, e->path);
	if (r < 0)
		return r;
	if (symlinkat(u->chunk, dir, name) < 0)
		return dd_err_set(u->err, errno, "make the link %.200s", e->path);
	(void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int unpack_dir(struct unpacking *u, const struct zip_item *e)
{
	const char *name;
	int dir = parent_of(u, e->path, &name);
	if (dir < 0)
		return dir;
	dd_auto_fd int fd = enter(dir, name);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP
		               ? bad(u, e->path, "is a directory where something else lies")
		               : dd_err_set(u->err, errno, "make the directory %.200s", e->path);
	u->modes = arena_grow(u->arena, u->modes, u->n_modes, sizeof(*u->modes));
	u->modes[u->n_modes++] = (struct dir_mode){ arena_strdup(u->arena, e->path),
		                                    e->mode & 0777 };
	return 0;
}

/* Info-ZIP's field of times: flags, then seconds since 1970. */
static bool extra_time(const unsigned char *extra, size_t len, time_t *ret)
{
	while (len >= 4) {
		size_t id = extra[0] | (size_t)extra[1] << 8, n = extra[2] | (size_t)extra[3] << 8;
		if (n > len - 4)
			return false;
		if (id == TIMES && n >= 5 && (extra[4] & 1)) {
			*ret = (time_t)(int32_t)((uint32_t)extra[5] | (uint32_t)extra[6] << 8 |
			                         (uint32_t)extra[7] << 16 |
			                         (uint32_t)extra[8] << 24);
			return true;
		}
		extra += 4 + n;
		len -= 4 + n;
	}
	return false;
}

static void read_time(struct zip_item *e, const unsigned char *extra, size_t len)
{
	struct tm tm = { .tm_sec = (int)e->info.tmu_date.tm_sec,
		         .tm_min = (int)e->info.tmu_date.tm_min,
		         .tm_hour = (int)e->info.tmu_date.tm_hour,
		         .tm_mday = (int)e->info.tmu_date.tm_mday,
		         .tm_mon = (int)e->info.tmu_date.tm_mon,
		         .tm_year = (int)e->info.tmu_date.tm_year - 1900 };
	time_t when = 0;
	e->mtime = (struct timespec){ .tv_sec = extra_time(extra, len, &when) ? when
		                                                              : timegm(&tm) };
}

/* Its kind and mode: of a Unix as it says, of any other system by its name. */
static int read_mode(const struct unpacking *u, struct zip_item *e)
{
	size_t len = strlen(e->path);
	bool slash = len > 0 && e->path[len - 1] == '/';
	mode_t mode = e->info.version >> 8 == UNIX ? (mode_t)(e->info.external_fa >> 16) : 0;
	if ((mode & S_IFMT) == 0)
		mode |= slash ? S_IFDIR : S_IFREG;
	if ((mode & 07777) == 0)
		mode |= slash ? 0755 : 0644;
	if (slash != S_ISDIR(mode))
		return bad(u, e->path, "is a directory by its name or by its kind, not by both");
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return bad(u, e->path, "is a device, a FIFO or a socket");
	if (slash)
		e->path[len - 1] = '\0';
	e->mode = mode;
	return 0;
}

static int read_entry(struct unpacking *u, struct zip_item *e)
{
	unsigned char extra[EXTRA_MAX];
	if (unzGetCurrentFileInfo64(u->zip, &e->info, e->path, sizeof(e->path), extra,
	                            sizeof(extra), NULL, 0) != UNZ_OK)
		return dd_err_say(u->err, EBADMSG, "no archive, or a damaged one");
	if (e->info.size_filename > ARCHIVE_PATH_MAX)
		return bad(u, "...", "has too long a name");
	if (strlen(e->path) != e->info.size_filename)
		return bad(u, e->path, "has a NUL in its name");
	if (e->info.flag & ENCRYPTED)
		return bad(u, e->path, "is encrypted");
	size_t len = e->info.size_file_extra < sizeof(extra) ? e->info.size_file_extra
	                                                     : sizeof(extra);
	read_time(e, extra, len);
	int r = read_mode(u, e);
	if (r == 0)
		r = check_name(u, e->path);
	return r == 0 ? check_once(u, e->path) : r;
}

static int unpack_entry(struct unpacking *u)
{
	static struct zip_item e;
	int r = read_entry(u, &e);
	if (r < 0)
		return r;
	if (++u->counts->entries > ARCHIVE_ENTRIES_MAX)
		return dd_err_say(u->err, EFBIG, "more than %d entries", ARCHIVE_ENTRIES_MAX);
	if (path_in_git_dir(e.path)) {
		u->counts->left_out++;
		return 0;
	}
	if (S_ISDIR(e.mode))
		return unpack_dir(u, &e);
	if (unzOpenCurrentFile(u->zip) != UNZ_OK)
		return bad(u, e.path, "is damaged, or of a method that is not known");
	r = S_ISLNK(e.mode) ? unpack_link(u, &e) : unpack_file(u, &e);
	int closed = unzCloseCurrentFile(u->zip);
	return r == 0 && closed != UNZ_OK ? bad(u, e.path, "is not what its sum says") : r;
}

/* From the last to the first: what lies in a directory that nobody may enter comes before it. */
static int put_modes(struct unpacking *u)
{
	int r = 0;
	for (size_t i = u->n_modes; r == 0 && i-- > 0;) {
		const char *name;
		dd_close_p(&u->last_fd);
		int dir = parent_of(u, u->modes[i].path, &name);
		if (dir < 0)
			return dir;
		dd_auto_fd int fd = openat(dir, name,
		                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchmod(fd, u->modes[i].mode) < 0)
			r = dd_err_set(u->err, errno, "finish %.200s", u->modes[i].path);
	}
	return r;
}

static void keep_name(void *name)
{
	(void)name; /* the arena's */
}

int archive_unpack(const struct archive_region *from, int dir, uint64_t bytes_max,
                   struct archive_counts *counts, struct dd_err *err)
{
	struct archive_io io = { .fd = from->fd, .at = from->at, .len = from->len };
	struct unpacking u = { .to = dir,
		               .bytes_max = bytes_max,
		               .counts = counts,
		               .arena = arena_new(),
		               .last_fd = -1,
		               .chunk = malloc(CHUNK),
		               .err = err };
	zlib_filefunc64_def calls;
	int r = u.chunk ? 0 : dd_err_set(err, ENOMEM, "unpack");
	archive_io_calls(&io, &calls);
	u.zip = unzOpen2_64("", &calls);
	if (r == 0 && !u.zip)
		r = dd_err_say(err, EBADMSG, "no zip archive");
	for (int at = r == 0 ? unzGoToFirstFile(u.zip) : UNZ_OK;
	     r == 0 && at != UNZ_END_OF_LIST_OF_FILE;) {
		if (at != UNZ_OK)
			r = dd_err_say(err, EBADMSG, "no archive, or a damaged one");
		else if ((r = unpack_entry(&u)) == 0)
			at = unzGoToNextFile(u.zip);
	}
	if (r == 0)
		r = put_modes(&u);
	if (u.zip)
		(void)unzClose(u.zip);
	dd_close(u.last_fd);
	tdestroy(u.names, keep_name);
	free(u.chunk);
	arena_free(u.arena);
	return r;
}
