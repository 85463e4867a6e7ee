// SPDX-License-Identifier: Apache-2.0
/* hash_files.c - see hash_files.h.
 *
 * A pattern is a list of names; `*`, `?` and `[...]` stand for parts of one, `**` for any number of
 * them. What a pattern names also chooses all below it. The walk begins at the literal beginning of
 * each pattern, in their order, visits a directory's entries in the order of their bytes, and
 * enters only what some pattern may reach. */
#include "hash_files.h"

#include "base/arena.h"
#include "base/interrupt.h"
#include "drydock/fd.h"
#include "tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMES_MAX = 64, DEPTH_MAX = 200, LINKS_MAX = 40, READ_CHUNK = 65536 };

struct pattern {
	const char *names[NAMES_MAX];
	size_t n, literal; /* names without a wildcard at its beginning */
	bool negated, only_directories;
};

/* A directory that is being walked, and those above it: a link that leads back to one of them is
 * not followed. */
struct above {
	dev_t dev;
	ino_t ino;
	const struct above *up;
};

struct hashing {
	struct plan_arena *arena;
	int root_fd;
	const struct hash_files *what;
	struct pattern *patterns;
	size_t n, entries;
	EVP_MD_CTX *all;
	bool any;
	struct dd_err *err;
};

/* ---- matching ---- */

/* One character against [...]; @at is moved behind it. False for a class that never ends, which
 * stands for itself. */
static bool class_fits(const char **at, unsigned char c, bool *ret_fits)
{
	const char *p = *at + 1;
	bool negated = *p == '!' || *p == '^', fits = false;

	p += negated;
	for (bool first = true; *p && (*p != ']' || first); first = false) {
		unsigned char from = (unsigned char)*p++, to = from;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			to = (unsigned char)p[1];
			p += 2;
		}
		fits |= from <= c && c <= to;
	}
	if (*p != ']')
		return false;
	*at = p + 1;
	*ret_fits = fits != negated;
	return true;
}

/* One name. The place of the last `*` is all that is ever gone back to. */
static bool name_fits(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;
	while (*name) {
		bool fits = false;
		const char *next = pattern;
		if (*pattern == '*') {
			star = pattern++;
			retry = name;
			continue;
		}
		if (*pattern == '?') {
			fits = true;
			next = pattern + 1;
		} else if (*pattern != '[' || !class_fits(&next, (unsigned char)*name, &fits)) {
			fits = *pattern == *name;
			next = pattern + 1;
		}
		if (*pattern && fits) {
			pattern = next;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* @path: names. Whole: the pattern fits, or names a directory above. Otherwise: could anything
 * below it fit? A row for each name of the pattern, so nothing is tried twice. */
static bool path_fits(const struct pattern *p, const char *const *path, size_t n, bool whole)
{
	bool at[NAMES_MAX + 1] = { true };

	for (size_t i = 0; i < p->n && strcmp(p->names[i], "**") == 0; i++)
		at[i + 1] = true;
	for (size_t k = 0; k < n; k++) {
		bool next[NAMES_MAX + 1] = { false }, any = false;
		if (whole && at[p->n])
			return true; /* a directory above fits */
		for (size_t i = 0; i < p->n; i++) {
			bool deep = strcmp(p->names[i], "**") == 0;
			if (!at[i])
				continue;
			if (deep)
				next[i] = true;
			else if (name_fits(p->names[i], path[k]))
				next[i + 1] = true;
		}
		for (size_t i = 0; i < p->n; i++) {
			if (next[i] && strcmp(p->names[i], "**") == 0)
				next[i + 1] = true;
			any |= next[i];
		}
		any |= next[p->n] || (!whole && at[p->n]);
		if (!whole && at[p->n])
			return true; /* below what fits everything does */
		if (!any)
			return false;
		memcpy(at, next, sizeof(at));
	}
	return whole ? at[p->n] : true;
}

static bool is_chosen(const struct hashing *h, const char *const *path, size_t n)
{
	bool chosen = false;
	for (size_t i = 0; i < h->n; i++) {
		const struct pattern *p = &h->patterns[i];
		if (chosen != p->negated)
			continue; /* it could change nothing */
		/* `dir/` is a directory: of a file only one above it counts */
		if (path_fits(p, path, p->only_directories && n ? n - 1 : n, true))
			chosen = !p->negated;
	}
	return chosen;
}

static bool may_be_reached(const struct hashing *h, const char *const *path, size_t n)
{
	for (size_t i = 0; i < h->n; i++)
		if (!h->patterns[i].negated && path_fits(&h->patterns[i], path, n, false))
			return true;
	return false;
}

/* ---- patterns ---- */

/* 1: it is one; 0: it can fit nothing below the root, or is none. */
static int read_pattern(struct hashing *h, const char *line, struct pattern *ret)
{
	const char *root_path = h->what->root_path;
	size_t len, root = strlen(root_path);

	*ret = (struct pattern){ .n = 0 };
	line += strspn(line, " \t\r");
	for (; *line == '!'; line++)
		ret->negated = !ret->negated;
	line += strspn(line, " \t");
	len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]))
		len--;
	if (len == 0 || *line == '#')
		return 0;
	char *text = arena_strndup(h->arena, line, len);
	if (text[0] == '/') {
		if (strncmp(text, root_path, root) != 0 || (text[root] != '/' && text[root]))
			return 0;
		text += root;
	}
	ret->only_directories = text[0] && text[strlen(text) - 1] == '/';
	for (char *save = NULL, *name = strtok_r(text, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0)
			return 0;
		if (ret->n == NAMES_MAX)
			return dd_err_say(h->err, EINVAL,
			                  "a pattern of hashFiles has more than %d "
			                  "names",
			                  NAMES_MAX);
		ret->names[ret->n++] = name;
	}
	while (ret->literal < ret->n && !strpbrk(ret->names[ret->literal], "*?["))
		ret->literal++;
	return 1;
}

