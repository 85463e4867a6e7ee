// SPDX-License-Identifier: Apache-2.0
/* gl_artifacts.c - see gl_artifacts.h.
 *
 * Runs in: supervisor. Paths are a step's and hostile; they come from the manifest, are opened
 * beneath the workspace following nothing, and stand in an archive as they are: relative, without
 * dots. Patterns are the job's. */
#include "gl_artifacts.h"

#include "base/glob.h"
#include "drydock/fd.h"
#include "gl_vars.h"
#include "job/job_voice.h"
#include "model/places.h"
#include "tree/workspace.h"

#include <ctype.h>
#include <fcntl.h>
#include <minizip/zip.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

enum { CHUNK = 8192, FILES_MAX = 200000 };

/* ---- patterns ---- */

static const char *relative(const char *p)
{
	static const char root[] = PLACE_WORKSPACE "/";
	if (strncmp(p, root, sizeof(root) - 1) == 0)
		p += sizeof(root) - 1;
	while (p[0] == '.' && p[1] == '/')
		p += 2;
	return strcmp(p, PLACE_WORKSPACE) == 0 || strcmp(p, ".") == 0 || !*p ? "**" : p;
}

static bool leads_out(const char *p)
{
	if (*p == '/')
		return true;
	for (; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return true;
	return false;
}

/* One alternative of the first braces after the other. */
static size_t expand_braces(struct plan_arena *arena, const char *p, const char **ret, size_t n)
{
	const char *open = strchr(p, '{'), *close = open ? strchr(open, '}') : NULL;
	if (!close) {
		if (n < GL_GLOBS_MAX)
			ret[n++] = p;
		return n;
	}
	for (const char *at = open + 1; at <= close && n < GL_GLOBS_MAX;) {
		size_t len = strcspn(at, ",}");
		n = expand_braces(arena,
		                  arena_printf(arena, "%.*s%.*s%s", (int)(open - p), p, (int)len,
		                               at, close + 1),
		                  ret, n);
		at += len + 1;
	}
	return n;
}

size_t gl_globs(struct plan_arena *arena, const char *pattern, const char *ret[GL_GLOBS_MAX])
{
	const char *some[GL_GLOBS_MAX];
	size_t n_some = expand_braces(arena, pattern, some, 0), n = 0;
	for (size_t i = 0; i < n_some && n + 2 <= GL_GLOBS_MAX; i++) {
		const char *one = relative(some[i]);
		size_t len = strlen(one);
		if (leads_out(one) || !glob_is_usable(GLOB_FILES, one))
			continue;
		while (len > 1 && one[len - 1] == '/')
			len--;
		const char *base = arena_strndup(arena, one, len);
		ret[n++] = base;
		ret[n++] = arena_printf(arena, "%s/**", base);
	}
	return n;
}

const char *gl_expand_plain(struct plan_arena *arena, const struct pair *vars, size_t n,
                            const char *text)
{
	struct gl_var *list = arena_array(arena, n + 1, sizeof(*list));
	bool ignored = false;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct gl_var){ vars[i].name, vars[i].value, true, false, false, true };
	return gl_expand(arena, list, n, text, &ignored);
}

/* ---- what is chosen ---- */

struct chosen {
	const char *path, *sha256;
	uint64_t size;
};

struct choice {
	struct plan_arena *arena;
	const struct gl_packing *how;
	bool untracked;
	const char **globs, **excludes;
	size_t n_globs, n_excludes, *hits; /* hits: of each pattern */
	const size_t *pattern_of;          /* by glob */
	struct chosen *files;
	size_t n_files, in_git;
};

static bool fits(const char *const *globs, size_t n, const char *path, size_t *ret_which)
{
	for (size_t i = 0; i < n; i++)
		if (glob_match(GLOB_FILES, globs[i], path)) {
			*ret_which = i;
			return true;
		}
	return false;
}

