// SPDX-License-Identifier: Apache-2.0
/* shown_path.c - what a step finds at a path, besides the mounts of its spec. Data for `policy
 * explain`; nothing is mounted from here.
 *
 * Pure. The launcher's own tables (host_view.c, inside_root.c, inside_dev.c, inside_own.c,
 * inside_etc.c) decide; tests/integration/explain_test.py holds each answer against what a step
 * finds.
 */
#include "drydock/sandbox.h"
#include "host_view.h"
#include "inside.h"

#include <fnmatch.h>
#include <string.h>

#define MADE_SYS "made up for the sandbox: processors and lo, nothing of the host"

enum match { BELOW = 0 /* the path and everything below it */, EXACT };

static const struct place_row {
	const char *path;
	enum match match;
	enum sandbox_access access;
	const char *why;
} rows[] = {
	/* the first that matches decides */
	{ SANDBOX_CREDENTIALS_DIR, BELOW, SANDBOX_READ_ONLY,
	  "the file credentials of this step; empty without one" },
	{ "/dev/shm", BELOW, SANDBOX_WRITABLE, "private to the step, gone with it" },
	{ "/dev/mqueue", BELOW, SANDBOX_WRITABLE, "message queues of the step, gone with it" },
	{ "/dev/pts", BELOW, SANDBOX_WRITABLE, "pseudo terminals of the step" },
	{ "/dev/ptmx", EXACT, SANDBOX_WRITABLE, "pseudo terminals of the step" },
	{ "/dev/null", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/zero", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/full", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/random", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/urandom", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/tty", EXACT, SANDBOX_WRITABLE, "one of the six devices that every step has" },
	{ "/dev/fd", BELOW, SANDBOX_READ_ONLY, "a link to the step's own descriptors" },
	{ "/dev/stdin", EXACT, SANDBOX_READ_ONLY, "a link to the step's own descriptors" },
	{ "/dev/stdout", EXACT, SANDBOX_WRITABLE, "a link to the step's own descriptors" },
	{ "/dev/stderr", EXACT, SANDBOX_WRITABLE, "a link to the step's own descriptors" },
	{ "/dev", EXACT, SANDBOX_READ_ONLY, "only the devices that every step has" },
	{ "/dev", BELOW, SANDBOX_ABSENT, "no other device is shown" },
	{ "/proc", BELOW, SANDBOX_READ_ONLY,
	  "a procfs of the step's own: no process but its own is in it" },
	{ "/sys/devices/system/cpu", BELOW, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices/system/node", BELOW, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices/virtual/net/lo", BELOW, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/class/net", BELOW, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/class/power_supply", BELOW, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices/virtual/net", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices/virtual", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices/system", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/devices", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys/class", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys", EXACT, SANDBOX_READ_ONLY, MADE_SYS },
	{ "/sys", BELOW, SANDBOX_ABSENT,
	  "a step's /sys is made up: processors and lo, nothing of the host" },
	{ "/etc/passwd", EXACT, SANDBOX_READ_ONLY,
	  "made up for the sandbox: no account of the host is named" },
	{ "/etc/group", EXACT, SANDBOX_READ_ONLY,
	  "made up for the sandbox: no account of the host is named" },
	{ "/etc/resolv.conf", EXACT, SANDBOX_READ_ONLY,
	  "made up for the sandbox: the step's own resolver" },
	{ "/etc/nsswitch.conf", EXACT, SANDBOX_READ_ONLY, "made up for the sandbox" },
	{ "/etc/host.conf", EXACT, SANDBOX_READ_ONLY, "made up for the sandbox" },
	{ "/etc/hosts", EXACT, SANDBOX_READ_ONLY, "made up for the sandbox" },
	{ "/etc/hostname", EXACT, SANDBOX_READ_ONLY, "made up for the sandbox" },
	{ "/", EXACT, SANDBOX_READ_ONLY,
	  "the root of the sandbox: mount points, and the places of the job" },
	{ "/etc", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/var", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/run", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/run/drydock", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/tmp", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/var/tmp", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
	{ "/mnt", EXACT, SANDBOX_READ_ONLY, "an empty directory of the sandbox's root" },
	{ "/home", EXACT, SANDBOX_READ_ONLY,
	  "a directory of the sandbox's root: only /home/runner is in it" },
	{ "/opt", EXACT, SANDBOX_READ_ONLY, "a directory of the sandbox's root" },
};

static bool shown_is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Does @path, or a directory above it, match @pattern? */
static bool matches_above(const char *path, const char *pattern)
{
	char part[512];

	if (strlen(path) >= sizeof(part))
		return false;
	for (size_t i = 1;; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (fnmatch(pattern, part, FNM_PATHNAME | FNM_NOESCAPE) == 0)
			return true;
		if (path[i] == '\0')
			return false;
	}
}

static bool row_shows(const struct host_view_row *row, const char *path)
{
	if (row->kind == HOST_VIEW_PREFIX)
		return strncmp(path, "/etc/", 5) == 0 &&
		       strncmp(path + 5, row->path, strlen(row->path)) == 0;
	if (row->kind == HOST_VIEW_GLOB)
		return matches_above(path, row->path);
	return shown_is_at_or_below(path, row->path);
}

const char *sandbox_view_find(const char *path, const char **ret_why)
{
	for (size_t i = 0; i < host_view_n; i++) {
		const struct host_view_row *row = &host_view_rows[i];
		if (!row_shows(row, path))
			continue;
		if (ret_why)
			*ret_why = row->why;
		return row->kind == HOST_VIEW_PREFIX ? "/etc" : row->path;
	}
	return NULL;
}

bool sandbox_view_is_copy(const char *path)
{
	for (size_t i = 0; i < host_view_n; i++)
		if (view_is_copy(host_view_rows[i].kind) &&
		    strcmp(host_view_rows[i].path, path) == 0)
			return true;
	return false;
}

/* What covers a part of /proc, by the launcher's own table. False: nothing does. */
static bool find_covered(const char *path, struct sandbox_path *ret)
{
	static const char proc[] = "/proc/";
	const struct inside_proc_row *row;

	if (strncmp(path, proc, sizeof(proc) - 1) != 0)
		return false;
	const char *name = path + sizeof(proc) - 1;
	for (size_t i = 0; (row = inside_proc_row(i)); i++) {
		if (!shown_is_at_or_below(name, row->name))
			continue;
		bool below = strlen(name) > strlen(row->name);
		*ret = (struct sandbox_path){ .path = "/proc", .access = SANDBOX_READ_ONLY };
		if (row->cover == PROC_READ_ONLY) {
			ret->why = "can be read, never written";
		} else if (row->cover == PROC_NULL) { /* /dev/null lies there */
			ret->access = SANDBOX_WRITABLE;
			ret->why = "the host's: reads as empty, and what is written is lost";
		} else {
			ret->access = below ? SANDBOX_ABSENT : SANDBOX_READ_ONLY;
			ret->why = "the host's: an empty directory";
		}
		return true;
	}
	return false;
}

struct sandbox_path sandbox_path_find(const char *path)
{
	struct sandbox_path place = { .path = NULL,
		                      .access = SANDBOX_ABSENT,
		                      .why = "no row of the host view and no mount shows it (what "
		                             "is not named is not there)" };
	if (find_covered(path, &place))
		return place;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct place_row *row = &rows[i];
		if (row->match == EXACT ? strcmp(path, row->path) == 0
		                        : shown_is_at_or_below(path, row->path))
			return (struct sandbox_path){ row->path, row->access, row->why, false };
	}
	place.path = sandbox_view_find(path, &place.why);
	place.of_host = place.path != NULL;
	place.access = place.path ? SANDBOX_READ_ONLY : SANDBOX_ABSENT;
	return place;
}
