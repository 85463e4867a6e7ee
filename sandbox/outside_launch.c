// SPDX-License-Identifier: Apache-2.0
/* outside_launch.c - the supervisor's half of a sandbox's life: launch, release, status, death.
 *
 * Runs in: supervisor (id 0 of the outer user namespace, or the caller's own id in single mode).
 * A launcher is a child of its zygote (outside_zygote.c): here it is known by its pidfd. What comes
 * back over ctl was written by drydock's own code, but by a process that may have failed
 * half-way, so its text is terminated and escaped here.
 */
#include "inside.h"
#include "outside.h"
#include "seccomp_internal.h"

#include "drydock/fault.h"
#include "drydock/trace.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
	/* the first batch after boot loads modules; a loaded machine is slow */
	BUILD_TIMEOUT_MS = 60000,
	EXEC_TIMEOUT_MS = 60000,
	DEATH_TIMEOUT_MS = 5000,
};

/* ---- what the child says ---- */

static int wait_readable(int fd, int timeout_ms, const char *what, struct dd_err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return dd_err_set(err, errno, "wait for %s", what);
	return n == 0 ? dd_err_set(err, ETIMEDOUT, "wait for %s", what) : 0;
}

/* For the trace. */
static const char *const ctl_names[] = {
	[CTL_MAPS_WANTED] = "CTL_MAPS_WANTED",
	[CTL_NET] = "CTL_NET",
	[CTL_FILES] = "CTL_FILES",
	[CTL_BUILT] = "CTL_BUILT",
	[CTL_FAILED] = "CTL_FAILED",
	[CTL_STATUS] = "CTL_STATUS",
	[CTL_GO] = "CTL_GO",
	[CTL_KILL] = "CTL_KILL",
};

static void outside_trace(const char *arrow, const struct sandbox *sb, const struct ctl_msg *msg)
{
	const char *name = msg->type < ARRAY_LEN(ctl_names) ? ctl_names[msg->type] : NULL;
	dd_trace("%s init %d %s", arrow, (int)sb->pid, name ? name : "?");
}

/* A process that ends with our message unread resets the socket, and the kernel reports that once,
 * *before* the last words that are still queued (sock_error() in datagram receive). Ask again for
 * those. */
static int ctl_recv(const struct sandbox *sb, struct ctl_msg *ret)
{
	int r = dd_recv_msg(sb->ctl, ret, sizeof(*ret), NULL, 0);
	if (r == -ECONNRESET)
		r = dd_recv_msg(sb->ctl, ret, sizeof(*ret), NULL, 0);
	if (r > 0)
		outside_trace("<-", sb, ret);
	return r;
}

static int outside_expect(const struct sandbox *sb, enum ctl_type type, const char *what,
                          struct dd_err *err)
{
	struct ctl_msg msg = { 0 };
	int r = wait_readable(sb->ctl, BUILD_TIMEOUT_MS, what, err);
	if (r < 0)
		return r;
	r = ctl_recv(sb, &msg);
	if (r == 0)
		return dd_err_say(err, ECHILD,
		                  "the launcher died without a word while %s was awaited%s", what,
		                  "");
	if (r < 0)
		return dd_err_set(err, -r, "message of the launcher");
	if (msg.type == CTL_FAILED)
		return outside_child_error(err, &msg.err);
	if (msg.type != (uint32_t)type)
		return dd_err_say(err, EPROTO, "the launcher sent message %u while %s was awaited",
		                  msg.type, what);
	return 0;
}

/* ---- checks before anything is made ---- */

/* What @id of this user namespace is one level up; -1 if nothing. */
static int64_t id_outside(const char *map, uint32_t id)
{
	FILE *f = fopen(map, "re");
	unsigned long inside, outside, count;
	int64_t found = -1;

	while (f && found < 0 && fscanf(f, "%lu %lu %lu", &inside, &outside, &count) == 3)
		if (id >= inside && id - inside < count)
			found = (int64_t)(outside + (id - inside));
	if (f)
		(void)fclose(f);
	return found;
}

/* A step is never host root, and in range mode never the supervisor either (the owner of its
 * rules). */
