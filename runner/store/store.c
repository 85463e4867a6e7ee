// SPDX-License-Identifier: Apache-2.0
/* store.c - see store.h. Runs in: command line or job host.
 *
 * A tree is put together beside its place and moved there when it is whole: what a run finds under
 * a digest was all there once. Its digest is computed again whenever it is used. */
#include "store.h"

#include "base/arena.h"
#include "base/named_path.h"
#include "drydock/fd.h"
#include "store_read.h"
#include "store_refs.h"
#include "tree/git_object.h"
#include "tree/tree_copy.h"
#include "tree/workspace.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAGS_MAX = 8, TAG_BYTES_MAX = 1024 * 1024 };

int store_open(const char *path, struct store *ret, struct dd_err *err)
{
	char above[512];
	int fd = -1;

	(void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (mkdir(above, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s for actions", above);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s for actions", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	while (flock(fd, LOCK_SH) < 0)
		if (errno != EINTR) {
			int code = errno;
			(void)close(fd);
			return dd_err_set(err, code, "hold %s", path);
		}
	ret->fd = fd;
	(void)snprintf(ret->path, sizeof(ret->path), "%s", path);
	return 0;
}

void store_close(struct store *store)
{
	dd_close_p(&store->fd);
}

/* ---- names ---- */

static bool is_part(const char *text, size_t len)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	return len > 0 && len <= 100 && strspn(text, letters) >= len && text[0] != '.' &&
	       text[0] != '-';
}

bool store_is_repository(const char *name)
{
	size_t owner = strcspn(name, "/");
	return name[owner] == '/' && is_part(name, owner) &&
	       is_part(name + owner + 1, strlen(name + owner + 1));
}

bool store_is_ref(const char *ref)
{
	for (const unsigned char *p = (const unsigned char *)ref; *p; p++)
		if (*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
			return false;
	for (const char *at = ref;; at++) {
		size_t n = strcspn(at, "/");
		if (n == 0 || at[0] == '.' || at[0] == '-')
			return false;
		at += n;
		if (!*at)
			return strlen(ref) < 200 && !strstr(ref, "..");
	}
}

/* ---- a tree on its way into the store ---- */

struct arriving {
	const struct store *store;
	const struct store_asked *asked;
	struct store_took_action *ret;
	int mirror, to;
	char name[64]; /* beside its place */
	struct plan_arena *arena;
	struct dd_err *err;
};

int store_make_room(const struct store *store, char ret_name[64], int *ret_fd, struct dd_err *err)
{
	static unsigned nth;
	(void)snprintf(ret_name, 64, "arriving-%d-%u", (int)getpid(), nth++);
	dd_auto_fd int fd = mkdirat(store->fd, ret_name, 0755) < 0
	                            ? -1
	                            : openat(store->fd, ret_name,
	                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0) /* the umask is the caller's */
		return dd_err_set(err, errno, "make a directory in %s", store->path);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int begin(struct arriving *a)
{
	return store_make_room(a->store, a->name, &a->to, a->err);
}

int store_drop_room(const struct store *store, const char *name, struct dd_err *err)
{
	dd_auto_fd int fd = openat(store->fd, name,
	                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? 0 : tree_remove(fd, err);
	if (r == 0 && unlinkat(store->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = dd_err_set(err, errno, "remove %s/%s", store->path, name);
	return r;
}

int store_tree_digest(int dir, char ret[65], struct dd_err *err)
{
	struct manifest *m = NULL;
	int r = manifest_scan(dir, NULL, &m, err);
	if (r < 0)
		return r;
	(void)snprintf(ret, 65, "%s", manifest_digest(m));
	manifest_free(m);
	return 0;
}

/* What stands under its name already, and is that. */
static int is_there(struct arriving *a)
{
	char sha256[65];
	dd_auto_fd int fd = openat(a->store->fd, a->ret->sha256,
	                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	int r = store_tree_digest(fd, sha256, a->err);
	if (r == 0 && strcmp(sha256, a->ret->sha256) == 0) {
		(void)futimens(fd, NULL); /* when it was used last */
		return 1;
	}
	return store_drop_room(a->store, a->ret->sha256, a->err);
}

static int settle(struct arriving *a)
{
	int r = store_tree_digest(a->to, a->ret->sha256, a->err);
	if (r == 0)
		r = is_there(a);
	if (r == 0 && renameat(a->store->fd, a->name, a->store->fd, a->ret->sha256) < 0 &&
	    errno != EEXIST && errno != ENOTEMPTY)
		return dd_err_set(a->err, errno, "keep an action in %s", a->store->path);
	(void)snprintf(a->ret->tree, sizeof(a->ret->tree), "%.500s/%.64s", a->store->path,
	               a->ret->sha256);
	return r < 0 ? r : 0;
}

/* ---- what a mirror has ---- */

static int open_mirror(const struct arriving *a, const char *path, int flags)
{
	const struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, a->mirror, path, &how, sizeof(how));
}

static void came_from(struct arriving *a, const char *path, const char *ref_is)
{
	(void)snprintf(a->ret->source, sizeof(a->ret->source), "%s", path);
	a->ret->ref_is = ref_is;
}

/* A repository of its own in there is not a part of the action. */
static int leave_out(void *arg, const struct tree_entry *entry, int to_fd, struct dd_err *err)
{
	(void)arg;
	(void)entry;
	(void)to_fd;
	(void)err;
	return 0;
}

static int from_directory(struct arriving *a)
{
	const char *path = arena_printf(a->arena, "%s@%s", a->asked->repository, a->asked->ref);
	dd_auto_fd int fd = open_mirror(a, path, O_RDONLY | O_DIRECTORY);
	struct copy copy = { .git = leave_out };

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : dd_err_set(a->err, errno, "open %s", path);
	came_from(a, path, "");
	int r = begin(a);
	if (r == 0)
		r = copy_tree(&copy, fd, a->to, a->err);
	return r < 0 ? r : 1;
}

static int from_archive(struct arriving *a)
{
	static const char *const ends[] = { ".tar.gz", ".tgz", ".tar", ".zip" };
	struct store_took took = { .has_commit = false };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const char *path = arena_printf(a->arena, "%s@%s%s", a->asked->repository,
		                                a->asked->ref, ends[i]);
		dd_auto_fd int fd = open_mirror(a, path, O_RDONLY);
		if (fd < 0)
			continue;
		came_from(a, path, "");
		int r = begin(a);
		if (r == 0)
			r = store_read_archive(a->mirror, fd, a->to, &took, a->err);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int open_repository(struct arriving *a, const char **ret_path)
{
	static const char *const forms[] = { "%s.git", "%s/.git", "%s" };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		char path[400];
		size_t len = strlen(a->asked->repository);
		(void)snprintf(path, sizeof(path), "%.*s%s", (int)len, a->asked->repository,
		               forms[i] + 2);
		dd_auto_fd int fd = open_mirror(a, path, O_RDONLY | O_DIRECTORY);
		struct stat st;
		if (fd < 0 || fstatat(fd, "objects", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		*ret_path = arena_strdup(a->arena, path);
		return dd_take_fd(&fd);
	}
	return -1;
}

/* The commit that a tag is on, however many tags are on one another. */
static int peel(struct arriving *a, int git_fd, const char *oid, char ret[65])
{
	unsigned char at[GIT_OID_MAX], on[GIT_OID_MAX];
	size_t len = git_oid_parse(oid, at);
	dd_auto_fd int objects = openat(git_fd, "objects",
	                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 1;

	for (unsigned i = 0; len && i < TAGS_MAX && r == 1; i++)
		if ((r = git_tag_target(objects, at, len, on, a->err)) == 1)
			memcpy(at, on, len);
	if (r != 0)
		return r < 0 ? r : dd_err_say(a->err, EBADMSG, "`%s` is on no commit", oid);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", (unsigned)at[i]);
	return 0;
}

/* Whoever names a tag by its own digest means the commit that it is on. Each object on the way is
 * compared with its name, so this pins as a commit does. What is no tag, or is not here, stays as
 * it was asked for: the reader says what is wrong with it. */
static void peel_named(int git_fd, const char *oid, char ret[65])
{
	unsigned char at[GIT_OID_MAX];
	const size_t len = git_oid_parse(oid, at);
	dd_auto_fd int objects = openat(git_fd, "objects",
	                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	(void)snprintf(ret, 65, "%.64s", oid);
	for (unsigned i = 0; len && i < TAGS_MAX; i++) {
		struct git_bytes tag = { .data = NULL };
		struct dd_err ignored = { 0 };
		char hex[2 * GIT_OID_MAX + 1] = "";
		if (git_object_read(objects, at, len, TAG_BYTES_MAX, &tag, &ignored) == 0 &&
		    tag.type == GIT_TAG && tag.len > 7 + 2 * len &&
		    memcmp(tag.data, "object ", 7) == 0)
			(void)snprintf(hex, sizeof(hex), "%.*s", (int)(2 * len),
			               (const char *)tag.data + 7);
		free(tag.data);
		if (git_oid_parse(hex, at) != len)
			return;
		(void)snprintf(ret, 65, "%s", hex);
	}
}

static bool is_sha(const char *ref)
{
	size_t len = strlen(ref);
	return (len == 40 || len == 64) && strspn(ref, "0123456789abcdef") == len;
}

static int resolve(struct arriving *a, int git_fd, const struct store_refs *refs, const char *path)
{
	static const struct {
		const char *prefix, *is;
	} kinds[] = { { "refs/tags/", "tag" },
		      { "refs/heads/", "branch" },
		      { "refs/remotes/origin/", "branch" } };
	const char *ref = a->asked->ref;

	if (is_sha(ref)) {
		peel_named(git_fd, ref, a->ret->commit);
		came_from(a, path, "commit");
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct store_ref *found =
			store_refs_find(refs, arena_printf(a->arena, "%s%s", kinds[i].prefix, ref));
		if (!found)
			continue;
		came_from(a, path, kinds[i].is);
		if (a->asked->commit) {
			(void)snprintf(a->ret->commit, sizeof(a->ret->commit), "%.64s",
			               a->asked->commit);
			return 1;
		}
		int r = peel(a, git_fd, found->oid, a->ret->commit);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int from_repository(struct arriving *a)
{
	struct store_took took = { .has_commit = false };
	struct store_refs refs;
	const char *path = NULL;
	dd_auto_fd int git = open_repository(a, &path);

	if (git < 0)
		return 0;
	int r = store_refs_read(git, a->arena, &refs, a->err);
	if (r < 0 || (r = resolve(a, git, &refs, path)) <= 0)
		return r;
	const char **tips = arena_array(a->arena, refs.n + 1, sizeof(*tips));
	for (size_t i = 0; i < refs.n; i++)
		tips[i] = refs.refs[i].oid;
	r = begin(a);
	if (r == 0)
		r = store_read_commit(git, a->ret->commit, tips, a->to, &took, a->err);
	return r < 0 ? r : 1;
}

static int look(struct arriving *a)
{
	static int (*const ways[])(struct arriving *) = { from_directory, from_archive,
		                                          from_repository };
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(ways); i++)
		r = ways[i](a);
	if (r == 0)
		return dd_err_say(a->err, ENOENT,
		                  "%s has neither %s@%s (a directory, .tar.gz, .tar or .zip) nor a "
		                  "repository %s with that ref",
		                  a->asked->mirror, a->asked->repository, a->asked->ref,
		                  a->asked->repository);
	return r < 0 ? r : settle(a);
}

int store_take(const struct store *store, const struct store_asked *asked,
               struct store_took_action *ret, struct dd_err *err)
{
	dd_auto_fd int mirror = -1;
	struct arriving a = { .store = store,
		              .asked = asked,
		              .ret = ret,
		              .to = -1,
		              .arena = arena_new(),
		              .err = err };
	struct dd_err ignored = { 0 };

	*ret = (struct store_took_action){ .ref_is = "" };
	int r = store_is_repository(asked->repository) && store_is_ref(asked->ref)
	                ? 0
	                : dd_err_say(err, EINVAL,
	                             "`%.100s@%.100s` is no name of a repository and a ref",
	                             asked->repository, asked->ref);
	if (r == 0)
		r = named_open(asked->mirror, O_RDONLY | O_DIRECTORY, 0, &mirror, NULL, err);
	a.mirror = mirror;
	if (r == 0)
		r = look(&a);
	dd_close(a.to);
	if (a.name[0])
		(void)store_drop_room(store, a.name,
		                      &ignored); /* what has moved is not there any more */
	arena_free(a.arena);
	return r < 0 ? dd_err_ctx(err, r, "%.100s@%.100s", asked->repository, asked->ref) : 0;
}
