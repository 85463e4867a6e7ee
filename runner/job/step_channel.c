// SPDX-License-Identifier: Apache-2.0
/* step_channel.c - makes the files of a step's channel and reads them when the step is dead.
 *
 * Runs in: supervisor. What stands there was written by hostile code; the directory is the
 * supervisor's own, so that only the files in it are the step's (with identity single the step
 * could change the directory too: the reading trusts neither).
 */
#include "step_channel.h"

#include "drydock/fd.h"
#include "job.h"
#include "job_tree.h"
#include "tree/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* One for the job, and the same directory each time: the tree that steps are cloned from has it
 * mounted. */
static const char channel_dir[] = "channel";

static int channel_open(const struct job *job)
{
	int fd = openat(job->dirs.root_fd, channel_dir,
	                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- make and clear ---- */

/* As it was made, but for what stands in it: that goes. What a step can leave on a file besides
 * (attributes, times) it can as well leave in the tree that it shares with the next one. */
static bool channel_file_is_ours(const struct job *job, int dir, const char *name)
{
	const uid_t owner = job->id->mode == IDENTITY_RANGE ? job->step_uid : geteuid();
	struct stat st;
	/* a FIFO is not waited for */
	dd_auto_fd int fd = openat(dir, name,
	                           O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 07777) == 0600 && st.st_nlink == 1 && st.st_uid == owner &&
	       ftruncate(fd, 0) == 0;
}

static bool is_named(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* Is nothing there but some of the files of that name, each as it was made? They are empty then. */
static bool channel_can_stay(const struct job *job, int dir, const char *const *names)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = again < 0 ? NULL : fdopendir(again);
	const struct dirent *e;
	bool ours = list != NULL;

	if (!list)
		dd_close(again);
	while (ours && (errno = 0, e = readdir(list)) != NULL)
		ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		       (is_named(names, e->d_name) && channel_file_is_ours(job, dir, e->d_name));
	ours = ours && errno == 0;
	if (list)
		(void)closedir(list);
	return ours;
}

/* Files that stay are as good as new ones, and cost a tenth: ext4 keeps the numbers of deleted ones
 * back for some seconds, and looks at each of them again for every file that is made. A push step
 * shares no tree with those before and behind it, so no file either. */
static int channel_clear(const struct job *job, int dir, const struct job_step *step,
                         struct dd_err *err)
{
	const char *const *names = step->recipe->channel;

	if (names && step->phase != DD_PHASE_PUSH && channel_can_stay(job, dir, names))
		return 0;
	return tree_remove(dir, err);
}

int step_channel_clear(const struct job *job, const struct job_step *step, struct dd_err *err)
{
	dd_auto_fd int dir = channel_open(job);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dd_err_set(err, -dir, "open the channel of the job");
	return channel_clear(job, dir, step, err);
}

static int channel_make_file(struct job *job, int dir, const char *name, struct dd_err *err)
{
	dd_auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                           0600);
	if (fd < 0 && errno == EEXIST)
		return 0; /* it stayed */
	if (fd < 0)
		return dd_err_set(err, errno, "make the step's file %s", name);
	if (job->id->mode == IDENTITY_RANGE && fchown(fd, job->step_uid, job->step_uid) < 0)
		return dd_err_set(err, errno, "give the file %s to the step's id", name);
	return 0;
}

static int channel_dir_make(const struct job *job, int *ret_fd, char ret_dir[600],
                            struct dd_err *err)
{
	(void)snprintf(ret_dir, 600, "%s/%s", job->dirs.root, channel_dir);
	return job_dirs_sub(&job->dirs, channel_dir, 0755, ret_fd, err);
}

int step_channel_begin(const struct job *job, char ret_dir[600], struct dd_err *err)
{
	dd_auto_fd int dir = -1;
	return channel_dir_make(job, &dir, ret_dir, err);
}

int step_channel_make(struct job *job, const struct job_step *step, char ret_dir[600],
                      struct dd_err *err)
{
	dd_auto_fd int dir = -1;
	int r = channel_dir_make(job, &dir, ret_dir, err);
	if (r == 0)
		r = channel_clear(job, dir, step, err);
	for (size_t i = 0; r == 0 && step->recipe->channel[i]; i++)
		r = channel_make_file(job, dir, step->recipe->channel[i], err);
	return r;
}

/* ---- read ---- */

static const char *why_not(int code)
{
	return code == ENOENT  ? "the step removed it"
	       : code == ELOOP ? "the step put a link in its place"
	                       : strerrordesc_np(code);
}

/* @len bytes of the file, exactly as long as it is now: nobody is left who could change it. NULL
 * with errno set; EIO: it is shorter than it says. */
static char *read_whole(int fd, size_t len)
{
	char *bytes = malloc(len + 1);
	size_t at = 0;

	while (bytes && at < len) {
		ssize_t n = read(fd, bytes + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			free(bytes);
			return NULL;
		}
		at += (size_t)n;
	}
	if (bytes)
		bytes[len] = '\0';
	return bytes;
}

static struct step_file channel_read_file(int dir, const char *name)
{
	struct step_file file = { .name = name };
	struct stat st;
	/* non-blocking: it may be a FIFO by now */
	dd_auto_fd int fd = openat(dir, name,
	                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)snprintf(file.why, sizeof(file.why), "%s", why_not(errno));
	} else if (!S_ISREG(st.st_mode)) {
		(void)snprintf(file.why, sizeof(file.why), "it is no regular file any more");
	} else if (st.st_size > STEP_CHANNEL_BYTES_MAX) {
		(void)snprintf(file.why, sizeof(file.why), "it has %lld bytes, more than %d",
		               (long long)st.st_size, STEP_CHANNEL_BYTES_MAX);
	} else if ((file.bytes = read_whole(fd, (size_t)st.st_size)) == NULL) {
		(void)snprintf(file.why, sizeof(file.why), "it cannot be read: %s",
		               strerrordesc_np(errno));
	} else {
		file.len = (size_t)st.st_size;
	}
	return file;
}

void step_channel_read(struct job *job, const struct job_step *step, struct step_left *ret)
{
	*ret = (struct step_left){ .n = 0 };
	if (!step->recipe->channel)
		return;
	dd_auto_fd int dir = channel_open(job);
	for (; ret->n < RECIPE_CHANNEL_MAX && step->recipe->channel[ret->n]; ret->n++) {
		const char *name = step->recipe->channel[ret->n];
		ret->files[ret->n] = dir < 0 ? (struct step_file){ .name = name,
			                                           .why = "its directory is gone" }
		                             : channel_read_file(dir, name);
	}
}

void step_left_done(struct step_left *left)
{
	for (size_t i = 0; i < left->n; i++) {
		char *bytes = (char *)(uintptr_t)left->files[i].bytes;
		if (bytes)
			explicit_bzero(bytes, left->files[i].len);
		free(bytes);
	}
	*left = (struct step_left){ .n = 0 };
}
