// SPDX-License-Identifier: Apache-2.0
/* store_archive.c - an archive, as forges hand out repositories: one folder at its top, files and
 * links in it.
 *
 * Runs in: the reader, locked, but for the last function. libarchive takes it apart; it is loaded
 * here and nowhere else, since it brings a dozen libraries along. What it must not have is looked
 * for on the other side (store_stream.c); here only the folder is taken off. */
#include "store_read.h"

#include "store_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 8192 };
/* How much larger than the archive its files may be: text shrinks to a tenth. */
enum { RATIO_MAX = 200 };
#define SMALL_BYTES (64ULL << 20)

#define ARCHIVE_CALLS(X)                                                                           \
	X(archive_read_new)                                                                        \
	X(archive_read_support_filter_gzip)                                                        \
	X(archive_read_support_format_tar)                                                         \
	X(archive_read_support_format_zip)                                                         \
	X(archive_read_open_fd)                                                                    \
	X(archive_read_next_header)                                                                \
	X(archive_read_data)                                                                       \
	X(archive_error_string)                                                                    \
	X(archive_entry_pathname)                                                                  \
	X(archive_entry_pathname_utf8)                                                             \
	X(archive_entry_symlink)                                                                   \
	X(archive_entry_symlink_utf8)                                                              \
	X(archive_entry_hardlink)                                                                  \
	X(archive_entry_filetype)                                                                  \
	X(archive_entry_perm)                                                                      \
	X(archive_entry_size)                                                                      \
	X(archive_entry_size_is_set)

static struct {
#define MEMBER(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses) */
	ARCHIVE_CALLS(MEMBER)
#undef MEMBER
} lib;

static int load(struct dd_err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} calls[] = {
#define ROW(name) { #name, offsetof(__typeof__(lib), name) },
		ARCHIVE_CALLS(ROW)
#undef ROW
	};
	void *handle = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return dd_err_say(err, ENOENT,
		                  "libarchive cannot be loaded, and without it no archive can be "
		                  "unpacked: install it (package libarchive13)");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		void *call = dlsym(handle, calls[i].name);
		if (!call)
			return dd_err_say(err, ENOSYS, "libarchive.so.13 has no %s", calls[i].name);
		memcpy((char *)&lib + calls[i].at, &call, sizeof(call));
	}
	return 0;
}

struct unpacking {
	struct archive *archive;
	int out;
	char top[256]; /* the folder that all lies in, with a slash; "": none was seen yet */
	struct dd_err *err;
};

/* @name without the folder at the top; NULL: it is that folder itself. */
static int without_top(struct unpacking *u, const char *name, const char **ret)
{
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	*ret = NULL;
	if (!name[0] || strcmp(name, ".") == 0)
		return 0; /* what the folder lies in */
	size_t len = strcspn(name, "/");
	if (!u->top[0] && len > 0 && len + 2 < sizeof(u->top))
		(void)snprintf(u->top, sizeof(u->top), "%.*s/", (int)len, name);
	if (len + 1 != strlen(u->top) || strncmp(name, u->top, len) != 0)
		return dd_err_say(u->err, EBADMSG,
		                  "entry `%.100s` lies beside the one folder that an archive of a "
		                  "repository has",
		                  name);
	name += len;
	name += *name == '/';
	*ret = *name ? name : NULL;
	return 0;
}

static int say_file(struct unpacking *u, struct archive_entry *e, const char *path)
{
	char block[BLOCK];
	int64_t left = lib.archive_entry_size_is_set(e) ? lib.archive_entry_size(e) : -1;

	if (left < 0)
		return dd_err_say(u->err, EBADMSG, "entry `%.100s` does not say how long it is",
		                  path);
	if (store_say(u->out, STORE_FILE, lib.archive_entry_perm(e), path, (uint64_t)left) < 0)
		return -EPIPE;
	while (left > 0) {
		size_t room = left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t n = lib.archive_read_data(u->archive, block, room);
		if (n <= 0) {
			/* what was announced must come: the other side ends by the end of the pipe
			 */
			return dd_err_say(u->err, EBADMSG, "entry `%.100s` is cut off", path);
		}
		if (store_say_bytes(u->out, block, (size_t)n) < 0)
			return -EPIPE;
		left -= n;
	}
	return 0;
}

