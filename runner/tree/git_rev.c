// SPDX-License-Identifier: Apache-2.0
/* git_rev.c - from what somebody calls a commit to the commit. */
#include "git_rev.h"

#include "dir_stack.h"
#include "drydock/fd.h"
#include "git_facts.h"
#include "git_object.h"
#include "input/read_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { TAGS_DEEP = 10, PREFIX_MIN = 4, ALTERNATES_MAX = 64 * 1024 };

/* ---- where objects are ---- */

void git_stores_close(struct git_stores *stores)
{
	for (size_t i = 0; i < stores->n; i++)
		dd_close(stores->fd[i]);
	stores->n = 0;
}

static bool is_known(const struct git_stores *s, const struct stat *st)
{
	for (size_t i = 0; i < s->n; i++) {
		struct stat other;
		if (fstat(s->fd[i], &other) == 0 && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return true;
	}
	return false;
}

/* One line of an alternates file. The place is of whoever made the clone; what is not there, or no
 * directory of objects, is none for git either. */
static int add_store(struct git_stores *s, int from, const char *line, size_t len,
                     struct dd_err *err)
{
	char path[500];
	struct stat st;
	if (len == 0 || line[0] == '#')
		return 0;
	if (len >= sizeof(path) || line[0] == '"')
		return dd_err_say(
			err, ENAMETOOLONG,
			"objects/info/alternates names a place that is quoted or too long");
	(void)snprintf(path, sizeof(path), "%.*s", (int)len, line);
	dd_auto_fd int fd = openat(from, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || is_known(s, &st))
		return 0;
	if (s->n == GIT_STORES_MAX)
		return dd_err_say(err, E2BIG,
		                  "the repository borrows objects from more than %d others",
		                  GIT_STORES_MAX - 1);
	(void)snprintf(s->path[s->n], sizeof(s->path[0]), "%.79s", path);
	s->fd[s->n++] = dd_take_fd(&fd);
	return 0;
}

static int add_alternates(struct git_stores *s, int from, struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	dd_auto_fd int fd = open_beneath(from, "info/alternates", O_RDONLY | O_NONBLOCK | O_NOCTTY,
	                                 0);
	if (fd < 0)
		return 0;
	int r = read_fd_bounded(fd, "objects/info/alternates", ALTERNATES_MAX, &text, &len, err);
	for (const char *line = text, *end; r == 0 && line < text + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + len - line));
		end = end ? end : text + len;
		r = add_store(s, from, line, (size_t)(end - line), err);
	}
	return r;
}

int git_stores_open(const struct git_place *place, struct git_stores *ret, struct dd_err *err)
{
	int r = 0;
	ret->n = 0;
	ret->path[0][0] = '\0';
	ret->fd[0] = open_beneath(place->common_fd, "objects", O_RDONLY | O_DIRECTORY, 0);
	if (ret->fd[0] < 0)
		return dd_err_set(err, -ret->fd[0], "open the repository's objects");
	ret->n = 1;
	for (size_t i = 0; i < ret->n && r == 0; i++)
		r = add_alternates(ret, ret->fd[i], err);
	if (r < 0)
		git_stores_close(ret);
	return r;
}

/* ---- the commit ---- */

/* From a tag to what it is on, as often as it takes. */
static int peel(const struct git_stores *stores, const char *rev, char sha[65], struct dd_err *err)
{
	unsigned char oid[GIT_OID_MAX], next[GIT_OID_MAX];
	size_t len = git_oid_parse(sha, oid);
	for (unsigned deep = 0; deep < TAGS_DEEP; deep++) {
		struct dd_err why = { 0 };
		int r = -ENOENT;
		for (size_t i = 0; i < stores->n && r == -ENOENT; i++)
			r = git_tag_target(stores->fd[i], oid, len, next, &why);
		if (r == -ENOENT)
			return dd_err_say(
				err, ENOENT,
				"--rev %.200s: commit %s is not in this clone (a shallow or "
				"partial one? git fetch it first)",
				rev, sha);
		if (r < 0)
			return dd_err_say(err, EINVAL, "--rev %.200s: %.300s", rev, why.msg);
		if (r == 0)
			return 0;
		memcpy(oid, next, len);
		for (size_t i = 0; i < len; i++)
			(void)snprintf(sha + 2 * i, 3, "%02x", oid[i]);
	}
	return dd_err_say(err, ELOOP, "--rev %.200s: a tag on a tag on a tag ...", rev);
}

