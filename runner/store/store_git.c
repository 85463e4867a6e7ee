// SPDX-License-Identifier: Apache-2.0
/* store_git.c - a commit of a repository, object by object, without running git.
 *
 * Runs in: the reader, locked, but for the last function. Every object is compared with the name
 * that it was asked for by, down from the commit: so what comes is that commit, whoever wrote the
 * repository. That the commit is the repository's own is another question: forges keep the commits
 * of all forks in one store, and hand any of them out. It is answered by the repository's branches
 * and tags: one of them must be on the commit or on one that came after it. */
#include "store_read.h"

#include "store_reader.h"
#include "tree/git_object.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OBJECT_MAX = 128 * 1024 * 1024,
	COMMIT_MAX = 1024 * 1024,
	COMMITS_MAX = 200 * 1000, /* that are looked at for where it comes from */
};

struct commit_wanted {
	const char *oid;
	const char *const *tips;
};

struct giving {
	int objects, out;
	size_t oid_len;
	unsigned n_entries;
	struct dd_err *err;
};

/* ---- the tree ---- */

static int give_tree(struct giving *g, const unsigned char *oid, const char *dir, unsigned depth);

static int read_typed(struct giving *g, const unsigned char *oid, enum git_type type,
                      struct git_bytes *ret)
{
	int r = git_object_read(g->objects, oid, g->oid_len,
	                        type == GIT_COMMIT ? COMMIT_MAX : OBJECT_MAX, ret, g->err);
	if (r < 0 || ret->type == type)
		return r;
	free(ret->data);
	ret->data = NULL;
	return dd_err_say(g->err, EBADMSG, "an object is a %s and should be a %s",
	                  git_type_names[ret->type], git_type_names[type]);
}

/* A clone with --filter, or a copy that left large files out, has the names and not the bytes. */
static int lacks(const struct giving *g, const char *path)
{
	return dd_err_say(g->err, ENOENT,
	                  "the repository does not have the bytes of %.200s: it was copied in part "
	                  "(git clone --mirror, without --filter, brings all)",
	                  *path ? path : "its files");
}

static int give_bytes(struct giving *g, enum store_kind kind, unsigned mode, const char *path,
                      const void *bytes, size_t len)
{
	return store_say(g->out, kind, mode, path, len) < 0 ||
	                       store_say_bytes(g->out, bytes, len) < 0
	               ? -EPIPE
	               : 0;
}

static int give_blob(struct giving *g, unsigned mode, const unsigned char *oid, const char *path)
{
	struct git_bytes blob = { .data = NULL };
	int r = read_typed(g, oid, GIT_BLOB, &blob);
	if (r == -ENOENT)
		return lacks(g, path);
	if (r == 0)
		r = give_bytes(g, (mode & 0170000) == 0120000 ? STORE_LINK : STORE_FILE, mode, path,
		               blob.data, blob.len);
	free(blob.data);
	return r;
}

static int give_entry(struct giving *g, unsigned mode, const unsigned char *oid, const char *path,
                      unsigned depth)
{
	if (++g->n_entries > STORE_ENTRIES_MAX)
		return dd_err_say(g->err, EFBIG, "more than %d entries", STORE_ENTRIES_MAX);
	switch (mode & 0170000) {
	case 0040000:
		return give_tree(g, oid, path, depth + 1);
	case 0160000:
		return give_bytes(g, STORE_MODULE, 0, path, oid, g->oid_len);
	case 0100000:
	case 0120000:
		return give_blob(g, mode, oid, path);
	default:
		return dd_err_say(g->err, EBADMSG, "an entry of a tree has mode %o", mode);
	}
}

