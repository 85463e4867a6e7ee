// SPDX-License-Identifier: Apache-2.0
/* probe_calls.c - which system calls a filter around drydock takes away: a container's, a unit's.
 *
 * Runs in: supervisor, and a short-lived child of it. Without a filter there is nothing to ask:
 * what is missing then is the kernel's, and the other rows name the version. With one, every call
 * that a run makes and that filters are known to refuse is made once with arguments that the kernel
 * itself answers otherwise than with EPERM or ENOSYS, so that the whole list is told at once and
 * not one call for each attempt. A filter that kills is survived: the next child goes on behind
 * that call.
 */
#include "probe.h"

#include "drydock/fault.h"

#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define NONE (-1L)

/* What may_mount() and its kin refuse before they look at an argument is asked in namespaces of the
 * child's own; where none can be made, clone3 and unshare tell the reason already. */
static const struct call_row {
	const char *name;
	long nr;
	long args[5];
	bool in_namespaces;
	unsigned since; /* 513 for Linux 5.13: an older kernel lacks it whoever asks */
} calls[] = {
	{ "clone3", SYS_clone3, { 0, 0 }, .since = 503 },
	{ "unshare", SYS_unshare, { 1 }, .since = 0 },
	{ "mount", SYS_mount, { 0, 0, 0, 0, 0 }, .since = 0 },
	{ "umount2", SYS_umount2, { 0, NONE }, .since = 0 },
	{ "pivot_root", SYS_pivot_root, { 0, 0 }, .in_namespaces = true },
	{ "open_tree", SYS_open_tree, { NONE, 0, NONE }, .since = 502 },
	{ "move_mount", SYS_move_mount, { NONE, 0, NONE, 0, NONE }, true, 502 },
	{ "fsopen", SYS_fsopen, { 0, NONE }, true, 502 },
	{ "fsconfig", SYS_fsconfig, { NONE, 0, 0, 0, 0 }, .since = 502 },
	{ "fsmount", SYS_fsmount, { NONE, NONE, 0 }, true, 502 },
	{ "mount_setattr", SYS_mount_setattr, { NONE, 0, NONE, 0, 0 }, .since = 512 },
	{ "sethostname", SYS_sethostname, { 0, NONE }, .in_namespaces = true },
	{ "setresuid", SYS_setresuid, { NONE, NONE, NONE }, .since = 0 },
	{ "setresgid", SYS_setresgid, { NONE, NONE, NONE }, .since = 0 },
	{ "capset", SYS_capset, { 0, 0 }, .since = 0 },
	{ "prctl", SYS_prctl, { NONE, 0, 0, 0, 0 }, .since = 0 },
	{ "seccomp", SYS_seccomp, { NONE, 0, 0 }, .since = 0 },
	{ "landlock_create_ruleset",
	  SYS_landlock_create_ruleset,
	  { 0, 0, LANDLOCK_CREATE_RULESET_VERSION },
	  .since = 513 },
	{ "landlock_add_rule", SYS_landlock_add_rule, { NONE, 0, 0, NONE }, .since = 513 },
	{ "landlock_restrict_self", SYS_landlock_restrict_self, { NONE, NONE }, .since = 513 },
	{ "openat2", SYS_openat2, { NONE, 0, 0, 0 }, .since = 506 },
	{ "close_range", SYS_close_range, { 1, 0, 0 }, .since = 509 },
	{ "pidfd_open", SYS_pidfd_open, { NONE, 0 }, .since = 503 },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, { NONE, 0, 0, NONE }, .since = 501 },
	{ "waitid", SYS_waitid, { NONE, 0, 0, NONE, 0 }, .since = 0 },
	{ "mlock", SYS_mlock, { 0, 0 }, .since = 0 },
	{ "madvise", SYS_madvise, { 1, 0, NONE }, .since = 0 },
	{ "memfd_create", SYS_memfd_create, { 0, NONE }, .since = 0 },
	{ "copy_file_range", SYS_copy_file_range, { NONE, 0, NONE, 0, 1 }, .since = 405 },
	{ "splice", SYS_splice, { NONE, 0, NONE, 0, 1 }, .since = 0 },
	{ "prlimit64", SYS_prlimit64, { 0, NONE, 0, 0 }, .since = 0 },
	{ "signalfd4", SYS_signalfd4, { NONE, 0, 0, 0 }, .since = 0 },
};

enum call_state { CALL_UNKNOWN = 0, CALL_TRYING, CALL_ANSWERED, CALL_REFUSED, CALL_KILLED };

/* Shared with the children, so that a killed one still tells how far it came. */
static struct asked {
	enum call_state state[ARRAY_LEN(calls)];
	size_t next;
} * asked;

static bool is_in_the_way(const struct call_row *row)
{
	struct rlimit none;
	/* of mlock(2) the kernel itself says EPERM where nothing may be locked */
	if (row->nr == SYS_mlock && getrlimit(RLIMIT_MEMLOCK, &none) == 0 && none.rlim_cur == 0)
		return false;
	errno = 0;
	long r = syscall(row->nr, row->args[0], row->args[1], row->args[2], row->args[3],
	                 row->args[4], 0L);
	return r < 0 && (errno == EPERM || errno == ENOSYS);
}

static unsigned kernel_version(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2) /* NOLINT */
		return 0;
	return major * 100 + minor;
}

