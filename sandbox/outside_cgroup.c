// SPDX-License-Identifier: Apache-2.0
/* outside_cgroup.c - a cgroup v2 group per job and a leaf per step, where the host delegates one.
 *
 * Runs in: supervisor. Order that the kernel demands: no process in a group whose controllers are
 * handed down, so the supervisor moves itself to a leaf first, but only if controllers are to be
 * had. clone3 into a group needs write access to the common ancestor's cgroup.procs, which is why
 * everything is made below our own group and nowhere else.
 */
#include "outside.h"

#include "drydock/clock.h"
#include "drydock/fault.h"
#include "drydock/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#define JOB_PREFIX "drydock-"
#define SUPERVISOR_LEAF                                                                            \
	"supervisor.drydock" /* not JOB_PREFIX: the reaper must never take it for a job */

static int text_read(int dir, const char *file, char *buf, size_t size)
{
	dd_auto_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int cgroup_text_write(int dir, const char *file, const char *text)
{
	dd_auto_fd int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	size_t len = strlen(text);
	return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

static bool cgroup_has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') &&
		    (p[len] == '\0' || p[len] == ' ' || p[len] == '\n'))
			return true;
	return false;
}

/* ---- job ---- */

/* Where cgroup2 is mounted, on pure and hybrid hosts; empty: nowhere. */
static void find_mount(char ret[256])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024], where[256];

	ret[0] = '\0';
	while (f && !ret[0] && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") &&
		    sscanf(line, "%*s %*s %*s %*s %255s", where) == 1)
			(void)snprintf(ret, 256, "%s", where);
	if (f)
		(void)fclose(f);
}

/* Our own group: the line "0::/path", which is not the first on hybrid hosts. */
static void find_own(char ret[256])
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];

	ret[0] = '\0';
	while (f && !ret[0] && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		size_t len = strlen(line);
		if (strncmp(line, "0::/", 4) == 0 && len < 256 && !strstr(line, "/../"))
			memcpy(ret, line + 3, len - 3 + 1);
	}
	if (f)
		(void)fclose(f);
}

/* The top of what was delegated to us: our own group, or its parent when we (or systemd's
 * DelegateSubgroup=) sit in a leaf of it. */
static int find_top(char ret[256])
{
	char mount[256], own[256], delegated[8];

	find_mount(mount);
	find_own(own);
	if (!mount[0] || !own[0])
		return 0;
	int n = snprintf(ret, 256, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
	if (n < 0 || n >= 256)
		return 0;
	char *slash = strrchr(ret, '/');
	bool in_leaf = strcmp(slash + 1, SUPERVISOR_LEAF) == 0;
	if (strcmp(own, "/") != 0) {
		*slash = '\0';
		in_leaf = in_leaf ||
		          getxattr(ret, "user.delegate", delegated, sizeof(delegated)) > 0;
		if (!in_leaf)
			*slash = '/';
	}
	return 1;
}

static const char *const wanted_controllers[] = { "memory", "cpu", "pids" };

/* Is there a controller that could be handed down and is not yet? */
static bool has_more(int dir)
{
	char have[256] = "", on[256] = "";
	bool more = false;

	if (text_read(dir, "cgroup.controllers", have, sizeof(have)) < 0 ||
	    text_read(dir, "cgroup.subtree_control", on, sizeof(on)) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(wanted_controllers); i++)
		more = more || (cgroup_has_word(have, wanted_controllers[i]) &&
		                !cgroup_has_word(on, wanted_controllers[i]));
	return more;
}

/* Processes in @dir, the root of the hierarchy apart: that one may have both, and has no
 * cgroup.type. */
static bool is_inhabited(int dir)
{
	char procs[64] = "";
	return faccessat(dir, "cgroup.type", F_OK, 0) == 0 &&
	       text_read(dir, "cgroup.procs", procs, sizeof(procs)) == 0 && procs[0];
}

/* Hand @dir's controllers down, one by one. A controller that cannot be had is simply absent below,
 * and a limit that needs it is refused by name in cgroup_step_make(). Never while a process is in
 * @dir: the kernel refuses memory with EBUSY, but accepts cpu and pids, which can count threads,
 * and from then on takes no process into any group below (EOPNOTSUPP). */
static void hand_down(int dir)
{
	char have[256] = "", on[256] = "";

	if (is_inhabited(dir) || text_read(dir, "cgroup.controllers", have, sizeof(have)) < 0 ||
	    text_read(dir, "cgroup.subtree_control", on, sizeof(on)) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(wanted_controllers); i++) {
		char plus[32];
		if (!cgroup_has_word(have, wanted_controllers[i]) ||
		    cgroup_has_word(on, wanted_controllers[i]))
			continue;
		(void)snprintf(plus, sizeof(plus), "+%s", wanted_controllers[i]);
		(void)cgroup_text_write(dir, "cgroup.subtree_control", plus);
	}
}

static void step_aside(int top)
{
	char pid[16];
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());

	if (mkdirat(top, SUPERVISOR_LEAF, 0755) < 0 && errno != EEXIST)
		return;
	dd_auto_fd int leaf = openat(top, SUPERVISOR_LEAF,
	                             O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (leaf >= 0)
		(void)cgroup_text_write(leaf, "cgroup.procs", pid);
}

/* By the mark that systemd puts on a group with Delegate=yes, and on no other: in one that others
 * share nobody is moved about. */
void cgroup_leave_top(void)
{
	char mount[256], own[256], path[512], delegated[8];

	find_mount(mount);
	find_own(own);
	if (!mount[0] || !own[0])
		return;
	(void)snprintf(path, sizeof(path), "%s%s", mount, own);
	if (getxattr(path, "user.delegate", delegated, sizeof(delegated)) <= 0)
		return;
	dd_auto_fd int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top >= 0)
		step_aside(top);
}

