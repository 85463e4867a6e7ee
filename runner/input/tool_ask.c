// SPDX-License-Identifier: Apache-2.0
/* tool_ask.c - runs one of the host's own programs and keeps what it prints, within bounds.
 *
 * Runs in: command line and supervisor, before any step exists. The program is the host's and
 * trusted; its directory, environment and time are ours: it starts in `/`, sees PATH, HOME and the
 * variables that the caller names, and is killed with its group at the deadline. */
#include "tool_ask.h"

#include "drydock/clock.h"
#include "drydock/fd.h"

#include <stdbool.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum { OUTPUT_MAX = 256 * 1024, SECONDS_MAX = 10, VARIABLES_MAX = 64 };

extern char **environ;

static bool is_wanted(const char *entry, const char *const *names)
{
	size_t len = strcspn(entry, "=");
	for (size_t i = 0; names[i]; i++) {
		size_t n = strlen(names[i]);
		bool prefix = n > 0 && names[i][n - 1] == '*';
		if (prefix ? len >= n - 1 && strncmp(entry, names[i], n - 1) == 0
		           : len == n && strncmp(entry, names[i], n) == 0)
			return true;
	}
	return false;
}

static void choose_env(const char *const *names, char *out[VARIABLES_MAX + 1])
{
	static const char *const always[] = { "PATH", "HOME", NULL };
	size_t n = 0;
	for (char **e = environ; *e && n < VARIABLES_MAX; e++)
		if (is_wanted(*e, always) || is_wanted(*e, names))
			out[n++] = *e;
	out[n] = NULL;
}

static int start(const char *const *argv, const char *const *env, int out, pid_t *ret,
                 struct dd_err *err)
{
	char *envp[VARIABLES_MAX + 1];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	choose_env(env, envp);
	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return dd_err_set(err, ENOMEM, "start %s", argv[0]);
	if (posix_spawnattr_init(&attr) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return dd_err_set(err, ENOMEM, "start %s", argv[0]);
	}
	int r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attr, &none);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addchdir_np(&actions, "/");
	if (r == 0)
		r = posix_spawnp(ret, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
		                 envp);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r == 0 ? 0 : dd_err_set(err, r, "start %s", argv[0]);
}

/* Everything up to end of file; -ETIMEDOUT, -EFBIG. */
static int drain(int fd, char *buf, size_t *ret_len)
{
	int64_t deadline = dd_now_ms() + (int64_t)SECONDS_MAX * 1000;
	size_t at = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - dd_now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		ssize_t got = n > 0 ? read(fd, buf + at, OUTPUT_MAX - at) : -1;
		if (got < 0 && n > 0 && errno != EINTR)
			return -errno;
		if (got == 0) {
			*ret_len = at;
			return 0;
		}
		at += got > 0 ? (size_t)got : 0;
		if (at == OUTPUT_MAX)
			return -EFBIG;
	}
}

/* The group is killed in every case: nothing that the tool started may outlive the question. */
static int finish(pid_t pid, const char *tool, int r, struct dd_err *err)
{
	int status = 0;
	if (r < 0)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return dd_err_set(err, errno, "wait for %s", tool);
	(void)kill(-pid, SIGKILL);
	if (r < 0)
		return dd_err_set(err, -r, "read the answer of %s", tool);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return dd_err_say(err, EIO, "%s failed with status %d", tool,
		                  WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	return 0;
}

int tool_ask(const char *const *argv, const char *const *env, char **ret, struct dd_err *err)
{
	int ends[2];
	pid_t pid;
	size_t len = 0;
	dd_auto_free char *buf = malloc(OUTPUT_MAX + 1);
	if (!buf)
		return dd_err_set(err, ENOMEM, "ask %s", argv[0]);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "pipe for %s", argv[0]);
	dd_auto_fd int in = ends[0];
	int r = start(argv, env, ends[1], &pid, err);
	dd_close(ends[1]);
	if (r < 0)
		return r;
	r = finish(pid, argv[0], drain(in, buf, &len), err);
	if (r < 0)
		return r;
	buf[len] = '\0';
	*ret = buf;
	buf = NULL;
	return 0;
}