static int choose(void *arg, const char *path, uint64_t size, const char *sha256, bool tracked)
{
	struct choice *c = arg;
	size_t which = 0, ignored;
	bool hit = fits(c->globs, c->n_globs, path, &which);
	if (!hit && !(c->untracked && !tracked))
		return 0;
	if (path_in_git_dir(path)) {
		c->in_git++;
		return 0;
	}
	if (fits(c->excludes, c->n_excludes, path, &ignored))
		return 0;
	if (c->n_files == FILES_MAX)
		return -E2BIG;
	if (hit)
		c->hits[c->pattern_of[which]]++;
	c->files = arena_grow(c->arena, c->files, c->n_files, sizeof(*c->files));
	c->files[c->n_files++] = (struct chosen){ arena_strdup(c->arena, path),
		                                  arena_strdup(c->arena, sha256), size };
	return 0;
}

__attribute__((format(printf, 3, 4))) static void say(const struct gl_packing *how, bool warning,
                                                      const char *fmt, ...)
{
	char text[600];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	how->say(how->arg, warning, text);
}

static size_t *read_patterns(struct choice *c, const struct gl_texts *texts, const char ***ret,
                             size_t *ret_n, bool exclude)
{
	size_t *of = NULL;
	for (size_t i = 0; i < texts->n; i++) {
		const char *globs[GL_GLOBS_MAX];
		const char *text = gl_expand_plain(c->arena, c->how->vars, c->how->n_vars,
		                                   texts->items[i]);
		size_t n = gl_globs(c->arena, text, globs);
		if (n == 0)
			say(c->how, true, "%.200s: is outside of the project, or no pattern", text);
		for (size_t k = 0; k < n; k++) {
			*ret = arena_grow(c->arena, *ret, *ret_n, sizeof(**ret));
			of = arena_grow(c->arena, of, *ret_n, sizeof(*of));
			/* an exclude is held against paths as it is written */
			(*ret)[*ret_n] = globs[k];
			of[(*ret_n)++] = i;
			if (exclude)
				k++;
		}
	}
	return of;
}

static int find_files(struct choice *c, const struct gl_artifact *a, struct dd_err *err)
{
	c->pattern_of = read_patterns(c, &a->paths, &c->globs, &c->n_globs, false);
	(void)read_patterns(c, &a->exclude, &c->excludes, &c->n_excludes, true);
	c->hits = arena_array(c->arena, a->paths.n + 1, sizeof(*c->hits));
	c->untracked = a->untracked;
	int r = job_voice_files(c->how->job, choose, c);
	if (r < 0)
		return dd_err_say(err, -r, "more than %d files match the artifacts", FILES_MAX);
	for (size_t i = 0; i < a->paths.n; i++)
		if (c->hits[i])
			say(c->how, false, "%.200s: found %zu matching artifact files",
			    a->paths.items[i], c->hits[i]);
		else
			say(c->how, true, "%.200s: no matching files", a->paths.items[i]);
	if (c->in_git)
		say(c->how, true,
		    "%zu files that match lie in a .git and are left out: nothing there is an "
		    "artifact",
		    c->in_git);
	return 0;
}

/* ---- forms ---- */

/* One file after the other, as an open copy. */
struct packed_file {
	const struct chosen *what;
	int fd;
	struct stat st;
};

struct packer {
	const char *path;
	zipFile zip;
	int out;
	size_t n;
};

static int zip_begin(struct packer *p, struct dd_err *err)
{
	p->zip = zipOpen64(p->path, APPEND_STATUS_CREATE);
	return p->zip ? 0 : dd_err_say(err, EIO, "the archive cannot be made");
}

/* The parts of a date are unsigned in minizip 1.2 and signed in 1.3. */
typedef __typeof__(((zip_fileinfo *)0)->tmz_date.tm_sec) zip_number;

