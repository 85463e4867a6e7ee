// SPDX-License-Identifier: Apache-2.0
/* tracked.c - which files of a checkout git tracks: what a build step must not change (F-14).
 *
 * Runs in the supervisor, before the first step. When in doubt more is tracked, never less: no
 * repository, a .git file that points elsewhere, an index that is damaged, split or empty, or that
 * belongs to another tree (F-18).
 */
#include "dir_stack.h"
#include "drydock/fd.h"
#include "git_index.h"
#include "workspace.h"

#include <fcntl.h>

struct tracked {
	char **paths; /* sorted */
	size_t n, cap;
	char **gitlinks; /* submodules: the index does not know what is inside */
	size_t n_gitlinks, cap_gitlinks;
	char **gitdirs; /* the .git of submodules, and of other repositories that came along */
	size_t n_gitdirs, cap_gitdirs;
	const char *note;
};

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void tracked_free(struct tracked *t)
{
	if (!t)
		return;
	free_list(t->paths, t->n);
	free_list(t->gitlinks, t->n_gitlinks);
	free_list(t->gitdirs, t->n_gitdirs);
	free(t);
}

static void tracked_free_p(struct tracked **t)
{
	tracked_free(*t);
}

static int append(char ***list, size_t *n, size_t *cap, const char *path, struct dd_err *err)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 256;
		char **grown = realloc(*list, more * sizeof(*grown));
		if (!grown)
			return dd_err_set(err, ENOMEM, "tracked files");
		*list = grown;
		*cap = more;
	}
	char *copy = strdup(path);
	if (!copy)
		return dd_err_set(err, ENOMEM, "tracked files");
	(*list)[(*n)++] = copy;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- names ---- */

/* Is @name ".git" as some file system or other reads it? Letters of any case, HFS+ passing over
 * invisible characters, NTFS over dots and blanks at the end, its short name, and a stream behind a
 * colon. */
static bool git_dir_name(const char *name, size_t len)
{
	static const char *const spellings[] = { ".git", "git~1" };
	char plain[8];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const unsigned char *p = (const unsigned char *)name + i;
		bool invisible =
			len - i >= 3 &&
			((p[0] == 0xe2 && p[1] == 0x80 &&
		          ((p[2] >= 0x8c && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae))) ||
		         (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xaa && p[2] <= 0xaf) ||
		         (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf));
		if (invisible) {
			i += 2;
			continue;
		}
		if (p[0] == ':')
			break;
		if (n == sizeof(plain) - 1 && p[0] != '.' && p[0] != ' ')
			return false;
		if (n < sizeof(plain) - 1)
			plain[n++] = (char)(p[0] >= 'A' && p[0] <= 'Z' ? p[0] + 32 : p[0]);
	}
	while (n > 0 && (plain[n - 1] == '.' || plain[n - 1] == ' '))
		n--;
	plain[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (strcmp(plain, spellings[i]) == 0)
			return true;
	return false;
}

/* ---- the checkout around it ---- */

enum every_what {
	EVERY_FILE,
	EVERY_SUBMODULE_FILE, /* files of submodules: before anything was built, so what is there is
	                         what was fetched */
	EVERY_GITDIR,         /* nothing but where repositories are */
};

struct every {
	struct tracked *t;
	enum every_what what;
	struct dd_err *err;
};

static bool in_submodule(const struct tracked *t, const char *path)
{
	for (size_t i = 0; i < t->n_gitlinks; i++) {
		size_t len = strlen(t->gitlinks[i]);
		if (strncmp(path, t->gitlinks[i], len) == 0 && path[len] == '/')
			return true;
	}
	return false;
}

/* How many bytes of @path lead to the first .git in it, that included; 0: there is none. */
static size_t gitdir_len(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (git_dir_name(p, n))
			return (size_t)(p + n - path);
		p += n;
	}
	return 0;
}

static int note_gitdir(struct tracked *t, const char *path, size_t len, struct dd_err *err)
{
	const char *last = t->n_gitdirs ? t->gitdirs[t->n_gitdirs - 1] : "";
	if (strncmp(last, path, len) == 0 && last[len] == '\0')
		return 0; /* they come sorted */
	dd_auto_free char *dir = strndup(path, len);
	return dir ? append(&t->gitdirs, &t->n_gitdirs, &t->cap_gitdirs, dir, err)
	           : dd_err_set(err, ENOMEM, "tracked files");
}

static int add_every(void *arg, enum manifest_change what, const char *path, uint64_t size,
                     const char *sha256)
{
	struct every *e = arg;
	size_t gitdir = gitdir_len(path);
	(void)what;
	(void)size;
	if (gitdir)
		return note_gitdir(e->t, path, gitdir, e->err);
	if (*sha256 == '\0' || e->what == EVERY_GITDIR ||
	    (e->what == EVERY_SUBMODULE_FILE && !in_submodule(e->t, path)))
		return 0;
	return append(&e->t->paths, &e->t->n, &e->t->cap, path, e->err);
}

static int track_manifest(struct tracked *t, const struct manifest *initial, enum every_what what,
                          struct dd_err *err)
{
	struct every e = { .t = t, .what = what, .err = err };
	if (!initial)
		return dd_err_say(err, EINVAL,
		                  "tracked files: there is neither a git index nor a list of what "
		                  "was fetched");
	int r = manifest_each(initial, add_every, &e);
	if (r == 0 && t->n > 0)
		qsort(t->paths, t->n, sizeof(*t->paths), by_name);
	return r;
}

