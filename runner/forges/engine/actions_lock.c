// SPDX-License-Identifier: Apache-2.0
/* actions_lock.c - see actions_lock.h. Runs in: command line. The file is a repository's, so it is
 * hostile: bounded, opened without following, and believed in nothing but what it refuses. */
#include "actions_lock.h"

#include "drydock/fd.h"
#include "input/read_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_MAX = 1024 * 1024, VERSION = 1, KEY_MAX = 420 };

struct actions_lock {
	json_t *root, *actions;
};

/* A repository at a ref is one thing, whichever of its actions is used; case does not count. */
static void key_of(const struct actions_found *found, char ret[KEY_MAX])
{
	(void)snprintf(ret, KEY_MAX, "%.200s@%.200s", found->repository, found->ref);
	for (char *at = ret; *at && *at != '@'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
}

int actions_lock_read(int dir_fd, struct actions_lock **ret, struct dd_err *err)
{
	dd_auto_fd int fd = openat(dir_fd, ACTIONS_LOCK_FILE,
	                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	dd_auto_free char *text = NULL;
	size_t len = 0;
	json_error_t why;

	if (fd < 0)
		return dd_err_set(err, errno, "open %s of the workspace", ACTIONS_LOCK_FILE);
	int r = read_fd_bounded(fd, ACTIONS_LOCK_FILE, LOCK_MAX, &text, &len, err);
	if (r < 0)
		return r;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	json_t *actions = json_object_get(root, "actions");
	if (!json_is_object(actions) ||
	    json_integer_value(json_object_get(root, "version")) != VERSION) {
		json_decref(root);
		return dd_err_say(err, EINVAL,
		                  "%s is no list of actions that this build understands: "
		                  "`drydock actions lock WORKFLOW` writes one",
		                  ACTIONS_LOCK_FILE);
	}
	struct actions_lock *lock = calloc(1, sizeof(*lock));
	if (!lock) {
		json_decref(root);
		return dd_err_set(err, ENOMEM, "read %s", ACTIONS_LOCK_FILE);
	}
	*lock = (struct actions_lock){ root, actions };
	*ret = lock;
	return 0;
}

void actions_lock_free(struct actions_lock *lock)
{
	if (lock)
		json_decref(lock->root);
	free(lock);
}

static const char *text_at(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));
	return text && strspn(text, "0123456789abcdef") == strlen(text) ? text : "";
}

const char *actions_lock_commit(const struct actions_lock *lock, const struct actions_found *found)
{
	char key[KEY_MAX];

	key_of(found, key);
	const char *commit = text_at(json_object_get(lock->actions, key), "commit");
	return strlen(commit) == 40 || strlen(commit) == 64 ? commit : NULL;
}

void actions_lock_judge(const struct actions_lock *lock, const struct actions_found *found,
                        char ret[300])
{
	char key[KEY_MAX];

	key_of(found, key);
	const json_t *row = json_object_get(lock->actions, key);
	const char *sha256 = text_at(row, "sha256"), *commit = text_at(row, "commit");
	ret[0] = '\0';
	if (!json_is_object(row))
		(void)snprintf(ret, 300, "is not in " ACTIONS_LOCK_FILE);
	else if (found->commit && commit[0] && strcmp(found->commit, commit) != 0)
		(void)snprintf(ret, 300,
		               "is another commit than " ACTIONS_LOCK_FILE
		               " says: %.64s here, %.64s "
		               "there",
		               found->commit, commit);
	else if (strcmp(found->sha256, sha256) != 0)
		(void)snprintf(ret, 300,
		               "has other files than " ACTIONS_LOCK_FILE
		               " says: sha256 %.64s here, "
		               "%.64s there",
		               found->sha256, sha256);
}

/* Sorted by name, one line each: it is made to be read in a diff. */
static json_t *rows_of(const struct actions_found *found, size_t n)
{
	json_t *rows = json_object();
	for (size_t i = 0; i < n; i++) {
		char key[KEY_MAX];
		key_of(&found[i], key);
		(void)json_object_set_new(rows, key,
		                          json_pack("{s:s*, s:s}", "commit", found[i].commit,
		                                    "sha256", found[i].sha256));
	}
	return rows;
}

int actions_lock_write(int dir_fd, const struct actions_found *found, size_t n, struct dd_err *err)
{
	static const char beside[] = ACTIONS_LOCK_FILE ".new";
	json_t *root = json_pack("{s:i, s:o}", "version", VERSION, "actions", rows_of(found, n));
	char *text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(root);
	(void)unlinkat(dir_fd, beside, 0);
	dd_auto_fd int fd = text ? openat(dir_fd, beside,
	                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                                  0644)
	                         : -1;
	int r = 0;
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0 || fsync(fd) < 0 ||
	    renameat(dir_fd, beside, dir_fd, ACTIONS_LOCK_FILE) < 0)
		r = dd_err_set(err, errno ? errno : ENOMEM, "write %s", ACTIONS_LOCK_FILE);
	free(text);
	return r;
}
