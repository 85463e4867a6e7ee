// SPDX-License-Identifier: Apache-2.0
/* checkout_copy.c - copies what git tracks of a checkout, file by file as its index lists them, and
 * says how that differs from the commit.
 *
 * Runs in: supervisor, before the first step. The index is a stranger's: its paths are entered name
 * by name, and none of them leads out of the checkout or into a .git.
 */
#include "checkout.h"

#include "base/interrupt.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "git_copy.h"
#include "git_index.h"
#include "git_object.h"

#include <fcntl.h>
#include <stdarg.h>

enum { SAMPLE = 256, SUBMODULES_DEEP = 16 };

/* ---- notes ---- */

__attribute__((format(printf, 2, 3))) static void note(struct checkout_notes *notes,
                                                       const char *fmt, ...)
{
	char raw[sizeof(notes->text[0])], shown[TEXT_ESCAPE_MAX * sizeof(raw) + 1];
	va_list ap;
	if (notes->n == ARRAY_LEN(notes->text))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(void)text_escape(shown, raw, strlen(raw));
	(void)snprintf(notes->text[notes->n++], sizeof(notes->text[0]), "%.399s", shown);
}

/* ---- is the index to be believed? ---- */

static bool is_plain_path(const char *path)
{
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (*p == '\0')
			return !path_in_git_dir(path);
	}
}

/* An index of another tree lists little that is there, however much was deleted of one's own. */
static bool is_of_this_tree(const struct git_index *x, int root_fd)
{
	size_t listed = 0, found = 0, step = x->n > SAMPLE ? x->n / SAMPLE : 1;
	for (size_t i = 0; i < x->n; i += step) {
		struct stat st;
		if (x->entries[i].unwritten)
			continue;
		listed++;
		found += fstatat(root_fd, x->entries[i].path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	}
	return x->n > 0 && 2 * found >= listed;
}

/* Read and judge. NULL: it is good; otherwise a sentence that says why it counts for nothing. */
static const char *index_open(const struct git_place *place, int root_fd, struct git_index *ret)
{
	struct dd_err why = { 0 };
	*ret = (struct git_index){ .n = 0 };
	dd_auto_fd int fd = open_beneath(place->git_fd, "index", O_RDONLY | O_NONBLOCK | O_NOCTTY,
	                                 0);
	if (fd == -ENOENT)
		return "git tracks nothing yet";
	if (fd < 0 || git_index_read(fd, ret, &why) < 0)
		return "git's index is damaged (git status says more)";
	if (ret->split)
		return "git's index is split (git update-index --no-split-index mends that)";
	for (size_t i = 0; i < ret->n; i++)
		if (!is_plain_path(ret->entries[i].path))
			return "git's index lists what git would never track";
	return is_of_this_tree(ret, root_fd) ? NULL : "git's index is empty or of another tree";
}

/* ---- one file against the index ---- */

struct checkout_copying {
	struct copy c;
	struct checkout_copied *ret;
	struct git_copied git;
	unsigned depth; /* of submodules */
	bool untracked;
	bool own_git; /* the .git at the top of what is walked is copied apart from the walk */
	struct dd_err *err;
};

static bool same_stamp(uint32_t sec, uint32_t nsec, struct timespec t)
{
	/* some builds of git keep no fractions */
	return sec == (uint32_t)t.tv_sec && (nsec == 0 || nsec == (uint32_t)t.tv_nsec);
}

/* Has nobody touched it since git looked, and did git look long enough after it was written? */
static bool is_untouched(const struct git_index *x, const struct git_entry *e,
                         const struct stat *st)
{
	bool racy = e->mtime_sec > x->mtime_sec ||
	            (e->mtime_sec == x->mtime_sec &&
	             (e->mtime_nsec == 0 || e->mtime_nsec >= x->mtime_nsec));
	return !racy && e->size == (uint32_t)st->st_size && e->ino == (uint32_t)st->st_ino &&
	       same_stamp(e->mtime_sec, e->mtime_nsec, st->st_mtim) &&
	       same_stamp(e->ctime_sec, e->ctime_nsec, st->st_ctim);
}

static bool same_bytes(const struct git_index *x, const struct git_entry *e, int dir_fd,
                       const char *name, const struct stat *st)
{
	unsigned char oid[GIT_OID_MAX];
	char target[PATH_MAX];
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
		return n >= 0 && git_bytes_name(target, (size_t)n, x->oid_len, oid, NULL) == 0 &&
		       memcmp(oid, e->oid, x->oid_len) == 0;
	}
	dd_auto_fd int fd = open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	return fd >= 0 && git_blob_name(fd, (uint64_t)st->st_size, x->oid_len, oid, NULL) == 0 &&
	       memcmp(oid, e->oid, x->oid_len) == 0;
}

