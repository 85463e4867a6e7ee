// SPDX-License-Identifier: Apache-2.0
/* gate_zygote.c - the process that closed gates are forks of: locked once for a job, before the job
 * reads or holds anything.
 *
 * Runs in: the gates' zygote. Who am I: a child of the supervisor. What can I still do after the
 * lock: fork, and what a fork needs to become a gate. What do I hold: one socket to the supervisor,
 * on which descriptors come; they go on to the fork and are closed here unread, so no byte of a
 * step is ever in this memory, and a gate finds nothing of another gate's in its own. Closed gates
 * alone: an open one needs the budgets of the moment and the host's resolver files, so it is forked
 * from the supervisor. A zygote that is gone is not replaced: its job's steps end.
 */
#include "gate_internal.h"

#include "drydock/fault.h"

#include <sys/syscall.h>

static void zygote_close(const int fds[GATE_FD__COUNT])
{
	for (size_t i = 0; i < GATE_FD__COUNT; i++)
		dd_close(fds[i]);
}

/* CLONE_PARENT: the supervisor reaps it as its own. Not fork(3), which the filter does not let
 * pass. */
static pid_t zygote_fork(void)
{
	if (dd_fault("gate_zygote_fork")) {
		errno = ENOSYS;
		return -1;
	}
	return (pid_t)syscall(SYS_clone, (long)GATE_FORK_FLAGS, 0L, 0L, 0L, 0L);
}

/* true: another one may come. */
static bool zygote_serve(struct gate_state *g, pid_t supervisor)
{
	struct zygote_ask ask;
	int fds[GATE_FD__COUNT] = { -1 };

	if (dd_recv_msg(GATE_FIRST_FD, &ask, sizeof(ask), fds, GATE_FD__COUNT) != 1)
		return false; /* the supervisor is gone, or speaks another language */
	pid_t pid = zygote_fork();
	if (pid == 0)
		gate_main_forked(g, fds, supervisor);
	struct zygote_told told = { .id = ask.id, .pid = pid < 0 ? -errno : pid };
	if (pid < 0)
		gate_text(told.why, sizeof(told.why), strerrordesc_np(errno));
	zygote_close(fds);
	return dd_send_msg(GATE_FIRST_FD, &told, sizeof(told), NULL, 0) == 0;
}

void gate_zygote_main(const struct gate_lock *lock, int ctl)
{
	static struct gate_state state;
	const struct gate_spec closed = { .egress = NULL };
	struct dd_err err = { 0 };

	if (gate_become(&ctl, 1, &err) < 0)
		_exit(1);
	if (gate_make_memory(&state, &closed, &err) < 0 || gate_lock(lock, &err) < 0) {
		struct zygote_told told = { .pid = -err.code };
		gate_text(told.why, sizeof(told.why), err.msg);
		(void)dd_send_msg(GATE_FIRST_FD, &told, sizeof(told), NULL, 0);
		_exit(1);
	}
	while (zygote_serve(&state, lock->supervisor))
		;
	_exit(0);
}
