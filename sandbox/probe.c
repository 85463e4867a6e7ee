// SPDX-License-Identifier: Apache-2.0
/* probe.c - asks this kernel, one feature at a time, what drydock can enforce here; each answer
 * comes with its remedy.
 *
 * Runs in: supervisor, after identity_enter(), with the rights that it will build sandboxes with.
 * Each question is put in a short-lived child, so that a yes means that the launch will get past
 * this point. DRYDOCK_FAULT names take rows away, as they take the call away in a launch.
 */
#include "probe.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CHILD_SEC = 30, FEATURES_MAX = 64 };

struct finding {
	int r; /* 0, or -errno; a child that dies leaves no finding at all */
	char found[PROBE_FOUND];
};

static int probe_write_text(const char *path, const char *text)
{
	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* ---- asking in a child ---- */

/* The ids of a child in a new user namespace, as a launch maps them: one id of the range that is
 * not the supervisor's, or in single mode the supervisor's own. (Parent id 0 could not be mapped
 * here: since Linux 5.12 that takes CAP_SETFCAP, which identity_enter() gave up.) */
static int map_child(pid_t pid)
{
	const struct {
		const char *file;
		int inside;
		unsigned own;
	} maps[] = { { "uid_map", SANDBOX_UID, (unsigned)geteuid() },
		     { "gid_map", SANDBOX_GID, (unsigned)getegid() } };
	bool range = probe_ids_usable() > 2;
	char path[64], line[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	int r = probe_write_text(path, "deny");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(maps); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, maps[i].file);
		(void)snprintf(line, sizeof(line), "%d %u 1", maps[i].inside,
		               range ? 2U : maps[i].own);
		r = probe_write_text(path, line);
	}
	return r;
}

_Noreturn static void answer_in_child(const struct probe_row *row, int sock)
{
	struct finding f = { .r = 0 };
	int mapped = 0;
	(void)signal(SIGALRM, SIG_DFL);
	/* loading kernel modules can take a second; a hang must not hang the doctor */
	(void)alarm(CHILD_SEC);
	if (row->namespaces & CLONE_NEWUSER) {
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* otherwise /proc/PID belongs to root,
		                                             and the maps cannot be written */
		if (write(sock, &mapped, sizeof(mapped)) < 0 ||
		    read(sock, &mapped, sizeof(mapped)) != (ssize_t)sizeof(mapped))
			_exit(1);
		f.r = mapped < 0                                             ? mapped
		      : setresgid(SANDBOX_GID, SANDBOX_GID, SANDBOX_GID) < 0 ? -errno
		                                                             : 0;
		if (f.r == 0 && setresuid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) < 0)
			f.r = -errno;
		if (f.r < 0)
			probe_note(f.found, "an id cannot be mapped: %s", strerrordesc_np(-f.r));
	}
	if (f.r == 0)
		f.r = row->check(f.found);
	_exit(write(sock, &f, sizeof(f)) == (ssize_t)sizeof(f) ? 0 : 1);
}

static int probe_hear(const struct probe_row *row, pid_t pid, int sock, struct finding *ret)
{
	int ready = 0;
	if (row->namespaces & CLONE_NEWUSER) {
		if (read(sock, &ready, sizeof(ready)) != (ssize_t)sizeof(ready))
			return -ECHILD;
		int mapped = map_child(pid);
		if (send(sock, &mapped, sizeof(mapped), MSG_NOSIGNAL) < 0)
			return -ECHILD;
	}
	return read(sock, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? ret->r : -ECHILD;
}

static int ask_in_child(const struct probe_row *row, struct finding *ret)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	dd_auto_fd int mine = ends[0], theirs = ends[1];

	struct clone_args args = { .flags = row->namespaces, .exit_signal = SIGCHLD };
	pid_t pid = row->namespaces ? (pid_t)syscall(SYS_clone3, &args, sizeof(args)) : fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(mine);
		answer_in_child(row, theirs);
	}
	dd_close_p(&theirs);
	int r = probe_hear(row, pid, mine, ret);
	if (r == -ECHILD)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* Not even asked: a filter may kill whoever asks, and the kernel is not to blame for the answer. */