static bool is_changed(const struct git_index *x, const struct git_entry *e, int dir_fd,
                       const char *name, const struct stat *st)
{
	bool link = (e->mode & 0170000) == 0120000;
	if (link != S_ISLNK(st->st_mode) || e->stage || e->intended)
		return true;
	if (!link && ((e->mode & 0111) != 0) != ((st->st_mode & 0100) != 0))
		return true;
	if (is_untouched(x, e, st))
		return false;
	/* git keeps no size of what changed while it looked */
	return (e->size && e->size != (uint32_t)st->st_size) || !same_bytes(x, e, dir_fd, name, st);
}

/* ---- the files that an index lists ---- */

struct listing {
	struct checkout_copying *k;
	const struct git_index *x;
	struct dir_stack from; /* beside k->c.to, level by level */
	char gone[PATH_MAX];   /* a directory that is not there, with a slash; "" */
};

static int leave_dir(struct listing *l)
{
	int from_fd = -1, to_fd = -1;
	struct stat st;
	int r = dir_stack_top(&l->from, &from_fd, l->k->err);
	if (r == 0)
		r = dir_stack_top(&l->k->c.to, &to_fd, l->k->err);
	if (r < 0)
		return r;
	if (fstat(from_fd, &st) < 0)
		return dd_err_set(l->k->err, errno, "look at a directory");
	r = copy_attributes(&l->k->c, to_fd, &st, l->k->err);
	dir_stack_pop(&l->from);
	dir_stack_pop(&l->k->c.to);
	return r;
}

/* 1: there is no such directory (any more). */
static int enter_dir(struct listing *l, const char *name)
{
	struct dd_err *err = l->k->err;
	int to_fd = -1;
	int r = dir_stack_push(&l->from, name, err);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
		return 1;
	if (r == 0)
		r = dir_stack_top(&l->k->c.to, &to_fd, err);
	if (r < 0)
		return r;
	if (mkdirat(to_fd, name, 0700) < 0)
		return dd_err_set(err, errno, "create a directory");
	l->k->c.counts.dirs++;
	return dir_stack_push(&l->k->c.to, name, err);
}

/* Go to the directory of @path, whose name begins at @base. 1: it is not there. */
static int go_to(struct listing *l, const char *path, size_t base)
{
	int r = 0;
	if (l->gone[0] && strncmp(path, l->gone, strlen(l->gone)) == 0)
		return 1;
	for (;;) {
		size_t n = l->from.levels[l->from.n - 1].path_end;
		if (n == 0 || (n <= base && strncmp(path, l->from.path, n) == 0 && path[n] == '/'))
			break;
		if ((r = leave_dir(l)) < 0)
			return r;
	}
	for (size_t at = l->from.levels[l->from.n - 1].path_end; r == 0;) {
		char name[NAME_MAX + 1];
		at += at > 0;
		if (at >= base)
			return 0;
		size_t n = strcspn(path + at, "/");
		(void)snprintf(name, sizeof(name), "%.*s", (int)(n > NAME_MAX ? NAME_MAX : n),
		               path + at);
		if ((r = enter_dir(l, name)) == 1)
			(void)snprintf(l->gone, sizeof(l->gone), "%.*s/", (int)(at + n), path);
		at += n;
	}
	return r;
}

static int copy_submodule(struct listing *l, const struct git_entry *e, int from_fd, int to_fd,
                          const char *name);

