// SPDX-License-Identifier: Apache-2.0
/* manifest.c - what a workspace contains, by digest, and how two such states differ.
 *
 * Runs in the supervisor between two steps, when nothing of a step is alive. Directories have no
 * entry of their own: an empty one is no content.
 *
 * Which digests are taken over from an earlier scan: a step can set mtime but never ctime, so an
 * unchanged (device, inode, size, mtime, ctime) means unchanged bytes - unless ctime is as young as
 * that scan itself, because the kernel stamps it with a clock that stands still for a tick (up to
 * 10 ms; finer since Linux 6.13) and a change right after the scan could leave it as it was. Such
 * entries are hashed again. Where ctime has no fraction of a second the file system has none (ext4
 * with small inodes, some network file systems): there the same holds for two whole seconds.
 */
#include "base/digest.h"
#include "dir_stack.h"
#include "drydock/fd.h"
#include "base/glob.h"
#include "holes.h"
#include "base/interrupt.h"
#include "tree_walk.h"
#include "workspace.h"

#include <fcntl.h>
#include <limits.h>
#include <time.h>

struct entry {
	char *path;
	char type; /* f file, l link, o other (FIFO, socket, device) */
	mode_t mode;
	dev_t dev;
	ino_t ino;
	uint64_t size;
	/* hashed: when reading the bytes began, on the clock that stamps files */
	struct timespec mtime, ctime, hashed;
	char sha256[DIGEST_HEX]; /* of the bytes, of a link's target; empty for other */
};

struct manifest {
	struct entry *entries; /* sorted by path */
	size_t n, cap;
	char digest[DIGEST_HEX];
};

enum { CHECK_EVERY = 1024 * 1024 };

/* Entries by inode, for files with several names: 1,500 links to 40 MiB cost a step nothing, and us
 * a minute of hashing. Open addressing; 0 is free, otherwise the index of an entry plus 1.
 */
struct inode_table {
	uint32_t *slots;
	size_t cap, n; /* cap: a power of two */
};