static int zip_add(struct packer *p, const struct packed_file *f, struct dd_err *err)
{
	zip_fileinfo info = { .external_fa = (uLong)f->st.st_mode << 16 };
	struct tm tm;
	char buf[CHUNK];
	ssize_t n;
	(void)gmtime_r(&f->st.st_mtime, &tm);
	info.tmz_date.tm_sec = (zip_number)tm.tm_sec;
	info.tmz_date.tm_min = (zip_number)tm.tm_min;
	info.tmz_date.tm_hour = (zip_number)tm.tm_hour;
	info.tmz_date.tm_mday = (zip_number)tm.tm_mday;
	info.tmz_date.tm_mon = (zip_number)tm.tm_mon;
	info.tmz_date.tm_year = (zip_number)(tm.tm_year + 1900);
	/* made by Unix, so that the mode counts; names are UTF-8 */
	if (zipOpenNewFileInZip4_64(p->zip, f->what->path, &info, NULL, 0, NULL, 0, NULL,
	                            Z_DEFLATED, Z_DEFAULT_COMPRESSION, 0, -MAX_WBITS, DEF_MEM_LEVEL,
	                            Z_DEFAULT_STRATEGY, NULL, 0, (3 << 8) | 45, 0x800, 1) != ZIP_OK)
		return dd_err_say(err, EIO, "the archive cannot be written");
	while ((n = read(f->fd, buf, sizeof(buf))) > 0)
		if (zipWriteInFileInZip(p->zip, buf, (unsigned)n) != ZIP_OK)
			return dd_err_say(err, EIO, "the archive cannot be written");
	if (n < 0 || zipCloseFileInZip(p->zip) != ZIP_OK)
		return dd_err_say(err, EIO, "the archive cannot be written");
	return 0;
}

static int zip_end(struct packer *p, struct dd_err *err)
{
	return !p->zip || zipClose(p->zip, NULL) == ZIP_OK
	               ? 0
	               : dd_err_say(err, EIO, "the archive cannot be written");
}

