// SPDX-License-Identifier: Apache-2.0
/* seccomp.c - loads a seccomp profile from its file and hands out the compiled program.
 *
 * Runs in: supervisor, once per profile, before any step exists; a step's launcher inherits the
 * bytes by fork. Reads only files of the operator (configs/seccomp/). Parsing: seccomp_profile.c;
 * filter bytes: seccomp_compile.c; loading into the kernel: inside_lock.c.
 */
#include "drydock/fd.h"
#include "seccomp_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int seccomp_read_file(const char *path, char **ret_text, size_t *ret_len, struct dd_err *err)
{
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_set(err, errno, "seccomp profile %s", path));
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "seccomp profile %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > SECCOMP_TEXT_MAX)
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EINVAL,
		                   "seccomp profile %s: not a regular file of at most %d bytes",
		                   path, SECCOMP_TEXT_MAX));

	size_t size = (size_t)st.st_size, len = 0;
	dd_auto_free char *text = malloc(size + 1);
	if (!text)
		return dd_err_set(err, ENOMEM, "seccomp profile %s", path);
	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dd_err_set(err, n < 0 ? errno : EIO, "seccomp profile %s: read",
			                  path);
		len += (size_t)n;
	}
	*ret_text = text;
	text = NULL;
	*ret_len = len;
	return 0;
}

static int load_into(const char *path, bool is_base, struct seccomp_profile *prof,
                     struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	int r = seccomp_read_file(path, &text, &len, err);
	return r < 0 ? r : seccomp_profile_parse(path, text, len, is_base, prof, err);
}

/* The base stands beside the profile. */
static int load_base(const char *path, struct seccomp_profile *prof, struct dd_err *err)
{
	char base[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	int n = snprintf(base, sizeof(base), "%.*s%s", dir, path, prof->base);
	if (n < 0 || (size_t)n >= sizeof(base))
		return dd_err_set(err, ENAMETOOLONG, "base of seccomp profile %s", path);
	return load_into(base, true, prof, err);
}

static void profile_free(struct seccomp_profile **prof)
{
	if (*prof)
		seccomp_profile_done(*prof);
	free(*prof);
}

int seccomp_profile_load(const char *path, struct seccomp_profile *prof, struct dd_err *err)
{
	int r = load_into(path, false, prof, err);
	return r == 0 && prof->base[0] ? load_base(path, prof, err) : r;
}

/* Between the filter and exec the step hands its listener over, reads its delivery, and has nobody
 * to ask yet: these calls must be answered by the filter alone. */
static int check_before_exec(const char *path, const struct seccomp_profile *prof,
                             struct dd_err *err)
{
	static const struct own_call {
		const char *name, *as;
		bool any_args; /* not known here: no line may have a condition */
		uint64_t args[6];
	} calls[] = {
		{ "sendmsg", "with MSG_NOSIGNAL", false, { [2] = MSG_NOSIGNAL } },
		{ "sendto", "with MSG_NOSIGNAL", false, { [3] = MSG_NOSIGNAL } },
		{ "read", "without a condition", true, { 0 } },
		{ "execve", "without a condition", true, { 0 } },
		{ "exit_group", "without a condition", true, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		const struct own_call *c = &calls[i];
		int nr = seccomp_syscall_resolve_name(c->name);
		const struct seccomp_rule *rule = seccomp_rule_of(prof, nr, c->args);
		if (!rule || rule->ret != SECCOMP_RET_ALLOW ||
		    (c->any_args && prof->calls[nr].conditional))
			return dd_err_blame(
				err, DD_BLAME_CALLER,
				dd_err_say(err, EINVAL,
			                   "%s: a filter that asks needs a profile that allows %s "
			                   "%s",
			                   path, c->name, c->as));
	}
	return 0;
}

int seccomp_program_load(const char *path, struct seccomp_program **ret, struct dd_err *err)
{
	return seccomp_program_load_with(path, NULL, SECCOMP_ASK_NOTHING, ret, err);
}

int seccomp_program_load_with(const char *path, const char *const *extra, enum seccomp_ask ask,
                              struct seccomp_program **ret, struct dd_err *err)
{
	__attribute__((cleanup(profile_free))) struct seccomp_profile *prof = calloc(1,
	                                                                             sizeof(*prof));
	if (!prof)
		return dd_err_set(err, ENOMEM, "seccomp profile %s", path);
	int r = seccomp_profile_load(path, prof, err);
	for (size_t i = 0; r == 0 && extra && extra[i]; i++)
		r = seccomp_profile_allow(path, extra[i], prof, err);
	prof->ask = ask;
	if (r == 0 && ask)
		r = check_before_exec(path, prof, err);
	struct seccomp_program *made = NULL;
	if (r == 0)
		r = seccomp_profile_compile(path, prof, &made, err);
	if (r < 0)
		return r;
	if (ask) {
		made->profile = prof;
		prof = NULL;
	}
	*ret = made;
	return 0;
}

bool seccomp_program_asks(const struct seccomp_program *prog)
{
	return prog->profile != NULL;
}

void seccomp_program_summary(const struct seccomp_program *prog, struct seccomp_summary *ret)
{
	*ret = prog->summary;
}

const char *seccomp_program_digest(const struct seccomp_program *prog)
{
	return prog->digest;
}