int tree_hash_pattern_fits(const char *pattern, const char *path)
{
	const struct hash_files what = { .root_path = "/work" };
	struct hashing h = { .arena = arena_new(), .what = &what };
	const char *names[NAMES_MAX];
	struct pattern p;
	size_t n = 0;
	char *text = arena_strdup(h.arena, path);

	for (char *save = NULL, *name = strtok_r(text, "/", &save); name && n < NAMES_MAX;
	     name = strtok_r(NULL, "/", &save))
		names[n++] = name;
	int r = read_pattern(&h, pattern, &p) > 0 &&
	        path_fits(&p, names, p.only_directories && n ? n - 1 : n, true);
	arena_free(h.arena);
	return r;
}

/* ---- files ---- */

static int hash_bytes(struct hashing *h, int fd)
{
	EVP_MD_CTX *one = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	dd_auto_free char *chunk = malloc(READ_CHUNK);
	int r = one && chunk && EVP_DigestInit_ex(one, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;

	while (r == 0) {
		ssize_t n = read(fd, chunk, READ_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		if (EVP_DigestUpdate(one, chunk, (size_t)n) != 1)
			r = -ENOMEM;
		else
			r = interrupt_check(h->err);
	}
	if (r == 0 && (EVP_DigestFinal_ex(one, digest, &len) != 1 ||
	               EVP_DigestUpdate(h->all, digest, len) != 1))
		r = -ENOMEM;
	EVP_MD_CTX_free(one);
	return r;
}

static const char *joined(struct hashing *h, const char *const *path, size_t n)
{
	const char *text = "";
	for (size_t i = 0; i < n; i++)
		text = arena_printf(h->arena, "%s%s%s", text, i ? "/" : "", path[i]);
	return text;
}

static int open_beneath(const struct hashing *h, const char *real, uint64_t flags)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC,
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
		                                 RESOLVE_NO_XDEV };
	return (int)syscall(SYS_openat2, h->root_fd, *real ? real : ".", &how, sizeof(how));
}

/* The text of the link at the first @len bytes of @real; NULL: it is none. */
static const char *link_text(struct hashing *h, const char *real, size_t len)
{
	const char *name = arena_strndup(h->arena, real, len);
	dd_auto_fd int fd = open_beneath(h, name, O_PATH | O_NOFOLLOW);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", text, sizeof(text));
	return n <= 0 || n == (ssize_t)sizeof(text) ? NULL
	                                            : arena_strndup(h->arena, text, (size_t)n);
}

/* @real with its first link that names a place below the root by its whole path taken for that
 * place; NULL: there is none. */
static const char *without_whole_link(struct hashing *h, const char *real)
{
	const char *root_path = h->what->root_path;
	const size_t root = strlen(root_path);

	for (size_t len = strcspn(real, "/"); len > 0;) {
		const char *text = link_text(h, real, len);
		if (text && strncmp(text, root_path, root) == 0 &&
		    (text[root] == '/' || !text[root]))
			return arena_printf(h->arena, "%s%s",
			                    text + root + strspn(text + root, "/"), real + len);
		if (!real[len])
			break;
		len += 1 + strcspn(real + len + 1, "/");
	}
	return NULL;
}

