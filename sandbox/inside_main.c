// SPDX-License-Identifier: Apache-2.0
/* inside_main.c - the launcher: from the first instruction after clone3 to the fork that separates
 * init and step.
 *
 * Who am I: pid 1 of seven new namespaces, with a full capability set in the new user namespace and
 * nothing outside. What do I hold: ctl, delivery, the step's two output descriptors; everything
 * else of the supervisor is closed at once. Order: host trees are opened with the supervisor's
 * kernel uid; then the maps arrive and the uid becomes the step's; then network, root, pivot. Every
 * failure travels as one dd_err over ctl, and the process ends.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { KEEP_MAX = 5 };

/* Close every descriptor but those in @keep (-1: none). close_range(2) is Linux 5.9; a loop over
 * /proc would miss what it cannot see. */
static int close_others(const int keep[KEEP_MAX], struct dd_err *err)
{
	for (unsigned first = 0; first != ~0u;) {
		unsigned next = ~0u;
		for (size_t i = 0; i < KEEP_MAX; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= first && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > first && close_range(first, next == ~0u ? next : next - 1, 0) < 0)
			return dd_err_set(err, errno, "close_range (needs Linux 5.9 or later)");
		first = next == ~0u ? next : next + 1;
	}
	return 0;
}

/* Keep ours, out of the way of 0, 1 and 2, and nothing else that the supervisor has open. */
static int keep_only_ours(struct inside *in, struct dd_err *err)
{
	int *const ours[KEEP_MAX] = { &in->ctl, &in->deliver, &in->out, &in->err, &in->input };

	for (size_t i = 0; i < KEEP_MAX; i++) {
		if (*ours[i] < 0)
			continue;
		int up = fcntl(*ours[i], F_DUPFD_CLOEXEC, INSIDE_FD_FLOOR);
		if (up < 0)
			return dd_err_set(err, errno, "descriptor %d", *ours[i]);
		*ours[i] = up;
	}
	return close_others(
		(const int[KEEP_MAX]){ in->ctl, in->deliver, in->out, in->err, in->input }, err);
}

/* ---- maps and identity ---- */

static int wait_for_maps(const struct inside *in, struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_MAPS_WANTED };
	int r = 0;

	/* The files of a process that is not dumpable belong to the host's root, and the supervisor
	 * could not open uid_map. The window ends with setresuid() below, which turns dumpability
	 * off again. */
	if (in->announce) {
		if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
			return dd_err_set(err, errno, "PR_SET_DUMPABLE");
		r = dd_send_msg(in->ctl, &msg, sizeof(msg), NULL, 0);
		if (r < 0)
			return dd_err_set(err, -r, "ask for the id maps");
	}
	r = dd_recv_msg(in->ctl, &msg, sizeof(msg), NULL, 0);
	if (r != 1 || msg.type != CTL_GO)
		_exit(1); /* the supervisor gave up or died */
	return 0;
}

static int become_step_uid(const struct inside *in, struct dd_err *err)
{
	if (in->spec->identity->mode == IDENTITY_RANGE && setgroups(0, NULL) < 0)
		return dd_err_set(err, errno, "drop supplementary groups");
	if (setresgid(SANDBOX_GID, SANDBOX_GID, SANDBOX_GID) < 0 ||
	    setresuid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) < 0)
		return dd_err_set(err, errno, "become runner (%d)", SANDBOX_UID);
	/* A change of uid clears it, so only now. The parent may have died before: then ctl is at
	 * its end (getppid() is no help, it is 0 in a new pid namespace). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "parent-death signal");
	struct pollfd gone = { .fd = in->ctl };
	if (poll(&gone, 1, 0) > 0)
		_exit(1);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "PR_SET_DUMPABLE");
	return 0;
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

/* ---- all of it ---- */

static int open_host(struct inside *in, struct dd_err *err)
{
	/* Nothing that happens here reaches the host, nothing mounted there later appears here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return dd_err_set(err, errno, "make all mounts private");
	int r = inside_open_mounts(in, err);
	if (r == 0)
		r = inside_open_dev(in, err);
	if (r == 0)
		r = inside_open_view(in, err);
	if (r == 0)
		r = inside_open_root(in, err);
	return r;
}

/* C-20: whatever the operator's environment holds (tokens, often) is of no use from here on, and
 * init would keep it for as long as the step lives. Our copy of that memory is private (fork). */
static void forget_environment(const struct inside *in)
{
	explicit_bzero(in->env.at, in->env.len);
	environ = NULL;
}

static int inside_launch(struct inside *in, struct dd_err *err)
{
	forget_environment(in);
	(void)umask(022);
	int r = keep_only_ours(in, err);
	if (r == 0)
		r = open_host(in, err);
	if (r == 0)
		r = wait_for_maps(in, err);
	if (r == 0)
		r = become_step_uid(in, err);
	if (r == 0)
		r = network(in, err);
	if (r < 0)
		return r;
	r = inside_root(in, err);
	if (r == 0 && sethostname(in->spec->hostname, strlen(in->spec->hostname)) < 0)
		r = dd_err_set(err, errno, "hostname %s", in->spec->hostname);
	if (r == 0)
		r = inside_pivot(in, err);
	/* Both that this becomes give it up, and neither needs it: once is enough. */
	return r < 0 ? r : inside_empty_bounding_set(err);
}

_Noreturn void inside_main(struct inside *in)
{
	struct ctl_msg failed = { .type = CTL_FAILED };
	int r = inside_launch(in, &failed.err);
	/* The host's trees and the new root are attached or unwanted now; a descriptor left open
	 * would keep a way back. */
	if (r == 0)
		r = close_others(
			(const int[KEEP_MAX]){ in->ctl, in->deliver, in->out, in->err, in->input },
			&failed.err);
	pid_t step = r < 0 ? -1 : fork();
	if (step == 0) {
		dd_close(in->ctl);
		inside_step(in);
	}
	if (r == 0 && step < 0)
		r = dd_err_set(&failed.err, errno, "fork the step");
	/* P-11: init holds neither end of the step's output, or a reader would never see its end.
	 */
	if (r == 0)
		r = close_others((const int[KEEP_MAX]){ in->ctl, -1, -1, -1, -1 }, &failed.err);
	if (r < 0) {
		(void)dd_send_msg(in->ctl, &failed, sizeof(failed), NULL, 0);
		_exit(1);
	}
	inside_init(in, step);
}
