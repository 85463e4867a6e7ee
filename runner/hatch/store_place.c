// SPDX-License-Identifier: Apache-2.0
/* store_place.c - finds and makes the directories of the store; says which scopes a job has.
 *
 * Runs in: command line and supervisor, never where a byte of a step is read. */
#include "store_place.h"

#include "base/digest.h"
#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

int store_place(const char *state, uid_t host_uid, char ret[STORE_PLACE_MAX], struct dd_err *err)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char here[300] = "";
	int n;

	if (state && state[0] != '/' && !getcwd(here, sizeof(here)))
		return dd_err_set(err, errno, "find where the state directory %.80s is", state);
	if (state)
		n = snprintf(ret, STORE_PLACE_MAX, "%s%s%s/store", here, here[0] ? "/" : "", state);
	else if (host_uid == 0)
		n = snprintf(ret, STORE_PLACE_MAX, "/var/cache/drydock");
	else if (xdg && xdg[0] == '/')
		n = snprintf(ret, STORE_PLACE_MAX, "%s/drydock", xdg);
	else if (home && home[0] == '/')
		n = snprintf(ret, STORE_PLACE_MAX, "%s/.cache/drydock", home);
	else
		return dd_err_say(err, ENOENT,
		                  "no place for caches and artifacts: neither XDG_CACHE_HOME nor "
		                  "HOME is an absolute path; set one, or say --state-dir DIR");
	return n < 0 || n > STORE_PLACE_MAX - 80
	               ? dd_err_say(err, ENAMETOOLONG, "the directory of the store is too long")
	               : 0;
}

/* mkdir -p; what is there already is taken, as long as it is a directory of ours at the end. */
static int make_dirs(const char *path, struct dd_err *err)
{
	char part[STORE_PLACE_MAX];
	size_t len = strlen(path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return dd_err_set(err, errno, "make directory %s", part);
	}
	return 0;
}

int store_open_dir(const char *path, int *ret_fd, struct dd_err *err)
{
	struct stat st;
	int r = make_dirs(path, err);
	if (r < 0)
		return r;
	dd_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "open %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return dd_err_say(
			err, EPERM,
			"%s is not a directory of this user alone (mode %03o): remove it, "
			"or chmod go-w it",
			path, (unsigned)st.st_mode & 0777);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

/* For people who look into the directory. */
static void say_of(int dir, const char *of)
{
	dd_auto_fd int fd = openat(dir, "of", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && dprintf(fd, "%s\n", of) < 0)
		(void)unlinkat(dir, "of", 0);
}

int store_open_caches(const char *store, const struct event_facts *event, const char *workspace,
                      int *ret_fd, struct dd_err *err)
{
	char of[PATH_MAX + 16], path[STORE_PLACE_MAX + DIGEST_HEX], hex[DIGEST_HEX];
	struct digest *digest = NULL;
	dd_auto_free char *whole = workspace ? realpath(workspace, NULL) : NULL;

	if (event->local || !event->repository[0])
		(void)snprintf(of, sizeof(of), "%s:%s", event->local ? "local" : "event",
		               whole ? whole : "");
	else
		(void)snprintf(of, sizeof(of), "repository:%s", event->repository);
	int r = digest_new(&digest, err);
	if (r == 0)
		r = digest_bytes(digest, of, strlen(of), hex, err);
	digest_free(digest);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/caches/%.32s", store, hex);
	r = store_open_dir(path, ret_fd, err);
	if (r == 0)
		say_of(*ret_fd, of);
	return r;
}

/* ---- runs ---- */

static void empty_dir(int dir)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		dd_close(again);
		return;
	}
	for (struct dirent *de; (de = readdir(d));)
		if (de->d_name[0] != '.')
			(void)unlinkat(dir, de->d_name, 0);
	(void)closedir(d);
}

/* A run that lives holds its directory (flock). */
static void sweep_run(int runs, const char *name)
{
	dd_auto_fd int fd = openat(runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	empty_dir(fd);
	(void)unlinkat(runs, name, AT_REMOVEDIR);
}

static void sweep_runs(int runs)
{
	int again = openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		dd_close(again);
		return;
	}
	for (struct dirent *de; (de = readdir(d));)
		if (de->d_name[0] != '.')
			sweep_run(runs, de->d_name);
	(void)closedir(d);
}

int store_make_run(const char *store, char ret_path[STORE_PLACE_MAX], int *ret_fd,
                   struct dd_err *err)
{
	unsigned char chance[8];
	char path[STORE_PLACE_MAX], name[17];
	dd_auto_fd int runs = -1, all = -1;

	(void)snprintf(path, sizeof(path), "%.480s/runs", store);
	int r = store_open_dir(path, &runs, err);
	if (r < 0)
		return r;
	/* between making a directory and holding it nobody sweeps */
	all = openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0 || flock(all, LOCK_EX) < 0 ||
	    getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return dd_err_set(err, errno, "lock %s", path);
	sweep_runs(runs);
	for (size_t i = 0; i < sizeof(chance); i++)
		(void)snprintf(name + 2 * i, 3, "%02x", chance[i]);
	(void)snprintf(ret_path, STORE_PLACE_MAX, "%.470s/%s", path, name);
	r = store_open_dir(ret_path, ret_fd, err);
	if (r == 0 && flock(*ret_fd, LOCK_SH | LOCK_NB) < 0)
		r = dd_err_set(err, errno, "hold %s", ret_path);
	return r;
}

void store_remove_run(const char *path)
{
	dd_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	empty_dir(fd);
	(void)rmdir(path);
}

/* ---- scopes ---- */

static void add_scope(struct hatch_scopes *s, const char *ref)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->ref[i], ref) == 0)
			return;
	if (ref[0] && s->n < HATCH_SCOPES_MAX)
		(void)snprintf(s->ref[s->n++], sizeof(s->ref[0]), "%.255s", ref);
}

/* GitLab's keys are the project's and not a ref's, and many leave the ref out of them on purpose:
 * all protected refs are one scope, all others another. What a fork's merge request wrote it has
 * alone. */
static void gitlab_scopes(const struct event_facts *event, struct hatch_scopes *ret)
{
	if (event->fork)
		add_scope(ret, event->ref[0] ? event->ref : "refs/unknown");
	if (!ret->trusted)
		add_scope(ret, "unprotected refs");
	add_scope(ret, "protected refs");
}

void store_scopes(const struct event_facts *event, bool trusted, struct hatch_scopes *ret)
{
	char pull[64] = "";

	*ret = (struct hatch_scopes){ .trusted = trusted };
	if (strcmp(event->forge, "gitlab") == 0) {
		gitlab_scopes(event, ret);
		return;
	}
	if (event->local) {
		add_scope(ret, "local");
		return;
	}
	if (event->pull_number > 0)
		(void)snprintf(pull, sizeof(pull), "refs/pull/%lld/merge",
		               (long long)event->pull_number);
	add_scope(ret, event->ref);
	if (ret->n == 0)
		add_scope(ret, pull);
	if (ret->n == 0)
		add_scope(ret, "refs/unknown");
	add_scope(ret, event->base_ref);
	add_scope(ret, event->default_ref);
}