static int check_ids(const struct sandbox_spec *spec, struct dd_err *err)
{
	int64_t uid = id_outside("/proc/self/uid_map", spec->step_uid),
		gid = id_outside("/proc/self/gid_map", spec->step_gid);

	if (uid < 0 || gid < 0)
		return dd_err_say(err, EINVAL,
		                  "step ids %u:%u are not mapped in this user namespace",
		                  spec->step_uid, spec->step_gid);
	if (uid == 0 || gid == 0 || spec->step_uid == 0)
		return dd_err_say(
			err, EPERM,
			"step ids %u:%u are host ids %lld:%lld: a step never runs as root",
			spec->step_uid, spec->step_gid, (long long)uid, (long long)gid);
	if (spec->identity->mode == IDENTITY_RANGE &&
	    (spec->step_uid == geteuid() || spec->step_gid == getegid()))
		return dd_err_say(
			err, EPERM,
			"step ids %u:%u: one is the supervisor's own, and a step never has that",
			spec->step_uid, spec->step_gid);
	if (spec->identity->mode == IDENTITY_SINGLE &&
	    (spec->step_uid != geteuid() || spec->step_gid != getegid()))
		return dd_err_say(err, EPERM, "identity single has no other ids than %u:%u",
		                  geteuid(), getegid());
	return 0;
}

static bool label_is_sane(const char *s, size_t max)
{
	size_t len = s ? strlen(s) : 0;
	return len > 0 && len <= max && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
	       s[0] != '-';
}

static bool lies_in_files_dir(const char *path)
{
	static const char dir[] = SANDBOX_FILES_DIR "/";
	const char *name = path + sizeof(dir) - 1;

	return strncmp(path, dir, sizeof(dir) - 1) == 0 && *name && *name != '.' &&
	       !strchr(name, '/');
}

static int outside_check_spec(const struct sandbox_spec *spec, struct dd_err *err)
{
	if (!spec->identity || !spec->net || !spec->seccomp || !spec->argv || !spec->argv[0])
		return dd_err_say(err, EINVAL, "incomplete sandbox spec: %s missing",
		                  !spec->identity  ? "identity"
		                  : !spec->net     ? "net"
		                  : !spec->seccomp ? "seccomp"
		                                   : "argv");
	if (!label_is_sane(spec->name, 64) || !label_is_sane(spec->hostname, 63))
		return dd_err_say(err, EINVAL, "step name and hostname must be of a-z, 0-9 and -");
	if (spec->n_files > SANDBOX_FILES_MAX)
		return dd_err_say(err, E2BIG, "%zu files, at most %d", spec->n_files,
		                  SANDBOX_FILES_MAX);
	for (size_t i = 0; i < spec->n_files; i++)
		if (!lies_in_files_dir(spec->files[i].path))
			return dd_err_say(err, EINVAL, "file '%.200s': must lie in %s",
			                  spec->files[i].path, SANDBOX_FILES_DIR);
	return check_ids(spec, err);
}

/* ---- build ---- */

/* The files of a launcher vanish when it has failed: then its own reason counts, and not that they
 * could not be written. */
static int launcher_reason(const struct sandbox *sb, int r, struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_INVALID };
	struct pollfd said = { .fd = sb->ctl, .events = POLLIN };

	return poll(&said, 1, 0) == 1 && ctl_recv(sb, &msg) > 0 && msg.type == CTL_FAILED
	               ? outside_child_error(err, &msg.err)
	               : r;
}

static int outside_ask(struct sandbox_zygote *zygote, const struct sandbox_spec *spec,
                       struct sandbox *sb, struct dd_err *err)
{
	int ctl[2], deliver[2];