/* "100644 name\0" and the name of the object, one after the other. */
static int give_entries(struct giving *g, const struct git_bytes *tree, const char *dir,
                        unsigned depth)
{
	char path[STORE_PATH_MAX + 1];
	const char *at = (const char *)tree->data, *end = at + tree->len;

	while (at < end) {
		char *name = NULL;
		unsigned long mode = strtoul(at, &name, 8);
		const char *nul = memchr(at, 0, (size_t)(end - at));
		if (!nul || name == at || *name != ' ' || name > nul ||
		    (size_t)(end - nul - 1) < g->oid_len)
			return dd_err_say(g->err, EBADMSG, "a tree is cut off");
		int n = snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name + 1);
		if (n < 0 || (size_t)n >= sizeof(path))
			return dd_err_say(g->err, EBADMSG, "a path is too long");
		int r = give_entry(g, (unsigned)mode, (const unsigned char *)nul + 1, path, depth);
		if (r < 0)
			return r;
		at = nul + 1 + g->oid_len;
	}
	return 0;
}

static int give_tree(struct giving *g, const unsigned char *oid, const char *dir, unsigned depth)
{
	struct git_bytes tree = { .data = NULL };

	if (depth > STORE_DEPTH_MAX)
		return dd_err_say(g->err, EBADMSG, "directories are more than %d deep",
		                  STORE_DEPTH_MAX);
	int r = read_typed(g, oid, GIT_TREE, &tree);
	if (r == -ENOENT)
		return lacks(g, dir);
	if (r == 0) /* a NUL stands behind what was read: numbers end there */
		r = give_entries(g, &tree, dir, depth);
	free(tree.data);
	return r;
}

/* ---- where it comes from ---- */

struct seen {
	unsigned char oid[GIT_OID_MAX];
};

struct search_ {
	struct giving *g;
	struct seen **queue;
	size_t n, next, cap;
	void *known;
};

static int compare_seen(const void *a, const void *b)
{
	return memcmp(a, b, GIT_OID_MAX);
}

static int look_later(struct search_ *s, const unsigned char *oid)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	if (!seen)
		return dd_err_set(s->g->err, ENOMEM, "look at a history");
	memcpy(seen->oid, oid, s->g->oid_len);
	struct seen **found = tsearch(seen, &s->known, compare_seen);
	if (!found || *found != seen) {
		free(seen);
		return found ? 0 : dd_err_set(s->g->err, ENOMEM, "look at a history");
	}
	/* from here on the tree of those known owns it */
	if (s->n == s->cap) {
		const size_t cap = s->cap ? 2 * s->cap : 1024;
		struct seen **more = reallocarray(s->queue, cap, sizeof(struct seen *));
		if (!more)
			return dd_err_set(s->g->err, ENOMEM, "look at a history");
		s->queue = more;
		s->cap = cap;
	}
	s->queue[s->n++] = seen;
	return 0;
}

/* Its parents stand behind its tree, a line each. What is not here any more (a history that was cut
 * off) ends the way. */
static int look_behind(struct search_ *s, const unsigned char *oid)
{
	struct git_bytes commit = { .data = NULL };
	struct dd_err ignored = { 0 };
	int r = git_object_read(s->g->objects, oid, s->g->oid_len, COMMIT_MAX, &commit, &ignored);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return dd_err_say(s->g->err, -r, "%s", ignored.msg);
	const size_t hex_len = 2 * s->g->oid_len;
	const char *at = (const char *)commit.data, *end = at + commit.len;
	const char *line = commit.type == GIT_COMMIT ? memchr(at, '\n', commit.len) : NULL;
	if (commit.type == GIT_TAG && commit.len > 7 + hex_len && strncmp(at, "object ", 7) == 0) {
		unsigned char on[GIT_OID_MAX] = { 0 };
		char hex[2 * GIT_OID_MAX + 1];
		(void)snprintf(hex, sizeof(hex), "%.*s", (int)hex_len, at + 7);
		if (git_oid_parse(hex, on) == s->g->oid_len)
			r = look_later(s, on);
	}
	while (r == 0 && line && (size_t)(end - ++line) > 8 + hex_len &&
	       strncmp(line, "parent ", 7) == 0) {
		unsigned char parent[GIT_OID_MAX] = { 0 };
		char hex[2 * GIT_OID_MAX + 1];
		(void)snprintf(hex, sizeof(hex), "%.*s", (int)hex_len, line + 7);
		if (git_oid_parse(hex, parent) != s->g->oid_len)
			break;
		r = look_later(s, parent);
		line = memchr(line, '\n', (size_t)(end - line));
	}
	free(commit.data);
	return r;
}

