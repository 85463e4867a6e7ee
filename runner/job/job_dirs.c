// SPDX-License-Identifier: Apache-2.0
/* job_dirs.c - makes, finds and removes the directories of a job.
 *
 * Runs in: keeper and supervisor. Trees below are hostile once a step has run: they are only ever
 * removed through tree_remove(), from a directory fd. The names above them (STATE/jobs/RUN) are
 * ours alone, 0700.
 */
#include "job_dirs.h"

#include "job_sink.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "tree/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS_MAX = 16384 };

struct places {
	char state[400];
	char logs[400];
	char keep[400];
	char slots[400];
	char leases[400];
};

/* mkdir -p for directories that are ours. An existing one is taken as it is, unless it is not a
 * directory. */
static int make_path(const char *path, mode_t mode, struct dd_err *err)
{
	char part[512];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return dd_err_say(err, ENAMETOOLONG, "the path %.80s... is too long", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return dd_err_set(err, errno, "make directory %s", part);
	}
	return 0;
}

/* Paths of the job's trees go to the zygote, which takes absolute ones only. */
static int state_base(const char *state, char *base, size_t size, struct dd_err *err)
{
	char here[300];

	if (state[0] == '/')
		return snprintf(base, size, "%s", state);
	if (!getcwd(here, sizeof(here)))
		return dd_err_set(err, errno, "find where the state directory %.80s is", state);
	return snprintf(base, size, "%s/%s", here, state);
}

/* Ids of the kernel are handed out per user of this host, whatever state directory a run is given
 * and whatever its environment says: two that looked in two places would share a step's id. So the
 * place follows from the user alone: root's, the home that the user database names, and for a
 * user without one a directory of its own beside everybody's. */
static void slots_place(uid_t uid, char *out, size_t size)
{
	const struct passwd *user = uid ? getpwuid(uid) : NULL;
	struct stat st;

	if (uid == 0)
		(void)snprintf(out, size, "/run/drydock/slots");
	else if (user && user->pw_dir && user->pw_dir[0] == '/' && strlen(user->pw_dir) < 300 &&
	         stat(user->pw_dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		(void)snprintf(out, size, "%.300s/.local/state/drydock/slots", user->pw_dir);
	else
		(void)snprintf(out, size, "/var/tmp/drydock-%u/slots", (unsigned)uid);
}

/* Whoever else may write there could hold every slot, or let two jobs have one. */
static int slots_check(const char *slots, struct dd_err *err)
{
	char above[400];
	struct stat st;

	(void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(slots, '/') - slots), slots);
	for (int i = 0; i < 2; i++) {
		const char *dir = i ? slots : above;
		if (lstat(dir, &st) < 0)
			return dd_err_set(err, errno, "look at %s", dir);
		if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
		    (st.st_mode & (S_IWGRP | S_IWOTH)))
			return dd_err_say(
				err, EPERM,
				"%s hands out the ids of steps, and is not a directory of this "
				"user alone (mode %03o): remove it, or chmod go-w it",
				dir, (unsigned)st.st_mode & 0777);
	}
	return 0;
}

