// SPDX-License-Identifier: Apache-2.0
/* archive_pack.c - see archive.h.
 *
 * Runs in: step, when no process of the job lives. Names are the job's: nothing is followed, what
 * is no file is never opened. */
#include "archive_io.h"

#include "base/arena.h"
#include "base/glob.h"
#include "drydock/fd.h"
#include "tree/dir_stack.h"
#include "tree/tree_walk.h"
#include "tree/workspace.h"

#include <fcntl.h>
#include <minizip/zip.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* Directories have the first time that a zip can say: theirs changes with every file that comes. */
enum { DIR_TIME = 315532800 };
enum { CHUNK = 64 * 1024, MADE_BY = (3 << 8) | 45, UTF8 = 0x800, TIMES_LEN = 9 };

struct chosen {
	const char *path;
	struct stat st;
};

struct packing {
	int dir;
	struct archive_choice *choice;
	struct archive_counts *counts;
	const char **tracked; /* sorted; into the choice's bytes */
	size_t n_tracked;
	struct plan_arena *arena;
	struct chosen *files;
	size_t n;
	zipFile zip;
	int level;
	struct dd_err *err;
};

/* ---- what is packed ---- */

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_tracked(struct packing *p)
{
	const struct archive_choice *c = p->choice;
	for (size_t at = 0; at < c->tracked_len; at += strlen(c->tracked + at) + 1) {
		p->tracked = arena_grow(p->arena, p->tracked, p->n_tracked, sizeof(*p->tracked));
		p->tracked[p->n_tracked++] = c->tracked + at;
	}
	if (p->n_tracked)
		qsort(p->tracked, p->n_tracked, sizeof(*p->tracked), compare_text);
}

static bool is_chosen(struct packing *p, const char *path, bool is_dir)
{
	struct archive_choice *c = p->choice;
	for (size_t i = 0; i < c->n_globs; i++)
		if (glob_match(GLOB_FILES, c->globs[i], path)) {
			c->hits[c->pattern_of[i]]++;
			return true;
		}
	return c->untracked && !is_dir &&
	       !(p->n_tracked &&
	         bsearch(&path, p->tracked, p->n_tracked, sizeof(*p->tracked), compare_text));
}

