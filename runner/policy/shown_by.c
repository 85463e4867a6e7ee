// SPDX-License-Identifier: Apache-2.0
/* shown_by.c - from a place of the host that a step does not see to the line that shows it.
 *
 * Runs in: command line and supervisor. What is proposed is what a policy accepts
 * (policy_limits.c), and never more than one program's own tree: a home, or /etc as a whole, is
 * nobody's answer. */
#include "shown_by.h"

#include "drydock/err.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* A step has its own there, or the host steers itself with it. */
static bool is_reserved(const char *path)
{
	static const char *const dirs[] = { "/proc",    "/sys", "/dev",     "/run",
		                            "/var/run", "/tmp", "/var/tmp", "/boot" };
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (is_at_or_below(path, dirs[i]))
			return true;
	return false;
}

/* More than one program's, or one person's everything. */
static bool is_broad(const char *dir)
{
	static const char *const dirs[] = { "/usr",     "/usr/local", "/opt", "/home", "/root",
		                            "/etc",     "/var",       "/srv", "/mnt",  "/media",
		                            "/var/lib", "/snap",      "/lib", "/bin",  "/sbin" };
	if (dir[0] == '\0' || strcmp(dir, "/") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (strcmp(dir, dirs[i]) == 0)
			return true;
	/* /home/NAME, and what is hidden right below it (.local, .config) */
	if (!is_at_or_below(dir, "/home"))
		return false;
	const char *name = strchr(dir + strlen("/home/"), '/');
	return !name || strcmp(name, "/.local") == 0 || strcmp(name, "/.config") == 0;
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
}

bool shown_by(const char *path, char *out, size_t size)
{
	char dir[PATH_MAX];
	struct stat st;

	if (path[0] != '/' || is_reserved(path) || strlen(path) >= sizeof(dir) ||
	    strpbrk(path, "\"'\\\n\t,[]{}#:*&!|>%@` ") || stat(path, &st) < 0)
		return false;
	(void)snprintf(dir, sizeof(dir), "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		cut_last(dir);
		const char *name = strrchr(dir, '/');
		if (name && (strcmp(name, "/bin") == 0 || strcmp(name, "/sbin") == 0))
			cut_last(dir);
	}
	if (is_broad(dir) && S_ISDIR(st.st_mode))
		return false;
	int n = snprintf(out, size, "%s", is_broad(dir) ? path : dir);
	return n > 0 && (size_t)n < size;
}

bool shown_to_others(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	if (path[0] != '/' || strlen(path) >= sizeof(part))
		return false;
	for (size_t i = 1;; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		mode_t need = path[i] == '/' ? S_IXOTH : S_IROTH;
		if (stat(part, &st) < 0 || !(st.st_mode & need))
			return false;
		if (path[i] == '\0')
			return true;
	}
}