/* Through links, as long as they stay beneath the root. @real: becomes the path that was opened. */
static int open_through(struct hashing *h, const char **real, uint64_t flags)
{
	for (int i = 0;; i++) {
		int fd = open_beneath(h, *real, flags);
		if (fd >= 0 || errno != EXDEV)
			return fd;
		const char *next = i < LINKS_MAX ? without_whole_link(h, *real) : NULL;
		if (!next) {
			errno = i < LINKS_MAX ? EXDEV : ELOOP;
			return -1;
		}
		*real = next;
	}
}

/* A link to a directory is none of the files; one that leads nowhere is an error, as there. */
static int hash_file(struct hashing *h, const char *name, const char *real)
{
	dd_auto_fd int fd = open_through(h, &real, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && h->what->follow && errno == ENOENT)
		return 0;
	if (fd < 0)
		return dd_err_say(h->err, errno, "hashFiles: `%.200s` cannot be read: %s%s", name,
		                  strerrordesc_np(errno),
		                  errno == EXDEV ? " (it leads out of the workspace)" : "");
	if (fstat(fd, &st) < 0)
		return dd_err_set(h->err, errno, "hashFiles: look at `%.200s`", name);
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return dd_err_say(h->err, EINVAL, "hashFiles: `%.200s` is no regular file", name);
	int r = hash_bytes(h, fd);
	h->any = true;
	return r == -ECANCELED || r == -ETIME || r == 0
	               ? r
	               : dd_err_say(h->err, -r, "hashFiles: `%.200s` cannot be read: %s", name,
	                            strerrordesc_np(-r));
}

/* ---- the walk ---- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_names(struct hashing *h, int fd, const char ***ret, size_t *ret_n)
{
	const char **names = NULL;
	size_t n = 0;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return dd_err_set(h->err, errno, "hashFiles: list a directory");
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++h->entries > HASH_FILES_ENTRIES_MAX) {
			(void)closedir(dir);
			return dd_err_say(h->err, E2BIG,
			                  "hashFiles: the workspace has more than %d entries",
			                  HASH_FILES_ENTRIES_MAX);
		}
		names = arena_grow(h->arena, names, n, sizeof(*names));
		names[n++] = arena_strdup(h->arena, e->d_name);
	}
	(void)closedir(dir);
	if (n > 0)
		qsort(names, n, sizeof(*names), by_bytes);
	*ret = names;
	*ret_n = n;
	return 0;
}

/* What a pattern spells out is looked up through links, as there; what is found by walking is not.
 */
static int open_dir(struct hashing *h, const char **real)
{
	return open_through(h, real, O_RDONLY | O_DIRECTORY | (h->what->follow ? 0u : O_NOFOLLOW));
}

/* What waits to be visited: the next one last. */
struct visit {
	const char *const *path;
	size_t n;
	const char *real; /* the same, where links were followed */
	const struct above *up;
};

struct visits {
	struct visit *items;
	size_t n;
};

static void push_visit(struct hashing *h, struct visits *v, const struct visit *above,
                       const char *real, const struct above *up, const char *name)
{
	const char **path = arena_array(h->arena, above->n + 1, sizeof(*path));
	size_t n = above->n;
	for (size_t i = 0; i < n; i++)
		path[i] = above->path[i];
	if (name) {
		path[n++] = name;
		real = arena_printf(h->arena, "%s%s%s", real, *real ? "/" : "", name);
	}
	v->items = arena_grow(h->arena, v->items, v->n, sizeof(*v->items));
	v->items[v->n++] = (struct visit){ path, n, real, up };
}

/* NULL: one of those above it is the same. */
static const struct above *come_down(struct hashing *h, int fd, const struct above *up)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return NULL;
	for (const struct above *a = up; a && h->what->follow; a = a->up)
		if (a->dev == st.st_dev && a->ino == st.st_ino)
			return NULL;
	struct above *own = arena_alloc(h->arena, sizeof(*own));
	*own = (struct above){ st.st_dev, st.st_ino, up };
	return own;
}

