// SPDX-License-Identifier: Apache-2.0
/* probe_limits.c - the questions about cgroup v2: is there a group that is ours, and which
 * controllers reach a step in it.
 *
 * Runs in: supervisor itself, not a child. The kernel hands controllers down only from a group
 * without processes, so whoever makes a job's group first steps aside into a leaf; a child that did
 * so would leave its parent in the way, and answer no where a run would succeed.
 */
#include "probe.h"

#include "drydock/fd.h"
#include "outside.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- one job group with one step group, as a launch makes them ---- */

struct probe_group {
	char job[256], step[300];
};

/* A process that was killed while it asked has left its group: nobody else knows of it. @path is
 * where ours will be. */
static void sweep_abandoned(const char *path)
{
	static const char prefix[] = "drydock-probe-";
	char dir[256], left[600];
	const char *slash = strrchr(path, '/');

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	DIR *groups = opendir(dir);
	const struct dirent *e;
	while (groups && (e = readdir(groups))) {
		long pid = strncmp(e->d_name, prefix, strlen(prefix)) == 0
		                   ? strtol(e->d_name + strlen(prefix), NULL, 10)
		                   : 0;
		if (pid <= 0 || pid > INT32_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		(void)snprintf(left, sizeof(left), "%s/%s", dir, e->d_name);
		/* should it stay, the next one tries again */
		(void)cgroup_job_remove(left, NULL);
	}
	if (groups)
		(void)closedir(groups);
}

static int group_open(struct probe_group *ret, char found[PROBE_FOUND])
{
	char run[40];
	struct dd_err err = { .code = 0 };

	*ret = (struct probe_group){ .job = "" };
	(void)snprintf(run, sizeof(run), "probe-%d", (int)getpid());
	int r = cgroup_job_plan(run, ret->job, &err);
	char wanted[256];
	memcpy(wanted, ret->job, sizeof(wanted));
	if (r == 0 && wanted[0])
		sweep_abandoned(wanted);
	if (r == 0)
		r = cgroup_job_make(ret->job, &err);
	if (r < 0) {
		probe_note(found, "%.200s", err.msg);
		return r;
	}
	if (!ret->job[0]) {
		if (wanted[0])
			probe_note(found, "this user may make no group at %.180s", wanted);
		else
			probe_note(found, "no cgroup v2 file system is mounted, or this process is "
			                  "in none of its groups");
		return -ENOENT;
	}
	(void)snprintf(ret->step, sizeof(ret->step), "%s/step", ret->job);
	return mkdir(ret->step, 0755) < 0 ? -errno : 0;
}

static int group_close(struct probe_group *g, int r)
{
	struct dd_err err = { .code = 0 };
	int removed = g->job[0] ? cgroup_job_remove(g->job, &err) : 0;
	return r < 0 ? r : removed;
}

/* ---- what is in the way of a controller ---- */

static bool limits_has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ' || p[-1] == ',' || p[-1] == ':') &&
		    strchr(" ,:", p[len])) /* the end of the text is in the set */
			return true;
	return false;
}

/* The controller hangs in a tree of cgroup v1: "4:memory:/some/path". */
static bool is_bound_to_v1(const char *controller)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];
	bool bound = false;
	while (f && !bound && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':');
		char *end = names ? strchr(names + 1, ':') : NULL;
		if (!end || end == names + 1)
			continue;
		*end = '\0';
		bound = limits_has_word(names + 1, controller);
	}
	if (f)
		(void)fclose(f);
	return bound;
}

static bool is_switched_off(const char *controller)
{
	FILE *f = fopen("/proc/cgroups", "re");
	char line[256];
	size_t len = strlen(controller);
	bool off = f != NULL; /* a controller that the kernel does not list is not built in */
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, controller, len) == 0 &&
		    line[len] == '\t') /* "name hierarchy groups enabled" */
			off = strstr(line, "\t0\n") != NULL;
	if (f)
		(void)fclose(f);
	return off;
}

enum obstacle {
	OBSTACLE_NONE,
	OBSTACLE_NO_GROUP,
	OBSTACLE_V1,
	OBSTACLE_OFF,
	OBSTACLE_NOT_DELEGATED,
	OBSTACLE_NOT_HANDED_DOWN,
	OBSTACLE__COUNT
};

