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

struct scan {
	struct manifest *m;
	const struct manifest *before;
	struct digest *digest;
	uint64_t holes; /* bytes of sparse files that were hashed, but are on no disk */
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

static int hash_bytes(struct digest *digest, int fd, uint64_t size, struct entry *e,
                      struct dd_err *err)
{
	char buf[12288];
	uint64_t done = 0;
	int r = digest_start(digest, err);
	while (r == 0) {
		if (done % CHECK_EVERY < sizeof(buf) && (r = interrupt_check(err)) < 0)
			return r;
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(err, errno, "read");
		if (n == 0)
			break;
		done += (uint64_t)n;
		if (done > size)
			return dd_err_say(
				err, EBUSY,
				"it grows while it is hashed: something still writes to it");
		r = digest_update(digest, buf, (size_t)n, err);
	}
	return r < 0 ? r : digest_hex(digest, e->sha256, err);
}

/* A hole costs the step nothing and us the time to hash it: 16 TiB in a moment on one side, hours
 * on the other. */
static int count_holes(struct scan *s, int fd, const struct stat *st, struct dd_err *err)
{
	off_t at = 0;
	int r = 0;

	if ((uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return 0;
	for (unsigned n = 1; at < st->st_size && s->holes <= MANIFEST_HOLES_MAX; n++) {
		if (n % 1024 == 0 && (r = interrupt_check(err)) < 0)
			return r;
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return dd_err_set(err, errno, "look for holes");
		data = data < 0 ? st->st_size : data;
		s->holes += (uint64_t)(data - at);
		at = data < st->st_size ? lseek(fd, data, SEEK_HOLE) : data;
		if (at < 0)
			return dd_err_set(err, errno, "look for holes");
	}
	if (s->holes > MANIFEST_HOLES_MAX)
		return dd_err_say(err, EFBIG,
		                  "sparse files hold more than %llu GiB that are on no disk: "
		                  "remove them at the end of the step",
		                  MANIFEST_HOLES_MAX >> 30);
	return lseek(fd, 0, SEEK_SET) < 0 ? dd_err_set(err, errno, "read from the start") : 0;
}

static int hash_file(struct scan *s, const struct tree_entry *te, struct entry *e,
                     struct dd_err *err)
{
	dd_auto_fd int fd = open_beneath(te->dir_fd, te->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return dd_err_set(err, -fd, "open");
	struct stat at_start, at_end;
	if (fstat(fd, &at_start) < 0)
		return dd_err_set(err, errno, "look at");
	if (!S_ISREG(at_start.st_mode) || !same_stat(&at_start, &te->st))
		return dd_err_say(err, EBUSY,
		                  "it changes while it is hashed: something still writes to it");
	int r = count_holes(s, fd, &at_start, err);
	if (r == 0)
		r = hash_bytes(s->digest, fd, (uint64_t)at_start.st_size, e, err);
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
	struct entry *e = new_entry(s->m, te);
	if (!e)
		return dd_err_set(err, ENOMEM, "remember");
	if (e->type == 'o' || take_over(s->before, e))
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
	struct scan s = { .m = calloc(1, sizeof(struct manifest)), .before = before };
	int r = s.m ? digest_new(&s.digest, err) : dd_err_set(err, ENOMEM, "scan a tree");
	if (r == 0)
		r = tree_walk(dir_fd, TREE_INTERRUPT, scan_visit, &s, err);
	if (r == 0 && s.m->n > 0)
		qsort(s.m->entries, s.m->n, sizeof(*s.m->entries), by_path);
	if (r == 0)
		r = sum_up(&s, err);
	digest_free(s.digest);
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
