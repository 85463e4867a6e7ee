// SPDX-License-Identifier: Apache-2.0
/* ticket.c - see ticket.h. Runs in: agent, process of a job. */
#include "ticket.h"

#include "drydock/fd.h"
#include "input/read_file.h"
#include "registration.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void agent_dir(const char *state, char ret[560])
{
	(void)snprintf(ret, 560, "%.500s/agent", state);
}

static int place(const char *state, const char *name, struct ticket *ret, struct dd_err *err)
{
	char above[560];
	agent_dir(state, above);
	*ret = (struct ticket)TICKET_NONE;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	if ((size_t)snprintf(ret->dir, sizeof(ret->dir), "%s/%s", above, name) >= sizeof(ret->dir))
		return dd_err_say(err, ENAMETOOLONG, "the path of job %.80s is too long", name);
	return 0;
}

/* 1: locked; 0: by somebody else. */
static int lock(struct ticket *t, struct dd_err *err)
{
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/lock", t->dir);
	dd_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : dd_err_set(err, errno, "lock %s", path);
	t->lock_fd = dd_take_fd(&fd);
	return 1;
}

int ticket_make(const char *state, const char *runner, long long id, const char *message,
                size_t len, struct ticket *ret, struct dd_err *err)
{
	char name[TICKET_NAME_MAX], above[560];
	(void)snprintf(name, sizeof(name), "%.64s.%lld", runner, id);
	agent_dir(state, above);
	int r = place(state, name, ret, err);
	if (r < 0)
		return r;
	/* the lock first: a forge that hands a job over again while it runs here must not leave a
	 * message in its ticket */
	r = private_dir(ret->dir, err);
	if (r == 0 && (r = lock(ret, err)) == 0)
		r = dd_err_say(err, EBUSY, "job %lld of %s runs here already", id, runner);
	if (r > 0)
		r = ticket_write(ret, "message", message, len, err);
	return r < 0 ? r : 0;
}

int ticket_take(const char *state, const char *name, struct ticket *ret, struct dd_err *err)
{
	int r = place(state, name, ret, err);
	return r < 0 ? r : lock(ret, err);
}

static int is_ticket(const struct dirent *e)
{
	return e->d_name[0] != '.' && strchr(e->d_name, '.') && strlen(e->d_name) < TICKET_NAME_MAX;
}

int ticket_list(const char *state, char names[TICKETS_MAX][TICKET_NAME_MAX], struct dd_err *err)
{
	char dir[560];
	struct dirent **found = NULL;
	agent_dir(state, dir);
	int n = scandir(dir, &found, is_ticket, alphasort), kept = 0;
	if (n < 0)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "read %s", dir);
	for (int i = 0; i < n; i++) {
		if (kept < TICKETS_MAX)
			(void)snprintf(names[kept++], TICKET_NAME_MAX, "%.119s", found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return kept;
}

void ticket_runner(const char *name, char ret[TICKET_NAME_MAX])
{
	(void)snprintf(ret, TICKET_NAME_MAX, "%s", name);
	char *dot = strrchr(ret, '.');
	if (dot)
		*dot = '\0';
}

bool ticket_is_empty(const struct ticket *t)
{
	static const char *const files[] = { "message", "job", "end" };
	char path[700];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", t->dir, files[i]);
		if (access(path, F_OK) == 0)
			return false;
	}
	return true;
}

void ticket_remove(struct ticket *t)
{
	DIR *dir = opendir(t->dir);
	const struct dirent *e;
	while (dir && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(t->dir);
	ticket_close(t);
}

void ticket_close(struct ticket *t)
{
	dd_close_p(&t->lock_fd);
}

int ticket_read(const struct ticket *t, const char *file, size_t max, char **ret, size_t *ret_len,
                struct dd_err *err)
{
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	return read_file_bounded(path, max, ret, ret_len, err);
}

int ticket_write(const struct ticket *t, const char *file, const char *bytes, size_t len,
                 struct dd_err *err)
{
	return write_private(t->dir, file, bytes, len, err);
}

void ticket_drop(const struct ticket *t, const char *file)
{
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	(void)unlink(path);
}

int ticket_trace(const struct ticket *t, int *ret_fd, struct dd_err *err)
{
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/trace", t->dir);
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	*ret_fd = fd;
	return 0;
}