_Noreturn static void ask_from_here(bool in_namespaces)
{
	(void)signal(SIGSYS, SIG_DFL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* Landlock asks for it before all else */
	unsigned version = kernel_version();
	for (; asked->next < ARRAY_LEN(calls); asked->next++) {
		const struct call_row *row = &calls[asked->next];
		if (row->since > version || (row->in_namespaces && !in_namespaces))
			continue;
		asked->state[asked->next] = CALL_TRYING;
		asked->state[asked->next] = is_in_the_way(row) ? CALL_REFUSED : CALL_ANSWERED;
	}
	_exit(0);
}

/* The raw clone(2): filters that cannot see into the structure of clone3(2) refuse that one whole.
 */
static pid_t fork_in_namespaces(void)
{
	return (pid_t)syscall(SYS_clone,
	                      (long)(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | SIGCHLD), 0L, 0L,
	                      0L, 0L);
}

static int ask_all(void)
{
	while (asked->next < ARRAY_LEN(calls)) {
		int status = 0;
		pid_t pid = fork_in_namespaces();
		if (pid == 0)
			ask_from_here(true);
		if (pid < 0 && (pid = fork()) == 0)
			ask_from_here(false);
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return -errno;
		if (asked->next == ARRAY_LEN(calls))
			break;
		if (!WIFSIGNALED(status))
			return -ECHILD;
		asked->state[asked->next++] = CALL_KILLED;
	}
	return 0;
}

bool probe_calls_filtered(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
}

/* Of the last question, names with a space between them. */
static char taken[600];
static char unasked[300]; /* needed as well, and nobody can tell from here */

static bool is_deadly(size_t i, const char *among)
{
	size_t len = strlen(calls[i].name);
	if (asked->state[i] != CALL_KILLED)
		return false;
	for (const char *at = among; at && (at = strstr(at, calls[i].name)); at += len)
		if ((at == among || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return !among;
}

static size_t calls_collect(void)
{
	size_t n = 0, len = 0, len_unasked = 0;
	taken[0] = unasked[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		enum call_state state = asked->state[i];
		if (state == CALL_REFUSED || state == CALL_KILLED) {
			len += (size_t)snprintf(taken + len, sizeof(taken) - len, "%s%s",
			                        n++ ? " " : "", calls[i].name);
		} else if (state == CALL_UNKNOWN && calls[i].in_namespaces) {
			len_unasked += (size_t)snprintf(unasked + len_unasked,
			                                sizeof(unasked) - len_unasked, " %s",
			                                calls[i].name);
		}
	}
	return n;
}

static int ask_shared(void)
{
	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	return asked == MAP_FAILED ? -errno : ask_all();
}

static int check_calls(char found[PROBE_FOUND])
{
	taken[0] = unasked[0] = '\0';
	if (!probe_calls_filtered()) {
		probe_note(found, "no system call filter around drydock");
		return 0;
	}
	int r = ask_shared();
	if (asked == MAP_FAILED)
		return r;
	size_t n = calls_collect();
	(void)munmap(asked, sizeof(*asked));
	if (r < 0)
		return r;
	if (n == 0)
		probe_note(found, "the filter around drydock lets every call of a run pass");
	else
		probe_note(found, "a system call filter around drydock takes away: %.180s", taken);
	return n ? -EPERM : 0;
}

const char *probe_calls_remedy(void)
{
	static char text[1200];
	if (!taken[0])
		return "a filter that allows the calls of a run: docs/container.md";
	(void)snprintf(
		text, sizeof(text),
		"allow them in what starts drydock. systemd-nspawn: --system-call-filter=\"%s%s\". "
		"docker, podman: --security-opt seccomp=FILE, a profile with them, or "
		"seccomp=unconfined. A unit: SystemCallFilter=, RestrictNamespaces=, "
		"ProtectHostname= (docs/container.md)",
		taken, unasked);
	return text;
}

int sandbox_check_filter(const char *among, struct dd_err *err)
{
	bool deadly = false;
	if (!probe_calls_filtered())
		return 0;
	int r = ask_shared();
	if (asked == MAP_FAILED)
		return 0; /* who cannot ask finds out */
	(void)calls_collect();
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++)
		deadly = deadly || is_deadly(i, among);
	(void)munmap(asked, sizeof(*asked));
	return !deadly ? 0
	               : dd_err_say(
				 err, EPERM,
				 "a system call filter around drydock ends it (SIGSYS) for calls "
				 "that it makes; it takes away: %.150s. Remedy: allow them in "
				 "what starts drydock (`drydock doctor` has the options)",
				 taken);
}

bool probe_calls_take(const char *names, char ret_name[PROBE_CALL])
{
	for (const char *name = names; name && *name;) {
		size_t len = strcspn(name, " ");
		for (const char *t = taken; *t;) {
			size_t n = strcspn(t, " ");
			if (n == len && strncmp(t, name, len) == 0) {
				(void)snprintf(ret_name, PROBE_CALL, "%.*s", (int)len, name);
				return true;
			}
			t += n + strspn(t + n, " ");
		}
		name += len + strspn(name + len, " ");
	}
	return false;
}

static const struct probe_row rows[] = {
	{ .name = "calls",
	  .area = "host",
	  .need = "the system calls that drydock itself makes",
	  .required = true,
	  .check = check_calls,
	  .quick = check_calls,
	  .remedy_now = probe_calls_remedy,
	  .in_caller = true },
};

const struct probe_table probe_calls_table = { rows, ARRAY_LEN(rows) };