static int places_find(const char *state, const struct identity *id, struct places *ret,
                       struct dd_err *err)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	/* in range mode everybody is id 0 in here: ask who we are on the host */
	bool root = id->host_uid == 0;
	char base[400];
	int n;

	if (state) {
		if ((n = state_base(state, base, sizeof(base), err)) < 0)
			return n;
	} else if (root) {
		n = snprintf(base, sizeof(base), "/var/lib/drydock");
	} else if (xdg && xdg[0] == '/') {
		n = snprintf(base, sizeof(base), "%s/drydock", xdg);
	} else if (home && home[0] == '/') {
		n = snprintf(base, sizeof(base), "%s/.local/state/drydock", home);
	} else {
		return dd_err_say(err, ENOENT,
		                  "no place for the job's files: neither XDG_STATE_HOME nor HOME "
		                  "is an absolute path; "
		                  "set one, or say --state-dir DIR");
	}
	if (n < 0 || (size_t)n >= sizeof(base) - 40)
		return dd_err_say(err, ENAMETOOLONG, "the state directory %.80s... is too long",
		                  base);
	(void)snprintf(ret->state, sizeof(ret->state), "%.350s/jobs", base);
	(void)snprintf(ret->keep, sizeof(ret->keep), "%.350s/keep", base);
	(void)snprintf(ret->leases, sizeof(ret->leases), "%.350s/leases", base);
	slots_place(id->host_uid, ret->slots, sizeof(ret->slots));
	if (root && !state)
		(void)snprintf(ret->logs, sizeof(ret->logs), "/var/log/drydock");
	else
		(void)snprintf(ret->logs, sizeof(ret->logs), "%.350s/records", base);
	return 0;
}

int job_dirs_place(const char *state, const struct identity *id, char ret_dir[512],
                   struct dd_err *err)
{
	struct places p;
	int r = places_find(state, id, &p, err);
	if (r == 0)
		(void)snprintf(ret_dir, 512, "%.511s", p.state);
	return r;
}

int job_dirs_actions(const char *state, const struct identity *id, char ret_dir[512],
                     struct dd_err *err)
{
	struct places p;
	int r = places_find(state, id, &p, err);
	if (r == 0)
		(void)snprintf(ret_dir, 512, "%.*s/actions",
		               (int)(strlen(p.state) - strlen("/jobs")), p.state);
	return r;
}

int job_dirs_leases(const char *state, const struct identity *id, char ret_dir[512],
                    struct dd_err *err)
{
	struct places p;
	int r = places_find(state, id, &p, err);
	if (r == 0)
		(void)snprintf(ret_dir, 512, "%.511s", p.leases);
	return r;
}

static int run_id_make(char ret[40], struct dd_err *err)
{
	unsigned char salt[4];
	struct timespec now;
	struct tm utc;
	char stamp[24];

	if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return dd_err_set(err, errno, "draw a run id");
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dt%H%M%Sz", &utc);
	(void)snprintf(ret, 40, "%s-%02x%02x%02x%02x", stamp, salt[0], salt[1], salt[2], salt[3]);
	return 0;
}

