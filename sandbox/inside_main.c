// SPDX-License-Identifier: Apache-2.0
/* inside_main.c - the launcher: from the first instruction after clone3 to the fork that separates
 * init and step.
 *
 * Who am I: pid 1 of seven new namespaces, with a full capability set in the new user namespace and
 * nothing outside; my tree is a locked copy of the zygote's. What do I hold: ctl, delivery, the
 * step's output descriptors and, until ids are mapped, a socket to the zygote. Order: the network
 * needs no id, and is built while the zygote writes the maps; then the uid becomes the step's; then
 * comes what of the tree is its own. Every failure travels as one dd_err over ctl, and the process
 * ends.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* close_range(2) is Linux 5.9; a loop over /proc would miss what it cannot see. */
int inside_close_others(const int keep[INSIDE_KEEP_MAX], struct dd_err *err)
{
	for (unsigned first = 0; first != ~0u;) {
		unsigned next = ~0u;
		for (size_t i = 0; i < INSIDE_KEEP_MAX; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= first && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > first && close_range(first, next == ~0u ? next : next - 1, 0) < 0)
			return dd_err_set(err, errno, "close_range (needs Linux 5.9 or later)");
		first = next == ~0u ? next : next + 1;
	}
	return 0;
}

static int launcher_keep(const struct inside *in, int also, struct dd_err *err)
{
	return inside_close_others((const int[INSIDE_KEEP_MAX]){ in->ctl, in->deliver, in->out,
	                                                         in->err, in->input, also },
	                           err);
}

/* ---- maps and identity ---- */

/* The files of a process that is not dumpable belong to the host's root, and whoever writes the
 * maps could not open them. The window ends with inside_tie_to_parent(). */
int inside_ask_for_maps(int sock, struct dd_err *err)
{
	const struct ctl_msg msg = { .type = CTL_MAPS_WANTED };

	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "PR_SET_DUMPABLE");
	int r = dd_send_msg(sock, &msg, sizeof(msg), NULL, 0);
	return r < 0 ? dd_err_set(err, -r, "ask for the id maps") : 0;
}

void inside_wait_for_maps(int sock)
{
	struct ctl_msg msg = { .type = CTL_INVALID };

	if (dd_recv_msg(sock, &msg, sizeof(msg), NULL, 0) != 1 || msg.type != CTL_GO)
		_exit(1); /* the other end gave up or died */
}

int inside_become(uid_t uid, gid_t gid, bool groups, struct dd_err *err)
{
	if (groups && setgroups(0, NULL) < 0)
		return dd_err_set(err, errno, "drop supplementary groups");
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return dd_err_set(err, errno, "become id %u", (unsigned)uid);
	return 0;
}

static int stop_being_dumpable(struct dd_err *err)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? dd_err_set(err, errno, "PR_SET_DUMPABLE")
	                                              : 0;
}

/* A launcher needs no such tie: its parent is gone soon, and the zygote's death is its own. */
int inside_tie_to_parent(int sock, struct dd_err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "parent-death signal");
	/* The supervisor may have died before: then the socket is at its end (getppid() is no help,
	 * it is 0 in a new pid namespace). */
	struct pollfd gone = { .fd = sock };
	if (poll(&gone, 1, 0) > 0)
		_exit(1);
	return stop_being_dumpable(err);
}

/* ---- network ---- */

static int network(const struct inside *in, struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_NET };
	int fds[NET_FD__COUNT];

	if (dd_fault("netns"))
		return dd_err_set(err, ENOSYS, "network namespace");
	int r = net_inside_setup(in->spec->net, fds, err);
	if (r < 0)
		return dd_err_ctx(err, r, "network");
	r = dd_send_msg(in->ctl, &msg, sizeof(msg), NULL, 0);
	if (r == 0)
		r = dd_send_msg(in->ctl, "n", 1, fds, NET_FD__COUNT);
	for (size_t i = 0; i < NET_FD__COUNT; i++)
		dd_close(fds[i]);
	return r < 0 ? dd_err_set(err, -r, "hand over the network sockets") : 0;
}

/* ---- what is the step's own ---- */

static int launcher_own(const struct inside *in, struct dd_err *err)
{
	const struct ctl_msg msg = { .type = CTL_FILES };
	int files[SANDBOX_FILES_MAX];
	int r = inside_own(in->spec, files, err);

	if (r < 0 || in->spec->n_files == 0)
		return r;
	r = dd_send_msg(in->ctl, &msg, sizeof(msg), NULL, 0);
	if (r == 0)
		r = dd_send_msg(in->ctl, "f", 1, files, in->spec->n_files);
	/* ours are closed before the fork, with all else that neither init nor step may have */
	return r < 0 ? dd_err_set(err, -r, "hand over the step's files") : 0;
}

/* ---- all of it ---- */

static int launch(struct inside *in, struct dd_err *err)
{
	/* The zygote ignores the ends of its children; init waits for them. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return dd_err_set(err, errno, "default action of SIGCHLD");
	int r = launcher_keep(in, in->maps, err);
	if (r == 0)
		r = inside_ask_for_maps(in->maps, err);
	if (r == 0)
		r = network(in, err);
	if (r < 0)
		return r;
	inside_wait_for_maps(in->maps);
	r = inside_become(SANDBOX_UID, SANDBOX_GID, in->spec->identity->mode == IDENTITY_RANGE,
	                  err);
	if (r == 0)
		r = stop_being_dumpable(err);
	if (r == 0)
		r = launcher_own(in, err);
	/* Both that this becomes give it up, and neither needs it: once is enough. */
	return r < 0 ? r : inside_empty_bounding_set(err);
}

_Noreturn void inside_main(struct inside *in)
{
	struct ctl_msg failed = { .type = CTL_FAILED };
	int r = launch(in, &failed.err);
	/* What writes the script, or a directory of the tree, would be a way to it. */
	if (r == 0)
		r = launcher_keep(in, -1, &failed.err);
	/* not fork(3): a library that is not here may have left a handler for it */
	pid_t step = r < 0 ? -1 : (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (step == 0) {
		dd_close(in->ctl);
		inside_step(in);
	}
	if (r == 0 && step < 0)
		r = dd_err_set(&failed.err, errno, "fork the step");
	/* P-11: init holds neither end of the step's output, or a reader would never see its end.
	 */
	if (r == 0)
		r = inside_close_others((const int[INSIDE_KEEP_MAX]){ in->ctl, -1, -1, -1, -1, -1 },
		                        &failed.err);
	if (r < 0) {
		(void)dd_send_msg(in->ctl, &failed, sizeof(failed), NULL, 0);
		_exit(1);
	}
	inside_init(in, step);
}