#define DELEGATE_REMEDY                                                                            \
	"as a service, Delegate=yes in its unit (no ProtectControlGroups=); for a user session, "  \
	"Delegate=cpu cpuset io memory pids under [Service] in "                                   \
	"/etc/systemd/system/user@.service.d/delegate.conf, then log in again; by hand, "          \
	"systemd-run --user --scope -p Delegate=yes drydock ..."
static const char *const obstacle_remedies[OBSTACLE__COUNT] = {
	[OBSTACLE_NONE] = DELEGATE_REMEDY,
	[OBSTACLE_NO_GROUP] = "a cgroup v2 group of its own: " DELEGATE_REMEDY,
	[OBSTACLE_V1] = "cgroup v2 alone: boot with systemd.unified_cgroup_hierarchy=1 (or "
			"cgroup_no_v1=all) on the kernel command line",
	[OBSTACLE_OFF] = "a kernel with the controller, and without cgroup_disable= on its command "
			 "line (some boards: cgroup_enable=memory)",
	[OBSTACLE_NOT_DELEGATED] = DELEGATE_REMEDY,
	[OBSTACLE_NOT_HANDED_DOWN] = "start drydock in a group without other processes: as a "
				     "service with Delegate=yes, or in a scope of its own "
				     "(systemd-run --user --scope -p Delegate=yes drydock ...)",
};

static enum obstacle obstacle_of(const char *controller, const struct probe_group *g,
                                 char found[PROBE_FOUND])
{
	char path[300], list[256] = "";

	if (is_bound_to_v1(controller)) {
		probe_note(found, "the %s controller is bound to a cgroup v1 tree (hybrid host)",
		           controller);
		return OBSTACLE_V1;
	}
	if (is_switched_off(controller)) {
		probe_note(found, "the kernel offers no %s controller (/proc/cgroups)", controller);
		return OBSTACLE_OFF;
	}
	const char *slash = strrchr(g->job, '/');
	int top = slash ? (int)(slash - g->job) : 0;
	(void)snprintf(path, sizeof(path), "%.*s/cgroup.controllers", top, g->job);
	(void)probe_read_line(path, list, sizeof(list));
	if (!limits_has_word(list, controller)) {
		probe_note(found, "%s is not delegated to %.*s, which has: %.60s", controller,
		           top > 100 ? 100 : top, g->job, list[0] ? list : "none");
		return OBSTACLE_NOT_DELEGATED;
	}
	probe_note(found,
	           "%s reaches %.*s, but cannot be handed down: other processes are in that group",
	           controller, top > 100 ? 100 : top, g->job);
	return OBSTACLE_NOT_HANDED_DOWN;
}

