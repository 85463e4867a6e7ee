// SPDX-License-Identifier: Apache-2.0
/* probe_host.c - the questions about ids, the clock, and the programs that steps see of this host.
 *
 * Runs in: a short-lived child of the supervisor. What a step runs comes from the host, so a host
 * without a shell in the host view fails every step.
 */
#include "probe.h"

#include "drydock/fd.h"
#include "drydock/identity.h"

#include <fcntl.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

/* ---- ids ---- */

/* How many ids this process may map into a user namespace that it makes. In single mode
 * identity_enter() enters none, so the map of the namespace alone does not tell: without CAP_SETUID
 * it is the caller's own id, however many there are. */
unsigned long probe_ids_usable(void)
{
	char text[1024];
	cap_flag_value_t may_map = CAP_CLEAR;
	cap_t caps = cap_get_proc();
	if (caps)
		(void)cap_get_flag(caps, CAP_SETUID, CAP_EFFECTIVE, &may_map);
	(void)cap_free(caps);
	if (may_map != CAP_SET)
		return 1;

	unsigned long total = 0;
	dd_auto_fd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *count = strrchr(line, ' '); /* "inside outside count" */
		total += count ? strtoul(count + 1, NULL, 10) : 0;
	}
	return total;
}

static int check_subids(char found[PROBE_FOUND])
{
	unsigned long n = probe_ids_usable();
	probe_note(found, n > 1 ? "%lu ids" : "%lu id: single mode", n);
	return n > 1 ? 0 : -ENOENT;
}

/* identity_enter() chose in this order; the first thing that is in the way is the one to name. */
static const char *subids_remedy(void)
{
	static char text[400];
	char command[160];
	const char *asked = getenv("DRYDOCK_IDENTITY");
	if (asked && strcmp(asked, "single") == 0)
		return "unset DRYDOCK_IDENTITY, which asks for single mode";
	if (access("/usr/bin/newuidmap", X_OK) < 0 || access("/usr/bin/newgidmap", X_OK) < 0)
		return "newuidmap and newgidmap (Debian, Ubuntu: apt-get install uidmap; Fedora: "
		       "shadow-utils), and for this user a line in /etc/subuid and "
		       "/etc/subgid";
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return "NoNewPrivileges= stops newuidmap: give the unit "
		       "AmbientCapabilities=CAP_SETUID CAP_SETGID, which drydock gives up at once";
	identity_range_command(command, sizeof(command));
	(void)snprintf(text, sizeof(text),
	               "a line in /etc/subuid and /etc/subgid, of 65536 ids that nobody else has "
	               "there: %s",
	               command);
	return text;
}

/* ---- programs in view ---- */

/* A file that a step will find: where its links end must be shown too, and everybody may read it.
 */
static int find_in_view(const char *path, unsigned mode, char found[PROBE_FOUND])
{
	struct stat st;
	dd_auto_free char *real = realpath(path, NULL);
	if (!real || stat(real, &st) < 0) {
		probe_note(found, "%s: %s", path, strerrordesc_np(errno));
		return -ENOENT;
	}
	if (!sandbox_view_find(path, NULL) || !sandbox_view_find(real, NULL)) {
		probe_note(found, "%s is %.100s, which no step sees", path, real);
		return -ENOENT;
	}
	probe_note(found, "%.160s%s", real,
	           (st.st_mode & mode) == mode ? "" : ": others may not use it");
	return (st.st_mode & mode) == mode ? 0 : -EACCES;
}

/* Found and able to run: a shell of another architecture, or without its loader, is found as well.
 */
static int run_shell(const char *path, char found[PROBE_FOUND])
{
	static char *const envp[] = { NULL };
	char *const argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t) "-c",
		               (char *)(uintptr_t) "exit 7", NULL };
	int status = 0, r = find_in_view(path, 0005, found);
	if (r < 0)
		return r;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)execve(path, argv, envp);
		_exit(127);
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
		return 0;
	probe_note(found, "%s does not run", path);
	return -ENOEXEC;
}