static int find_origin(struct giving *g, const struct commit_wanted *what,
                       const unsigned char *wanted)
{
	struct search_ s = { .g = g };
	int r = 0;

	for (size_t i = 0; r == 0 && what->tips[i]; i++) {
		unsigned char tip[GIT_OID_MAX] = { 0 };
		if (git_oid_parse(what->tips[i], tip) == g->oid_len)
			r = look_later(&s, tip);
	}
	while (r == 0 && s.next < s.n && s.next < COMMITS_MAX) {
		const struct seen *at = s.queue[s.next++];
		if (memcmp(at->oid, wanted, g->oid_len) == 0)
			return 0; /* the process ends soon: nothing is freed */
		r = look_behind(&s, at->oid);
	}
	return r < 0 ? r
	             : dd_err_say(g->err, EACCES,
	                          "commit %.12s is on none of the branches and tags of the "
	                          "repository: it may be a fork's",
	                          what->oid);
}

/* ---- all ---- */

static int read_commit(const struct store_reader *reader, int out, struct dd_err *err)
{
	const struct commit_wanted *what = reader->arg;
	unsigned char oid[GIT_OID_MAX] = { 0 }, tree[GIT_OID_MAX];
	struct git_bytes commit = { .data = NULL };
	char hex[2 * GIT_OID_MAX + 1];
	struct giving g = { .out = out, .err = err, .oid_len = git_oid_parse(what->oid, oid) };

	g.objects = openat(reader->dir_fd, "objects", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (g.objects < 0 || g.oid_len == 0)
		return dd_err_set(err, ENOENT, "open the objects of the repository");
	int r = read_typed(&g, oid, GIT_COMMIT, &commit);
	if (r == -ENOENT)
		return dd_err_say(err, ENOENT, "commit %.12s is not in the repository", what->oid);
	if (r == 0)
		r = find_origin(&g, what, oid);
	if (r < 0)
		return r;
	(void)snprintf(hex, sizeof(hex), "%.*s", (int)(2 * g.oid_len),
	               commit.len > 5 + 2 * g.oid_len ? (const char *)commit.data + 5 : "");
	if (git_oid_parse(hex, tree) != g.oid_len)
		return dd_err_say(err, EBADMSG, "the commit does not begin with its tree");
	r = give_bytes(&g, STORE_COMMIT, (unsigned)g.oid_len, "", commit.data, commit.len);
	return r < 0 ? r : give_tree(&g, tree, "", 0);
}

int store_read_commit(int git_fd, const char *oid, const char *const *tips, int to_fd,
                      struct store_took *took, struct dd_err *err)
{
	const struct commit_wanted what = { .oid = oid, .tips = tips };
	const struct store_reader reader = {
		.dir_fd = git_fd, .file_fd = -1, .read = read_commit, .arg = &what
	};
	unsigned char wanted[GIT_OID_MAX];
	size_t len = git_oid_parse(oid, wanted);
	int r = len == 0 ? dd_err_say(err, EINVAL, "`%.80s` names no commit", oid)
	                 : store_reader_run(&reader, to_fd, took, err);

	if (r < 0)
		return r;
	/* both sides were computed here, from the bytes that are written down */
	if (!took->has_commit || took->oid_len != len || memcmp(took->commit, wanted, len) != 0 ||
	    memcmp(took->tree, took->commit_tree, len) != 0)
		return dd_err_say(err, EBADMSG,
		                  "what came out of the repository is not commit %.12s", oid);
	return 0;
}