static int choose(void *arg, enum tree_event what, const struct tree_entry *entry,
                  struct dd_err *err)
{
	struct packing *p = arg;
	bool is_dir = what == TREE_ENTER;
	(void)err;
	if (what != TREE_ENTRY && what != TREE_ENTER)
		return 0;
	if (is_dir && path_in_git_dir(entry->path)) {
		p->counts->left_out += is_chosen(p, entry->path, true);
		return TREE_SKIP;
	}
	if (!is_chosen(p, entry->path, is_dir))
		return 0;
	if (path_in_git_dir(entry->path) ||
	    (!is_dir && !S_ISREG(entry->st.st_mode) && !S_ISLNK(entry->st.st_mode))) {
		p->counts->left_out++;
		return 0;
	}
	if (p->n == ARCHIVE_ENTRIES_MAX || strlen(entry->path) > ARCHIVE_PATH_MAX - 1)
		return dd_err_say(p->err, EFBIG,
		                  "more than %d files, or too long a name, match: %.200s",
		                  ARCHIVE_ENTRIES_MAX, entry->path);
	p->files = arena_grow(p->arena, p->files, p->n, sizeof(*p->files));
	p->files[p->n++] = (struct chosen){ arena_strdup(p->arena, entry->path), entry->st };
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct chosen *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* ---- into the archive ---- */

/* The parts of a date are unsigned in minizip 1.2 and signed in 1.3. */
typedef __typeof__(((zip_fileinfo *)0)->tmz_date.tm_sec) zip_number;

static int begin_entry(struct packing *p, const struct chosen *f, const char *name)
{
	const time_t mtime = S_ISDIR(f->st.st_mode) ? DIR_TIME : f->st.st_mtime;
	uint32_t when = (uint32_t)(int32_t)mtime;
	const unsigned char times[TIMES_LEN] = { 'U',
		                                 'T',
		                                 5,
		                                 0,
		                                 1,
		                                 (unsigned char)when,
		                                 (unsigned char)(when >> 8),
		                                 (unsigned char)(when >> 16),
		                                 (unsigned char)(when >> 24) };
	zip_fileinfo info = { .external_fa = (uLong)(f->st.st_mode & ~07000u) << 16 };
	struct tm tm;
	(void)gmtime_r(&mtime, &tm);
	info.tmz_date.tm_sec = (zip_number)tm.tm_sec;
	info.tmz_date.tm_min = (zip_number)tm.tm_min;
	info.tmz_date.tm_hour = (zip_number)tm.tm_hour;
	info.tmz_date.tm_mday = (zip_number)tm.tm_mday;
	info.tmz_date.tm_mon = (zip_number)tm.tm_mon;
	info.tmz_date.tm_year = (zip_number)(tm.tm_year + 1900);
	return zipOpenNewFileInZip4_64(p->zip, name, &info, times, sizeof(times), times,
	                               sizeof(times), NULL, p->level ? Z_DEFLATED : 0, p->level, 0,
	                               -MAX_WBITS, DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY, NULL, 0,
	                               MADE_BY, UTF8, f->st.st_size >= 0xffffffffLL) == ZIP_OK
	               ? 0
	               : dd_err_say(p->err, EIO, "the archive cannot be written");
}

static int add_bytes(struct packing *p, const void *bytes, size_t len)
{
	return zipWriteInFileInZip(p->zip, bytes, (unsigned)len) == ZIP_OK
	               ? 0
	               : dd_err_say(p->err, EIO, "the archive cannot be written");
}

static int add_link(struct packing *p, const struct chosen *f)
{
	char target[ARCHIVE_PATH_MAX + 1];
	const char *slash = strrchr(f->path, '/');
	char *parent = arena_strndup(p->arena, f->path, slash ? (size_t)(slash - f->path) : 0);
	dd_auto_fd int dir = *parent ? open_beneath(p->dir, parent,
	                                            O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
	                             : fcntl(p->dir, F_DUPFD_CLOEXEC, 3);
	ssize_t n = dir < 0 ? -1
	                    : readlinkat(dir, slash ? slash + 1 : f->path, target, sizeof(target));
	if (n <= 0 || n == (ssize_t)sizeof(target))
		return dd_err_say(p->err, EBUSY, "%.200s changed while it was packed", f->path);
	int r = begin_entry(p, f, f->path);
	return r == 0 ? add_bytes(p, target, (size_t)n) : r;
}

static int add_file(struct packing *p, const struct chosen *f)
{
	static char chunk[CHUNK];
	struct stat st;
	dd_auto_fd int fd = open_beneath(p->dir, f->path,
	                                 O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	ssize_t n;
	if (fd < 0)
		return dd_err_set(p->err, -fd, "open %.200s", f->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dd_err_say(p->err, EBUSY, "%.200s changed while it was packed", f->path);
	int r = begin_entry(p, f, f->path);
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0)
		r = n < 0 ? dd_err_set(p->err, errno, "read %.200s", f->path)
		          : add_bytes(p, chunk, (size_t)n);
	return r;
}

static int add(struct packing *p, const struct chosen *f)
{
	int r = S_ISDIR(f->st.st_mode)   ? begin_entry(p, f, arena_printf(p->arena, "%s/", f->path))
	        : S_ISLNK(f->st.st_mode) ? add_link(p, f)
	                                 : add_file(p, f);
	if (r == 0 && zipCloseFileInZip(p->zip) != ZIP_OK)
		r = dd_err_say(p->err, EIO, "the archive cannot be written");
	p->counts->entries++;
	p->counts->bytes += S_ISREG(f->st.st_mode) ? (uint64_t)f->st.st_size : 0;
	return r;
}

int archive_pack(int dir, struct archive_choice *choice, int to, uint64_t bytes_max, int level,
                 struct archive_counts *counts, struct dd_err *err)
{
	struct packing p = { .dir = dir,
		             .choice = choice,
		             .counts = counts,
		             .arena = arena_new(),
		             .level = level,
		             .err = err };
	struct archive_io io = { .fd = to, .max = bytes_max };
	zlib_filefunc64_def calls;
	read_tracked(&p);
	int r = tree_walk(dir, TREE_TELL_CLOSED, choose, &p, err);
	if (r == 0 && p.n > 0) {
		qsort(p.files, p.n, sizeof(*p.files), by_path);
		archive_io_calls(&io, &calls);
		p.zip = zipOpen2_64("", APPEND_STATUS_CREATE, NULL, &calls);
		if (!p.zip)
			r = dd_err_say(err, EIO, "the archive cannot be made");
		for (size_t i = 0; r == 0 && i < p.n; i++)
			r = add(&p, &p.files[i]);
		if (p.zip && zipClose(p.zip, NULL) != ZIP_OK && r == 0)
			r = dd_err_say(err, EIO, "the archive cannot be written");
		if (r < 0 && io.full)
			r = dd_err_say(err, EFBIG, "it would have more than %llu bytes",
			               (unsigned long long)bytes_max);
	}
	arena_free(p.arena);
	return r;
}
