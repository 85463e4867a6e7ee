// SPDX-License-Identifier: Apache-2.0
/* store_refs.c - see store_refs.h. Runs in: command line. */
#include "store_refs.h"

#include "drydock/fd.h"
#include "input/read_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKED_MAX = 16 * 1024 * 1024, REFS_MAX = 100 * 1000, DEPTH_MAX = 8 };

static bool is_own(const char *name)
{
	static const char *const own[] = { "refs/heads/", "refs/tags/", "refs/remotes/" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strncmp(name, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

static bool is_oid(const char *text, size_t len)
{
	return (len == 40 || len == 64) && strspn(text, "0123456789abcdef") >= len;
}

static int add(struct store_refs *refs, struct plan_arena *arena, const char *name, size_t name_len,
               const char *oid, size_t oid_len, struct dd_err *err)
{
	const char *copy = arena_strndup(arena, name, name_len);
	if (!is_own(copy) || !is_oid(oid, oid_len))
		return 0;
	if (refs->n == REFS_MAX)
		return dd_err_say(err, E2BIG, "the repository has more than %d refs", REFS_MAX);
	refs->refs = arena_grow(arena, refs->refs, refs->n, sizeof(*refs->refs));
	struct store_ref *ref = &refs->refs[refs->n++];
	ref->name = copy;
	(void)snprintf(ref->oid, sizeof(ref->oid), "%.*s", (int)oid_len, oid);
	return 0;
}

static int read_packed(int git_fd, struct plan_arena *arena, struct store_refs *refs,
                       struct dd_err *err)
{
	dd_auto_fd int fd = openat(git_fd, "packed-refs",
	                           O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	dd_auto_free char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? 0 : read_fd_bounded(fd, "packed-refs", PACKED_MAX, &text, &len, err);

	for (const char *line = text, *end; r == 0 && line && line < text + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + len - line));
		end = end ? end : text + len;
		const char *space = memchr(line, ' ', (size_t)(end - line));
		if (space && *line != '#' && *line != '^')
			r = add(refs, arena, space + 1, (size_t)(end - space - 1), line,
			        (size_t)(space - line), err);
	}
	return r;
}

static int read_loose(int dir_fd, const char *name, unsigned depth, struct plan_arena *arena,
                      struct store_refs *refs, struct dd_err *err);

static int read_one(int dir_fd, const char *entry, const char *name, unsigned depth,
                    struct plan_arena *arena, struct store_refs *refs, struct dd_err *err)
{
	dd_auto_fd int fd = openat(dir_fd, entry,
	                           O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	dd_auto_free char *text = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return read_loose(fd, name, depth + 1, arena, refs, err);
	if (!S_ISREG(st.st_mode) || read_fd_bounded(fd, "a ref", 511, &text, &len, err) < 0)
		return 0; /* no ref, as git sees it */
	return add(refs, arena, name, strlen(name), text, strcspn(text, "\r\n"), err);
}

static int read_loose(int dir_fd, const char *name, unsigned depth, struct plan_arena *arena,
                      struct store_refs *refs, struct dd_err *err)
{
	int own = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3), r = 0;
	DIR *dir = own < 0 || depth > DEPTH_MAX ? NULL : fdopendir(own);

	if (!dir) {
		dd_close(own);
		return 0;
	}
	for (const struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir))
		if (e->d_name[0] != '.')
			r = read_one(dir_fd, e->d_name,
			             arena_printf(arena, "%s/%s", name, e->d_name), depth, arena,
			             refs, err);
	(void)closedir(dir);
	return r;
}

/* A loose ref wins over a packed one: it is looked for from behind. */
int store_refs_read(int git_fd, struct plan_arena *arena, struct store_refs *ret,
                    struct dd_err *err)
{
	*ret = (struct store_refs){ .n = 0 };
	int r = read_packed(git_fd, arena, ret, err);
	dd_auto_fd int refs = openat(git_fd, "refs",
	                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 || refs < 0 ? r : read_loose(refs, "refs", 0, arena, ret, err);
}

const struct store_ref *store_refs_find(const struct store_refs *refs, const char *name)
{
	for (size_t i = refs->n; i > 0; i--)
		if (strcmp(refs->refs[i - 1].name, name) == 0)
			return &refs->refs[i - 1];
	return NULL;
}
