// SPDX-License-Identifier: Apache-2.0
/* git_facts.c - follows HEAD through loose and packed refs, and a branch to its remote. */
#include "git_facts.h"

#include "dir_stack.h"
#include "drydock/fd.h"
#include "git_config.h"
#include "input/read_file.h"

#include <ctype.h>
#include <fcntl.h>

enum { SYMREFS_MAX = 5, PACKED_MAX = 256 * 1024 * 1024 };

static int read_beneath(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	dd_auto_fd int fd = open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	return fd < 0 ? fd : read_fd_bounded(fd, path, max, ret, ret_len, NULL);
}

static bool is_oid(const char *text, size_t len)
{
	if (len != 40 && len != 64)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	return true;
}

/* As git-check-ref-format, as far as a name can do harm here. */
static bool is_ref(const char *name)
{
	if (strncmp(name, "refs/", 5) != 0 ||
	    strlen(name) >= sizeof(((struct git_facts *)0)->ref) || strstr(name, "..") ||
	    strstr(name, "//"))
		return false;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
			return false;
	return true;
}

static bool find_packed(const struct git_place *place, const char *ref, char sha[65])
{
	dd_auto_free char *text = NULL;
	size_t len = 0, want = strlen(ref);
	if (read_beneath(place->common_fd, "packed-refs", PACKED_MAX, &text, &len) < 0)
		return false;
	for (const char *line = text, *end; line < text + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + len - line));
		end = end ? end : text + len;
		const char *space = memchr(line, ' ', (size_t)(end - line));
		if (!space || (size_t)(end - space - 1) != want ||
		    memcmp(space + 1, ref, want) != 0 || !is_oid(line, (size_t)(space - line)))
			continue;
		(void)snprintf(sha, 65, "%.*s", (int)(space - line), line);
		return true;
	}
	return false;
}

/* The content of HEAD or of a loose ref, without the end of its line; "" when it cannot be read. A
 * worktree has some refs of its own. */
static void read_ref(const struct git_place *place, const char *name, char ret[512])
{
	const int dirs[] = { place->git_fd, place->common_fd };
	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(dirs) && !ret[0]; i++) {
		dd_auto_free char *text = NULL;
		size_t len = 0;
		if (read_beneath(dirs[i], name, 511, &text, &len) == 0)
			(void)snprintf(ret, 512, "%.*s", (int)strcspn(text, "\r\n"), text);
	}
}

static void follow_head(const struct git_place *place, struct git_facts *ret)
{
	char name[512] = "HEAD", text[512] = "";
	for (unsigned i = 0; i < SYMREFS_MAX; i++) {
		read_ref(place, name, text);
		if (is_oid(text, strlen(text))) {
			(void)snprintf(ret->sha, sizeof(ret->sha), "%.64s", text);
			return;
		}
		if (strncmp(text, "ref: ", 5) != 0 || !is_ref(text + 5)) {
			if (i > 0 && !text[0] && find_packed(place, name, ret->sha))
				return;
			break;
		}
		(void)snprintf(name, sizeof(name), "%s", text + 5);
		(void)snprintf(ret->ref, sizeof(ret->ref), "%.255s", name);
	}
	/* A branch without a commit still has its name. With reftable HEAD says nothing. */
	if (strcmp(ret->ref, "refs/heads/.invalid") == 0)
		ret->ref[0] = '\0';
}

bool git_ref_read(const struct git_place *place, const char *name, char ret_sha[65],
                  char ret_ref[256])
{
	char at[256], text[512];
	if (strcmp(name, "HEAD") != 0 && !is_ref(name))
		return false;
	(void)snprintf(at, sizeof(at), "%.255s", name);
	for (unsigned i = 0; i < SYMREFS_MAX; i++) {
		read_ref(place, at, text);
		bool direct = is_oid(text, strlen(text));
		if (direct)
			(void)snprintf(ret_sha, 65, "%.64s", text);
		if (direct || (!text[0] && find_packed(place, at, ret_sha))) {
			if (ret_ref)
				(void)snprintf(ret_ref, 256, "%s", at);
			return true;
		}
		if (strncmp(text, "ref: ", 5) != 0 || !is_ref(text + 5))
			return false;
		(void)snprintf(at, sizeof(at), "%.255s", text + 5);
	}
	return false;
}

