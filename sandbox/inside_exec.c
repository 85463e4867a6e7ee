// SPDX-License-Identifier: Apache-2.0
/* inside_exec.c - the last metres of the step: limits, descriptors, locks, delivery, exec.
 *
 * Runs in: the process forked by init that becomes the step; capabilities last until
 * inside_drop_capabilities(). Order: files of credentials are written and their mount made
 * read-only while the process still may; descriptors are closed before anything hostile can run;
 * capabilities before Landlock (which needs no_new_privs); seccomp last, because it forbids the
 * others.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- limits ---- */

/* A limit can only fall: where the host's own is lower already, it stays. */
static int limit_set(int which, const char *name, rlim_t soft, rlim_t hard, struct dd_err *err)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)which, &now) < 0)
		return dd_err_set(err, errno, "limit %s", name);
	struct rlimit want = { .rlim_max = hard < now.rlim_max ? hard : now.rlim_max };
	want.rlim_cur = soft < want.rlim_max ? soft : want.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &want) < 0)
		return dd_err_set(err, errno, "limit %s", name);
	return 0;
}

static int limits_set(const struct sandbox_limits *l, struct dd_err *err)
{
	/* init counts, it has the same uid */
	const rlim_t pids = l->pids ? (rlim_t)l->pids + 1 : RLIM_INFINITY;
	const rlim_t size = l->file_size_bytes ? l->file_size_bytes : RLIM_INFINITY;
	const struct {
		int which;
		const char *name;
		rlim_t soft, hard;
	} rows[] = {
		/* P-09: a dump would hold what the step was given */
		{ RLIMIT_CORE, "core", 0, 0 },
		{ RLIMIT_NPROC, "nproc", pids, pids },
		{ RLIMIT_FSIZE, "fsize", size, size },
		{ RLIMIT_NOFILE, "nofile", l->open_files ? l->open_files : 1024,
		  l->open_files ? l->open_files : 65536 },
		{ RLIMIT_MEMLOCK, "memlock", 8u << 20, 8u << 20 },
		/* kernel memory: the default of Linux, whatever drydock was started with */
		{ RLIMIT_MSGQUEUE, "msgqueue", 800u << 10, 800u << 10 },
		{ RLIMIT_RTPRIO, "rtprio", 0, 0 },
		{ RLIMIT_NICE, "nice", 0, 0 },
	};

	if (dd_fault("rlimits"))
		return dd_err_set(err, ENOSYS, "setrlimit");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = limit_set(rows[i].which, rows[i].name, rows[i].soft, rows[i].hard, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- descriptors ---- */

/* P-05: a terminal of the step's own, of the devpts in its root, which no other sandbox and nobody
 * on the host has. The end that speaks for the person goes to the supervisor; the step never has
 * it. A new session has no controlling terminal, and so takes this one. */
static int terminal_make(const struct inside *in, int *ret, struct dd_err *err)
{
	const char mark = DELIVERY_TERMINAL;
	int unlocked = 0;
	dd_auto_fd int ours = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	if (ours < 0 || ioctl(ours, TIOCSPTLCK, &unlocked) < 0)
		return dd_err_set(err, errno, "make a terminal for the step");
	dd_auto_fd int slave = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return dd_err_set(err, errno, "take the terminal for the step's session");
	int r = dd_send_msg(in->deliver, &mark, 1, &ours, 1);
	if (r < 0)
		return dd_err_set(err, -r, "hand over the step's terminal");
	*ret = dd_take_fd(&slave);
	return 0;
}

/* P-06: what a step inherits is 0 (null, unless it is handed input), 1, 2 and what was delivered as
 * a descriptor. @deliver is above INSIDE_FD_FLOOR and CLOEXEC: exec closes it, and that EOF is the
 * supervisor's sign. close_range(2) is Linux 5.9; no loop instead, because a missed fd reaches
 * hostile code. */
static int descriptors_set(const struct inside *in, const struct delivered *got, struct dd_err *err)
{
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (null < 0)
		return dd_err_set(err, errno, "/dev/null");
	dd_auto_fd int terminal = -1;
	int r = in->spec->terminal ? terminal_make(in, &terminal, err) : 0;
	if (r < 0)
		return r;
	const int input = in->input >= 0 ? in->input : null;
	const int from[] = { terminal >= 0 ? terminal : input, terminal >= 0 ? terminal : in->out,
		             terminal >= 0 ? terminal : in->err };
	for (int fd = 0; fd < (int)ARRAY_LEN(from); fd++)
		if (from[fd] == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(from[fd], fd) < 0)
			return dd_err_set(err, errno, "descriptor %d of the step", fd);
	if (null <= 2)
		(void)dd_take_fd(&null);
	for (size_t i = 0; i < got->n_fds; i++)
		if (dup2(got->fd[i], SANDBOX_FD_FIRST + (int)i) < 0)
			return dd_err_set(err, errno, "descriptor %zu of the step",
			                  SANDBOX_FD_FIRST + i);
	if (close_range(SANDBOX_FD_FIRST + (unsigned)got->n_fds, (unsigned)in->deliver - 1, 0) <
	            0 ||
	    close_range((unsigned)in->deliver + 1, ~0u, 0) < 0)
		return dd_err_set(err, errno, "close_range (needs Linux 5.9 or later)");
	if (null >= 0)
		(void)dd_take_fd(&null); /* closed above */
	(void)dd_take_fd(&terminal);     /* likewise, or it is one of the three */
	return 0;
}

/* By the raw call: libc keeps 32 and 33 to itself and refuses them, but a parent can have left them
 * ignored. */
static int signals_reset(struct dd_err *err)
{
	const struct {
		void *handler; /* SIG_DFL */
		unsigned long flags, restorer, mask;
	} dfl = { .handler = NULL };
	sigset_t none;

	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP &&
		    syscall(SYS_rt_sigaction, sig, &dfl, NULL, 8) < 0)
			return dd_err_set(err, errno, "default action of signal %d", sig);
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? dd_err_set(err, errno, "signal mask")
	                                                 : 0;
}

/* ---- exec ---- */

static const char *env_get(char *const *envp, const char *name)
{
	size_t len = strlen(name);
	for (; *envp; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

/* As execvpe(3), but with the PATH of the delivered environment, without its guess that a file
 * without a header is a shell script, and without the heap: the filter is on. Returns only on
 * failure. */
static int exec_search(char *const *argv, char *const *envp, struct dd_err *err)
{
	const char *path = env_get(envp, "PATH");
	int worst = ENOENT;

	if (strchr(argv[0], '/')) {
		(void)execve(argv[0], argv, envp);
		return dd_err_blame(
			err, DD_BLAME_STEP,
			dd_err_say(err, ENOEXEC, "exec %s: %s", argv[0], strerrordesc_np(errno)));
	}
	for (const char *p = path ? path : ""; *p;) {
		char file[4096];
		size_t len = strcspn(p, ":");
		int n = snprintf(file, sizeof(file), "%.*s/%s", (int)len, p, argv[0]);
		p += len;
		p += *p == ':';
		if (len == 0 || n < 0 || (size_t)n >= sizeof(file))
			/* an empty element would mean the working directory, which the step's
			 * repository fills */
			continue;
		(void)execve(file, argv, envp);
		if (errno != ENOENT && errno != ENOTDIR)
			worst = errno;
	}
	return dd_err_blame(err, DD_BLAME_STEP,
	                    dd_err_say(err, ENOEXEC, "exec %s, searched in PATH=%s: %s", argv[0],
	                               path ? path : "(not set)", strerrordesc_np(worst)));
}

static int step_lock(const struct inside *in, const struct delivered *got, struct dd_err *err)
{
	int r = limits_set(&in->spec->limits, err);
	if (r == 0)
		r = descriptors_set(in, got, err);
	if (r == 0)
		r = signals_reset(err);
	if (r == 0)
		r = inside_drop_capabilities(err);
	if (r == 0)
		r = inside_no_new_privs(err);
	if (r == 0)
		r = inside_landlock(in->spec, err);
	if (r == 0)
		r = in->asks ? inside_seccomp_asking(in->spec->seccomp, in->deliver, err)
		             : inside_seccomp(in->spec->seccomp, err);
	return r;
}

/* What waits for the delivery holds every lock already, and the delivery is the permission to exec;
 * only credential files need a capability after it. */
static int step_run(const struct inside *in, struct dd_err *err)
{
	const bool files = in->spec->secret_files;
	struct delivered got = { .envp = NULL };
	if (setsid() < 0)
		return dd_err_set(err, errno, "new session");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "PR_SET_DUMPABLE");
	int r = inside_delivery_room(&got, err);
	if (r == 0)
		r = files ? inside_delivery(in->deliver, true, &got, err)
		          : inside_seal_credentials(err);
	if (r == 0)
		r = step_lock(in, &got, err);
	if (r == 0 && !files)
		r = inside_delivery(in->deliver, false, &got, err);
	/* F-08: only now, when nobody else changes the tree any more, and with no more rights than
	 * the step has */
	if (r == 0)
		r = inside_workdir(got.workdir, err);
	return r < 0 ? r : exec_search(got.argv, got.envp, err);
}

_Noreturn void inside_step(const struct inside *in)
{
	struct dd_err err = { 0 };

	(void)step_run(in, &err);
	(void)send(in->deliver, &err, sizeof(err), MSG_NOSIGNAL);
	_exit(127);
}