static int check_sh(char found[PROBE_FOUND])
{
	return run_shell("/bin/sh", found);
}

static int check_bash(char found[PROBE_FOUND])
{
	return run_shell("/bin/bash", found);
}

static int check_loader(char found[PROBE_FOUND])
{
	return find_in_view("/lib64/ld-linux-x86-64.so.2", 0005, found);
}

static int check_certificates(char found[PROBE_FOUND])
{
	return find_in_view("/etc/ssl/certs/ca-certificates.crt", 0004, found);
}

/* ---- the clock ---- */

static int64_t now_ns(clockid_t id)
{
	struct timespec t;
	return clock_gettime(id, &t) < 0 ? -1 : (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Deadlines and leases hang on the monotonic clock; certificates and the times of the record on the
 * other. */
static int host_check_clock(char found[PROBE_FOUND])
{
	enum {
		ROUNDS = 1000,
		FIRST_PLAUSIBLE = 1735689600 /* 2025-01-01: this program is not older */
	};
	char source[64] = "unknown clocksource";
	struct timespec now;
	struct timex state = { .modes = 0 };

	(void)probe_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
	                      source, sizeof(source));
	int64_t before = now_ns(CLOCK_MONOTONIC), first = before;
	for (int i = 0; i < ROUNDS; i++) {
		int64_t t = now_ns(CLOCK_MONOTONIC);
		if (t < before || before < 0) {
			probe_note(found, "%s: the monotonic clock went backwards", source);
			return -ERANGE;
		}
		before = t;
	}
	if (before == first || clock_gettime(CLOCK_REALTIME, &now) < 0) {
		probe_note(found, "%s: the monotonic clock stands still", source);
		return -ERANGE;
	}
	char day[32] = "?";
	struct tm utc;
	if (gmtime_r(&now.tv_sec, &utc))
		(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", &utc);
	bool known = adjtimex(&state) >= 0;
	probe_note(found, "%s, %s, %s", source, day,
	           !known                      ? "synchronisation unknown"
	           : state.status & STA_UNSYNC ? "not synchronised"
	                                       : "synchronised");
	return now.tv_sec < FIRST_PLAUSIBLE ? -ERANGE : 0;
}

static const struct probe_row rows[] = {
	{ .name = "subids",
	  .area = "identity",
	  .need = "ids of their own for launcher, gate and steps",
	  .check = check_subids,
	  .remedy_now = subids_remedy },
	{ .name = "sh",
	  .area = "host",
	  .need = "every script of a step",
	  .check = check_sh,
	  .told = true,
	  .remedy = "a /bin/sh below /usr, /bin or /lib that runs: those are what steps see of "
	            "this host" },
	{ .name = "bash",
	  .area = "host",
	  .need = "steps that name no shell",
	  .check = check_bash,
	  .told = true,
	  .remedy = "the package bash; or `shell: sh` in the workflow" },
	{ .name = "loader",
	  .area = "host",
	  .need = "programs that are linked dynamically",
	  .check = check_loader,
	  .told = true,
	  .remedy = "the C library of x86-64 (Debian, Ubuntu: libc6)" },
	{ .name = "certificates",
	  .area = "host",
	  .need = "TLS in fetch and push steps",
	  .check = check_certificates,
	  .told = true,
	  .remedy = "the package ca-certificates, or the site's own anchors in "
	            "/etc/ssl/certs/ca-certificates.crt" },
	{ .name = "clock",
	  .area = "host",
	  .need = "deadlines, leases, certificates, times in the record",
	  .check = host_check_clock,
	  .told = true,
	  .remedy = "set the clock and keep it: timedatectl set-ntp true, or chrony" },
};

const struct probe_table probe_host_table = { rows, ARRAY_LEN(rows) };
