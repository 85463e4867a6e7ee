// SPDX-License-Identifier: Apache-2.0
/* store_stream.c - see store_stream.h. Runs in: command line; store_say() in the reader that it
 * forks. */
#include "store_stream.h"

#include "base/arena.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "tree/git_object.h"

#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct head {
	uint32_t kind, mode;
	uint64_t size;
	uint32_t path_len, none;
};

enum { COMMIT_MAX = 1024 * 1024, ERROR_MAX = 400, CHUNK = 8192 };

/* ---- saying ---- */

int store_say_bytes(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int store_say(int fd, enum store_kind kind, unsigned mode, const char *path, uint64_t size)
{
	const struct head head = {
		.kind = kind, .mode = mode, .size = size, .path_len = (uint32_t)strlen(path)
	};
	int r = store_say_bytes(fd, &head, sizeof(head));
	return r < 0 ? r : store_say_bytes(fd, path, head.path_len);
}

/* ---- writing ---- */

struct writing {
	int from, to;
	struct store_took *took;
	struct plan_arena *arena;
	struct git_entry *entries;
	size_t n, cap;
	void *names; /* of all entries, in one case */
	uint64_t bytes, bytes_max;
	struct dd_err *err;
};

__attribute__((format(printf, 3, 4))) static int bad(struct writing *w, const char *path,
                                                     const char *fmt, ...)
{
	char why[160], shown[TEXT_ESCAPE_MAX * 120 + 1];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	(void)text_escape(shown, path, strnlen(path, 120));
	return dd_err_say(w->err, EBADMSG, "entry `%.200s` %s", shown, why);
}

static int take_bytes(struct writing *w, void *buf, size_t len)
{
	char *at = buf;
	while (len > 0) {
		ssize_t n = read(w->from, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dd_err_say(
				w->err, EPIPE,
				"it ends too early: it is cut off, or its reader was ended");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Every part of it is a name, and none of them one that git keeps for itself. */
static int check_path(struct writing *w, const char *path, size_t len)
{
	unsigned depth = 0;
	if (len == 0 || strlen(path) != len)
		return bad(w, path, "has no name");
	for (const char *at = path;; at++) {
		size_t n = strcspn(at, "/");
		if (n == 0 || n > NAME_MAX || (n == 1 && at[0] == '.') ||
		    (n == 2 && at[0] == '.' && at[1] == '.'))
			return bad(w, path, "leaves the directory, or cannot be a name");
		if (n == 4 && strncasecmp(at, ".git", 4) == 0)
			return bad(w, path, "is git's own");
		if (++depth > STORE_DEPTH_MAX)
			return bad(w, path, "lies more than %d deep", STORE_DEPTH_MAX);
		at += n;
		if (!*at)
			return 0;
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* One name once, also where case does not count. */
static int check_once(struct writing *w, const char *path)
{
	char *lower = arena_strdup(w->arena, path);
	for (char *at = lower; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	char **found = tsearch(lower, &w->names, compare_names);
	if (!found)
		return dd_err_set(w->err, ENOMEM, "remember a name");
	return *found == lower ? 0 : bad(w, path, "is there twice, or differs only in case");
}

/* The directory that @path lies in, made as far as it is missing; never through a link. @ret_name:
 * its last part. */
static int parent_of(struct writing *w, const char *path, const char **ret_name)
{
	int at = fcntl(w->to, F_DUPFD_CLOEXEC, 3);
	char name[NAME_MAX + 1];

	while (at >= 0 && strchr(path, '/')) {
		size_t n = strcspn(path, "/");
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
		path += n + 1;
		if (mkdirat(at, name, 0755) == 0)
			w->took->counts.dirs++;
		else if (errno != EEXIST)
			break;
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int code = errno;
		dd_close(at);
		errno = code;
		at = next;
	}
	*ret_name = path;
	if (at >= 0 && !strchr(path, '/'))
		return at;
	int code = errno;
	dd_close(at);
	errno = code;
	return code == ENOTDIR || code == ELOOP ? bad(w, path, "lies behind what is no directory")
	                                        : dd_err_set(w->err, code, "make a directory");
}

static struct git_entry *remember(struct writing *w, const char *path, uint32_t mode)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		struct git_entry *more = reallocarray(w->entries, w->cap, sizeof(*more));
		if (!more)
			return NULL;
		w->entries = more;
	}
	struct git_entry *e = &w->entries[w->n++];
	*e = (struct git_entry){ .path = arena_strdup(w->arena, path), .mode = mode };
	return e;
}

static int write_file(struct writing *w, const struct head *head, const char *path)
{
	const bool runs = head->mode & 0111;
	struct git_entry *e = remember(w, path, runs ? 0100755 : 0100644);
	char buf[CHUNK];
	const char *name;

	if (!e)
		return dd_err_set(w->err, ENOMEM, "remember a name");
	if (head->size > w->bytes_max - w->bytes)
		return dd_err_say(w->err, EFBIG, "its files are more than %llu bytes",
		                  (unsigned long long)w->bytes_max);
	w->bytes += head->size;
	dd_auto_fd int dir = parent_of(w, path, &name);
	if (dir < 0)
		return dir;
	dd_auto_fd int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                           0600);
	if (fd < 0)
		return errno == EEXIST ? bad(w, path, "is there twice")
		                       : dd_err_set(w->err, errno, "write a file");
	for (uint64_t left = head->size; left > 0;) {
		size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
		int r = take_bytes(w, buf, n);
		if (r < 0)
			return r;
		if (store_say_bytes(fd, buf, n) < 0)
			return dd_err_set(w->err, errno, "write a file");
		left -= n;
	}
	if (fchmod(fd, runs ? 0755 : 0644) < 0)
		return dd_err_set(w->err, errno, "write a file");
	w->took->counts.files++;
	return w->took->oid_len ? git_blob_name(fd, head->size, w->took->oid_len, e->oid, w->err)
	                        : 0;
}

/* Where it points to stays inside: by name, from where it lies. */
static bool stays_inside(const char *path, const char *target)
{
	long depth = 0;
	for (const char *at = path; (at = strchr(at, '/')); at++)
		depth++;
	if (target[0] == '/' || !target[0])
		return false;
	for (const char *at = target; *at; at += *at == '/') {
		size_t n = strcspn(at, "/");
		if (n == 2 && at[0] == '.' && at[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && at[0] == '.'))
			depth++;
		if (depth < 0)
			return false;
		at += n;
	}
	return true;
}

static int write_link(struct writing *w, const struct head *head, const char *path)
{
	struct git_entry *e = remember(w, path, 0120000);
	char target[STORE_PATH_MAX + 1];
	const char *name;

	if (head->size == 0 || head->size > STORE_PATH_MAX)
		return bad(w, path, "is a link to nowhere");
	int r = take_bytes(w, target, (size_t)head->size);
	if (r < 0 || !e)
		return r < 0 ? r : dd_err_set(w->err, ENOMEM, "remember a name");
	target[head->size] = '\0';
	if (strlen(target) != head->size || !stays_inside(path, target))
		return bad(w, path, "is a link that leaves the directory");
	dd_auto_fd int dir = parent_of(w, path, &name);
	if (dir < 0)
		return dir;
	if (symlinkat(target, dir, name) < 0)
		return errno == EEXIST ? bad(w, path, "is there twice")
		                       : dd_err_set(w->err, errno, "write a link");
	w->took->counts.links++;
	return w->took->oid_len ? git_bytes_name(target, (size_t)head->size, w->took->oid_len,
	                                         e->oid, w->err)
	                        : 0;
}

static int write_dir(struct writing *w, const struct head *head, const char *path)
{
	const char *name;
	(void)head;
	dd_auto_fd int dir = parent_of(w, path, &name);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, name, 0755) == 0)
		w->took->counts.dirs++;
	else if (errno != EEXIST)
		return dd_err_set(w->err, errno, "make a directory");
	return 0;
}

/* Another repository is an empty directory, as in a checkout. */
static int write_module(struct writing *w, const struct head *head, const char *path)
{
	struct git_entry *e = remember(w, path, 0160000);
	if (!e)
		return dd_err_set(w->err, ENOMEM, "remember a name");
	if (head->size != w->took->oid_len || head->size == 0)
		return bad(w, path, "names no commit");
	int r = take_bytes(w, e->oid, (size_t)head->size);
	return r < 0 ? r : write_dir(w, head, path);
}

static int take_commit(struct writing *w, const struct head *head, const char *path)
{
	struct store_took *t = w->took;
	char hex[2 * GIT_OID_MAX + 1];
	(void)path;

	if (head->size > COMMIT_MAX || t->has_commit || (head->mode != 20 && head->mode != 32))
		return dd_err_say(w->err, EBADMSG, "the commit is none");
	t->oid_len = head->mode;
	char *bytes = arena_alloc(w->arena, (size_t)head->size + 1);
	int r = take_bytes(w, bytes, (size_t)head->size);
	if (r == 0)
		r = git_name("commit", bytes, (size_t)head->size, t->oid_len, t->commit, w->err);
	if (r < 0)
		return r;
	(void)snprintf(hex, sizeof(hex), "%.*s", (int)(2 * t->oid_len),
	               head->size > 5 ? bytes + 5 : "");
	if (strncmp(bytes, "tree ", 5) != 0 || git_oid_parse(hex, t->commit_tree) != t->oid_len)
		return dd_err_say(w->err, EBADMSG, "the commit does not begin with its tree");
	t->has_commit = true;
	return 0;
}

static int take_error(struct writing *w, const struct head *head)
{
	char text[ERROR_MAX + 1], shown[TEXT_ESCAPE_MAX * ERROR_MAX + 1];
	size_t n = head->size < ERROR_MAX ? (size_t)head->size : ERROR_MAX;
	int r = take_bytes(w, text, n);
	if (r < 0)
		return r;
	text[n] = '\0';
	(void)text_escape(shown, text, n);
	return dd_err_say(w->err, head->mode > 0 && head->mode < 4096 ? (int)head->mode : EIO,
	                  "%.450s", shown);
}

static int (*const store_writers[])(struct writing *w, const struct head *head,
                                    const char *path) = {
	[STORE_FILE] = write_file,     [STORE_DIR] = write_dir,      [STORE_LINK] = write_link,
	[STORE_MODULE] = write_module, [STORE_COMMIT] = take_commit,
};

/* 1: goes on; 0: that was the end. */
static int take_entry(struct writing *w)
{
	char path[STORE_PATH_MAX + 1];
	struct head head;
	int r = take_bytes(w, &head, sizeof(head));

	if (r < 0)
		return r;
	if (head.kind == STORE_END)
		return 0;
	if (head.kind == STORE_ERROR)
		return take_error(w, &head);
	if (head.kind == 0 || head.kind > STORE_COMMIT || head.path_len > STORE_PATH_MAX)
		return dd_err_say(w->err, EBADMSG, "an entry of no kind, or of too long a path");
	if ((r = take_bytes(w, path, head.path_len)) < 0)
		return r;
	path[head.path_len] = '\0';
	if (head.kind != STORE_COMMIT && (r = check_path(w, path, head.path_len)) == 0 &&
	    head.kind != STORE_DIR)
		r = check_once(w, path);
	if (r == 0 && w->n > STORE_ENTRIES_MAX)
		r = dd_err_say(w->err, EFBIG, "more than %d entries", STORE_ENTRIES_MAX);
	if (r == 0)
		r = store_writers[head.kind](w, &head, path);
	return r < 0 ? r : 1;
}

static int compare_entries(const void *a, const void *b)
{
	const struct git_entry *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* What the files that were written are called together, by git's own rule. */
static int name_all(struct writing *w)
{
	if (!w->took->has_commit)
		return 0;
	if (w->n == 0)
		return dd_err_say(w->err, EBADMSG, "a commit without a file");
	qsort(w->entries, w->n, sizeof(*w->entries), compare_entries);
	const struct git_index index = { .entries = w->entries,
		                         .n = w->n,
		                         .oid_len = w->took->oid_len };
	return git_index_tree(&index, w->took->tree, w->err);
}

static void keep_name(void *name)
{
	(void)name; /* the arena's */
}

int store_write(int from_fd, int to_fd, struct store_took *took, struct dd_err *err)
{
	struct writing w = { .from = from_fd,
		             .to = to_fd,
		             .took = took,
		             .arena = arena_new(),
		             .bytes_max = took->bytes_max ? took->bytes_max : STORE_BYTES_MAX,
		             .err = err };
	int r;

	while ((r = take_entry(&w)) > 0)
		;
	took->counts.bytes = w.bytes;
	if (r == 0)
		r = name_all(&w);
	tdestroy(w.names, keep_name);
	free(w.entries);
	arena_free(w.arena);
	return r;
}