static int say_link(struct unpacking *u, struct archive_entry *e, const char *path)
{
	const char *target = lib.archive_entry_symlink_utf8(e);
	if (!target)
		target = lib.archive_entry_symlink(e);
	size_t len = target ? strlen(target) : 0;
	return store_say(u->out, STORE_LINK, 0, path, len) < 0 ||
	                       store_say_bytes(u->out, target ? target : "", len) < 0
	               ? -EPIPE
	               : 0;
}

static int say_entry(struct unpacking *u, struct archive_entry *e)
{
	const char *name = lib.archive_entry_pathname_utf8(e), *path = NULL;
	char trimmed[STORE_PATH_MAX + 1];

	if (!name)
		name = lib.archive_entry_pathname(e);
	if (!name)
		return dd_err_say(u->err, EBADMSG, "an entry has no name");
	int r = without_top(u, name, &path);
	if (r < 0 || !path)
		return r;
	size_t len = strlen(path);
	if (len > STORE_PATH_MAX)
		return dd_err_say(u->err, EBADMSG, "entry `%.100s...` has too long a name", path);
	(void)snprintf(trimmed, sizeof(trimmed), "%.*s",
	               (int)(path[len - 1] == '/' ? len - 1 : len), path);
	if (lib.archive_entry_hardlink(e))
		return dd_err_say(u->err, EBADMSG,
		                  "entry `%.100s` is a second name of another file", trimmed);
	switch (lib.archive_entry_filetype(e)) {
	case AE_IFREG:
		return say_file(u, e, trimmed);
	case AE_IFDIR:
		return store_say(u->out, STORE_DIR, 0, trimmed, 0);
	case AE_IFLNK:
		return say_link(u, e, trimmed);
	default:
		return dd_err_say(u->err, EBADMSG, "entry `%.100s` is a device, a FIFO or a socket",
		                  trimmed);
	}
}

static int read_archive(const struct store_reader *reader, int out, struct dd_err *err)
{
	struct unpacking u = { .archive = lib.archive_read_new(), .out = out, .err = err };
	struct archive_entry *entry = NULL;
	int code, r = 0;

	if (!u.archive || lib.archive_read_support_filter_gzip(u.archive) < ARCHIVE_WARN ||
	    lib.archive_read_support_format_tar(u.archive) != ARCHIVE_OK ||
	    lib.archive_read_support_format_zip(u.archive) < ARCHIVE_WARN)
		return dd_err_say(err, ENOMEM, "libarchive cannot begin");
	if (lib.archive_read_open_fd(u.archive, reader->file_fd, BLOCK) != ARCHIVE_OK)
		return dd_err_say(err, EBADMSG, "no archive: %.200s",
		                  lib.archive_error_string(u.archive));
	while (r == 0 && (code = lib.archive_read_next_header(u.archive, &entry)) != ARCHIVE_EOF) {
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return dd_err_say(err, EBADMSG, "no archive, or a damaged one: %.200s",
			                  lib.archive_error_string(u.archive));
		r = say_entry(&u, entry);
	}
	if (r == 0 && !u.top[0])
		return dd_err_say(err, EBADMSG, "an archive with nothing in it");
	return r; /* the process ends: nothing is freed */
}

int store_read_archive(int dir_fd, int file_fd, int to_fd, struct store_took *took,
                       struct dd_err *err)
{
	const struct store_reader reader = {
		.dir_fd = dir_fd, .file_fd = file_fd, .load = load, .read = read_archive
	};
	struct stat st;

	if (fstat(file_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dd_err_say(err, EINVAL, "the archive is not a regular file");
	uint64_t most = SMALL_BYTES + (uint64_t)st.st_size * RATIO_MAX;
	took->bytes_max = most < STORE_BYTES_MAX ? most : STORE_BYTES_MAX;
	return store_reader_run(&reader, to_fd, took, err);
}
