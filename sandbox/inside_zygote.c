// SPDX-License-Identifier: Apache-2.0
/* inside_zygote.c - holds the finished tree of a job's steps and clones a launcher for each.
 *
 * Who am I: pid 1 of new user, mount, pid and host name namespaces; every step of the job hangs
 * below me, so my death is theirs, and the supervisor's is mine. What can I do: anything in those
 * namespaces, nothing outside. What do I hold: the socket to the supervisor. I read its requests
 * and not one byte of a step, and no credential is in them.
 *
 * My uid is the supervisor's, which has no number in my namespace: the step's group of limits lets
 * a child be born in it by the right of that uid. A user namespace can only be made under an id
 * that has a number, and files too. So there are short-lived children under the id of the steps:
 * one builds the tree, and for each request one that is born in the step's group makes the launcher
 * there, and ends.
 *
 * A launcher is one clone3 away from a tree with everything in its place. The kernel copies the
 * mounts and locks each copy, because the copy belongs to another user namespace: so what a step
 * shares with the others it can neither take off nor make writable.
 */
#include "inside.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <link.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

/* ---- what a launcher gets of our memory ---- */

/* Functions of the libraries that a launcher calls; of the program itself it needs all. */
static bool is_called_from(uintptr_t from, uintptr_t to)
{
	const uintptr_t called[] = {
		(uintptr_t)inside_main,
		(uintptr_t)memcpy,                     /* libc */
		(uintptr_t)cap_set_proc,               /* libcap */
		(uintptr_t)mnl_nlmsg_get_payload,      /* libmnl */
		(uintptr_t)seccomp_arch_native,        /* libseccomp */
		(uintptr_t)getauxval(AT_BASE),         /* the loader, which libc calls */
		(uintptr_t)getauxval(AT_SYSINFO_EHDR), /* the clock */
	};
	for (size_t i = 0; i < ARRAY_LEN(called); i++)
		if (called[i] >= from && called[i] < to)
			return true;
	return false;
}

static int leave_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = UINTPTR_MAX, to = 0;
	struct dd_err *err = arg;

	(void)size;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type != PT_LOAD)
			continue;
		uintptr_t at = object->dlpi_addr + p->p_vaddr;
		from = at < from ? at : from;
		to = at + p->p_memsz > to ? at + p->p_memsz : to;
	}
	if (to == 0 || is_called_from(from, to))
		return 0;
	from &= ~(page - 1);
	to = (to + page - 1) & ~(page - 1);
	/* the number goes to its place as dl_iterate_phdr(3) hands it back */
	return madvise((void *)from, to - from, MADV_DONTFORK) < 0
	               ? dd_err_set(err, errno, "leave out library %s", object->dlpi_name)
	               : 0;
}

/* Two thirds of the supervisor's mappings are libraries that no launcher calls. A child without
 * them is made and ended in half the time; and in init, which a step can see from below, there is
 * less code for an intruder. Nothing of them may run in a launcher, a handler of pthread_atfork(3)
 * neither: that is why it makes the step by the bare call. (Under AddressSanitizer every object is
 * called.) */
static int leave_libraries(struct dd_err *err)
{
#if defined(__SANITIZE_ADDRESS__)
	(void)err;
	(void)leave_object;
	return 0;
#else
	return dl_iterate_phdr(leave_object, err);
#endif
}

/* ---- the tree ---- */

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

/* Keep ours, out of the way of 0, 1 and 2, and nothing else that the supervisor has open. */
static int keep_socket(struct inside *in, struct dd_err *err)
{
	int up = fcntl(in->zygote, F_DUPFD_CLOEXEC, INSIDE_FD_FLOOR);
	if (up < 0)
		return dd_err_set(err, errno, "descriptor %d", in->zygote);
	in->zygote = up;
	return inside_close_others((const int[INSIDE_KEEP_MAX]){ up, -1, -1, -1, -1, -1 }, err);
}

/* C-20: whatever the operator's environment holds (tokens, often) is of no use from here on, and
 * every init would keep it for as long as its step lives. Our copy of that memory is private
 * (fork). */
static void forget_environment(const struct inside *in)
{
	explicit_bzero(in->env.at, in->env.len);
	environ = NULL;
}