static int track_everything(const struct manifest *initial, const char *note, struct tracked **ret,
                            struct dd_err *err)
{
	__attribute__((cleanup(tracked_free_p))) struct tracked *t = calloc(1, sizeof(*t));
	if (!t)
		return dd_err_set(err, ENOMEM, "tracked files");
	t->note = note;
	int r = track_manifest(t, initial, EVERY_FILE, err);
	if (r < 0)
		return r;
	*ret = t;
	t = NULL;
	return 0;
}

/* How many of the files that the index lists are there? An index of another tree is taken for none:
 * one of this tree has most of them, however much was deleted since. */
static bool is_of_this_tree(const struct git_index *index, const struct manifest *initial)
{
	size_t listed = 0, found = 0;
	for (size_t i = 0; i < index->n; i++) {
		const struct git_entry *e = &index->entries[i];
		if (e->unwritten || e->stage > 1 || (e->mode & 0170000) == 0160000)
			continue;
		listed++;
		found += manifest_has(initial, e->path);
	}
	return index->n > 0 && (listed == 0 || 2 * found >= listed);
}

static int track_index(struct tracked *t, const struct git_index *index, struct dd_err *err)
{
	for (size_t i = 0; i < index->n; i++) {
		const struct git_entry *e = &index->entries[i];
		bool link = (e->mode & 0170000) == 0160000;
		int r = link ? append(&t->gitlinks, &t->n_gitlinks, &t->cap_gitlinks, e->path, err)
		             : append(&t->paths, &t->n, &t->cap, e->path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Why the index cannot be believed; NULL: it can. */
static const char *doubt(int opened, int read, const struct git_index *index,
                         const struct manifest *initial)
{
	if (opened == -ENOENT)
		return "there is no git index: every file counts as tracked";
	if (opened < 0)
		return "the git repository lies outside the workspace: every file counts as "
		       "tracked";
	if (read < 0)
		return "the git index is damaged: every file counts as tracked";
	if (index->split)
		return "the git index is split: every file counts as tracked";
	if (!is_of_this_tree(index, initial))
		return "the git index is empty or of another tree: every file counts as tracked";
	return NULL;
}

static int load(int fd, const struct manifest *initial, struct tracked **ret, struct dd_err *err)
{
	struct git_index index = { .n = 0 };
	int read = fd < 0 ? -EBADMSG : git_index_read(fd, &index, err);
	if (read == -ENOMEM)
		return read;
	const char *why = doubt(fd < 0 ? fd : 0, read, &index, initial);
	if (why) {
		git_index_done(&index);
		return track_everything(initial, why, ret, err);
	}
	__attribute__((cleanup(tracked_free_p))) struct tracked *t = calloc(1, sizeof(*t));
	int r = t ? track_index(t, &index, err) : dd_err_set(err, ENOMEM, "tracked files");
	git_index_done(&index);
	if (r == 0)
		r = track_manifest(t, initial, t->n_gitlinks ? EVERY_SUBMODULE_FILE : EVERY_GITDIR,
		                   err);
	if (r < 0)
		return r;
	*ret = t;
	t = NULL;
	return 0;
}

int tracked_load(int dir_fd, const struct manifest *initial, bool everything, struct tracked **ret,
                 struct dd_err *err)
{
	if (everything)
		return track_everything(initial, NULL, ret, err);
	dd_auto_fd int fd = open_beneath(dir_fd, ".git/index", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
		return dd_err_set(err, -fd, "open .git/index");
	return load(fd, initial, ret, err);
}

bool tracked_has(const struct tracked *t, const char *path)
{
	return t->n > 0 && bsearch(&path, t->paths, t->n, sizeof(*t->paths), by_name) != NULL;
}

size_t tracked_count(const struct tracked *t)
{
	return t->n;
}

const char *tracked_note(const struct tracked *t)
{
	return t->note;
}

/* ---- what git obeys ---- */

bool path_in_git_dir(const char *path)
{
	return gitdir_len(path) > 0;
}

/* What is below a .git and no command comes from it: objects and names of commits. */
static bool is_git_data(const char *p)
{
	static const char *const data[] = { "objects/", "refs/", "logs/", "worktrees/", "lfs/" };
	if (strcmp(p, "objects/info/alternates") == 0 ||
	    strcmp(p, "objects/info/http-alternates") == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if (strncmp(p, data[i], strlen(data[i])) == 0)
			return true;
	return false;
}

static bool is_git_control(const char *p)
{
	static const char *const control[] = { "config",    "config.worktree", "commondir",
		                               "gitdir",    "hooks",           "info",
		                               "alternates" };
	if (is_git_data(p))
		return false;
	for (; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		for (size_t i = 0; i < ARRAY_LEN(control); i++)
			if (strlen(control[i]) == n && strncmp(p, control[i], n) == 0)
				return true;
		p += n;
	}
	return false;
}

/* The part of @path behind the .git of the checkout, or one that came with it. */
static const char *below_git_dir(const struct tracked *t, const char *path)
{
	size_t len = gitdir_len(path);
	if (len == 0)
		return NULL;
	if (!memchr(path, '/', len))
		return path + len;
	for (size_t i = 0; i < t->n_gitdirs; i++)
		if (strncmp(t->gitdirs[i], path, len) == 0 && t->gitdirs[i][len] == '\0')
			return path + len;
	for (size_t i = 0; i < t->n_gitlinks; i++) /* of a submodule that was not there before */
		if (strncmp(t->gitlinks[i], path, strlen(t->gitlinks[i])) == 0 &&
		    path[strlen(t->gitlinks[i])] == '/')
			return path + len;
	return NULL;
}

bool tracked_is_control(const struct tracked *t, const char *path)
{
	const char *below = below_git_dir(t, path);
	if (!below)
		return strcmp(path, ".gitattributes") == 0 || strcmp(path, ".gitmodules") == 0;
	below += strspn(below, "/");
	return *below == '\0' || is_git_control(below);
}