static bool probe_is_filtered(const struct probe_row *row, struct sandbox_feature *ret)
{
	char name[PROBE_CALL];
	if (!probe_calls_take(row->namespaces ? "clone3" : NULL, name) &&
	    !probe_calls_take(row->calls, name))
		return false;
	ret->remedy = probe_calls_remedy();
	probe_note(ret->found, "a system call filter around drydock takes %s away", name);
	return true;
}

/* No call behind these questions says EACCES but for a security module. userns has remedies of its
 * own for that. */
static bool is_refused_by_module(const struct probe_row *row, int r, struct sandbox_feature *ret)
{
	char label[120] = "";
	if (r != -EACCES || !row->calls || row->remedy_now)
		return false;
	(void)probe_read_line("/proc/self/attr/current", label, sizeof(label));
	ret->remedy =
		"a profile that allows it to drydock. docker: --security-opt "
		"apparmor=unconfined; podman: --security-opt label=disable (docs/container.md)";
	probe_note(ret->found, "%s: a security module refuses it%s%s", strerrordesc_np(-r),
	           label[0] ? ", drydock runs as " : "", label);
	return true;
}

enum depth { QUICK, RUN, ALL };

static int probe_ask(const struct probe_row *row, enum depth depth, struct finding *ret)
{
	int r = depth == QUICK && row->quick ? row->quick(ret->found) : -EAGAIN;

	if (r != -EAGAIN)
		return r;
	return row->in_caller ? row->check(ret->found) : ask_in_child(row, ret);
}

static void probe_one(const struct probe_row *row, enum depth depth, struct sandbox_feature *ret)
{
	struct finding f = { .r = 0 };
	*ret = (struct sandbox_feature){
		.name = row->name, .area = row->area, .need = row->need, .required = row->required
	};
	if (dd_fault(row->name) || (row->fault && dd_fault(row->fault))) {
		probe_note(ret->found, "taken away by DRYDOCK_FAULT");
		ret->remedy = row->remedy_now ? row->remedy_now() : row->remedy;
		return;
	}
	if (probe_is_filtered(row, ret))
		return;
	int r = probe_ask(row, depth, &f);
	/* after the question: it shows what is in the way */
	ret->remedy = row->remedy_now ? row->remedy_now() : row->remedy;
	ret->present = r == 0;
	if (is_refused_by_module(row, r, ret))
		return;
	f.found[PROBE_FOUND - 1] = '\0';
	if (f.found[0])
		probe_note(ret->found, "%s", f.found);
	else
		probe_note(ret->found, "%s",
		           r == 0         ? "yes"
		           : r == -ECHILD ? "the probe died or hung"
		                          : strerrordesc_np(-r));
}

/* The calls first: what a filter takes away explains answers further down. */
static const struct probe_table *const tables[] = { &probe_calls_table, &probe_kernel_table,
	                                            &probe_limits_table, &probe_host_table };

static bool is_among(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static bool probe_is_wanted(const struct probe_row *row, enum depth depth, const char *const *also)
{
	return depth == ALL || (depth == RUN && !row->told) ||
	       (depth == QUICK && (row->quick || is_among(row->name, also)));
}

static int probe(enum depth depth, const char *const *also, const struct sandbox_feature **ret,
                 struct dd_err *err)
{
	static struct sandbox_feature features[FEATURES_MAX];
	int n = 0;
	if (!ret)
		return dd_err_set(err, EINVAL, "probe this host");
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++) {
			if (!probe_is_wanted(&tables[t]->rows[i], depth, also))
				continue;
			if (n == FEATURES_MAX)
				return dd_err_say(err, E2BIG, "more than %d features to ask for",
				                  FEATURES_MAX);
			probe_one(&tables[t]->rows[i], depth, &features[n++]);
		}
	*ret = features;
	return n;
}

int sandbox_probe(const struct sandbox_feature **ret, struct dd_err *err)
{
	return probe(RUN, NULL, ret, err);
}

int sandbox_probe_all(const struct sandbox_feature **ret, struct dd_err *err)
{
	return probe(ALL, NULL, ret, err);
}

int sandbox_probe_quick(const char *const *also, const struct sandbox_feature **ret,
                        struct dd_err *err)
{
	return probe(QUICK, also, ret, err);
}
