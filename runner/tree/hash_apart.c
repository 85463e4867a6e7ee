// SPDX-License-Identifier: Apache-2.0
/* hash_apart.c - see hash_apart.h.
 *
 * Runs in: supervisor, and the reader that it forks. Who is the reader: a copy of the supervisor
 * (credentials are in memory that a fork does not copy). What can it still do: read one tree. What
 * does it hold open: that tree and a pipe. It dies with the supervisor. */
#include "hash_apart.h"

#include "base/interrupt.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "drydock/own_env.h"
#include "drydock/reader_lock.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TREE_FD = 3, ANSWER_FD = 4, LOOK_MS = 50 };

/* One write: it is smaller than PIPE_BUF. */
struct answer {
	int code;
	char hex[65];
	struct dd_err err;
};
_Static_assert(sizeof(struct answer) <= 4096, "an answer crosses the pipe in one piece");

/* ---- the reader ---- */

/* Descriptors first: nothing else of the supervisor's may be open when a foreign byte is read. */
static bool keep_two(int root_fd, int answer_fd, pid_t supervisor)
{
	int tree = fcntl(root_fd, F_DUPFD_CLOEXEC, 10),
	    answer = fcntl(answer_fd, F_DUPFD_CLOEXEC, 10);
	return tree >= 0 && answer >= 0 && dup3(tree, TREE_FD, O_CLOEXEC) == TREE_FD &&
	       dup3(answer, ANSWER_FD, O_CLOEXEC) == ANSWER_FD &&
	       syscall(SYS_close_range, 5, ~0u, 0) == 0 && syscall(SYS_close_range, 0, 2, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == supervisor;
}

__attribute__((noreturn)) static void reader_main(int root_fd, int answer_fd, pid_t supervisor,
                                                  const struct hash_files *what)
{
	struct answer a = { .code = 0 };
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, i == SIGINT || i == SIGTERM || i == SIGHUP ? SIG_IGN : SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	own_env_clear();
	interrupt_arm(-1);
	interrupt_within(0);
	if (!keep_two(root_fd, answer_fd, supervisor))
		_exit(1);
	a.code = reader_lock(TREE_FD, HASH_APART_BYTES_MAX, &a.err);
	if (a.code == 0)
		a.code = tree_hash_files(TREE_FD, what, a.hex, &a.err);
	_exit(write(ANSWER_FD, &a, sizeof(a)) == (ssize_t)sizeof(a) ? 0 : 1);
}

/* ---- the supervisor ---- */

static void reader_end(pid_t pid)
{
	(void)kill(pid, SIGKILL); /* unreaped, so the number is still its own */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Until it has answered, its time is over, or the job is. */
static int await(int fd, unsigned ms, struct answer *ret, struct dd_err *err)
{
	const int64_t until = dd_now_ms() + ms;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int r = interrupt_check(err);
		if (r < 0)
			return r;
		if (dd_now_ms() >= until)
			return dd_err_say(
				err, ETIME,
				"hashFiles: it is not done after %u s; name fewer files, or "
				"let a step remove what it does not need",
				ms / 1000);
		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		if (read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret))
			return 0;
		return dd_err_say(err, E2BIG,
		                  "hashFiles: the process that hashes ended without an answer: the "
		                  "tree needs more than the %d MiB of memory that it has",
		                  HASH_APART_BYTES_MAX / 1024 / 1024);
	}
}

static bool is_digest(const char hex[65])
{
	size_t n = strnlen(hex, 65);
	return (n == 0 || n == 64) && strspn(hex, "0123456789abcdef") == n;
}

/* It is a stranger's word: a number, 64 digits, and a sentence that ends. */
static int take(struct answer *a, char ret_hex[65], struct dd_err *err)
{
	a->err.msg[sizeof(a->err.msg) - 1] = '\0';
	if (a->code < 0)
		return dd_err_say(err, a->code > -4096 ? -a->code : EIO, "%s", a->err.msg);
	if (!is_digest(a->hex))
		return dd_err_say(err, EBADMSG, "hashFiles: the answer is no digest");
	memcpy(ret_hex, a->hex, 65);
	return 0;
}

int tree_hash_apart(int root_fd, const struct hash_files *what, unsigned ms, char ret_hex[65],
                    struct dd_err *err)
{
	struct answer a = { .code = 0 };
	int pipe_fds[2];

	ret_hex[0] = '\0';
	if (own_env_find(err) < 0)
		return -EPROTO;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "hashFiles: make a pipe");
	dd_auto_fd int ours = pipe_fds[0];
	dd_auto_fd int theirs = pipe_fds[1];
	pid_t supervisor = getpid(), pid = fork();
	if (pid < 0)
		return dd_err_set(err, errno, "hashFiles: start the process that hashes");
	if (pid == 0)
		reader_main(root_fd, theirs, supervisor, what);
	dd_close_p(&theirs);
	int r = await(ours, ms, &a, err);
	reader_end(pid);
	return r < 0 ? r : take(&a, ret_hex, err);
}