static int enter(struct hashing *h, struct visits *v, const struct visit *now, const char *real,
                 int fd)
{
	const struct above *own = come_down(h, fd, now->up);
	const char **names = NULL;
	size_t n = 0;

	if (!own || now->n >= DEPTH_MAX) {
		(void)close(fd);
		return !own ? 0
		            : dd_err_say(h->err, E2BIG,
		                         "hashFiles: more than %d directories in one another",
		                         DEPTH_MAX);
	}
	int r = list_names(h, fd, &names, &n);
	for (size_t i = n; r == 0 && i > 0; i--)
		push_visit(h, v, now, real, own, names[i - 1]);
	return r;
}

static int visit(struct hashing *h, struct visits *v, const struct visit *now)
{
	bool chosen = is_chosen(h, now->path, now->n);
	const char *real = now->real;
	int r = interrupt_check(h->err);

	if (r < 0 || !(chosen || may_be_reached(h, now->path, now->n)))
		return r;
	int fd = open_dir(h, &real);
	if (fd >= 0)
		return enter(h, v, now, real, fd);
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EXDEV)
		return dd_err_set(h->err, errno, "hashFiles: open a directory");
	/* no directory: a file or a link, or it is not there at all */
	real = now->real;
	dd_auto_fd int there = chosen ? open_through(h, &real, O_PATH | O_NOFOLLOW) : -1;
	if (there < 0 && (!chosen || errno != EXDEV))
		return 0;
	return hash_file(h, joined(h, now->path, now->n), real);
}

static bool is_above(const struct pattern *a, const struct pattern *b)
{
	if (a->literal > b->literal)
		return false;
	for (size_t i = 0; i < a->literal; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}

static void begin_at(struct hashing *h, struct visits *v, const struct pattern *p)
{
	struct visit first = { p->names, p->literal, NULL, NULL };
	push_visit(h, v, &first, joined(h, p->names, p->literal), NULL, NULL);
}

/* The literal beginnings of the patterns, without those that lie below another. */
static void begin_visits(struct hashing *h, struct visits *v)
{
	for (size_t i = h->n; i > 0; i--) {
		const struct pattern *p = &h->patterns[i - 1];
		bool covered = p->negated;
		for (size_t k = 0; k < h->n && !covered; k++) {
			const struct pattern *other = &h->patterns[k];
			covered = !other->negated && k != i - 1 && is_above(other, p) &&
			          (other->literal < p->literal || k < i - 1);
		}
		if (!covered)
			begin_at(h, v, p);
	}
}

static int walk(struct hashing *h)
{
	struct visits v = { .n = 0 };
	int r = 0;

	begin_visits(h, &v);
	while (r == 0 && v.n > 0) {
		const struct visit now = v.items[--v.n];
		r = visit(h, &v, &now);
	}
	return r;
}

static int read_patterns(struct hashing *h)
{
	h->patterns = arena_array(h->arena, HASH_FILES_PATTERNS_MAX, sizeof(*h->patterns));
	for (size_t i = 0; i < h->what->n; i++) {
		char *text = arena_strdup(h->arena, h->what->patterns[i]);
		for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			if (h->n == HASH_FILES_PATTERNS_MAX)
				return dd_err_say(h->err, E2BIG, "hashFiles: more than %d patterns",
				                  HASH_FILES_PATTERNS_MAX);
			int r = read_pattern(h, line, &h->patterns[h->n]);
			if (r < 0)
				return r;
			h->n += (size_t)r;
		}
	}
	return 0;
}

int tree_hash_files(int root_fd, const struct hash_files *what, char ret_hex[65],
                    struct dd_err *err)
{
	struct hashing h = { .arena = arena_new(),
		             .root_fd = root_fd,
		             .what = what,
		             .all = EVP_MD_CTX_new(),
		             .err = err };
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	ret_hex[0] = '\0';
	int r = h.all && EVP_DigestInit_ex(h.all, EVP_sha256(), NULL) == 1
	                ? 0
	                : dd_err_set(err, ENOMEM, "hash files");
	if (r == 0)
		r = read_patterns(&h);
	if (r == 0)
		r = walk(&h);
	if (r == 0 && h.any && EVP_DigestFinal_ex(h.all, digest, &len) != 1)
		r = dd_err_set(err, ENOMEM, "hash files");
	for (unsigned i = 0; r == 0 && i < len; i++)
		(void)snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", (unsigned)digest[i]);
	EVP_MD_CTX_free(h.all);
	arena_free(h.arena);
	return r;
}