static int copy_listed(struct listing *l, const struct git_entry *e, const char *name)
{
	struct checkout_copying *k = l->k;
	int from_fd = -1, to_fd = -1;
	struct stat st;
	int r = dir_stack_top(&l->from, &from_fd, k->err);
	if (r == 0)
		r = dir_stack_top(&k->c.to, &to_fd, k->err);
	if (r < 0)
		return r;
	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		k->ret->missing += !e->unwritten;
		return 0;
	}
	if (copy_is_without(&k->c, &st)) {
		k->c.hidden++;
		return 0;
	}
	if ((e->mode & 0170000) == 0160000)
		return copy_submodule(l, e, from_fd, to_fd, name);
	k->ret->tracked++;
	k->ret->changed += is_changed(l->x, e, from_fd, name, &st);
	if (S_ISREG(st.st_mode))
		return copy_file(&k->c, from_fd, name, to_fd, k->err);
	if (S_ISLNK(st.st_mode))
		return copy_link(&k->c, from_fd, name, &st, to_fd, k->err);
	k->c.counts.skipped += !S_ISDIR(st.st_mode);
	return 0;
}

/* Entries of @x below @prefix. */
static int copy_entries(struct listing *l, const char *prefix)
{
	size_t skip = strlen(prefix);
	const char *last = "";
	int r = 0;
	for (size_t i = git_index_find(l->x, prefix); i < l->x->n && r == 0; i++) {
		const struct git_entry *e = &l->x->entries[i];
		if (strncmp(e->path, prefix, skip) != 0)
			break;
		if (strcmp(e->path, last) == 0) /* the other sides of a merge */
			continue;
		last = e->path;
		const char *path = e->path + skip, *slash = strrchr(path, '/');
		if (i % 64 == 0 && (r = interrupt_check(l->k->err)) < 0)
			return r;
		r = go_to(l, path, slash ? (size_t)(slash - path) : 0);
		if (r == 1) {
			l->k->ret->missing += !e->unwritten;
			r = 0;
		} else if (r == 0) {
			r = copy_listed(l, e, slash ? slash + 1 : path);
		}
		if (r < 0)
			return tree_err_ctx(l->k->err, r, "copy", path);
	}
	while (r == 0 && l->from.n > 1)
		r = leave_dir(l);
	return r;
}

static int copy_index(struct checkout_copying *k, const struct git_index *x, int dir_fd,
                      const char *prefix, int to_fd)
{
	struct dir_stack outer = k->c.to; /* of the repository that this one is a part of */
	struct listing *l = calloc(1, sizeof(*l));
	if (!l)
		return dd_err_set(k->err, ENOMEM, "copy the checkout");
	*l = (struct listing){ .k = k, .x = x };
	int r = dir_stack_init(&l->from, dir_fd, k->err);
	if (r == 0 && (r = dir_stack_init(&k->c.to, to_fd, k->err)) == 0) {
		r = copy_entries(l, prefix);
		dir_stack_done(&k->c.to);
	}
	dir_stack_done(&l->from);
	free(l);
	k->c.to = outer;
	return r;
}

/* ---- everything ---- */

/* How what the index lists differs, where the copy is not made by it. */
static int compare_listed(struct checkout_copying *k, const struct git_index *x, int root_fd,
                          const char *prefix)
{
	for (size_t i = git_index_find(x, prefix); i < x->n; i++) {
		const struct git_entry *e = &x->entries[i];
		struct stat st;
		if (strncmp(e->path, prefix, strlen(prefix)) != 0)
			break;
		int r = i % 64 == 0 ? interrupt_check(k->err) : 0;
		if (r < 0)
			return r;
		dd_auto_fd int fd = open_beneath(root_fd, e->path, O_PATH, 0);
		if (fd < 0 || fstat(fd, &st) < 0) {
			k->ret->missing += !e->unwritten;
		} else if ((e->mode & 0170000) == 0160000) {
			k->ret->submodules++;
		} else {
			k->ret->tracked++;
			k->ret->changed += is_changed(x, e, root_fd, e->path, &st);
		}
	}
	return 0;
}

