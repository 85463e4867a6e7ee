// SPDX-License-Identifier: Apache-2.0
/* inside_init.c - pid 1 of the step: reaps, forwards signals, says once how the step's main process
 * ended, waits to be killed.
 *
 * Runs in: init, locked by inside_init_lock(), holding ctl, a signalfd and nothing else. Its death
 * is the death of every process of the step: the kernel kills the pid namespace with it. It ends by
 * itself only when the supervisor is gone (EOF on ctl).
 */
#include "inside.h"

#include "drydock/fd.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static void init_tell(int ctl, const struct ctl_msg *msg)
{
	if (dd_send_msg(ctl, msg, sizeof(*msg), NULL, 0) < 0)
		_exit(1); /* nobody to talk to: the supervisor is dead, and so is the step */
}

static void status_fill(int wait_status, struct sandbox_status *ret)
{
	struct rusage usage = { 0 };

	ret->exited = WIFEXITED(wait_status);
	ret->code = ret->exited ? WEXITSTATUS(wait_status) : 0;
	ret->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	ret->cpu_usec = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
	                (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	ret->peak_memory_bytes = (uint64_t)usage.ru_maxrss * 1024u;
}

static void reap(int ctl, pid_t *step)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return;
		if (pid != *step)
			continue;
		*step = 0;
		struct ctl_msg msg = { .type = CTL_STATUS };
		status_fill(status, &msg.status);
		init_tell(ctl, &msg);
	}
}

static void init_obey(int ctl)
{
	struct ctl_msg msg = { 0 };
	int r = dd_recv_msg(ctl, &msg, sizeof(msg), NULL, 0);
	if (r == -EAGAIN)
		return;
	if (r != 1 || msg.type != CTL_KILL || msg.sig <= 0 || msg.sig >= NSIG)
		_exit(1);
	/* every process of the namespace but the caller; ESRCH: none is left */
	(void)kill(-1, msg.sig);
}

/* The step can read pid 1's command line, which would be the supervisor's, with the paths that the
 * operator gave. Our copy of that memory is private (fork), so it can simply be overwritten. */
void inside_rename(const struct inside *in, const char *name)
{
	size_t len = strlen(name) + 1;

	explicit_bzero(in->args.at, in->args.len);
	memcpy(in->args.at, name, in->args.len < len ? in->args.len - 1 : len);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

_Noreturn void inside_init(const struct inside *in, pid_t step)
{
	struct ctl_msg failed = { .type = CTL_FAILED }, built = { .type = CTL_BUILT };
	sigset_t all, chld;

	inside_rename(in, "drydock-init");
	(void)sigfillset(&all);
	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	int sig = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = sig < 0 || sigprocmask(SIG_SETMASK, &all, NULL) < 0 || chdir("/") < 0
	                ? dd_err_set(&failed.err, errno, "init: signals")
	                : inside_init_lock(&failed.err);
	init_tell(in->ctl, r < 0 ? &failed : &built);
	if (r < 0)
		_exit(1);

	struct pollfd fds[] = { { .fd = in->ctl, .events = POLLIN },
		                { .fd = sig, .events = POLLIN } };
	for (;;) {
		if (ppoll(fds, ARRAY_LEN(fds), NULL, NULL) < 0 && errno != EINTR)
			_exit(1);
		struct signalfd_siginfo info;
		if (fds[1].revents && read(sig, &info, sizeof(info)) < 0 && errno != EAGAIN)
			_exit(1);
		reap(in->ctl, &step);
		if (fds[0].revents)
			init_obey(in->ctl);
	}
}