static bool run_is_sane(const char *run)
{
	size_t len = strlen(run);
	return len > 0 && len <= 64 && run[0] != '.' &&
	       strspn(run, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
	               len;
}

int cgroup_job_plan(const char *run, char ret_path[256], struct dd_err *err)
{
	char top[256];

	if (!run_is_sane(run))
		return dd_err_say(err, EINVAL,
		                  "run name for a cgroup must be of letters, digits, - _ and .");
	ret_path[0] = '\0';
	if (!find_top(top))
		return 0;
	int n = snprintf(ret_path, 256, "%s/" JOB_PREFIX "%s", top, run);
	if (n < 0 || n >= 256 - 72) /* the step's name must fit behind it */
		ret_path[0] = '\0';
	return 0;
}

int cgroup_job_make(char path[256], struct dd_err *err)
{
	char top[256];
	const char *slash = strrchr(path, '/');

	if (!slash)
		return 0;
	(void)snprintf(top, sizeof(top), "%.*s", (int)(slash - path), path);
	dd_auto_fd int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdir(path, 0755) < 0) {
		if (dir >= 0 && errno == EEXIST)
			return dd_err_set(err, errno, "cgroup %s", path);
		path[0] = '\0'; /* not delegated to us, read-only, none here */
		return 0;
	}
	if (has_more(dir) && is_inhabited(dir))
		step_aside(dir);
	hand_down(dir);
	dd_auto_fd int job = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (job >= 0)
		hand_down(job);
	return 0;
}

/* ---- step ---- */

static int limit_write(int dir, const char *controllers, const char *limit, const char *controller,
                       const char *file, const char *text, struct dd_err *err)
{
	if (!cgroup_has_word(controllers, controller))
		return dd_err_say(err, ENOTSUP,
		                  "%s needs the cgroup v2 %s controller, which is not delegated "
		                  "here (controllers: %.60s); as a "
		                  "service set Delegate=yes, on a hybrid host boot with "
		                  "systemd.unified_cgroup_hierarchy=1, or drop the limit",
		                  limit, controller,
		                  *controllers && *controllers != '\n' ? controllers : "none");
	int r = cgroup_text_write(dir, file, text);
	return r < 0 ? dd_err_set(err, -r, "%s: write %s", limit, file) : 0;
}

static int limits_write(const struct sandbox_limits *l, int dir, const char *controllers,
                        struct dd_err *err)
{
	char text[64];
	int r = 0;

	if (l->memory_bytes) {
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)l->memory_bytes);
		r = limit_write(dir, controllers, "limits.memory", "memory", "memory.max", text,
		                err);
		if (r == 0)
			r = limit_write(dir, controllers, "limits.memory", "memory",
			                "memory.oom.group", "1", err);
		if (r == 0 && faccessat(dir, "memory.swap.max", F_OK, 0) ==
		                      0) /* absent: a kernel without swap accounting */
			r = limit_write(dir, controllers, "limits.memory", "memory",
			                "memory.swap.max", "0", err);
	}
	if (r == 0 && l->cpu_millis) {
		(void)snprintf(text, sizeof(text), "%u 100000", l->cpu_millis * 100);
		r = limit_write(dir, controllers, "limits.cpus", "cpu", "cpu.max", text, err);
	}
	/* pids has a second keeper, RLIMIT_NPROC, counted per user namespace since 5.14: the
	 * controller is used where it is. */
	if (r == 0 && l->pids && cgroup_has_word(controllers, "pids")) {
		(void)snprintf(text, sizeof(text), "%u", l->pids + 1);
		r = limit_write(dir, controllers, "limits.pids", "pids", "pids.max", text, err);
	}
	return r;
}

