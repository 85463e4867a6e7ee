// SPDX-License-Identifier: Apache-2.0
/* step_pids.c - walks the tree of a step's processes.
 *
 * Runs in: supervisor and looker. The kernel lists children by the thread that forked them, so
 * every thread of a process is asked: a Java or Go program forks from any of them. Orphans hang
 * below init again, so nothing escapes the walk.
 */
#include "step_pids.h"

#include "drydock/fd.h"
#include "base/text_escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 20000, ALIVE_MAX = 4096, NAMED_MAX = 4, COMM_MAX = 16 };

struct walk {
	pid_t *pids;
	size_t n, max;
	unsigned threads; /* looked at */
};

static void add_children(struct walk *w, pid_t pid, const char *thread)
{
	char path[80];
	int child;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, thread);
	FILE *f = fopen(path, "re");
	while (f && w->n < w->max && fscanf(f, "%d", &child) == 1)
		w->pids[w->n++] = child;
	if (f)
		(void)fclose(f);
}

static void add_below(struct walk *w, pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	for (const struct dirent *e = dir ? readdir(dir) : NULL; e && w->threads < THREADS_MAX;
	     e = readdir(dir))
		if (e->d_name[0] != '.') {
			w->threads++;
			add_children(w, pid, e->d_name);
		}
	if (dir)
		(void)closedir(dir);
}

size_t step_pids(pid_t init, pid_t *ret, size_t max)
{
	struct walk w = { .pids = ret, .max = max };

	if (max == 0)
		return 0;
	ret[w.n++] = init;
	for (size_t i = 0; i < w.n; i++)
		add_below(&w, ret[i]);
	return w.n;
}

/* Its own name, if @pid has not ended: between the parentheses of its stat, which may hold any
 * byte, parentheses too. */
static bool is_alive(pid_t pid, char comm[COMM_MAX])
{
	char path[64], text[512];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	if (!open || !close || close[1] != ' ')
		return false;
	(void)snprintf(comm, COMM_MAX, "%.*s", (int)(close - open - 1), open + 1);
	return close[2] != 'Z' && close[2] != 'X';
}

size_t step_pids_alive(pid_t init, char *names, size_t size)
{
	dd_auto_free pid_t *pids = calloc(ALIVE_MAX, sizeof(*pids));
	char comm[COMM_MAX], shown[COMM_MAX * TEXT_ESCAPE_MAX + 1];
	size_t n = pids ? step_pids(init, pids, ALIVE_MAX) : 0, alive = 0;
	int at = 0;

	names[0] = '\0';
	for (size_t i = 1; i < n; i++) {
		if (!is_alive(pids[i], comm))
			continue;
		if (alive++ >= NAMED_MAX)
			continue;
		(void)text_escape(shown, comm, strlen(comm));
		int wrote = snprintf(names + at, size - (size_t)at, "%s%s", at ? ", " : "", shown);
		if (wrote > 0 && (size_t)wrote < size - (size_t)at)
			at += wrote;
		else
			names[at] = '\0';
	}
	return alive;
}