static int file_begin(struct packer *p, struct dd_err *err)
{
	p->out = open(p->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return p->out < 0 ? dd_err_set(err, errno, "make %s", p->path) : 0;
}

static int file_write(const struct packer *p, const void *bytes, size_t len, struct dd_err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(p->out, (const char *)bytes + done, len - done);
		if (n < 0 && errno != EINTR)
			return dd_err_set(err, errno, "write %s", p->path);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int file_end(struct packer *p, struct dd_err *err)
{
	(void)err;
	dd_close_p(&p->out);
	return 0;
}

/* GitLab tells files of one report apart by this: the path, or "e:" and the path in percents. */
static void comment_of(const char *path, char *ret, size_t size)
{
	bool plain = true;
	for (const char *p = path; *p; p++)
		plain = plain && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f && *p != '%';
	if (plain) {
		(void)snprintf(ret, size, "%s", path);
		return;
	}
	size_t n = (size_t)snprintf(ret, size, "e:");
	for (; *path && n + 4 < size; path++)
		if (isalnum((unsigned char)*path) || strchr("-._~/", *path))
			ret[n++] = *path;
		else
			n += (size_t)snprintf(ret + n, size - n, "%%%02X", (unsigned char)*path);
	ret[n] = '\0';
}

static int gzip_add(struct packer *p, const struct packed_file *f, struct dd_err *err)
{
	z_stream z = { .next_in = NULL };
	char comment[4200], name[260], in[4096];
	unsigned char out[4096];
	const char *slash = strrchr(f->what->path, '/');
	gz_header head = { .os = 3, .time = 0 };
	int r = 0, state = Z_OK;
	comment_of(f->what->path, comment, sizeof(comment));
	(void)snprintf(name, sizeof(name), "%s", slash ? slash + 1 : f->what->path);
	head.name = (Bytef *)name;
	head.comment = (Bytef *)comment;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return dd_err_set(err, ENOMEM, "compress %.100s", f->what->path);
	(void)deflateSetHeader(&z, &head);
	while (r == 0 && state != Z_STREAM_END) {
		ssize_t n = read(f->fd, in, sizeof(in));
		if (n < 0)
			r = dd_err_set(err, errno, "read %.100s", f->what->path);
		z.next_in = (Bytef *)in;
		z.avail_in = n > 0 ? (uInt)n : 0;
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			state = deflate(&z, n > 0 ? Z_NO_FLUSH : Z_FINISH);
			if (r == 0)
				r = file_write(p, out, sizeof(out) - z.avail_out, err);
		} while (r == 0 && z.avail_out == 0);
	}
	(void)deflateEnd(&z);
	return r;
}

static int raw_add(struct packer *p, const struct packed_file *f, struct dd_err *err)
{
	char buf[8192];
	ssize_t n;
	int r = p->n++ ? dd_err_blame(err, DD_BLAME_STEP,
	                              dd_err_say(err, EINVAL,
	                                         "a raw artifact is one file, and more match"))
	               : 0;
	while (r == 0 && (n = read(f->fd, buf, sizeof(buf))) != 0)
		r = n < 0 ? dd_err_set(err, errno, "read %.100s", f->what->path)
		          : file_write(p, buf, (size_t)n, err);
	return r;
}

static const struct format_row {
	const char *name, *suffix;
	int (*begin)(struct packer *p, struct dd_err *err);
	int (*add)(struct packer *p, const struct packed_file *f, struct dd_err *err);
	int (*end)(struct packer *p, struct dd_err *err);
} format_rows[] = {
	{ "zip", ".zip", zip_begin, zip_add, zip_end },
	{ "gzip", ".gz", file_begin, gzip_add, file_end },
	{ "raw", "", file_begin, raw_add, file_end },
};

static const struct format_row *format_of(const struct gl_artifact *a)
{
	for (size_t i = 0; i < ARRAY_LEN(format_rows); i++)
		if (strcmp(format_rows[i].name, *a->format ? a->format : "zip") == 0)
			return &format_rows[i];
	return NULL;
}

/* ---- all ---- */

bool gl_is_wanted(const char *when, bool succeeded)
{
	if (strcmp(when, "always") == 0)
		return true;
	return strcmp(when, "on_failure") == 0 ? !succeeded : succeeded;
}

bool gl_artifact_wanted(const struct gl_artifact *a, bool succeeded)
{
	return gl_is_wanted(a->when, succeeded);
}

const char *gl_artifact_name(struct plan_arena *arena, const struct gl_artifact *a,
                             const struct pair *vars, size_t n_vars)
{
	const struct format_row *format = format_of(a);
	const char *name = gl_expand_plain(arena, vars, n_vars, a->name);
	const char *slash = strrchr(name, '/');
	char *fit = arena_strdup(arena, slash ? slash + 1 : name);
	for (char *p = fit; *p; p++)
		if ((unsigned char)*p < 0x20 || strchr("\"\\", *p))
			*p = '_';
	return arena_printf(arena, "%s%s", *fit && fit[0] != '.' ? fit : "default",
	                    format ? format->suffix : "");
}

static int pack_one(const struct gl_packing *how, const struct format_row *format, struct packer *p,
                    const struct chosen *one, struct dd_err *err)
{
	char place[700];
	(void)snprintf(place, sizeof(place), "%s/packing", how->dir);
	if (mkdir(place, 0700) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make %s", place);
	dd_auto_fd int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return dd_err_set(err, errno, "open %s", place);
	int r = job_voice_take(how->job, one->path, one->size, one->sha256, dir, err);
	if (r < 0)
		return r;
	struct packed_file f = { .what = one };
	f.fd = openat(dir, one->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f.fd < 0 || fstat(f.fd, &f.st) < 0)
		r = dd_err_set(err, errno, "open the copy of %.100s", one->path);
	if (r == 0)
		r = format->add(p, &f, err);
	dd_close(f.fd);
	(void)tree_remove(dir, NULL);
	(void)rmdir(place);
	return r;
}

int gl_pack(const struct gl_packing *how, const struct gl_artifact *a, struct dd_err *err)
{
	char path[700];
	struct choice c = { .arena = arena_new(), .how = how };
	const struct format_row *format = format_of(a);
	struct packer p = { .path = path, .out = -1 };
	(void)snprintf(path, sizeof(path), "%s/artifact-%u", how->dir, how->number);
	int r = format ? find_files(&c, a, err)
	               : dd_err_say(err, EINVAL, "artifacts of the form `%.40s` are not known",
	                            a->format);
	if (r == 0 && c.n_files == 0) {
		say(how, true, "No files to upload");
		arena_free(c.arena);
		return 0;
	}
	if (r == 0)
		r = format->begin(&p, err);
	for (size_t i = 0; r == 0 && i < c.n_files; i++)
		r = pack_one(how, format, &p, &c.files[i], err);
	int ended = format ? format->end(&p, r == 0 ? err : NULL) : 0;
	r = r < 0 ? r : ended;
	if (r < 0)
		(void)unlink(path);
	arena_free(c.arena);
	return r < 0 ? r : 1;
}

void gl_pack_sweep(const char *dir)
{
	char place[700];
	(void)snprintf(place, sizeof(place), "%s/packing", dir);
	dd_auto_fd int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	(void)tree_remove(fd, NULL);
	(void)rmdir(place);
}
