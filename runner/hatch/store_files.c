// SPDX-License-Identifier: Apache-2.0
/* store_files.c - reads and writes one directory of the store.
 *
 * Runs in: storekeeper, supervisor and command line. The directory is this user's own, 0700, and no
 * step ever sees it; keys and versions in it were written by steps, so they are data and never
 * names of files. */
#include "store_files.h"

#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { META_MAX = 12 * 1024 };

static int chance_hex(char *ret, size_t bytes)
{
	unsigned char chance[16];
	if (bytes > sizeof(chance) || getrandom(chance, bytes, 0) != (ssize_t)bytes)
		return -EIO;
	for (size_t i = 0; i < bytes; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", chance[i]);
	return 0;
}

static void entry_name(const struct store_entry *e, const char *ending, char ret[40])
{
	(void)snprintf(ret, 40, "%c-%s.%s", e->kind, e->id, ending);
}

int store_lock_dir(int dir, bool exclusive, int *ret_fd, struct dd_err *err)
{
	dd_auto_fd int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dd_err_set(err, errno, "open the lock of the store");
	while (flock(fd, exclusive ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return dd_err_set(err, errno, "lock the store");
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

/* ---- what is known of an entry ---- */

static bool meta_text(const json_t *root, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(root, name));
	return text && snprintf(ret, size, "%s", text) < (int)size;
}

static bool meta_number(const json_t *root, const char *name, int64_t *ret)
{
	const json_t *v = json_object_get(root, name);
	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= 0;
}

static bool meta_read(const json_t *root, struct store_entry *e)
{
	int64_t size = 0, number = 0;
	bool ok = meta_text(root, "key", e->key, sizeof(e->key)) &&
	          meta_text(root, "version", e->version, sizeof(e->version)) &&
	          meta_text(root, "scope", e->scope, sizeof(e->scope)) &&
	          meta_text(root, "sha256", e->sha256, sizeof(e->sha256)) &&
	          meta_text(root, "mime", e->mime, sizeof(e->mime)) &&
	          meta_text(root, "run", e->run, sizeof(e->run)) &&
	          meta_text(root, "job", e->job, sizeof(e->job)) &&
	          meta_text(root, "step", e->step, sizeof(e->step)) &&
	          meta_number(root, "size", &size) && meta_number(root, "number", &number) &&
	          meta_number(root, "created", &e->created);
	/* anything but a plain `true` is not trusted */
	e->trusted = json_is_true(json_object_get(root, "trusted"));
	if (!meta_text(root, "stamp", e->stamp, sizeof(e->stamp)))
		e->stamp[0] = '\0';
	if (ok) {
		e->size = (uint64_t)size;
		e->number = (uint64_t)number;
	}
	return ok;
}

static bool entry_load(int dir, const char *name, struct store_entry *e)
{
	char text[META_MAX];
	struct stat st;
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n <= 0 || n == (ssize_t)sizeof(text) || fstat(fd, &st) < 0)
		return false;
	json_t *root = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	bool ok = meta_read(root, e);
	json_decref(root);
	e->used = (int64_t)st.st_mtim.tv_sec;
	e->kind = name[0];
	memcpy(e->id, name + 2, sizeof(e->id) - 1);
	return ok;
}

static bool is_meta(const char *name, char kind)
{
	return name[0] == kind && name[1] == '-' &&
	       strspn(name + 2, "0123456789abcdef") == STORE_ID - 1 &&
	       strcmp(name + 2 + STORE_ID - 1, ".json") == 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;
	return x->created != y->created ? (x->created < y->created ? 1 : -1)
	       : x->number != y->number ? (x->number < y->number ? 1 : -1)
	                                : strcmp(x->id, y->id);
}

static DIR *open_again(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		dd_close(fd);
	return d;
}

int store_scan(int dir, char kind, struct store_list *ret, struct dd_err *err)
{
	struct store_list list = { NULL, 0 };
	DIR *d = open_again(dir);
	int r = d ? 0 : dd_err_set(err, errno, "read the store");

	for (struct dirent *de; r == 0 && (de = readdir(d));) {
		if (!is_meta(de->d_name, kind))
			continue;
		if ((list.n & (list.n - 1)) == 0) {
			void *more = reallocarray(list.entries, list.n ? 2 * list.n : 1,
			                          sizeof(*list.entries));
			if (!more || list.n >= STORE_ENTRIES_MAX) {
				free(more ? more : list.entries);
				list.entries = NULL;
				r = dd_err_say(err, E2BIG, "more than %d entries in the store",
				               STORE_ENTRIES_MAX);
				break;
			}
			list.entries = more;
		}
		list.entries[list.n] = (struct store_entry){ .kind = kind };
		list.n += entry_load(dir, de->d_name, &list.entries[list.n]);
	}
	if (d)
		(void)closedir(d);
	if (r == 0 && list.n)
		qsort(list.entries, list.n, sizeof(*list.entries), newest_first);
	if (r == 0)
		*ret = list;
	return r;
}

void store_list_done(struct store_list *list)
{
	free(list->entries);
	*list = (struct store_list){ NULL, 0 };
}

/* ---- putting in ---- */

int store_incoming(int dir, char ret[32], int *ret_fd, struct dd_err *err)
{
	char chance[17];
	if (chance_hex(chance, 8) < 0)
		return dd_err_set(err, EIO, "name an upload");
	(void)snprintf(ret, 32, "in-%s", chance);
	dd_auto_fd int fd = openat(dir, ret, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	                           0600);
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
		return dd_err_set(err, errno, "make a file in the store");
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int meta_write(int dir, const struct store_entry *e, struct dd_err *err)
{
	char name[40], in[32];
	dd_auto_fd int fd = -1;
	json_t *root = json_pack("{s:s,s:s,s:s,s:b,s:I,s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:s}", "key",
	                         e->key, "version", e->version, "scope", e->scope, "trusted",
	                         (int)e->trusted, "size", (json_int_t)e->size, "sha256", e->sha256,
	                         "mime", e->mime, "number", (json_int_t)e->number, "created",
	                         (json_int_t)e->created, "run", e->run, "job", e->job, "step",
	                         e->step, "stamp", e->stamp);
	dd_auto_free char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return dd_err_say(err, EINVAL, "an entry of the store is no text");
	int r = store_incoming(dir, in, &fd, err);
	if (r < 0)
		return r;
	size_t len = strlen(text);
	entry_name(e, "json", name);
	if (write(fd, text, len) != (ssize_t)len || renameat(dir, in, dir, name) < 0) {
		r = dd_err_set(err, errno ? errno : EIO, "write an entry of the store");
		(void)unlinkat(dir, in, 0);
	}
	return r;
}

static void stamp_of(const struct stat *st, char ret[STORE_STAMP])
{
	(void)snprintf(ret, STORE_STAMP, "%llx.%llx.%lld.%09ld", (unsigned long long)st->st_dev,
	               (unsigned long long)st->st_ino, (long long)st->st_ctim.tv_sec,
	               (long)st->st_ctim.tv_nsec);
}

int store_publish(int dir, const char *incoming, struct store_entry *e, struct dd_err *err)
{
	char blob[40];
	if (chance_hex(e->id, (STORE_ID - 1) / 2) < 0)
		return dd_err_set(err, EIO, "name an entry");
	entry_name(e, "blob", blob);
	if (renameat(dir, incoming, dir, blob) < 0)
		return dd_err_set(err, errno, "put an entry into the store");
	struct stat st;
	e->stamp[0] = '\0';
	if (fstatat(dir, blob, &st, AT_SYMLINK_NOFOLLOW) == 0)
		stamp_of(&st, e->stamp);
	int r = meta_write(dir, e, err);
	if (r < 0)
		(void)unlinkat(dir, blob, 0);
	return r;
}

int store_open_blob(int dir, const struct store_entry *e, int *ret_fd, struct dd_err *err)
{
	char name[40];
	struct stat st;
	entry_name(e, "blob", name);
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "open an entry of the store");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size)
		return dd_err_say(err, EIO, "an entry of the store is not of its size");
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

int store_digest(struct digest *digest, int fd, uint64_t *ret_size, char ret_hex[65],
                 struct dd_err *err)
{
	static char bytes[1 << 20];
	uint64_t size = 0;
	ssize_t n = 0;
	int r = digest_start(digest, err);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while (r == 0 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		r = digest_update(digest, bytes, (size_t)n, err);
		size += (uint64_t)n;
	}
	if (r == 0 && n < 0)
		r = dd_err_set(err, errno, "read a file of the store");
	if (r == 0)
		r = digest_hex(digest, ret_hex, err);
	if (r == 0)
		*ret_size = size;
	return r;
}

int store_open_same(int dir, const struct store_entry *e, struct digest *digest, int *ret_fd,
                    struct dd_err *err)
{
	char hex[65] = "";
	uint64_t size = 0;
	dd_auto_fd int fd = -1;
	int r = store_open_blob(dir, e, &fd, err);
	if (r == 0)
		r = store_digest(digest, fd, &size, hex, err);
	if (r == 0 && (size != e->size || strcmp(hex, e->sha256) != 0))
		r = dd_err_say(err, EBADMSG, "%.100s is not what was put in: its digest differs",
		               e->key);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = dd_err_set(err, errno, "read a file of the store");
	if (r == 0)
		*ret_fd = dd_take_fd(&fd);
	return r;
}

int store_open_kept(int dir, const struct store_entry *e, struct digest *digest, int *ret_fd,
                    struct dd_err *err)
{
	char stamp[STORE_STAMP] = "";
	struct stat st;
	dd_auto_fd int fd = -1;
	int r = store_open_blob(dir, e, &fd, err);
	if (r == 0 && fstat(fd, &st) == 0)
		stamp_of(&st, stamp);
	if (r < 0 || !e->stamp[0] || strcmp(stamp, e->stamp) != 0)
		return store_open_same(dir, e, digest, ret_fd, err);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

void store_touch(int dir, const struct store_entry *e)
{
	char name[40];
	entry_name(e, "json", name);
	(void)utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW);
}

int store_remove(int dir, const struct store_entry *e, struct dd_err *err)
{
	char json[40], blob[40];
	entry_name(e, "json", json);
	entry_name(e, "blob", blob);
	if (unlinkat(dir, json, 0) < 0 || (unlinkat(dir, blob, 0) < 0 && errno != ENOENT))
		return dd_err_set(err, errno, "remove an entry of the store");
	return 0;
}

/* ---- what the dead left ---- */

static bool is_abandoned(int dir, const char *name)
{
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool is_orphan(int dir, const char *name)
{
	char json[40];
	struct stat st;
	size_t len = strlen(name);
	if ((name[0] != 'c' && name[0] != 'a') || len != 2 + STORE_ID - 1 + 5 ||
	    strcmp(name + len - 5, ".blob") != 0)
		return false;
	(void)snprintf(json, sizeof(json), "%.*s.json", (int)(len - 5), name);
	return fstatat(dir, json, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int store_sweep(int dir, struct dd_err *err)
{
	DIR *d = open_again(dir);
	if (!d)
		return dd_err_set(err, errno, "read the store");
	for (struct dirent *de; (de = readdir(d));)
		if (strncmp(de->d_name, "in-", 3) == 0 ? is_abandoned(dir, de->d_name)
		                                       : is_orphan(dir, de->d_name))
			(void)unlinkat(dir, de->d_name, 0);
	(void)closedir(d);
	return 0;
}