/* Write the limit as it stands: nothing is limited, but the file is there and ours. */
static int write_limit(const struct probe_group *g, const char *file)
{
	char path[340], text[64];
	(void)snprintf(path, sizeof(path), "%s/%s", g->step, file);
	if (probe_read_line(path, text, sizeof(text)) < 0)
		return -ENOENT;
	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static const struct controller_row {
	const char *name, *file;
} controllers[] = { { "memory", "memory.max" }, { "cpu", "cpu.max" }, { "pids", "pids.max" } };
enum { MEMORY, CPU, PIDS };
static enum obstacle met[ARRAY_LEN(controllers)];

static int check_controller(size_t which, char found[PROBE_FOUND])
{
	struct probe_group g;
	int r = group_open(&g, found);
	const char *name = controllers[which].name;
	bool group = r == 0;
	if (group)
		r = write_limit(&g, controllers[which].file);
	met[which] = OBSTACLE_NONE;
	if (r == 0)
		probe_note(found, "%s can be set in the group of a step", controllers[which].file);
	else if (group || is_bound_to_v1(name) ||
	         is_switched_off(
			 name)) /* without a group the deeper reason is still worth naming */
		met[which] = obstacle_of(name, &g, found);
	else
		met[which] = OBSTACLE_NO_GROUP;
	return group_close(&g, r);
}

static int check_memory(char found[PROBE_FOUND])
{
	return check_controller(MEMORY, found);
}
static int check_cpu(char found[PROBE_FOUND])
{
	return check_controller(CPU, found);
}
static int check_pids(char found[PROBE_FOUND])
{
	return check_controller(PIDS, found);
}
static const char *memory_remedy(void)
{
	return obstacle_remedies[met[MEMORY]];
}
static const char *cpu_remedy(void)
{
	return obstacle_remedies[met[CPU]];
}
static const char *pids_remedy(void)
{
	return obstacle_remedies[met[PIDS]];
}

/* ---- the group itself ---- */

static int check_cgroup2(char found[PROBE_FOUND])
{
	struct probe_group g;
	int r = group_open(&g, found);
	if (r == 0)
		probe_note(found, "groups can be made in %.*s", (int)(strrchr(g.job, '/') - g.job),
		           g.job);
	return group_close(&g, r);
}

/* Born there, not moved there: no moment outside of the limits. */
static int check_clone_into(char found[PROBE_FOUND])
{
	struct probe_group g;
	int r = group_open(&g, found), status = 0;
	if (r < 0)
		return group_close(&g, r);
	dd_auto_fd int dir = open(g.step, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
		                   .exit_signal = SIGCHLD,
		                   .cgroup = (unsigned long long)(dir < 0 ? 0 : dir) };
	pid_t pid = dir < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	r = pid < 0 ? -errno : waitpid(pid, &status, 0) < 0 ? -errno : 0;
	return group_close(&g, r);
}

/* A process that only a kill ends must be ended by this one. */
static int check_cgroup_kill(char found[PROBE_FOUND])
{
	struct probe_group g;
	int r = group_open(&g, found), status = 0;
	if (r < 0)
		return group_close(&g, r);
	char path[340], pid_text[16];
	pid_t pid = fork();
	if (pid == 0) {
		(void)alarm(5);
		(void)pause();
		_exit(0);
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", g.step);
	(void)snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	dd_auto_fd int procs = open(path, O_WRONLY | O_CLOEXEC);
	r = pid < 0 || procs < 0 || write(procs, pid_text, strlen(pid_text)) < 0 ? -errno : 0;
	(void)snprintf(path, sizeof(path), "%s/cgroup.kill", g.step);
	dd_auto_fd int kill_fd = r < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
	if (r == 0 && (kill_fd < 0 || write(kill_fd, "1", 1) != 1))
		r = -errno;
	if (r < 0 && pid > 0)
		(void)kill(pid, SIGKILL);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && r == 0 &&
	    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		r = -ESRCH;
	return group_close(&g, r);
}

static const struct probe_row rows[] = {
	{ .name = "cgroup2",
	  .area = "limits",
	  .need = "limits, and one kill for a whole step",
	  .check = check_cgroup2,
	  .remedy = DELEGATE_REMEDY,
	  .in_caller = true },
	{ .name = "cgroup_clone",
	  .area = "limits",
	  .need = "a step is born inside its limits",
	  .check = check_clone_into,
	  .in_caller = true,
	  .calls = "clone3",
	  .remedy = "Linux 5.7 or later (CLONE_INTO_CGROUP); no RestrictNamespaces= in the "
	            "unit; " DELEGATE_REMEDY },
	{ .name = "cgroup_kill",
	  .area = "limits",
	  .need = "one kill for a whole step",
	  .check = check_cgroup_kill,
	  .in_caller = true,
	  .remedy = "Linux 5.14 or later; " DELEGATE_REMEDY },
	{ .name = "memory",
	  .area = "limits",
	  .need = "limits.memory",
	  .check = check_memory,
	  .remedy_now = memory_remedy,
	  .in_caller = true },
	{ .name = "cpu",
	  .area = "limits",
	  .need = "limits.cpus",
	  .check = check_cpu,
	  .remedy_now = cpu_remedy,
	  .in_caller = true },
	{ .name = "pids",
	  .area = "limits",
	  .need = "limits.pids beyond the rlimit",
	  .check = check_pids,
	  .remedy_now = pids_remedy,
	  .in_caller = true },
};

const struct probe_table probe_limits_table = { rows, ARRAY_LEN(rows) };
