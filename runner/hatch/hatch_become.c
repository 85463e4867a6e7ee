// SPDX-License-Identifier: Apache-2.0
/* hatch_become.c - what both processes of a hatch do first after the fork.
 *
 * Runs in: hatch and storekeeper. Everything of the supervisor that is not named stays behind: its
 * environment, its descriptors, its signal handlers; memory with secrets is not copied by a fork
 * (MADV_WIPEONFORK). */
#include "hatch_messages.h"

#include "drydock/fd.h"
#include "drydock/own_env.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static void hatch_quiet_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT,  SIGTERM, SIGHUP,
		                       SIGQUIT, SIGUSR1, SIGUSR2, SIGIO };
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int hatch_become(const char *name, const int keep[], size_t n, struct dd_err *err)
{
	enum { FIRST = 3 };
	int high[8];

	own_env_clear();
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	hatch_quiet_signals();
	dd_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || n > ARRAY_LEN(high))
		return dd_err_set(err, errno, "hatch: open /dev/null");
	for (size_t i = 0; i < n; i++)
		if ((high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, FIRST + (int)n)) < 0)
			return dd_err_set(err, errno, "hatch: duplicate descriptor %d", keep[i]);
	for (int fd = 0; fd < FIRST; fd++) {
#ifdef __SANITIZE_ADDRESS__
		if (fd == 2)
			continue; /* the sanitizer's voice */
#endif
		if (dup2(null, fd) < 0)
			return dd_err_set(err, errno, "hatch: replace descriptor %d", fd);
	}
	for (size_t i = 0; i < n; i++)
		if (dup3(high[i], FIRST + (int)i, O_CLOEXEC) < 0)
			return dd_err_set(err, errno, "hatch: move descriptor %d", high[i]);
	(void)dd_take_fd(&null); /* closed with the rest */
	if (close_range((unsigned)FIRST + (unsigned)n, ~0u, 0) < 0)
		return dd_err_set(err, errno, "hatch: close_range");
	return 0;
}