/* A .git somewhere in a tree that is copied as a whole: cleaned like the first one. */
static int copy_nested_git(void *arg, const struct tree_entry *e, int to_fd, struct dd_err *err)
{
	struct checkout_copying *k = arg;
	struct git_place place = GIT_PLACE_NONE;
	struct copy part = { .owner = k->c.owner };
	int r = 0;

	if (strcmp(e->path, ".git") == 0 && k->own_git)
		return 0;
	if (e->fd >= 0) {
		place.git_fd = openat(e->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		place.common_fd = openat(e->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		place.kind = place.git_fd < 0 || place.common_fd < 0 ? GIT_NONE : GIT_DIR;
	} else {
		git_place_open(e->dir_fd, &place);
	}
	if (place.kind == GIT_NONE)
		note(&k->ret->notes, "git does not work in a part of the workspace: %.200s",
		     place.why_not[0] ? place.why_not : "a .git cannot be opened");
	else
		r = git_copy(&part, &place, to_fd, &k->git, err);
	git_place_close(&place);
	return r;
}

static int copy_all(struct checkout_copying *k, bool own_git, int dir_fd, int to_fd)
{
	struct dir_stack outer = k->c.to;
	k->c.git = copy_nested_git;
	k->c.arg = k;
	k->own_git = own_git;
	int r = copy_tree(&k->c, dir_fd, to_fd, k->err);
	k->c.git = NULL;
	k->c.to = outer;
	return r;
}

/* ---- a repository ---- */

/* Is the index the tree of the commit that HEAD names? */
static enum checkout_staged compare_commit(const struct git_place *place, const char *sha,
                                           const struct git_index *x)
{
	unsigned char commit[GIT_OID_MAX], was[GIT_OID_MAX], is[GIT_OID_MAX];
	size_t len = git_oid_parse(sha, commit);
	int r = git_index_tree(x, is, NULL);
	if (r == -EBUSY || (len == 0 && x->n > 0))
		return STAGED_CHANGES; /* a merge; or nothing was ever committed */
	if (r < 0 || len != x->oid_len ||
	    git_commit_tree(place->common_fd, commit, len, was, NULL) < 0)
		return STAGED_UNKNOWN;
	return memcmp(was, is, len) == 0 ? STAGED_NOTHING : STAGED_CHANGES;
}

/* What is worse to not know comes first. */
static enum checkout_staged worse(enum checkout_staged a, enum checkout_staged b)
{
	if (a == STAGED_CHANGES || b == STAGED_CHANGES)
		return STAGED_CHANGES;
	return a == STAGED_UNKNOWN || b == STAGED_UNKNOWN ? STAGED_UNKNOWN : STAGED_NOTHING;
}

/* One work tree, at @dir_fd, which is the part @prefix of its repository. */
static int copy_repository(struct checkout_copying *k, const struct git_place *place, int root_fd,
                           int dir_fd, const char *prefix, const char *sha, int to_fd)
{
	struct git_index x;
	const char *doubt = index_open(place, root_fd, &x);
	bool part = prefix[0] != '\0';
	int r;

	/* A part of a repository of which nothing is tracked is no part of it. */
	if (!doubt && part) {
		size_t i = git_index_find(&x, prefix);
		if (i == x.n || strncmp(x.entries[i].path, prefix, strlen(prefix)) != 0)
			doubt = "git tracks nothing in this part of the repository";
	}
	if (doubt)
		note(&k->ret->notes, "everything is copied, and counts as tracked: %s", doubt);
	else
		k->ret->staged = worse(k->ret->staged, compare_commit(place, sha, &x));
	if (doubt || k->untracked) {
		k->ret->tracked_only = false;
		r = copy_all(k, !part, dir_fd, to_fd);
		if (r == 0 && !doubt)
			r = compare_listed(k, &x, root_fd, prefix);
	} else {
		r = copy_index(k, &x, dir_fd, prefix, to_fd);
	}
	git_index_done(&x);
	if (r == 0 && !part)
		r = git_copy(&k->c, place, to_fd, &k->git, k->err);
	return r;
}

static int copy_checked_out(struct checkout_copying *k, const struct git_index *x,
                            const struct git_entry *e, const struct git_place *place, int sub_fd,
                            int to_fd)
{
	unsigned char head[GIT_OID_MAX];
	struct git_facts facts;
	git_facts_read(place, &facts);
	if (git_oid_parse(facts.sha, head) != x->oid_len || memcmp(head, e->oid, x->oid_len) != 0)
		k->ret->changed++;
	k->depth++;
	int r = copy_repository(k, place, sub_fd, sub_fd, "", facts.sha, to_fd);
	k->depth--;
	return r;
}

static int copy_submodule(struct listing *l, const struct git_entry *e, int from_fd, int to_fd,
                          const char *name)
{
	struct checkout_copying *k = l->k;
	struct git_place place = GIT_PLACE_NONE;
	struct stat st;
	dd_auto_fd int sub = open_beneath(from_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (sub < 0 || fstat(sub, &st) < 0) {
		k->ret->missing++;
		return 0;
	}
	if (mkdirat(to_fd, name, 0700) < 0)
		return dd_err_set(k->err, errno, "create the directory of a submodule");
	dd_auto_fd int to = open_beneath(to_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (to < 0)
		return dd_err_set(k->err, -to, "open the directory of a submodule");
	k->ret->submodules++;
	git_place_open(sub, &place);
	int r = 0;
	if (k->depth >= SUBMODULES_DEEP)
		note(&k->ret->notes, "submodules deeper than %d are not copied", SUBMODULES_DEEP);
	else if (place.kind != GIT_NONE)
		r = copy_checked_out(k, l->x, e, &place, sub, to);
	else
		k->ret->absent++;
	if (place.why_not[0])
		note(&k->ret->notes, "a submodule is left out: %.200s", place.why_not);
	git_place_close(&place);
	return r < 0 ? r : copy_attributes(&k->c, to, &st, k->err);
}

/* ---- the whole ---- */

static void note_git(const struct git_copied *git, struct checkout_notes *notes)
{
	if (git->left_out[0])
		note(notes, "not in the copied git configuration: %.300s", git->left_out);
	if (git->config_bad[0])
		note(notes, "the git configuration is not copied: %.190s", git->config_bad);
	if (git->alternates[0])
		note(notes,
		     "git misses objects in the steps: this clone borrows them from %.150s (git "
		     "repack "
		     "-a -d, and then remove .git/objects/info/alternates)",
		     git->alternates);
}

static void note_rev(struct checkout_notes *notes)
{
	note(notes,
	     "the files are those of the commit, put there by git in a sandbox of its own: no "
	     "hook, no filter and no LFS (its pointers stay pointers), submodules stay empty");
}

void checkout_look(const struct checkout *c, struct checkout_notes *ret)
{
	struct git_copied git = { .left_out = "" };
	struct git_index x;
	const char *doubt;

	ret->n = 0;
	if (c->why_not[0])
		note(ret, "git does not work in the steps: %.250s", c->why_not);
	if (c->git.kind == GIT_NONE)
		return;
	if (c->prefix[0])
		note(ret,
		     "git does not work in the steps: the workspace is only the part %.150s of its "
		     "repository",
		     c->prefix);
	else
		git_alternates(&c->git, git.alternates);
	note_git(&git, ret);
	if (c->rev[0]) { /* what stands on disk does not matter */
		note_rev(ret);
		return;
	}
	doubt = index_open(&c->git, c->root_fd, &x);
	git_index_done(&x);
	if (doubt)
		note(ret, "everything is copied, and counts as tracked: %s", doubt);
}

/* What of a .git says which files are there, and how. Of a commit alone, the commit does. */
static const char *const of_the_tree[] = { "index", "ORIG_HEAD", "info/sparse-checkout",
	                                   "info/attributes", "config.worktree" };

/* HEAD of the copy: the branch that was asked for, or the commit. */
static int write_head(struct checkout_copying *k, const struct checkout *c, int git_fd)
{
	char text[300];
	bool branch = strncmp(c->facts.ref, "refs/heads/", 11) == 0;
	struct git_facts now;
	struct git_place place = { .kind = GIT_DIR, .git_fd = git_fd, .common_fd = git_fd };
	char sha[65] = "";

	git_facts_read(&place, &now);
	/* a remote's branch need not be one of this clone */
	branch = branch && git_ref_read(&place, c->facts.ref, sha, NULL) &&
	         strcmp(sha, c->facts.sha) == 0;
	(void)snprintf(text, sizeof(text), "%s%.255s\n", branch ? "ref: " : "",
	               branch ? c->facts.ref : c->facts.sha);
	if (unlinkat(git_fd, "HEAD", 0) < 0 && errno != ENOENT)
		return dd_err_set(k->err, errno, "write HEAD of the copy");
	return copy_text(&k->c, git_fd, "HEAD", text, strlen(text), k->err);
}

static int copy_commit(struct checkout_copying *k, const struct checkout *c, int to_fd)
{
	int r = git_copy(&k->c, &c->git, to_fd, &k->git, k->err);
	dd_auto_fd int git = r < 0 ? -1 : open_beneath(to_fd, ".git", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return r;
	if (git < 0)
		return dd_err_set(k->err, -git, "open the copied repository");
	for (size_t i = 0; i < ARRAY_LEN(of_the_tree); i++)
		if (unlinkat(git, of_the_tree[i], 0) < 0 && errno != ENOENT)
			return dd_err_set(k->err, errno, "remove .git/%s of the copy",
			                  of_the_tree[i]);
	note_rev(&k->ret->notes);
	k->ret->tracked_only = true;
	k->ret->staged = STAGED_NOTHING;
	return write_head(k, c, git);
}

/* Loose objects and packs, and nothing else that lies there. */
int checkout_copy_store(const struct checkout *c, size_t i, struct tree_owner owner, int to_fd,
                        struct dd_err *err)
{
	int r = 0;
	for (unsigned n = 0; n <= 256 && r == 0; n++) {
		char name[8] = "pack";
		struct copy part = { .owner = owner };
		if (n < 256)
			(void)snprintf(name, sizeof(name), "%02x", n);
		dd_auto_fd int from = open_beneath(c->stores.fd[i], name, O_RDONLY | O_DIRECTORY,
		                                   0);
		if (from < 0)
			continue;
		if (mkdirat(to_fd, name, 0755) < 0)
			return dd_err_set(err, errno, "copy borrowed objects");
		dd_auto_fd int to = open_beneath(to_fd, name, O_RDONLY | O_DIRECTORY, 0);
		if (to < 0 || (owner.change && fchown(to, owner.uid, owner.gid) < 0))
			return dd_err_set(err, to < 0 ? -to : errno, "copy borrowed objects");
		r = copy_tree(&part, from, to, err);
	}
	return r < 0 ? dd_err_ctx(err, r, "copy the objects that are borrowed from %.200s",
	                          c->stores.path[i])
	             : 0;
}

static int copy_checkout(struct checkout_copying *k, const struct checkout *c, int to_fd)
{
	struct checkout_notes *notes = &k->ret->notes;
	if (c->rev[0])
		return copy_commit(k, c, to_fd);
	if (c->git.kind == GIT_NONE) {
		if (c->why_not[0])
			note(notes, "git does not work in the steps: %.250s", c->why_not);
		return copy_all(k, false, c->dir_fd, to_fd);
	}
	if (c->prefix[0])
		note(notes,
		     "git does not work in the steps: the workspace is only the part %.150s of its "
		     "repository",
		     c->prefix);
	k->ret->tracked_only = true;
	k->ret->staged = STAGED_NOTHING;
	return copy_repository(k, &c->git, c->root_fd, c->dir_fd, c->prefix, c->facts.sha, to_fd);
}

int checkout_copy(const struct checkout *c, const struct checkout_wanted *wanted, int to_fd,
                  struct checkout_copied *ret, struct dd_err *err)
{
	dd_auto_free struct checkout_copying *k = calloc(1, sizeof(*k));
	if (!k)
		return dd_err_set(err, ENOMEM, "copy the checkout");
	*ret = (struct checkout_copied){ .tracked_only = false };
	*k = (struct checkout_copying){ .c = { .owner = wanted->owner,
		                               .without = wanted->without,
		                               .n_without = wanted->n_without },
		                        .untracked = wanted->untracked,
		                        .ret = ret,
		                        .err = err };
	int r = copy_checkout(k, c, to_fd);
	ret->counts = k->c.counts;
	ret->hidden = k->c.hidden;
	note_git(&k->git, &ret->notes);
	if (ret->absent)
		note(&ret->notes, "%zu of %zu submodules are not checked out, and empty",
		     ret->absent, ret->submodules);
	return r;
}

bool checkout_is_dirty(const struct checkout_copied *c)
{
	return c->changed || c->missing || c->staged == STAGED_CHANGES;
}
