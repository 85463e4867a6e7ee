// SPDX-License-Identifier: Apache-2.0
/* store_reader.c - see store_reader.h.
 *
 * Runs in: command line, and the reader that it forks. Who is the reader: a copy of a process that
 * holds no secret yet. What can it still do: read one directory and one file. What does it hold
 * open: these and a pipe. It dies with whoever forked it. */
#include "store_reader.h"

#include "drydock/fd.h"
#include "drydock/own_env.h"
#include "drydock/reader_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIR_FD = 3, OUT_FD = 4, FILE_FD = 5, READER_CPU_SEC = 120 };
#define READER_BYTES_MAX ((size_t)1 << 30)

static bool keep_three(const struct store_reader *reader, int out, pid_t parent)
{
	int dir = fcntl(reader->dir_fd, F_DUPFD_CLOEXEC, 10), to = fcntl(out, F_DUPFD_CLOEXEC, 10),
	    file = reader->file_fd < 0 ? -1 : fcntl(reader->file_fd, F_DUPFD_CLOEXEC, 10);
	return dir >= 0 && to >= 0 && (reader->file_fd < 0 || file >= 0) &&
	       dup3(dir, DIR_FD, O_CLOEXEC) == DIR_FD && dup3(to, OUT_FD, O_CLOEXEC) == OUT_FD &&
	       dup3(file < 0 ? to : file, FILE_FD, O_CLOEXEC) == FILE_FD &&
	       syscall(SYS_close_range, 6, ~0u, 0) == 0 && syscall(SYS_close_range, 0, 2, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
}

__attribute__((noreturn)) static void reader_main(const struct store_reader *reader, int out,
                                                  pid_t parent)
{
	const struct rlimit cpu = { READER_CPU_SEC, READER_CPU_SEC };
	const struct store_reader own = { .dir_fd = DIR_FD,
		                          .file_fd = FILE_FD,
		                          .arg = reader->arg };
	struct dd_err err = { 0 };
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, i == SIGINT || i == SIGTERM || i == SIGHUP ? SIG_IGN : SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	own_env_clear();
	if (!keep_three(reader, out, parent) || setrlimit(RLIMIT_CPU, &cpu) < 0)
		_exit(1);
	int r = reader->load ? reader->load(&err) : 0;
	if (r == 0)
		r = reader_lock(DIR_FD, READER_BYTES_MAX, &err);
	if (r == 0)
		r = reader->read(&own, OUT_FD, &err);
	if (r == 0)
		_exit(store_say(OUT_FD, STORE_END, 0, "", 0) < 0);
	size_t len = strnlen(err.msg, sizeof(err.msg));
	_exit(store_say(OUT_FD, STORE_ERROR, (unsigned)-r, "", len) < 0 ||
	      store_say_bytes(OUT_FD, err.msg, len) < 0);
}

int store_reader_run(const struct store_reader *reader, int to_fd, struct store_took *took,
                     struct dd_err *err)
{
	int ends[2];

	if (own_env_find(err) < 0)
		return -EPROTO;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "make a pipe");
	dd_auto_fd int ours = ends[0];
	dd_auto_fd int theirs = ends[1];
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return dd_err_set(err, errno, "start the process that unpacks");
	if (pid == 0)
		reader_main(reader, theirs, parent);
	dd_close_p(&theirs);
	int r = store_write(ours, to_fd, took, err);
	(void)kill(pid, SIGKILL); /* unreaped, so the number is still its own */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
