// SPDX-License-Identifier: Apache-2.0
/* outside_zygote.c - the supervisor's side of the zygotes: starts one for each tree that steps
 * have, asks it for launchers, ends it.
 *
 * Runs in: supervisor (id 0 of the outer user namespace, or the caller's own id in single mode).
 * One thread: the zygote's parent-death signal follows the *thread* that cloned it. A zygote is
 * found again by all that went into its tree, the identity of its directories included: where one
 * of them is another by now, so is the tree. What a step is beyond that (files, program, filter,
 * rules, limits) is packed into a request each time. One can be begun ahead of its first step, and
 * is waited for then. Nothing falls back: a zygote that is gone, or
 * says no, ends the step.
 */
#include "host_view.h"
#include "inside.h"
#include "outside.h"
#include "seccomp_internal.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/trace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { ZYGOTES_MAX = 4, ZYGOTE_TIMEOUT_MS = 60000 };

struct sandbox_zygote {
	struct sandbox_zygote *next; /* used longer ago */
	char *key;
	pid_t pid;
	int pidfd;
	int sock;
	uint32_t nth; /* the request that was sent last */
	char *room;
	bool unheard; /* it builds, and has not said yet that its tree stands */
	int r;        /* it could not be begun ahead: told to the first who asks for it */
	struct dd_err err;
};

struct sandbox_zygotes {
	struct sandbox_zygote *first;
};

/* ---- what a child says ---- */

