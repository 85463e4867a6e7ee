// SPDX-License-Identifier: Apache-2.0
/* doctor_links.c - links below /usr that lead to what no step sees: the tools behind them break in
 * a step and nowhere else.
 *
 * Runs in: command line. Reads names and links of /usr and opens nothing; a disk that is slow ends
 * the search early, and the finding says so.
 */
#include "doctor.h"

#include "policy/shown_by.h"
#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SEARCH_SEC = 10, DEPTH_MAX = 40, LINES_MAX = 40 };

struct search {
	time_t until;
	bool cut;       /* the time was up */
	unsigned links; /* that lead out */
	char first[100], first_to[100];
	char lines[LINES_MAX][128]; /* of sandbox.read, each once */
	unsigned n_lines;
	bool more_lines;
};

static time_t now_sec(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* For the host's own service manager, never for a step. */
static bool is_of_the_system(const char *path)
{
	static const char *const dirs[] = { "/usr/lib/systemd/", "/usr/lib/environment.d/",
		                            "/usr/lib/tmpfiles.d/", "/usr/lib/sysctl.d/" };
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (strncmp(path, dirs[i], strlen(dirs[i])) == 0)
			return true;
	return false;
}

static void note_line(struct search *s, const char *line)
{
	for (unsigned i = 0; i < s->n_lines; i++)
		if (strcmp(s->lines[i], line) == 0)
			return;
	if (s->n_lines == LINES_MAX)
		s->more_lines = true;
	else
		(void)snprintf(s->lines[s->n_lines++], sizeof(s->lines[0]), "%.127s", line);
}

/* A link counts when there is something behind it that others may read, and no step gets there. */
static void look_at_link(struct search *s, const char *path)
{
	struct sandbox_followed to;
	char line[PATH_MAX];

	if (sandbox_path_follow(path, NULL, &to) < 0 || to.end.access != SANDBOX_ABSENT ||
	    is_of_the_system(path))
		return;
	dd_auto_free char *real = realpath(path, NULL);
	if (!real || !shown_to_others(real) || !shown_by(real, line, sizeof(line)))
		return;
	if (s->links++ == 0) {
		(void)snprintf(s->first, sizeof(s->first), "%.99s", path);
		(void)snprintf(s->first_to, sizeof(s->first_to), "%.99s", real);
	}
	note_line(s, line);
}

static void search_dir(struct search *s, int fd, char *path, size_t len, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		dd_close(fd);
		return;
	}
	s->cut = s->cut || now_sec() > s->until;
	while (!s->cut && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    len + 1 + n >= PATH_MAX)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, e->d_name, n + 1);
		if (e->d_type == DT_LNK) {
			look_at_link(s, path);
		} else if (e->d_type == DT_DIR && depth < DEPTH_MAX) {
			int below = openat(dirfd(dir), e->d_name,
			                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below >= 0)
				search_dir(s, below, path, len + 1 + n, depth + 1);
		}
	}
	(void)closedir(dir);
}

static void describe(const struct search *s, struct sandbox_feature *f)
{
	static char remedy[LINES_MAX * 130 + 200]; /* lives as long as the diagnosis */
	size_t at = (size_t)snprintf(remedy, sizeof(remedy),
	                             "for a step that needs them: sandbox: { read: [ ");

	f->present = s->links == 0;
	(void)snprintf(f->found, sizeof(f->found), "%s%s", f->present ? "yes" : "",
	               f->present && s->cut ? ", as far as 10 s were enough to look" : "");
	if (s->links)
		(void)snprintf(f->found, sizeof(f->found),
		               "%u %s what no step sees, such as %.80s -> %.80s", s->links,
		               s->links == 1 ? "leads to" : "lead to", s->first, s->first_to);
	for (unsigned i = 0; i < s->n_lines; i++)
		at += (size_t)snprintf(remedy + at, sizeof(remedy) - at, "%s%s", i ? ", " : "",
		                       s->lines[i]);
	(void)snprintf(remedy + at, sizeof(remedy) - at, "%s ] } in the policy",
	               s->more_lines ? ", ..." : "");
	f->remedy = s->links ? remedy : "nothing to do";
}

void doctor_links(struct diagnosis *d)
{
	struct sandbox_feature f = { .name = "links",
		                     .area = "host",
		                     .need = "tools whose files lie outside of /usr" };
	char path[PATH_MAX] = "/usr";
	struct search *s = calloc(1, sizeof(*s));
	int usr = s ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (usr >= 0 && d->n_features < DOCTOR_FEATURES_MAX) {
		s->until = now_sec() + SEARCH_SEC;
		search_dir(s, usr, path, strlen(path), 0);
		describe(s, &f);
		d->features[d->n_features++] = f;
	} else {
		dd_close(usr);
	}
	free(s);
}