	int r = cgroup_step_make(spec, sb, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
		return dd_err_set(err, errno, "socket to the launcher");
	sb->ctl = ctl[0];
	dd_auto_fd int ctl_child = ctl[1];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, deliver) < 0)
		return dd_err_set(err, errno, "socket to the step");
	sb->deliver = deliver[0];
	dd_auto_fd int deliver_child = deliver[1];

	const int fds[ZYGOTE_FD__COUNT] = {
		[ZYGOTE_CTL] = ctl_child,
		[ZYGOTE_DELIVER] = deliver_child,
		[ZYGOTE_OUT] = spec->stdout_fd,
		[ZYGOTE_ERR] = spec->stderr_fd,
		[ZYGOTE_INPUT] = spec->stdin_fd > 0 ? spec->stdin_fd : -1,
		[ZYGOTE_CGROUP] = sb->cgroup_fd,
	};
	r = outside_zygote_ask(zygote, spec, fds, err);
	if (r < 0)
		return r;
	sb->asked_of = zygote;
	sb->asks = seccomp_program_asks(spec->seccomp);
	sb->has_terminal = spec->terminal;
	sb->takes_files = spec->secret_files;
	return 0;
}

static int outside_answer(struct sandbox *sb, struct dd_err *err)
{
	struct sandbox_zygote *zygote = sb->asked_of;

	sb->asked_of = NULL;
	int r = outside_zygote_answer(zygote, sb, err);
	return r < 0 ? launcher_reason(sb, r, err) : 0;
}

/* What comes with the byte behind the message that has just been read. */
static int outside_handed(const struct sandbox *sb, int *fds, size_t n, const char *what,
                          struct dd_err *err)
{
	char byte = 0;
	int r = wait_readable(sb->ctl, BUILD_TIMEOUT_MS, what, err);
	if (r < 0)
		return r;
	r = dd_recv_msg(sb->ctl, &byte, 1, fds, n);
	return r == 1 ? 0 : dd_err_set(err, r < 0 ? -r : ECHILD, "%s of the step", what);
}

static int build_failed(const struct sandbox_spec *spec, struct sandbox *sb, int r,
                        struct dd_err *err)
{
	(void)sandbox_destroy(sb, NULL);
	return dd_err_ctx(err, r, "sandbox %s", spec->name ? spec->name : "?");
}

/* From the answer of its zygote to a network whose rules are in the kernel. */
static int outside_hear(struct sandbox *sb, struct dd_err *err)
{
	int r = outside_answer(sb, err);
	if (r == 0)
		r = outside_expect(sb, CTL_NET, "the network", err);
	if (r == 0)
		r = outside_handed(sb, sb->net, NET_FD__COUNT, "the network sockets", err);
	return r;
}

int sandbox_begin(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err)
{
	struct sandbox sb = SANDBOX_NONE;
	struct sandbox_zygote *zygote = NULL;

	int r = outside_check_spec(spec, err);
	if (r == 0)
		r = outside_zygote_for(spec, &sb.zygote, &zygote, err);
	if (r == 0)
		r = outside_ask(zygote, spec, &sb, err);
	if (r == 0)
		r = outside_hear(&sb, err);
	if (r < 0)
		return build_failed(spec, &sb, r, err);
	*ret = sb;
	return 0;
}

int sandbox_built(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err)
{
	int r = 0;

	if (spec->n_files)
		r = outside_expect(sb, CTL_FILES, "the step's files", err);
	if (r == 0 && spec->n_files)
		r = outside_handed(sb, sb->file, spec->n_files, "the files", err);
	if (r == 0)
		r = outside_expect(sb, CTL_BUILT, "the sandbox", err);
	return r < 0 ? build_failed(spec, sb, r, err) : 0;
}

/* ---- parked ---- */

int sandbox_park(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err)
{
	struct sandbox sb = SANDBOX_NONE;

	int r = outside_check_spec(spec, err);
	if (r < 0)
		return build_failed(spec, &sb, r, err);
	struct sandbox_zygote *zygote = outside_zygote_standing(spec);
	if (!zygote)
		return 0;
	if (dd_fault("park"))
		return dd_err_set(err, ENOSYS, "park sandbox %s", spec->name);
	sb.made_for = outside_key(spec);
	r = sb.made_for ? outside_ask(zygote, spec, &sb, err)
	                : dd_err_set(err, ENOMEM, "park a sandbox");
	if (r < 0)
		return build_failed(spec, &sb, r, err);
	*ret = sb;
	return 1;
}

bool sandbox_fits(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	dd_auto_free char *key = outside_key(spec);
	return key && sb->made_for && strcmp(sb->made_for, key) == 0;
}