/* A remote's branch is a branch of the forge. */
static void name_ref(const char *found, char ret[256])
{
	static const char remotes[] = "refs/remotes/";
	const char *name = found;
	if (strncmp(found, remotes, sizeof(remotes) - 1) == 0) {
		name = strchr(found + sizeof(remotes) - 1, '/');
		(void)snprintf(ret, 256, "%s%.240s", name ? "refs/heads" : "", name ? name : "");
	} else {
		(void)snprintf(ret, 256, "%.255s", strncmp(name, "refs/", 5) == 0 ? name : "");
	}
}

static bool find_ref(const struct git_place *place, const char *rev, struct git_rev *ret)
{
	static const char *const ways[] = { "%s",
		                            "refs/%s",
		                            "refs/tags/%s",
		                            "refs/heads/%s",
		                            "refs/remotes/%s",
		                            "refs/remotes/%s/HEAD" };
	static const size_t first[] = { 0, 5, 10, 11, 13, 13 };
	if (strcmp(rev, "@") == 0)
		rev = "HEAD";
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		char name[300], found[256] = "";
		(void)snprintf(name, sizeof(name), "%.*s%s%s", (int)first[i], ways[i], rev,
		               i == 5 ? "/HEAD" : "");
		if ((i == 0 && strcmp(rev, "HEAD") != 0 && strncmp(rev, "refs/", 5) != 0) ||
		    !git_ref_read(place, name, ret->sha, found))
			continue;
		/* a tag keeps its name, HEAD and origin/HEAD have that of a branch */
		name_ref(found, ret->ref);
		return true;
	}
	return false;
}

static bool is_hex(const char *rev)
{
	size_t len = strlen(rev);
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)rev[i]) &&
		    !(tolower(rev[i]) >= 'a' && tolower(rev[i]) <= 'f'))
			return false;
	return len >= PREFIX_MIN && len <= 64;
}

static int find_object(const struct git_place *place, const struct git_stores *stores,
                       const char *rev, struct git_rev *ret, struct dd_err *err)
{
	char hex[65] = "", head[65];
	size_t oid_len = git_ref_read(place, "HEAD", head, NULL) && strlen(head) == 64 ? 32 : 20;
	for (size_t i = 0; i < 64 && rev[i]; i++)
		hex[i] = (char)tolower(rev[i]);
	ret->ref[0] = '\0';
	int r = git_oid_complete(stores->fd, stores->n, hex, oid_len, ret->sha);
	if (r == -ENOTUNIQ)
		return dd_err_say(
			err, ENOTUNIQ,
			"--rev %.200s: several objects begin with that; give more of its name",
			rev);
	return r;
}

int git_rev_find(const struct git_place *place, const struct git_stores *stores, const char *rev,
                 struct git_rev *ret, struct dd_err *err)
{
	int r = -ENOENT;
	if (!rev[0] || rev[0] == '-' || strlen(rev) > 200 || strpbrk(rev, "~^:?*[\\ \t\n{"))
		return dd_err_say(err, EINVAL,
		                  "--rev takes a branch, a tag or a commit, not `%.200s`; what an "
		                  "expression means is told by git rev-parse",
		                  rev);
	/* the whole name of an object is nothing else, as for git */
	bool whole = is_hex(rev) && (strlen(rev) == 40 || strlen(rev) == 64);
	if (!whole && find_ref(place, rev, ret))
		return peel(stores, rev, ret->sha, err);
	if (is_hex(rev))
		r = find_object(place, stores, rev, ret, err);
	if (r == 0)
		return peel(stores, rev, ret->sha, err);
	if (r != -ENOENT)
		return r;
	bool reftable = faccessat(place->common_fd, "reftable", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	return dd_err_say(err, ENOENT,
	                  "--rev %.200s: there is no such branch, tag, remote branch or commit in "
	                  "this repository%s",
	                  rev,
	                  reftable ? " (its refs are in a format that is not read here, reftable: "
	                             "name the commit)"
	                           : "");
}
