// SPDX-License-Identifier: Apache-2.0
/* config_path.c - looks for data files in the operator's directory, then beside the binary.
 *
 * Runs in: keeper and supervisor.
 */
#include "config_path.h"

#include <unistd.h>

/* The directory two levels above the running binary: build/drydock -> the tree, bin/drydock -> the
 * prefix. */
static int prefix_of_binary(char *ret, size_t size, struct dd_err *err)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	if (n <= 0)
		return dd_err_set(err, errno ? errno : ENOENT, "find drydock's own binary");
	ret[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(ret, '/');
		if (!slash)
			return dd_err_say(err, ENOENT, "drydock's own binary has no directory");
		*slash = '\0';
	}
	return 0;
}

int config_path_find(const char *kind, const char *file, char *ret, size_t size, struct dd_err *err)
{
	static const char *const places[] = { "/etc/drydock/%.0s%s/%s", "%s/configs/%s/%s",
		                              "%s/share/drydock/%s/%s" };
	char prefix[400];
	int r = prefix_of_binary(prefix, sizeof(prefix), err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the three forms stand just above */
		int n = snprintf(ret, size, places[i], prefix, kind, file);
#pragma GCC diagnostic pop
		if (n <= 0 || (size_t)n >= size)
			continue;
		if (access(ret, R_OK) == 0)
			return 0;
		/* one that is there and cannot be read is not passed over for the next */
		if (errno != ENOENT && errno != ENOTDIR)
			return dd_err_say(
				err, errno,
				"%s cannot be read: %s. drydock that root runs has no rights over "
				"other users' files: install it (sudo make install), or let others "
				"enter the directories above (chmod o+x)",
				ret, strerrordesc_np(errno));
	}
	return dd_err_say(err, ENOENT,
	                  "%s/%s is neither in /etc/drydock nor below %s/configs or "
	                  "%s/share/drydock; is drydock installed whole?",
	                  kind, file, prefix, prefix);
}

int config_path_seccomp(const char *name, char *ret, size_t size, struct dd_err *err)
{
	char file[80];

	if (strchr(name, '/') || strchr(name, '.') || strlen(name) > 60)
		return dd_err_say(err, EINVAL, "`%.60s` is no name of a seccomp profile", name);
	(void)snprintf(file, sizeof(file), "%s.seccomp", name);
	return config_path_find("seccomp", file, ret, size, err);
}