/* The child's text for a terminal and a log: terminated, printable. */
int outside_child_error(struct dd_err *err, struct dd_err *from)
{
	from->msg[sizeof(from->msg) - 1] = '\0';
	for (char *p = from->msg; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	int code = from->code > 0 && from->code < 4096 ? from->code : EPROTO;
	/* the launcher cannot accuse the policy: it has not seen it */
	enum dd_blame blame = from->blame == DD_BLAME_STEP ? DD_BLAME_STEP : DD_BLAME_HOST;
	return dd_err_blame(
		err, blame,
		dd_err_say(err, code, "%s",
	                   *from->msg ? from->msg : "the launcher failed without a word"));
}

/* ---- which tree ---- */

static void key_file(FILE *key, const char *what, const char *path)
{
	struct stat st = { .st_dev = 0 };

	if (path && lstat(path, &st) < 0)
		st = (struct stat){ .st_dev = 0 }; /* the zygote says what is wrong with it */
	(void)fprintf(key, "%s %s %llu %llu\n", what, path ? path : "-",
	              (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

static void key_tree(FILE *key, const struct sandbox_spec *spec)
{
	(void)fprintf(key, "%d %u %u %d %s\n%s\n", (int)spec->identity->mode, spec->step_uid,
	              spec->step_gid, spec->made_sys, spec->hostname,
	              spec->resolv_conf ? spec->resolv_conf : "");
	key_file(key, "root", spec->root);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		(void)fprintf(key, "%s %u ", spec->mounts[i].target, spec->mounts[i].flags);
		key_file(key, "from", spec->mounts[i].source);
	}
}

/* What of a step is not late. Its filter and its rules are compared by where they lie: they are
 * compiled once for a job, and stay. */
static void key_step(FILE *key, const struct sandbox_spec *spec)
{
	const struct sandbox_limits *l = &spec->limits;

	(void)fprintf(key, "%p %p %p %s\n%s\n", (const void *)spec->zygotes,
	              (const void *)spec->seccomp, (const void *)spec->net, spec->name,
	              spec->cgroup_parent ? spec->cgroup_parent : "");
	(void)fprintf(key, "%u %d %d %d\n", spec->landlock_abi_min, spec->secret_files,
	              spec->terminal, spec->stdin_fd > 0);
	(void)fprintf(key, "%llu %u %u %llu %u %llu %u\n", (unsigned long long)l->memory_bytes,
	              l->cpu_millis, l->pids, (unsigned long long)l->file_size_bytes, l->open_files,
	              (unsigned long long)l->shm_bytes, l->shm_files);
	for (size_t i = 0; i < spec->n_files; i++)
		(void)fprintf(key, "%s %o\n", spec->files[i].path, spec->files[i].mode);
}

/* Heap; NULL without memory. */
static char *key_make(const struct sandbox_spec *spec, bool with_step)
{
	char *text = NULL;
	size_t len = 0;
	FILE *key = open_memstream(&text, &len);

	if (!key)
		return NULL;
	key_tree(key, spec);
	if (with_step)
		key_step(key, spec);
	if (fclose(key) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *outside_key(const struct sandbox_spec *spec)
{
	return key_make(spec, true);
}

/* ---- end ---- */

static void zygote_end(struct sandbox_zygote *z)
{
	siginfo_t info = { 0 };

	if (!z)
		return;
	if (z->pid > 0) {
		/* its own end, and so that of every process below it */
		(void)pidfd_send_signal(z->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)z->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	dd_close_p(&z->pidfd);
	dd_close_p(&z->sock);
	if (z->room)
		(void)munmap(z->room, ZYGOTE_ROOM);
	free(z->key);
	free(z);
}

void outside_zygote_drop(struct sandbox_zygote **own)
{
	zygote_end(*own);
	*own = NULL;
}

int sandbox_zygotes_new(struct sandbox_zygotes **ret, struct dd_err *err)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : dd_err_set(err, ENOMEM, "zygotes");
}

void sandbox_zygotes_free(struct sandbox_zygotes *zygotes)
{
	if (!zygotes)
		return;
	for (struct sandbox_zygote *z = zygotes->first, *next; z; z = next) {
		next = z->next;
		zygote_end(z);
	}
	free(zygotes);
}

/* ---- start ---- */

/* Where this process's command line and environment lie (proc_pid_stat(5), fields 48 to 51), found
 * once. */
static int find_start_blocks(struct inside *in, struct dd_err *err)
{
	static struct inside_block args, env;
	unsigned long at[4] = { 0 };
	char text[1024], *p;

	if (!args.at) {
		dd_auto_fd int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		text[n < 0 ? 0 : n] = '\0';
		p = strrchr(text, ')'); /* field 2; what it encloses may hold anything */
		for (int field = 2; p && field < 48; field++)
			p = strchr(p + 1, ' ');
		if (!p || sscanf(p, " %lu %lu %lu %lu", &at[0], &at[1], &at[2], &at[3]) != 4 ||
		    !at[0] || at[1] <= at[0] || !at[2] || at[3] < at[2])
			return dd_err_say(
				err, EPROTO,
				"/proc/self/stat does not tell where the command line and "
				"the environment are, and a step must read neither");
		args = (struct inside_block){ (char *)at[0], at[1] - at[0] };
		env = (struct inside_block){ (char *)at[2], at[3] - at[2] };
	}
	in->args = args;
	in->env = env;
	return 0;
}

/* At the clone: the child is inside_zygote.c and never returns here; it may do anything in its own
 * namespaces and nothing outside; it holds copies of all our descriptors until it closes them. */
static int clone_zygote(struct inside *in, struct sandbox_zygote *z, struct dd_err *err)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&z->pidfd,
		.exit_signal = SIGCHLD,
	};

	if (dd_fault("zygote"))
		return dd_err_set(err, ENOSYS, "clone3 with four namespaces");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		dd_close(z->sock);
		inside_zygote(in);
	}
	if (pid < 0)
		return dd_err_set(
			err, errno, "clone3 with four namespaces%s",
			errno == ENOSYS
				? " (needs Linux 5.7; in a unit, RestrictNamespaces= hides it)"
			: errno == EPERM ? " (user namespaces are forbidden here: AppArmor, "
					   "user.max_user_namespaces)"
					 : "");
	z->pid = (pid_t)pid;
	return 0;
}

static int zygote_map_write(pid_t pid, const char *file, const char *text, struct dd_err *err)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);

	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", path);
	size_t len = strlen(text);
	return write(fd, text, len) == (ssize_t)len ? 0 : dd_err_set(err, errno, "write %s", path);
}

