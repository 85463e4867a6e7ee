// SPDX-License-Identifier: Apache-2.0
/* store_known.c - what was fetched before: which tree a commit of a forge's repository is.
 *
 * Runs in: command line. `known/` of the store holds a file for each, named by the digest of what
 * was asked for, and in it the digest of the tree. A commit's name says all that is in it, and that
 * it lies on a branch or a tag was seen when it came: so it need not come again. */
#include "store.h"

#include "base/digest.h"
#include "drydock/fd.h"
#include "input/read_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_DIR "known"
enum { ROW_MAX = 200, NAME_LEN = 64 };

/* As it is kept and as it is believed when it is read again. */
static const char *const kinds[] = { "commit", "tag", "branch" };

static int name_of(const char *url, const struct store_asked *asked, char ret[65],
                   struct dd_err *err)
{
	struct digest *digest = NULL;
	char text[1200];
	size_t at = (size_t)snprintf(text, sizeof(text), "%.400s\n", url);
	(void)snprintf(text + at, sizeof(text) - at, "%.200s\n%.200s\n%.64s", asked->repository,
	               asked->ref, asked->commit);
	for (char *c = text + at; *c && *c != '\n'; c++) /* case does not count in its name */
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	int r = digest_new(&digest, err);
	if (r == 0)
		r = digest_bytes(digest, text, strlen(text), ret, err);
	digest_free(digest);
	return r;
}

static int open_known(const struct store *store)
{
	if (mkdirat(store->fd, KNOWN_DIR, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(store->fd, KNOWN_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* "SHA256 KIND": into *@ret. */
static bool read_row(int dir, const char *name, struct store_took_action *ret)
{
	dd_auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	dd_auto_free char *text = NULL;
	size_t len = 0;

	if (fd < 0 || read_fd_bounded(fd, name, ROW_MAX, &text, &len, NULL) < 0 ||
	    strspn(text, "0123456789abcdef") != NAME_LEN || text[NAME_LEN] != ' ')
		return false;
	(void)snprintf(ret->sha256, sizeof(ret->sha256), "%.64s", text);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strncmp(text + NAME_LEN + 1, kinds[i], strlen(kinds[i])) == 0) {
			ret->ref_is = kinds[i];
			return true;
		}
	return false;
}

int store_known(const struct store *store, const char *url, const struct store_asked *asked,
                struct store_took_action *ret, struct dd_err *err)
{
	struct store_took_action found = { .ref_is = "" };
	dd_auto_fd int dir = open_known(store);
	char name[65], sha256[65];

	int r = name_of(url, asked, name, err);
	if (r < 0)
		return r;
	if (dir < 0 || !read_row(dir, name, &found))
		return 0;
	dd_auto_fd int tree = openat(store->fd, found.sha256,
	                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return 0;
	r = store_tree_digest(tree, sha256, err);
	if (r < 0)
		return r;
	if (strcmp(sha256, found.sha256) != 0) /* store_take() puts a whole one in its place */
		return 0;
	(void)futimens(tree, NULL); /* when it was used last */
	(void)snprintf(found.tree, sizeof(found.tree), "%.500s/%.64s", store->path, found.sha256);
	(void)snprintf(found.commit, sizeof(found.commit), "%.64s", asked->commit);
	(void)snprintf(found.source, sizeof(found.source), "%.400s/%.190s", url, asked->repository);
	*ret = found;
	return 1;
}

int store_note(const struct store *store, const char *url, const struct store_asked *asked,
               const struct store_took_action *took, struct dd_err *err)
{
	const struct store_asked whole = { .repository = asked->repository,
		                           .ref = asked->ref,
		                           .commit = took->commit };
	dd_auto_fd int dir = open_known(store);
	char name[65], beside[100];

	int r = name_of(url, &whole, name, err);
	if (r < 0)
		return r;
	(void)snprintf(beside, sizeof(beside), ".%.64s-%d", name, (int)getpid());
	dd_auto_fd int fd = dir < 0 ? -1
	                            : openat(dir, beside,
	                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	                                     0600);
	if (fd < 0 || dprintf(fd, "%s %s\n", took->sha256, took->ref_is) < 0 ||
	    renameat(dir, beside, dir, name) < 0)
		return dd_err_set(err, errno, "remember an action in %s", store->path);
	return 0;
}