int sandbox_parked_net(struct sandbox *sb, struct dd_err *err)
{
	int r = outside_hear(sb, err);
	if (r < 0)
		(void)sandbox_destroy(sb, NULL);
	return r;
}

int sandbox_unpark(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err)
{
	int r = dd_fault("unpark") ? dd_err_set(err, ENOSYS, "take over the parked sandbox")
	        : !sandbox_fits(sb, spec)
	                ? dd_err_say(err, EINVAL, "the parked sandbox is not that of the step")
	        : sb->asked_of ? outside_hear(sb, err)
	                       : 0;
	return r < 0 ? build_failed(spec, sb, r, err) : 0;
}

int sandbox_build(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err)
{
	int r = sandbox_begin(spec, ret, err);
	return r < 0 ? r : sandbox_built(spec, ret, err);
}

/* ---- release ---- */

/* What goes out with the next call, in pieces where they lie: what is secret is copied nowhere. */
struct gathered {
	int sock, r; /* 0, or -errno of the first that failed: then nothing more is sent */
	size_t n;
	struct iovec iov[256];
};

static void gathered_send(struct gathered *g)
{
	struct msghdr msg = { .msg_iov = g->iov, .msg_iovlen = g->n };

	while (g->r == 0 && msg.msg_iovlen > 0) {
		ssize_t n = sendmsg(g->sock, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			g->r = -errno;
		for (; n > 0 && (size_t)n >= msg.msg_iov->iov_len; msg.msg_iovlen--)
			n -= (ssize_t)msg.msg_iov++->iov_len;
		if (n > 0) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
	g->n = 0;
}

static void gather(struct gathered *g, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	if (g->n == ARRAY_LEN(g->iov))
		gathered_send(g);
	g->iov[g->n++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
}

static size_t strings_measure(char *const *list, size_t *ret_bytes)
{
	size_t n = 0;

	for (; list[n]; n++)
		*ret_bytes += strlen(list[n]) + 1;
	return n;
}

static int delivery_measure(const struct sandbox_spec *spec, const struct sandbox_delivery *what,
                            struct delivery_head *ret, struct dd_err *err)
{
	size_t bytes = strlen(spec->workdir) + 1;
	const size_t n_env = strings_measure(what->envp, &bytes),
		     n_argv = strings_measure(spec->argv, &bytes);

	if (bytes > DELIVERY_MAX || what->n_files > DELIVERY_FILES_MAX)
		return dd_err_say(err, E2BIG,
		                  "environment and arguments of %zu bytes and %zu files, at most "
		                  "%d and %d",
		                  bytes, what->n_files, DELIVERY_MAX, DELIVERY_FILES_MAX);
	for (size_t i = 0; i < what->n_files; i++)
		if (!what->files[i].name || strlen(what->files[i].name) > DELIVERY_NAME_MAX ||
		    what->files[i].len > DELIVERY_MAX)
			return dd_err_say(err, E2BIG,
			                  "credential file %zu: name or content too long", i);
	*ret = (struct delivery_head){
		.magic = DELIVERY_MAGIC,
		.n_env = (uint32_t)n_env,
		.n_argv = (uint32_t)n_argv,
		.bytes = (uint32_t)bytes,
		.n_files = (uint32_t)what->n_files,
	};
	return 0;
}

static int delivery_send(int sock, const struct sandbox_spec *spec,
                         const struct sandbox_delivery *what, const struct delivery_head *head)
{
	struct delivery_file files[DELIVERY_FILES_MAX];
	struct gathered g = { .sock = sock };

	gather(&g, head, sizeof(*head));
	for (size_t i = 0; what->envp[i]; i++)
		gather(&g, what->envp[i], strlen(what->envp[i]) + 1);
	for (size_t i = 0; spec->argv[i]; i++)
		gather(&g, spec->argv[i], strlen(spec->argv[i]) + 1);
	gather(&g, spec->workdir, strlen(spec->workdir) + 1);
	for (size_t i = 0; i < what->n_files; i++) {
		const struct sandbox_secret_file *f = &what->files[i];
		files[i] = (struct delivery_file){ .name_len = (uint32_t)strlen(f->name),
			                           .content_len = (uint32_t)f->len,
			                           .unnamed = f->unnamed };
		gather(&g, &files[i], sizeof(files[i]));
		gather(&g, f->name, files[i].name_len);
		gather(&g, f->content, f->len);
	}
	gathered_send(&g);
	return g.r;
}

/* As recv(2), and a descriptor that comes along goes to @ret_fd (-1: none). */
static ssize_t recv_with_fd(int sock, void *buf, size_t len, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control.bytes,
		              .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

/* What the step may hand over before exec, each once and alone. */
struct handed {
	char mark;
	bool wanted;
	int fd;
	const char *what;
};

/* A descriptor that came with @mark. Takes @fd over, or is an error. */
static int take_handed(struct handed *rows, size_t n, char mark, int *fd, struct dd_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].mark == mark && rows[i].wanted && rows[i].fd < 0) {
			rows[i].fd = dd_take_fd(fd);
			return 0;
		}
	return dd_err_say(err, EPROTO, "the step handed over a descriptor that nobody asked for");
}

static int wait_exec_for(int sock, struct handed *rows, size_t n_rows, struct dd_err *err);

/* EOF: exec has closed the other end. The listener of a filter that asks and the step's terminal
 * come before that. */
static int wait_exec(int sock, struct sandbox *sb, struct dd_err *err)
{
	struct handed rows[] = {
		{ DELIVERY_LISTENER, sb->asks, -1, "the listener of its filter" },
		{ DELIVERY_TERMINAL, sb->has_terminal, -1, "its terminal" },
	};
	int r = wait_exec_for(sock, rows, ARRAY_LEN(rows), err);
	if (r < 0) {
		dd_close(rows[0].fd);
		dd_close(rows[1].fd);
		return r;
	}
	sb->asked_fd = rows[0].fd;
	sb->terminal = rows[1].fd;
	return 0;
}

static int wait_exec_for(int sock, struct handed *rows, size_t n_rows, struct dd_err *err)
{
	struct dd_err from = { 0 };
	size_t got = 0;

	while (got < sizeof(from)) {
		dd_auto_fd int fd = -1;
		int r = wait_readable(sock, EXEC_TIMEOUT_MS, "exec", err);
		if (r < 0)
			return r;
		ssize_t n = recv_with_fd(sock, (char *)&from + got, sizeof(from) - got, &fd);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET) /* it ended without reading all: what it said has
		                                     been read before */
			return dd_err_set(err, errno, "wait for exec");
		if (fd >= 0) {
			char mark = '\0'; /* of no row */
			if (got == 0 && n == 1)
				memcpy(&mark, &from, 1);
			r = take_handed(rows, n_rows, mark, &fd, err);
			if (r < 0)
				return r;
			continue;
		}
		for (size_t i = 0; n == 0 && got == 0 && i < n_rows; i++)
			if (rows[i].wanted && rows[i].fd < 0)
				return dd_err_say(err, EPROTO,
				                  "the step went on without handing over %s",
				                  rows[i].what);
		if (n <= 0)
			return got == 0 && n == 0 ? 0
			                          : dd_err_say(err, EPROTO,
			                                       "the step ended before exec, "
			                                       "without a whole message");
		got += (size_t)n;
	}
	return outside_child_error(err, &from);
}

/* While the file has no reader: who executes it, or reads it, begins with the delivery. */
static int file_fill(int *fd, const struct sandbox_file *file, struct dd_err *err)
{
	dd_auto_fd int to = dd_take_fd(fd);
	const char *p = file->content;

	for (size_t left = file->len; left > 0;) {
		ssize_t n = write(to, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dd_err_set(err, errno, "write %s", file->path);
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

static int files_fill(struct sandbox *sb, const struct sandbox_spec *spec, struct dd_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->n_files; i++)
		r = file_fill(&sb->file[i], &spec->files[i], err);
	return r;
}

int sandbox_release(struct sandbox *sb, const struct sandbox_spec *spec,
                    const struct sandbox_delivery *what, struct dd_err *err)
{
	struct delivery_head head;

	if (sb->deliver < 0)
		return dd_err_say(err, EINVAL, "this sandbox has been released already");
	if (!spec->workdir)
		return dd_err_say(err, EINVAL, "incomplete sandbox spec: workdir missing");
	if (what->n_files && !sb->takes_files)
		return dd_err_say(
			err, EINVAL,
			"files are to be delivered, and the spec of this sandbox has none");
	dd_auto_fd int sock = dd_take_fd(&sb->deliver);
	int r = delivery_measure(spec, what, &head, err);
	if (r == 0)
		r = files_fill(sb, spec, err);
	if (r < 0)
		return r;
	dd_trace("-> init %d delivery of %u variables and %u files", (int)sb->pid, head.n_env,
	         head.n_files);
	int sent = delivery_send(sock, spec, what, &head);
	if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET)
		return dd_err_set(err, -sent, "deliver the environment");
	r = wait_exec(sock, sb, err);
	if (r == 0 && sb->asks)
		r = seccomp_listener_check(sb->asked_fd, err);
	if (r == 0 && sent < 0)
		return dd_err_say(err, ECHILD, "the step died before it had read its environment");
	if (r < 0)
		return r;
	int flags = fcntl(sb->ctl, F_GETFL);
	return flags < 0 || fcntl(sb->ctl, F_SETFL, flags | O_NONBLOCK) < 0
	               ? dd_err_set(err, errno, "ctl")
	               : 0;
}

/* ---- life and death ---- */

int sandbox_signal(const struct sandbox *sb, int sig, struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_KILL, .sig = sig };
	outside_trace("->", sb, &msg);
	int r = dd_send_msg(sb->ctl, &msg, sizeof(msg), NULL, 0);
	return r < 0 ? dd_err_set(err, -r, "signal %d to the step", sig) : 0;
}

int sandbox_recv_status(const struct sandbox *sb, struct sandbox_status *ret, struct dd_err *err)
{
	struct ctl_msg msg = { 0 };
	int r = ctl_recv(sb, &msg);

	if (r == -EAGAIN || r == 0)
		return r;
	if (r < 0)
		return dd_err_set(err, -r, "status of the step");
	if (msg.type != CTL_STATUS)
		return dd_err_say(err, EPROTO, "init sent message %u, a status was expected",
		                  msg.type);
	uint64_t peak = cgroup_step_peak(sb);
	*ret = msg.status;
	if (peak)
		ret->peak_memory_bytes = peak;
	return 1;
}

/* The exit of init is complete, and its pidfd readable, only when every other process of its pid
 * namespace has been reaped. Its parent, the zygote, ignores SIGCHLD, so that it leaves no zombie.
 */
static int kill_init(struct sandbox *sb, struct dd_err *err)
{
	if (sb->pidfd < 0)
		return 0;
	if (pidfd_send_signal(sb->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return dd_err_set(err, errno, "kill init of the step");
	int r = wait_readable(sb->pidfd, DEATH_TIMEOUT_MS, "the death of the step's processes",
	                      err);
	if (r < 0)
		return r;
	sb->pid = 0;
	return 0;
}

int sandbox_destroy(struct sandbox *sb, struct dd_err *err)
{
	/* parked and never used: what there is to kill is in the answer; without one the zygote is
	 * gone, and all below it */
	if (sb->asked_of)
		(void)outside_answer(sb, NULL);
	free(sb->made_for);
	sb->made_for = NULL;
	int killed = cgroup_step_kill(sb, err);
	int r = kill_init(sb, err);
	if (r == 0)
		r = killed;
	if (r == 0)
		r = cgroup_step_remove(sb, DEATH_TIMEOUT_MS, err);
	/* On an error the pid and its pidfd stay, so that a second call can try again; nothing else
	 * is of use any more. */
	dd_close_p(&sb->ctl);
	dd_close_p(&sb->deliver);
	dd_close_p(&sb->asked_fd);
	dd_close_p(&sb->terminal);
	for (size_t i = 0; i < NET_FD__COUNT; i++)
		dd_close_p(&sb->net[i]);
	for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
		dd_close_p(&sb->file[i]);
	outside_zygote_drop(&sb->zygote);
	if (r == 0) {
		dd_close_p(&sb->pidfd);
		dd_close_p(&sb->cgroup_fd);
	}
	return r;
}