/* ---- the remote ---- */

bool git_repository_name(const char *url, char *ret, size_t size)
{
	const char *scheme = strstr(url, "://"), *path;
	if (strncmp(url, "file:", 5) == 0)
		return false;
	if (scheme) {
		path = strchr(scheme + 3, '/');
	} else {
		/* host:path; a slash before the colon makes it a local path */
		path = strchr(url, ':');
		if (path && memchr(url, '/', (size_t)(path - url)))
			path = NULL;
		path = path ? path + 1 : NULL;
	}
	if (!path)
		return false;
	path += strspn(path, "/");
	size_t len = strcspn(path, "?#");
	while (len > 0 && path[len - 1] == '/')
		len--;
	if (len > 4 && memcmp(path + len - 4, ".git", 4) == 0)
		len -= 4;
	if (len == 0 || len >= size || !memchr(path, '/', len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)path[i]) && !strchr("._-/", path[i]))
			return false;
	(void)snprintf(ret, size, "%.*s", (int)len, path);
	return strstr(ret, "..") == NULL;
}

struct remotes {
	const char *branch; /* "main" */
	char of_branch[100];
	struct {
		char name[100], url[1024];
	} all[8];
	size_t n;
};

static int note_remote(void *arg, const struct git_variable *var)
{
	struct remotes *r = arg;
	if (!var->sub || !var->value)
		return 0;
	if (strcmp(var->section, "branch") == 0 && strcmp(var->key, "remote") == 0 &&
	    strcmp(var->sub, r->branch) == 0)
		(void)snprintf(r->of_branch, sizeof(r->of_branch), "%.99s", var->value);
	if (strcmp(var->section, "remote") != 0 || strcmp(var->key, "url") != 0 ||
	    r->n == ARRAY_LEN(r->all))
		return 0;
	(void)snprintf(r->all[r->n].name, sizeof(r->all[0].name), "%.99s", var->sub);
	(void)snprintf(r->all[r->n].url, sizeof(r->all[0].url), "%.1023s", var->value);
	r->n++;
	return 0;
}

/* The remote of the branch; else origin; else the only one. */
static const char *choose_url(const struct remotes *r)
{
	const char *const names[] = { r->of_branch, "origin" };
	for (size_t k = 0; k < ARRAY_LEN(names); k++)
		for (size_t i = 0; i < r->n; i++)
			if (names[k][0] && strcmp(r->all[i].name, names[k]) == 0)
				return r->all[i].url;
	return r->n == 1 ? r->all[0].url : NULL;
}

static void find_remote(const struct git_place *place, struct git_facts *ret)
{
	dd_auto_free char *text = NULL;
	dd_auto_free struct remotes *r = calloc(1, sizeof(*r));
	size_t len = 0;
	if (!r || read_beneath(place->common_fd, "config", GIT_CONFIG_MAX, &text, &len) < 0)
		return;
	r->branch = strncmp(ret->ref, "refs/heads/", 11) == 0 ? ret->ref + 11 : "";
	if (git_config_each(text, len, note_remote, r, NULL) < 0)
		return;
	const char *url = choose_url(r);
	if (!url || !git_repository_name(url, ret->repository, sizeof(ret->repository)))
		ret->repository[0] = '\0';
}

void git_facts_read(const struct git_place *place, struct git_facts *ret)
{
	*ret = (struct git_facts){ .ref = "" };
	if (place->kind == GIT_NONE)
		return;
	follow_head(place, ret);
	find_remote(place, ret);
}