/* The one id of steps. */
static int map_zygote(const struct sandbox_spec *spec, pid_t pid, struct dd_err *err)
{
	const bool single = spec->identity->mode == IDENTITY_SINGLE;
	char uid[48], gid[48];
	(void)snprintf(uid, sizeof(uid), "%d %u 1\n", SANDBOX_UID, spec->step_uid);
	(void)snprintf(gid, sizeof(gid), "%d %u 1\n", SANDBOX_GID, spec->step_gid);

	if (dd_fault("zygote_maps"))
		return dd_err_set(err, ENOSYS, "write the id maps");
	int r = single ? zygote_map_write(pid, "setgroups", "deny", err) : 0;
	if (r == 0)
		r = zygote_map_write(pid, "uid_map", uid, err);
	return r < 0 ? r : zygote_map_write(pid, "gid_map", gid, err);
}

/* How it ended, should that say more than its silence. */
static const char *how_it_ended(const struct sandbox_zygote *z)
{
	siginfo_t info = { 0 };
	struct pollfd gone = { .fd = z->pidfd, .events = POLLIN };

	if (poll(&gone, 1, 5000) != 1 ||
	    waitid(P_PIDFD, (id_t)z->pidfd, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
		return "";
	bool killed = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
	return killed && info.si_status == SIGSYS ? " (by SIGSYS, as a system call filter around "
	                                            "drydock does: `drydock doctor` "
	                                            "names the calls that it takes away)"
	                                          : "";
}

/* The next message, of exactly @len bytes and @n_fds descriptors. */
static int hear(const struct sandbox_zygote *z, void *buf, size_t len, int *fds, size_t n_fds,
                struct dd_err *err)
{
	struct pollfd p = { .fd = z->sock, .events = POLLIN };
	int n;
	do
		n = poll(&p, 1, ZYGOTE_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return dd_err_set(err, n < 0 ? errno : ETIMEDOUT, "wait for the zygote");
	int r = dd_recv_msg(z->sock, buf, len, fds, n_fds);
	if (r == 0 || r == -ECONNRESET)
		return dd_err_say(err, ECHILD, "the zygote ended without a word%s",
		                  how_it_ended(z));
	return r < 0 ? dd_err_set(err, -r, "hear the zygote") : 0;
}

static int hear_reply(const struct sandbox_zygote *z, struct dd_err *err)
{
	struct zygote_reply reply = { .r = 0 };
	int r = hear(z, &reply, sizeof(reply), NULL, 0, err);
	return r < 0 ? r : reply.r < 0 ? outside_child_error(err, &reply.err) : 0;
}

static int zygote_converse(const struct sandbox_spec *spec, struct sandbox_zygote *z,
                           struct dd_err *err)
{
	struct ctl_msg msg = { .type = CTL_INVALID };
	union {
		struct ctl_msg wanted;
		struct zygote_reply failed;
	} first;
	_Static_assert(sizeof(struct ctl_msg) != sizeof(struct zygote_reply),
	               "they are told apart by their size");
	struct pollfd p = { .fd = z->sock, .events = POLLIN };

	/* it failed before it came to the maps: then its own reason counts */
	if (poll(&p, 1, ZYGOTE_TIMEOUT_MS) == 1 &&
	    recv(z->sock, &first, sizeof(first), MSG_PEEK | MSG_TRUNC) ==
	            (ssize_t)sizeof(struct zygote_reply))
		return hear_reply(z, err);
	int r = hear(z, &msg, sizeof(msg), NULL, 0, err);
	if (r == 0 && msg.type != CTL_MAPS_WANTED)
		r = dd_err_say(err, EPROTO, "the zygote sent message %u", msg.type);
	if (r == 0) {
		dd_trace("<- zygote %d CTL_MAPS_WANTED", (int)z->pid);
		r = map_zygote(spec, z->pid, err);
	}
	if (r < 0)
		return r;
	msg = (struct ctl_msg){ .type = CTL_GO };
	dd_trace("-> zygote %d CTL_GO", (int)z->pid);
	r = dd_send_msg(z->sock, &msg, sizeof(msg), NULL, 0);
	if (r < 0 && r != -EPIPE) /* EPIPE: its reason is still to be read */
		return dd_err_set(err, -r, "release the zygote");
	z->unheard = true;
	return 0;
}

static int zygote_start(const struct sandbox_spec *spec, struct sandbox_zygote *z,
                        struct dd_err *err)
{
	int ends[2];

	z->room = mmap(NULL, ZYGOTE_ROOM, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (z->room == MAP_FAILED) {
		z->room = NULL;
		return dd_err_set(err, errno, "room for requests to the zygote");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return dd_err_set(err, errno, "socket to the zygote");
	z->sock = ends[0];
	dd_auto_fd int theirs = ends[1];
	struct inside in = {
		.spec = spec, .zygote = theirs, .room = z->room, .tree = -1, .root = -1
	};
	int r = find_start_blocks(&in, err);
	if (r < 0)
		return r;
	view_refresh();
	r = clone_zygote(&in, z, err);
	dd_close_p(&theirs);
	return r < 0 ? r : zygote_converse(spec, z, err);
}

/* It builds from here on. Takes @key over. */
static int zygote_new(const struct sandbox_spec *spec, char *key, struct sandbox_zygote **ret,
                      struct dd_err *err)
{
	struct sandbox_zygote *z = calloc(1, sizeof(*z));

	if (!z) {
		free(key);
		return dd_err_set(err, ENOMEM, "start a zygote");
	}
	*z = (struct sandbox_zygote){ .key = key, .pidfd = -1, .sock = -1 };
	int r = zygote_start(spec, z, err);
	if (r < 0) {
		zygote_end(z);
		return r;
	}
	*ret = z;
	return 0;
}

/* ---- find ---- */

/* The one of @key, to the front; NULL: there is none. */
static struct sandbox_zygote *find(struct sandbox_zygotes *zygotes, const char *key)
{
	for (struct sandbox_zygote **at = &zygotes->first; *at; at = &(*at)->next) {
		struct sandbox_zygote *z = *at;
		if (strcmp(z->key, key) != 0)
			continue;
		*at = z->next;
		z->next = zygotes->first;
		zygotes->first = z;
		return z;
	}
	return NULL;
}

struct sandbox_zygote *outside_zygote_standing(const struct sandbox_spec *spec)
{
	dd_auto_free char *key = key_make(spec, false);
	struct sandbox_zygote *z = key && spec->zygotes ? find(spec->zygotes, key) : NULL;
	return z && !z->unheard && z->r == 0 ? z : NULL;
}

static void zygote_put(struct sandbox_zygotes *zygotes, struct sandbox_zygote *z)
{
	z->next = zygotes->first;
	zygotes->first = z;
}

/* Until its tree stands; at most once. */
static int zygote_wait(struct sandbox_zygote *z, struct dd_err *err)
{
	bool unheard = z->unheard;

	z->unheard = false;
	return z->r < 0  ? dd_err_blame(err, z->err.blame, dd_err_say(err, -z->r, "%s", z->err.msg))
	       : unheard ? hear_reply(z, err)
	                 : 0;
}

/* A push step's tree is its own and never comes again, so those that nobody used lately go. A job
 * has one step at a time, and one parked: neither is of one that goes. */
static void keep_few(struct sandbox_zygotes *zygotes)
{
	struct sandbox_zygote **at = &zygotes->first;

	for (size_t n = 0; *at && n < ZYGOTES_MAX; n++)
		at = &(*at)->next;
	for (struct sandbox_zygote *z = *at, *next; z; z = next) {
		next = z->next;
		zygote_end(z);
	}
	*at = NULL;
}

int outside_zygote_for(const struct sandbox_spec *spec, struct sandbox_zygote **ret_own,
                       struct sandbox_zygote **ret, struct dd_err *err)
{
	char *key = key_make(spec, false);
	struct sandbox_zygote *z = key && spec->zygotes ? find(spec->zygotes, key) : NULL;
	int r = 0;

	*ret_own = NULL;
	if (!key)
		return dd_err_set(err, ENOMEM, "look for a zygote");
	if (z) {
		free(key);
	} else {
		if ((r = zygote_new(spec, key, &z, err)) < 0)
			return r;
		if (spec->zygotes)
			zygote_put(spec->zygotes, z);
	}
	if ((r = zygote_wait(z, err)) < 0) {
		if (spec->zygotes)
			spec->zygotes->first = z->next; /* whoever comes next gets another */
		zygote_end(z);
		return r;
	}
	if (spec->zygotes)
		keep_few(spec->zygotes);
	else
		*ret_own = z;
	*ret = z;
	return 0;
}

/* One that could not be begun stands in the list all the same, with its reason: it is not tried
 * again in silence. */
int sandbox_zygote_ahead(const struct sandbox_spec *spec, struct dd_err *err)
{
	char *key = key_make(spec, false), *again = key ? strdup(key) : NULL;
	struct sandbox_zygote *z = NULL;
	struct dd_err why = { 0 };

	if (!key || !again) {
		free(key);
		free(again);
		return dd_err_set(err, ENOMEM, "begin a zygote");
	}
	int r = zygote_new(spec, key, &z, &why);
	if (r < 0) {
		z = calloc(1, sizeof(*z));
		if (!z) {
			free(again);
			return dd_err_set(err, ENOMEM, "begin a zygote");
		}
		*z = (struct sandbox_zygote){
			.key = again, .pidfd = -1, .sock = -1, .r = r, .err = why
		};
	} else {
		free(again);
	}
	zygote_put(spec->zygotes, z);
	return 0;
}

/* ---- a request ---- */

/* What has been packed so far. After the first thing that did not fit nothing more does. */
struct packing {
	char *room;
	size_t used;
	bool full;
};

static void *pack(struct packing *p, const void *what, size_t len)
{
	size_t at = (p->used + 15) & ~(size_t)15;

	if (!what)
		return NULL;
	if (p->full || len > ZYGOTE_ROOM || at > ZYGOTE_ROOM - len) {
		p->full = true;
		return NULL;
	}
	p->used = at + len;
	return memcpy(p->room + at, what, len);
}

static const char *pack_text(struct packing *p, const char *text)
{
	return text ? pack(p, text, strlen(text) + 1) : NULL;
}

static const struct sandbox_mount *pack_mounts(struct packing *p, const struct sandbox_spec *spec)
{
	struct sandbox_mount *copy = pack(p, spec->mounts, spec->n_mounts * sizeof(*copy));
	for (size_t i = 0; copy && i < spec->n_mounts; i++) {
		copy[i].source = NULL; /* mounted already, and no business of a step */
		copy[i].target = pack_text(p, spec->mounts[i].target);
	}
	return copy;
}

static const struct sandbox_file *pack_files(struct packing *p, const struct sandbox_spec *spec)
{
	struct sandbox_file *copy = pack(p, spec->files, spec->n_files * sizeof(*copy));
	for (size_t i = 0; copy && i < spec->n_files; i++)
		copy[i] = (struct sandbox_file){ .path = pack_text(p, spec->files[i].path),
			                         .mode = spec->files[i].mode };
	return copy;
}

static const struct seccomp_program *pack_filter(struct packing *p,
                                                 const struct seccomp_program *prog)
{
	struct seccomp_program *copy = pack(p, prog, sizeof(*copy));
	if (copy) {
		copy->profile = NULL; /* the supervisor's, who answers by it */
		copy->insns = pack(p, prog->insns, prog->n_insns * sizeof(*prog->insns));
	}
	return copy;
}

static void pack_net(struct packing *p, const struct net_plan *net, const struct net_plan **ret)
{
	size_t at = (p->used + 15) & ~(size_t)15;
	ssize_t n = p->full || at > ZYGOTE_ROOM
	                    ? -E2BIG
	                    : net_plan_pack(net, p->room + at, ZYGOTE_ROOM - at, ret);
	if (n < 0)
		p->full = true;
	else
		p->used = at + (size_t)n;
}

static int pack_request(const struct sandbox_spec *spec, char *room, uint32_t *ret_bytes,
                        struct dd_err *err)
{
	struct packing p = { .room = room };
	struct zygote_packed head = { .spec = *spec, .asks = seccomp_program_asks(spec->seccomp) };
	struct zygote_packed *packed = pack(&p, &head, sizeof(head));
	struct sandbox_spec *to = &packed->spec;

	to->zygotes = NULL;
	to->identity = pack(&p, spec->identity, sizeof(*spec->identity));
	to->hostname = to->root = to->resolv_conf = to->cgroup_parent = NULL;
	to->mounts = pack_mounts(&p, spec);
	to->files = pack_files(&p, spec);
	to->workdir = NULL; /* late */
	to->argv = NULL;
	to->seccomp = pack_filter(&p, spec->seccomp);
	to->name = pack_text(&p, spec->name);
	pack_net(&p, spec->net, &to->net);
	*ret_bytes = (uint32_t)p.used;
	return p.full ? dd_err_say(err, E2BIG,
	                           "the step is longer than %d MiB: its files, its arguments and "
	                           "its rules together",
	                           ZYGOTE_ROOM >> 20)
	              : 0;
}

static int send_request(const struct sandbox_zygote *z, const int fds[ZYGOTE_FD__COUNT],
                        uint32_t bytes)
{
	struct zygote_request head = { .bytes = bytes };
	int present[ZYGOTE_FD__COUNT];
	size_t n = 0;

	for (size_t i = 0; i < ZYGOTE_FD__COUNT; i++)
		if (fds[i] >= 0) {
			head.has |= 1u << i;
			present[n++] = fds[i];
		}
	int r = dd_send_msg(z->sock, &head, sizeof(head), NULL, 0);
	if (r == 0)
		r = dd_send_msg(z->sock, "f", 1, present, n);
	for (size_t at = 0; r == 0 && at < bytes; at += ZYGOTE_CHUNK)
		r = dd_send_msg(z->sock, z->room + at,
		                bytes - at < ZYGOTE_CHUNK ? bytes - at : ZYGOTE_CHUNK, NULL, 0);
	return r;
}

/* The number of its process as we count; 0: it is gone already. */
static pid_t pid_of(int pidfd)
{
	char path[48], text[256];
	int pid = 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);

	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	const char *line = strstr(text, "\nPid:");
	return line && sscanf(line, "\nPid: %d", &pid) == 1 && pid > 0 ? pid : 0;
}

/* Whoever missed a part of a message must not read the next one: it ends, the steps below it end,
 * and nobody finds it again. */
static void zygote_give_up(struct sandbox_zygote *z)
{
	z->key[0] = '\0';
	(void)pidfd_send_signal(z->pidfd, SIGKILL, NULL, 0);
}

int outside_zygote_ask(struct sandbox_zygote *z, const struct sandbox_spec *spec,
                       const int fds[ZYGOTE_FD__COUNT], struct dd_err *err)
{
	uint32_t bytes = 0;

	if (dd_fault("zygote_request"))
		return dd_err_set(err, ENOSYS, "ask the zygote");
	int r = pack_request(spec, z->room, &bytes, err);
	if (r < 0)
		return r;
	dd_trace("-> zygote %d request of %u bytes", (int)z->pid, bytes);
	r = send_request(z, fds, bytes);
	/* a large request is not kept until the next one */
	if (bytes > ZYGOTE_CHUNK)
		(void)madvise(z->room, ZYGOTE_ROOM, MADV_DONTNEED);
	if (r == -EPIPE) /* it ended, and what it said is still to be read */
		r = 0;
	if (r < 0) {
		zygote_give_up(z);
		return dd_err_set(err, -r, "ask the zygote");
	}
	z->nth++;
	return 0;
}

int outside_zygote_answer(struct sandbox_zygote *z, struct sandbox *sb, struct dd_err *err)
{
	struct zygote_reply reply = { .r = 0 };
	char byte;

	int r;
	do /* past what it said once more of a request that is over */
		r = hear(z, &reply, sizeof(reply), NULL, 0, err);
	while (r == 0 && reply.nth < z->nth);
	if (r == 0 && reply.r < 0)
		return outside_child_error(err, &reply.err); /* it stands, and serves others */
	if (r == 0)
		r = hear(z, &byte, 1, &sb->pidfd, 1, err);
	if (r < 0)
		zygote_give_up(z);
	else
		sb->pid = pid_of(sb->pidfd);
	dd_trace("<- zygote %d reply init %d", (int)z->pid, (int)sb->pid);
	return r;
}