/* What comes with a request lands at INSIDE_FD_FLOOR or above: 0, 1, 2 and those next to them are a
 * step's to fill. The launcher closes these. */
static int hold_low(struct dd_err *err)
{
	for (int fd = 0; fd < INSIDE_FD_FLOOR; fd++)
		if (open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW) != fd)
			return dd_err_set(err, errno, "hold descriptor %d", fd);
	return 0;
}

static int become_step(const struct inside *in, struct dd_err *err)
{
	return inside_become(SANDBOX_UID, SANDBOX_GID, in->spec->identity->mode == IDENTITY_RANGE,
	                     err);
}

/* In the child that builds, under the id of the steps: whose files those of the tree are. */
static int build_tree(struct inside *in, struct dd_err *err)
{
	int r = become_step(in, err);
	if (r == 0)
		r = inside_root(in, err);
	if (r == 0 && sethostname(in->spec->hostname, strlen(in->spec->hostname)) < 0)
		r = dd_err_set(err, errno, "hostname %s", in->spec->hostname);
	return r < 0 ? r : inside_pivot(in, err);
}

/* pivot_root(2) moves the root of every process that has the old one, so ours too. */
static int check_root(struct dd_err *err)
{
	struct statfs fs;

	if (chdir("/") < 0)
		return dd_err_set(err, errno, "enter the new root");
	return statfs(INSIDE_JOB_PROC, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC
	               ? dd_err_say(err, EPROTO, "the root is not the one that was built")
	               : 0;
}

static int build_in_child(struct inside *in, struct dd_err *err)
{
	struct zygote_reply failed = { .r = 0 };
	int status = 0;

	if (chdir("/") < 0)
		return dd_err_set(err, errno, "enter the root");
	pid_t pid = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (pid < 0)
		return dd_err_set(err, errno, "clone the builder of the tree");
	if (pid == 0) {
		failed.r = build_tree(in, &failed.err);
		if (failed.r < 0)
			(void)dd_send_msg(in->zygote, &failed, sizeof(failed), NULL, 0);
		_exit(failed.r < 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(1); /* it has said why */
	if (!WIFEXITED(status))
		return dd_err_say(err, ECHILD, "the builder of the tree ended by signal %d",
		                  WTERMSIG(status));
	return check_root(err);
}

static int zygote_build(struct inside *in, struct dd_err *err)
{
	forget_environment(in);
	inside_rename(in, "drydock-zygote");
	(void)umask(022);
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return dd_err_set(err, errno, "default action of SIGCHLD");
	int r = keep_socket(in, err);
	/* first, so that the supervisor, who writes them, can go on with something else */
	if (r == 0)
		r = inside_ask_for_maps(in->zygote, err);
	if (r < 0)
		return r;
	inside_wait_for_maps(in->zygote);
	r = inside_tie_to_parent(in->zygote, err);
	if (r == 0)
		r = open_host(in, err);
	if (r == 0)
		r = build_in_child(in, err);
	/* nobody asks how a step ended here: init tells the supervisor */
	if (r == 0 && signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		r = dd_err_set(err, errno, "ignore SIGCHLD");
	/* The host's trees and the new root are attached or unwanted now; a descriptor left open
	 * would keep a way back. */
	if (r == 0)
		r = inside_close_others(
			(const int[INSIDE_KEEP_MAX]){ in->zygote, -1, -1, -1, -1, -1 }, err);
	if (r == 0)
		r = hold_low(err);
	return r < 0 ? r : leave_libraries(err);
}

/* ---- a request ---- */

/* The supervisor is believed, and a message of another shape means that it is not the supervisor,
 * or that one of us is broken: then every step ends. */
static void receive(void *buf, size_t len, int *fds, size_t n_fds, int sock)
{
	int r = dd_recv_msg(sock, buf, len, fds, n_fds);
	if (r != 1)
		_exit(r == 0 ? 0 : 1);
}

static void take_descriptors(int sock, uint32_t has, int ret[ZYGOTE_FD__COUNT])
{
	int fds[ZYGOTE_FD__COUNT];
	size_t n = 0;
	char byte;

	for (size_t i = 0; i < ZYGOTE_FD__COUNT; i++)
		n += has >> i & 1;
	receive(&byte, 1, fds, n, sock);
	n = 0;
	for (size_t i = 0; i < ZYGOTE_FD__COUNT; i++)
		ret[i] = has >> i & 1 ? fds[n++] : -1;
}

static void take_request(struct inside *in, int fds[ZYGOTE_FD__COUNT])
{
	const struct zygote_packed *packed = (const void *)in->room;
	struct zygote_request head;

	receive(&head, sizeof(head), NULL, 0, in->zygote);
	if (head.bytes < sizeof(*packed) || head.bytes > ZYGOTE_ROOM ||
	    head.has >> ZYGOTE_FD__COUNT)
		_exit(1);
	take_descriptors(in->zygote, head.has, fds);
	for (size_t at = 0; at < head.bytes; at += ZYGOTE_CHUNK)
		receive(in->room + at,
		        head.bytes - at < ZYGOTE_CHUNK ? head.bytes - at : ZYGOTE_CHUNK, NULL, 0,
		        in->zygote);
	in->nth++;
	in->spec = &packed->spec;
	in->asks = packed->asks;
	in->ctl = fds[ZYGOTE_CTL];
	in->deliver = fds[ZYGOTE_DELIVER];
	in->out = fds[ZYGOTE_OUT];
	in->err = fds[ZYGOTE_ERR];
	in->input = fds[ZYGOTE_INPUT];
}

/* ---- a launcher ---- */

#define STEP_NAMESPACES                                                                            \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

/* At the clone: the child is inside_main.c's launcher and never returns here; it may do anything in
 * its own namespaces and nothing outside; it holds copies of our descriptors until its first call
 * closes them. */
static int clone_launcher(struct inside *in, int *ret_pidfd, struct dd_err *err)
{
	struct clone_args args = {
		.flags = STEP_NAMESPACES | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	if (dd_fault("clone3"))
		return dd_err_set(err, ENOSYS, "clone3 with seven namespaces");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		inside_main(in);
	if (pid < 0)
		return dd_err_set(
			err, errno, "clone3 with seven namespaces%s",
			errno == ENOSYS
				? " (needs Linux 5.7; in a unit, RestrictNamespaces= hides it)"
			: errno == EPERM ? " (user namespaces are forbidden here: AppArmor, "
					   "user.max_user_namespaces)"
					 : "");
	return (int)pid;
}

static int zygote_write(pid_t pid, const char *file, const char *text, struct dd_err *err)
{
	char path[64];
	(void)snprintf(path, sizeof(path), INSIDE_JOB_PROC "/%d/%s", (int)pid, file);

	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return dd_err_set(err, errno, "open the launcher's %s", file);
	size_t len = strlen(text);
	return write(fd, text, len) == (ssize_t)len
	               ? 0
	               : dd_err_set(err, errno, "write the launcher's %s", file);
}

/* The one id of a step, which in our namespace has the same number; and, while the process's files
 * are open to us, its place in the queue of the OOM killer: before the supervisor. */
static int map_launcher(const struct inside *in, pid_t pid, struct dd_err *err)
{
	static const char map[] = "1001 1001 1\n";
	_Static_assert(SANDBOX_UID == 1001 && SANDBOX_GID == 1001, "the map names the ids");

	if (dd_fault("maps"))
		return dd_err_set(err, ENOSYS, "write the id maps");
	int r = 0;
	/* Without privilege the kernel takes a group map only after this; with it setgroups(0) must
	 * stay possible. */
	if (in->spec->identity->mode == IDENTITY_SINGLE)
		r = zygote_write(pid, "setgroups", "deny", err);
	if (r == 0)
		r = zygote_write(pid, "uid_map", map, err);
	if (r == 0)
		r = zygote_write(pid, "gid_map", map, err);
	if (r == 0)
		r = zygote_write(pid, "oom_score_adj", "500", err);
	return r;
}

/* A launcher that ended before it asked has told the supervisor why: no fault of this one. */
static int serve_maps(const struct inside *in, int sock, pid_t pid, struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_INVALID };
	const struct ctl_msg go = { .type = CTL_GO };
	int r = dd_recv_msg(sock, &msg, sizeof(msg), NULL, 0);

	if (r == 0 || r == -ECONNRESET)
		return 0;
	if (r < 0 || msg.type != CTL_MAPS_WANTED)
		return dd_err_set(err, r < 0 ? -r : EPROTO, "the launcher's request for id maps");
	if ((r = map_launcher(in, pid, err)) < 0)
		return r;
	r = dd_send_msg(sock, &go, sizeof(go), NULL, 0);
	return r == 0 || r == -EPIPE || r == -ECONNRESET
	               ? 0
	               : dd_err_set(err, -r, "release the launcher");
}

static int launch_one(struct inside *in, int *ret_pidfd, struct dd_err *err)
{
	int maps[2], pidfd = -1;

	int r = become_step(in, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, maps) < 0)
		return dd_err_set(err, errno, "socket to the launcher");
	dd_auto_fd int ours = maps[0];
	dd_auto_fd int theirs = maps[1];
	in->maps = theirs;
	int pid = clone_launcher(in, &pidfd, err);
	if (pid < 0)
		return pid;
	dd_close_p(&theirs);
	r = serve_maps(in, ours, pid, err);
	if (r < 0) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		dd_close(pidfd);
		return r;
	}
	*ret_pidfd = pidfd;
	return 0;
}

/* Who: the child that makes one launcher and ends, so that the launcher is the zygote's. */
_Noreturn static void make_launcher(struct inside *in, int done)
{
	struct zygote_reply reply = { .nth = in->nth };
	int pidfd = -1;

	reply.r = launch_one(in, &pidfd, &reply.err);
	int r = dd_send_msg(in->zygote, &reply, sizeof(reply), NULL, 0);
	if (r == 0 && reply.r == 0)
		r = dd_send_msg(in->zygote, "p", 1, &pidfd, 1);
	_exit(r == 0 && write(done, "d", 1) == 1 ? 0 : 1);
}

/* It is born in the step's group of limits, not moved there: to write a pid to cgroup.procs may
 * take 29 ms (6.18), and there would be a moment outside of them. */
static int clone_maker(struct inside *in, int cgroup, int done[2], struct dd_err *err)
{
	struct clone_args args = {
		.flags = cgroup >= 0 ? CLONE_INTO_CGROUP : 0ULL,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup >= 0 ? (unsigned long long)cgroup : 0ULL,
	};

	if (dd_fault("cgroup_clone"))
		return dd_err_set(err, ENOSYS, "clone3 into a cgroup");
	if (pipe2(done, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "pipe to the maker of a launcher");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		make_launcher(in, done[1]);
	int code = errno;
	dd_close_p(&done[1]);
	return pid < 0 ? dd_err_set(err, code, "clone3%s%s",
	                            cgroup >= 0 ? " into the cgroup of " : "",
	                            cgroup >= 0 ? in->spec->name : "")
	               : 0;
}

static void serve(struct inside *in)
{
	struct zygote_reply failed = { .r = 0 };
	int fds[ZYGOTE_FD__COUNT], done[2] = { -1, -1 };
	char byte;

	take_request(in, fds);
	failed.nth = in->nth;
	failed.r = clone_maker(in, fds[ZYGOTE_CGROUP], done, &failed.err);
	for (size_t i = 0; i < ZYGOTE_FD__COUNT; i++)
		dd_close_p(&fds[i]);
	/* a large request is not kept until the next one */
	(void)madvise(in->room + ZYGOTE_CHUNK, ZYGOTE_ROOM - ZYGOTE_CHUNK, MADV_DONTNEED);
	/* it has answered when it says so; killed, it cannot */
	if (failed.r == 0 && read(done[0], &byte, 1) != 1)
		failed.r = dd_err_say(&failed.err, ECHILD,
		                      "the maker of the launcher ended without a word");
	dd_close_p(&done[0]);
	if (failed.r < 0 && dd_send_msg(in->zygote, &failed, sizeof(failed), NULL, 0) < 0)
		_exit(1); /* nobody to talk to */
}

_Noreturn void inside_zygote(struct inside *in)
{
	struct zygote_reply reply = { .r = 0 };

	reply.r = zygote_build(in, &reply.err);
	if (dd_send_msg(in->zygote, &reply, sizeof(reply), NULL, 0) < 0 || reply.r < 0)
		_exit(1);
	for (;;)
		serve(in);
}