static int slot_take(const char *slots, struct job_dirs *dirs, struct dd_err *err)
{
	int r = make_path(slots, 0700, err);
	if (r < 0)
		return dd_err_ctx(err, r,
		                  "this user's jobs get the ids of their steps in %s, whatever "
		                  "--state-dir says, and it must be writable",
		                  slots);
	if ((r = slots_check(slots, err)) < 0)
		return r;
	for (unsigned slot = 0; slot < SLOTS_MAX; slot++) {
		char path[440];
		(void)snprintf(path, sizeof(path), "%s/%u", slots, slot);
		dd_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return dd_err_set(err, errno, "open slot %s", path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		dirs->slot = slot;
		dirs->slot_fd = dd_take_fd(&fd);
		return 0;
	}
	return dd_err_say(err, EBUSY, "%d jobs run on this host: no slot is free in %s", SLOTS_MAX,
	                  slots);
}

/* A step builds and runs programs in its workspace. */
static int dirs_check_place(const struct job_dirs *dirs, struct dd_err *err)
{
	struct statvfs st;

	if (fstatvfs(dirs->root_fd, &st) < 0)
		return dd_err_set(err, errno, "look at the file system of %s", dirs->root);
	if (st.f_flag & ST_NOEXEC)
		return dd_err_say(err, EPERM,
		                  "%s lies on a file system that is mounted noexec: no step could "
		                  "run a program from its workspace; choose another place with "
		                  "--state-dir, or mount it without noexec",
		                  dirs->root);
	return 0;
}

int job_dirs_make(const char *state, const struct identity *id, struct job_dirs *ret,
                  struct dd_err *err)
{
	struct job_dirs dirs = JOB_DIRS_NONE;
	struct places at;
	int r;

	if ((r = places_find(state, id, &at, err)) < 0 || (r = run_id_make(dirs.run, err)) < 0 ||
	    (r = make_path(at.state, 0700, err)) < 0 || (r = make_path(at.logs, 0700, err)) < 0)
		return r;
	if ((r = slot_take(at.slots, &dirs, err)) < 0)
		return r;
	(void)snprintf(dirs.root, sizeof(dirs.root), "%s/%s", at.state, dirs.run);
	(void)snprintf(dirs.logs, sizeof(dirs.logs), "%s/%s", at.logs, dirs.run);
	(void)snprintf(dirs.keep, sizeof(dirs.keep), "%s", at.keep);
	(void)snprintf(dirs.record, sizeof(dirs.record), "%s/%s.jsonl", at.logs, dirs.run);

	/* The lock is taken under a name that the reaper does not look at, so that it never meets a
	 * job half made. */
	char making[520];
	(void)snprintf(making, sizeof(making), "%s/.%s", at.state, dirs.run);
	if (mkdir(making, 0700) < 0) {
		r = dd_err_set(err, errno, "make directory %s", making);
		job_dirs_close(&dirs);
		return r;
	}
	dirs.root_fd = open(making, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dirs.lock_fd = dirs.root_fd < 0 ? -1
	                                : openat(dirs.root_fd, "lock",
	                                         O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dirs.lock_fd < 0 || flock(dirs.lock_fd, LOCK_EX | LOCK_NB) < 0 ||
	    rename(making, dirs.root) < 0 || (mkdir(dirs.logs, 0700) < 0 && errno != EEXIST)) {
		r = dd_err_set(err, errno, "prepare %s", making);
		job_dirs_close(&dirs);
		return r;
	}
	if ((r = dirs_check_place(&dirs, err)) < 0) {
		(void)job_dirs_destroy(&dirs, NULL);
		job_dirs_close(&dirs);
		return r;
	}
	*ret = dirs;
	return 0;
}

int job_dirs_sub(const struct job_dirs *dirs, const char *name, mode_t mode, int *ret_fd,
                 struct dd_err *err)
{
	/* The names are ours and their parents are not writable by steps: plain *at calls suffice.
	 */
	if (mkdirat(dirs->root_fd, name, mode) < 0 && errno != EEXIST)
		return dd_err_set(err, errno, "make directory %s/%s", dirs->root, name);
	dd_auto_fd int fd = openat(dirs->root_fd, name,
	                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return dd_err_set(err, errno, "open directory %s/%s", dirs->root, name);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

int job_dirs_remove(int parent, const char *name, struct dd_err *err)
{
	dd_auto_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s to remove it", name);
	int r = tree_remove(fd, err);
	if (r < 0)
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return dd_err_set(err, errno, "remove directory %s", name);
	return 0;
}

int job_dirs_drop(const struct job_dirs *dirs, const char *name, struct dd_err *err)
{
	return job_dirs_remove(dirs->root_fd, name, err);
}

int job_dirs_note_cgroup(const struct job_dirs *dirs, const char *cgroup, struct dd_err *err)
{
	dd_auto_fd int fd = openat(dirs->root_fd, "cgroup", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	                           0600);
	size_t len = strlen(cgroup);

	if (fd < 0 || write(fd, cgroup, len) != (ssize_t)len)
		return dd_err_set(err, errno ? errno : EIO, "write %s/cgroup", dirs->root);
	return 0;
}

/* The cgroup of a job, from its directory; an absent or empty note means there is none. */
static int cgroup_of(int root_fd, char ret[256])
{
	dd_auto_fd int fd = openat(root_fd, "cgroup", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, ret, 255);
	if (n <= 0)
		return -ENOENT;
	ret[n] = '\0';
	return 0;
}

/* Everything but the lock: as long as it is there and held, nobody else takes this job for dead and
 * begins to remove it as well.
 * @keep_note: whoever tries again must find the cgroup. */
static int remove_content(int root_fd, bool keep_note, struct dd_err *err)
{
	dd_auto_fd int own = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	int r = 0;

	if (!d)
		return dd_err_set(err, errno, "list a job's directory");
	(void)dd_take_fd(&own); /* d owns it now */
	for (const struct dirent *e = readdir(d); e && r == 0; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, "lock") == 0 ||
		    (keep_note && strcmp(e->d_name, "cgroup") == 0))
			continue;
		if (unlinkat(root_fd, e->d_name, 0) < 0 && errno != ENOENT)
			r = job_dirs_remove(root_fd, e->d_name, err);
	}
	(void)closedir(d);
	return r;
}

static int remove_job(int jobs_fd, int root_fd, const char *name, struct dd_err *err)
{
	char cgroup[256];
	int r = 0;

	if (cgroup_of(root_fd, cgroup) == 0)
		r = cgroup_job_remove(cgroup, err);
	int removed = remove_content(root_fd, r < 0, r < 0 ? NULL : err);
	if (r == 0 && removed == 0)
		removed = job_dirs_remove(jobs_fd, name, err);
	return r < 0 ? r : removed;
}

int job_dirs_destroy(struct job_dirs *dirs, struct dd_err *err)
{
	if (dirs->root_fd < 0)
		return 0;
	char parent[512];
	(void)snprintf(parent, sizeof(parent), "%s", dirs->root);
	char *slash = strrchr(parent, '/');
	if (slash)
		*slash = '\0';
	dd_auto_fd int jobs_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (jobs_fd < 0)
		return dd_err_set(err, errno, "open %s", parent);
	int r = remove_job(jobs_fd, dirs->root_fd, dirs->run, err);
	(void)rmdir(dirs->logs); /* only when no step wrote a log */
	return r;
}

void job_dirs_close(struct job_dirs *dirs)
{
	dd_close_p(&dirs->root_fd);
	dd_close_p(&dirs->lock_fd);
	dd_close_p(&dirs->slot_fd);
}

/* A directory that its maker did not live to rename. It has perhaps no lock yet, so age decides. */
static bool is_abandoned(int root_fd)
{
	struct stat st;
	return fstat(root_fd, &st) == 0 && st.st_mtime + 60 < time(NULL);
}

/* Is the job at @root_fd dead? Its lock can be taken; it is held by @ret_lock until the caller has
 * removed the job. */
static bool job_is_dead(int root_fd, const char *name, int *ret_lock)
{
	if (name[0] == '.' && !is_abandoned(root_fd))
		return false;
	dd_auto_fd int lock = openat(root_fd, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return lock < 0 && errno == ENOENT;
	*ret_lock = dd_take_fd(&lock);
	return true;
}

int job_dirs_reap(const char *state, const struct identity *id, const struct job_sinks *sinks,
                  struct dd_err *err)
{
	struct places at;
	int r = places_find(state, id, &at, err);
	if (r < 0)
		return r;
	DIR *jobs = opendir(at.state);
	if (!jobs)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s", at.state);

	int reaped = 0;
	for (struct dirent *e = readdir(jobs); e; e = readdir(jobs)) {
		struct dd_err why = { 0 };
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		dd_auto_fd int root_fd = openat(dirfd(jobs), e->d_name,
		                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		dd_auto_fd int lock = -1;
		if (root_fd < 0 || !job_is_dead(root_fd, e->d_name, &lock))
			continue;
		/* What a hostile job left must not keep every later job from running: it stays, in
		 * a directory that no step sees. */
		if (remove_job(dirfd(jobs), root_fd, e->d_name, &why) == 0)
			reaped++;
		else
			sink_note(sinks, NULL, SINK_WARN,
			          "cannot remove what an earlier run left in %s/%s: %s", at.state,
			          e->d_name, why.msg);
	}
	(void)closedir(jobs);
	return reaped;
}