int cgroup_step_make(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err)
{
	const struct sandbox_limits *l = &spec->limits;
	char controllers[256] = "";

	if (dd_fault("cgroup"))
		return dd_err_set(err, ENOSYS, "cgroup of the step");
	if (!spec->cgroup_parent ||
	    !*spec->cgroup_parent) /* none: the sentence of the limit that needs one */
		return limits_write(&(struct sandbox_limits){ .memory_bytes = l->memory_bytes,
		                                              .cpu_millis = l->cpu_millis },
		                    -1, "", err);

	int n = snprintf(sb->cgroup, sizeof(sb->cgroup), "%s/%s", spec->cgroup_parent, spec->name);
	if (n < 0 || (size_t)n >= sizeof(sb->cgroup) || mkdir(sb->cgroup, 0755) < 0) {
		int code = n < 0 || (size_t)n >= sizeof(sb->cgroup) ? ENAMETOOLONG : errno;
		sb->cgroup[0] = '\0';
		return dd_err_set(err, code, "make cgroup %s/%s", spec->cgroup_parent, spec->name);
	}
	sb->cgroup_fd = open(sb->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (sb->cgroup_fd < 0)
		return dd_err_set(err, errno, "open cgroup %s", sb->cgroup);
	int r = text_read(sb->cgroup_fd, "cgroup.controllers", controllers, sizeof(controllers));
	if (r < 0)
		return dd_err_set(err, -r, "controllers of cgroup %s", sb->cgroup);
	return limits_write(l, sb->cgroup_fd, controllers, err);
}

int cgroup_step_kill(const struct sandbox *sb, struct dd_err *err)
{
	if (sb->cgroup_fd < 0)
		return 0;
	int r = cgroup_text_write(sb->cgroup_fd, "cgroup.kill", "1");
	return r < 0 && r != -ENOENT ? dd_err_set(err, -r, "kill cgroup %s", sb->cgroup) : 0;
}

uint64_t cgroup_step_peak(const struct sandbox *sb)
{
	char text[32];
	if (sb->cgroup_fd < 0 || text_read(sb->cgroup_fd, "memory.peak", text, sizeof(text)) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

bool sandbox_ran_out_of_memory(const struct sandbox *sb)
{
	char text[512];
	if (sb->cgroup_fd < 0 || text_read(sb->cgroup_fd, "memory.events", text, sizeof(text)) < 0)
		return false;
	const char *kills = strstr(text, "\noom_kill ");
	return kills && strtoull(kills + sizeof("\noom_kill ") - 1, NULL, 10) > 0;
}

/* rmdir is the test: the kernel refuses it with EBUSY as long as a process lives in the group. */
static int remove_when_empty(int parent, const char *path, unsigned timeout_ms, struct dd_err *err)
{
	const int64_t end = dd_now_ms() + (int64_t)timeout_ms;

	while (unlinkat(parent, path, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		if (errno != EBUSY)
			return dd_err_set(err, errno, "remove cgroup %s", path);
		if (dd_now_ms() >= end)
			return dd_err_set(err, ETIMEDOUT, "cgroup %s: processes survive", path);
		(void)poll(NULL, 0, 2);
	}
	return 0;
}

int cgroup_step_remove(struct sandbox *sb, unsigned timeout_ms, struct dd_err *err)
{
	if (!sb->cgroup[0])
		return 0;
	int r = remove_when_empty(AT_FDCWD, sb->cgroup, timeout_ms, err);
	if (r == 0)
		sb->cgroup[0] = '\0';
	return r;
}

/* ---- after a crash ---- */

static int children_remove(int dir, const char *path, struct dd_err *err)
{
	DIR *d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 0));
	const struct dirent *e;
	int r = 0;

	if (!d)
		return dd_err_set(err, errno, "read cgroup %s", path);
	/* One level is all there is: a step sees no cgroup tree in which it could make groups below
	 * its leaf (K-08). */
	while (r == 0 && (e = readdir(d)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			r = remove_when_empty(dir, e->d_name, 5000, err);
	(void)closedir(d);
	return r;
}

int cgroup_job_remove(const char *path, struct dd_err *err)
{
	const char *name = strrchr(path, '/');

	if (path[0] != '/' || strncmp(name + 1, JOB_PREFIX, strlen(JOB_PREFIX)) != 0)
		return dd_err_say(err, EINVAL, "cgroup %s: not one of ours", path);
	dd_auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open cgroup %s", path);
	int r = cgroup_text_write(dir, "cgroup.kill", "1");
	if (r < 0 && r != -ENOENT)
		return dd_err_set(err, -r, "kill cgroup %s", path);
	r = children_remove(dir, path, err);
	return r < 0 ? r : remove_when_empty(AT_FDCWD, path, 5000, err);
}