struct scan {
	struct manifest *m;
	const struct manifest *before;
	struct digest *digest;
	struct inode_table inodes;
	uint64_t paths; /* bytes */
	uint64_t holes; /* bytes of sparse files that were hashed, but are on no disk */
	char *buf;      /* HASH_CHUNK */
};

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->entries[i].path);
	free(m->entries);
	free(m);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static const struct entry *find(const struct manifest *m, const char *path)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(m->entries[mid].path, path);
		if (c == 0)
			return &m->entries[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool earlier(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* Can a change after @hashed have left @ctime as it is? */
static bool too_young(struct timespec ctime, struct timespec hashed)
{
	if (ctime.tv_nsec == 0)
		hashed.tv_sec -= 2;
	return !earlier(ctime, hashed);
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_ino == b->st_ino &&
	       same_time(a->st_mtim, b->st_mtim) && same_time(a->st_ctim, b->st_ctim);
}

static bool take_over(const struct manifest *before, struct entry *e)
{
	const struct entry *old = before ? find(before, e->path) : NULL;
	if (!old || old->type != e->type || old->dev != e->dev || old->ino != e->ino ||
	    old->size != e->size || !same_time(old->mtime, e->mtime) ||
	    !same_time(old->ctime, e->ctime) || too_young(old->ctime, old->hashed))
		return false;
	memcpy(e->sha256, old->sha256, sizeof(e->sha256));
	e->hashed = old->hashed;
	return true;
}

enum { HASH_CHUNK = 65536 };

static int hash_zeros(struct scan *s, uint64_t n, struct dd_err *err)
{
	int r = 0;
	memset(s->buf, 0, HASH_CHUNK);
	for (uint64_t done = 0; r == 0 && done < n; done += HASH_CHUNK) {
		if (done % CHECK_EVERY == 0 && (r = interrupt_check(err)) < 0)
			return r;
		r = digest_update(s->digest, s->buf,
		                  n - done < HASH_CHUNK ? (size_t)(n - done) : HASH_CHUNK, err);
	}
	return r;
}

/* A hole costs the step nothing and us the time to hash it: 16 TiB in a moment on one side, hours
 * on the other. */
static int count_hole(struct scan *s, uint64_t n, struct dd_err *err)
{
	s->holes += n;
	if (s->holes > MANIFEST_HOLES_MAX)
		return dd_err_blame(
			err, DD_BLAME_STEP,
			dd_err_say(err, EFBIG,
		                   "sparse files hold more than %llu GiB that are on no disk: "
		                   "remove them at the end of the step",
		                   MANIFEST_HOLES_MAX >> 30));
	return hash_zeros(s, n, err);
}

static int hash_data(struct scan *s, int fd, uint64_t at, uint64_t end, struct dd_err *err)
{
	int r = 0;
	while (r == 0 && at < end) {
		if (at % CHECK_EVERY < HASH_CHUNK && (r = interrupt_check(err)) < 0)
			return r;
		ssize_t n = pread(fd, s->buf,
		                  end - at < HASH_CHUNK ? (size_t)(end - at) : HASH_CHUNK,
		                  (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(err, errno, "read");
		if (n == 0)
			return dd_err_say(
				err, EBUSY,
				"it shrinks while it is hashed: something still writes to it");
		at += (uint64_t)n;
		r = digest_update(s->digest, s->buf, (size_t)n, err);
	}
	return r;
}

static int hash_bytes(struct scan *s, int fd, const struct stat *st, struct entry *e,
                      struct dd_err *err)
{
	uint64_t at = 0, size = (uint64_t)st->st_size;
	bool sparse = file_is_sparse(st);
	int r = digest_start(s->digest, err);
	while (r == 0 && at < size) {
		uint64_t data, end;
		file_next_data(fd, sparse, at, size, &data, &end);
		r = data > at ? count_hole(s, data - at, err) : 0;
		if (r == 0)
			r = hash_data(s, fd, data, end, err);
		at = end;
	}
	return r < 0 ? r : digest_hex(s->digest, e->sha256, err);
}

static size_t inode_slot(const struct scan *s, const struct inode_table *t, const struct entry *e)
{
	size_t i = (size_t)((e->ino ^ (e->dev << 7)) * 0x9e3779b97f4a7c15ULL >> 20) & (t->cap - 1);
	while (t->slots[i]) {
		const struct entry *at = &s->m->entries[t->slots[i] - 1];
		if (at->ino == e->ino && at->dev == e->dev)
			break;
		i = (i + 1) & (t->cap - 1);
	}
	return i;
}

static int inode_room(struct scan *s, struct dd_err *err)
{
	struct inode_table grown = { .cap = s->inodes.cap ? s->inodes.cap * 2 : 256,
		                     .n = s->inodes.n };
	if (2 * (s->inodes.n + 1) <= s->inodes.cap)
		return 0;
	grown.slots = calloc(grown.cap, sizeof(*grown.slots));
	if (!grown.slots)
		return dd_err_set(err, ENOMEM, "remember a file with several names");
	for (size_t i = 0; i < s->inodes.cap; i++)
		if (s->inodes.slots[i])
			grown.slots[inode_slot(s, &grown, &s->m->entries[s->inodes.slots[i] - 1])] =
				s->inodes.slots[i];
	free(s->inodes.slots);
	s->inodes = grown;
	return 0;
}

/* 1: @e has the digest that the same file has under another name; 0: it is the first one. */
static int take_from_other_name(struct scan *s, struct entry *e, struct dd_err *err)
{
	int r = inode_room(s, err);
	if (r < 0)
		return r;
	size_t i = inode_slot(s, &s->inodes, e);
	const struct entry *at = s->inodes.slots[i] ? &s->m->entries[s->inodes.slots[i] - 1] : NULL;
	if (!at) {
		s->inodes.slots[i] = (uint32_t)(e - s->m->entries) + 1;
		s->inodes.n++;
		return 0;
	}
	if (at->size != e->size || !same_time(at->mtime, e->mtime) ||
	    !same_time(at->ctime, e->ctime))
		return dd_err_say(err, EBUSY,
		                  "it changes while it is hashed: something still writes to it");
	memcpy(e->sha256, at->sha256, sizeof(e->sha256));
	e->hashed = at->hashed;
	return 1;
}

static int hash_file(struct scan *s, const struct tree_entry *te, struct entry *e,
                     struct dd_err *err)
{
	dd_auto_fd int fd = open_beneath(te->dir_fd, te->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return tree_err_reach(err, dd_err_set(err, -fd, "open"));
	struct stat at_start, at_end;
	if (fstat(fd, &at_start) < 0)
		return dd_err_set(err, errno, "look at");
	if (!S_ISREG(at_start.st_mode) || !same_stat(&at_start, &te->st))
		return dd_err_say(err, EBUSY,
		                  "it changes while it is hashed: something still writes to it");
	int r = hash_bytes(s, fd, &at_start, e, err);
	if (r < 0)
		return r;
	if (fstat(fd, &at_end) < 0)
		return dd_err_set(err, errno, "look at");
	if (!same_stat(&at_start, &at_end))
		return dd_err_say(err, EBUSY,
		                  "it changes while it is hashed: something still writes to it");
	return 0;
}

static int hash_link(struct scan *s, const struct tree_entry *te, struct entry *e,
                     struct dd_err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(te->dir_fd, te->name, target, sizeof(target));
	if (n < 0)
		return dd_err_set(err, errno, "read the link");
	return digest_bytes(s->digest, target, (size_t)n, e->sha256, err);
}

static int path_too_long(struct dd_err *err)
{
	return dd_err_blame(
		err, DD_BLAME_STEP,
		dd_err_say(
			err, ENAMETOOLONG,
			"its path has more than %d bytes, so no program can name it: remove it at "
			"the end of the step",
			PATH_MAX - 1));
}

/* A step decides how long its paths are, and they stay in memory. A path that is longer than
 * the kernel takes can be opened by nobody who does not walk there. */
static int count_path(struct scan *s, const char *path, struct dd_err *err)
{
	size_t len = strlen(path) + 1;
	if (len > PATH_MAX)
		return path_too_long(err);
	s->paths += len;
	if (s->paths > MANIFEST_PATHS_MAX || s->m->n >= MANIFEST_ENTRIES_MAX)
		return dd_err_blame(err, DD_BLAME_STEP,
		                    dd_err_say(err, E2BIG,
		                               "the tree has more than %d files, or paths of more "
		                               "than %llu MiB in "
		                               "all: remove what the next step does not need",
		                               MANIFEST_ENTRIES_MAX, MANIFEST_PATHS_MAX >> 20));
	return 0;
}

static struct entry *new_entry(struct manifest *m, const struct tree_entry *te)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 256;
		struct entry *entries = realloc(m->entries, cap * sizeof(*entries));
		if (!entries)
			return NULL;
		m->entries = entries;
		m->cap = cap;
	}
	char *path = strdup(te->path);
	if (!path)
		return NULL;
	struct entry *e = &m->entries[m->n];
	const struct stat *st = &te->st;
	*e = (struct entry){
		.path = path,
		.type = S_ISREG(st->st_mode)   ? 'f'
		        : S_ISLNK(st->st_mode) ? 'l'
		                               : 'o',
		.mode = st->st_mode & 07777,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
	m->n++;
	return e;
}

static int add_entry(struct scan *s, const struct tree_entry *te, struct dd_err *err)
{
	int r = count_path(s, te->path, err);
	if (r < 0)
		return r;
	struct entry *e = new_entry(s->m, te);
	if (!e)
		return dd_err_set(err, ENOMEM, "remember");
	if (e->type == 'o')
		return 0;
	bool taken = take_over(s->before, e);
	if (e->type == 'f' && te->st.st_nlink > 1 && (r = take_from_other_name(s, e, err)) < 0)
		return r;
	if (taken || r > 0)
		return 0;
	/* The clock that the kernel stamps files with, not a finer one that could be ahead of it.
	 */
	if (clock_gettime(CLOCK_REALTIME_COARSE, &e->hashed) < 0)
		return dd_err_set(err, errno, "read the clock");
	return e->type == 'f' ? hash_file(s, te, e, err) : hash_link(s, te, e, err);
}

static int scan_visit(void *arg, enum tree_event what, const struct tree_entry *te,
                      struct dd_err *err)
{
	int r = 0;
	if (what == TREE_ENTRY)
		r = add_entry(arg, te, err);
	else if (what == TREE_ENTER && strnlen(te->path, PATH_MAX) == PATH_MAX)
		r = path_too_long(err);
	else if (what == TREE_MOUNT)
		r = dd_err_say(err, EXDEV, "a mount covers it: what is below cannot be told");
	return r < 0 ? tree_err_ctx(err, r, "hash", te->path) : r;
}

/* Each entry: "f 0644 12 <sha256> <path>" and a NUL, which no path contains. */
static int sum_up(struct scan *s, struct dd_err *err)
{
	int r = digest_start(s->digest, err);
	for (size_t i = 0; i < s->m->n && r == 0; i++) {
		const struct entry *e = &s->m->entries[i];
		char head[160];
		int n = snprintf(head, sizeof(head), "%c %04o %llu %s ", e->type, e->mode,
		                 e->type == 'o' ? 0ULL : (unsigned long long)e->size, e->sha256);
		r = digest_update(s->digest, head, (size_t)n, err);
		if (r == 0)
			r = digest_update(s->digest, e->path, strlen(e->path) + 1, err);
	}
	return r < 0 ? r : digest_hex(s->digest, s->m->digest, err);
}

int manifest_scan(int dir_fd, const struct manifest *before, struct manifest **ret,
                  struct dd_err *err)
{
	struct scan s = { .m = calloc(1, sizeof(struct manifest)),
		          .before = before,
		          .buf = malloc(HASH_CHUNK) };
	int r = s.m && s.buf ? digest_new(&s.digest, err) : dd_err_set(err, ENOMEM, "scan a tree");
	if (r == 0)
		r = tree_walk(dir_fd, TREE_INTERRUPT, scan_visit, &s, err);
	if (r == 0 && s.m->n > 0)
		qsort(s.m->entries, s.m->n, sizeof(*s.m->entries), by_path);
	if (r == 0)
		r = sum_up(&s, err);
	digest_free(s.digest);
	free(s.inodes.slots);
	free(s.buf);
	if (r == 0)
		*ret = s.m;
	else
		manifest_free(s.m);
	return r;
}

const char *manifest_digest(const struct manifest *m)
{
	return m->digest;
}

static bool same_content(const struct entry *a, const struct entry *b)
{
	return a->type == b->type && a->mode == b->mode && (a->type == 'o' || a->size == b->size) &&
	       strcmp(a->sha256, b->sha256) == 0;
}

int manifest_diff(const struct manifest *before, const struct manifest *after,
                  manifest_change_fn fn, void *arg)
{
	size_t i = 0, k = 0;
	int r = 0;
	while (r == 0 && (i < before->n || k < after->n)) {
		int c = i == before->n  ? 1
		        : k == after->n ? -1
		                        : strcmp(before->entries[i].path, after->entries[k].path);
		const struct entry *old = c <= 0 ? &before->entries[i++] : NULL;
		const struct entry *new = c >= 0 ? &after->entries[k++] : NULL;
		if (old && new &&same_content(old, new))
			continue;
		if (new)
			r = fn(arg, old ? MANIFEST_CHANGED : MANIFEST_ADDED, new->path, new->size,
			       new->sha256);
		else if (old)
			r = fn(arg, MANIFEST_REMOVED, old->path, old->size, old->sha256);
	}
	return r;
}

int manifest_each(const struct manifest *m, manifest_change_fn fn, void *arg)
{
	static const struct manifest nothing;
	return manifest_diff(&nothing, m, fn, arg);
}

int manifest_find(const struct manifest *m, const char *path, const char **ret_sha256,
                  uint64_t *ret_size)
{
	const struct entry *e = find(m, path);
	if (!e || e->type != 'f')
		return -ENOENT;
	if (ret_sha256)
		*ret_sha256 = e->sha256;
	if (ret_size)
		*ret_size = e->size;
	return 0;
}

bool manifest_has(const struct manifest *m, const char *path)
{
	return find(m, path) != NULL;
}

int manifest_match(const struct manifest *m, const char *const *globs,
                   int (*fn)(void *arg, const char *path), void *arg)
{
	int r = 0;
	for (size_t i = 0; i < m->n && r == 0; i++) {
		bool hit = false;
		for (const char *const *g = globs; *g && !hit && m->entries[i].type == 'f'; g++)
			hit = glob_match(GLOB_PATH, *g, m->entries[i].path);
		if (hit)
			r = fn(arg, m->entries[i].path);
	}
	return r;
}
