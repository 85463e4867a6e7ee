// SPDX-License-Identifier: Apache-2.0
/* job_dirs_test.c - the directories of a job: nobody's are shared, the dead ones are removed, the
 * living ones are not touched. */
#include "runner/job/job_dirs.h"

#include "drydock/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char state_dir[64];
/* A user that no database knows, so that its slots lie where no real job's do. */
#define SOMEBODYS_SLOTS "/var/tmp/drydock-4294900000"
static const struct identity somebody = { .mode = IDENTITY_SINGLE,
	                                  .ids = 1,
	                                  .host_uid = 4294900000U };

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_state(void **state)
{
	(void)state;
	(void)snprintf(state_dir, sizeof(state_dir), "/tmp/drydock-test.XXXXXX");
	return mkdtemp(state_dir) ? 0 : -1;
}

static int drop_state(void **state)
{
	(void)state;
	(void)nftw(SOMEBODYS_SLOTS, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return nftw(state_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void two_jobs_share_neither_directory_nor_slot(void **state)
{
	(void)state;
	struct job_dirs a = JOB_DIRS_NONE, b = JOB_DIRS_NONE;
	struct dd_err err = { 0 };

	assert_int_equal(job_dirs_make(state_dir, &somebody, &a, &err), 0);
	assert_int_equal(job_dirs_make(state_dir, &somebody, &b, &err), 0);
	assert_string_not_equal(a.root, b.root);
	assert_int_not_equal(a.slot, b.slot);
	assert_int_equal(job_dirs_destroy(&a, &err), 0);
	assert_int_equal(job_dirs_destroy(&b, &err), 0);
	assert_false(exists(a.root));
	job_dirs_close(&a);
	job_dirs_close(&b);
}

/* Two state directories used to hand out the same kernel ids to two running jobs. */
static void two_state_directories_of_one_user_share_no_slot(void **state)
{
	(void)state;
	struct job_dirs a = JOB_DIRS_NONE, b = JOB_DIRS_NONE;
	struct dd_err err = { 0 };
	char one[90], other[90];

	(void)snprintf(one, sizeof(one), "%s/one", state_dir);
	(void)snprintf(other, sizeof(other), "%s/other", state_dir);
	assert_int_equal(job_dirs_make(one, &somebody, &a, &err), 0);
	assert_int_equal(job_dirs_make(other, &somebody, &b, &err), 0);
	assert_int_not_equal(a.slot, b.slot);
	assert_int_equal(job_dirs_destroy(&a, &err), 0);
	assert_int_equal(job_dirs_destroy(&b, &err), 0);
	job_dirs_close(&a);
	job_dirs_close(&b);
}

static void slots_that_others_may_write_are_refused_by_name(void **state)
{
	(void)state;
	/* a user that no database knows: the slots lie in a place of its own */
	const struct identity stranger = { .mode = IDENTITY_SINGLE,
		                           .ids = 1,
		                           .host_uid = 4294900001U };
	const char *place = "/var/tmp/drydock-4294900001";
	struct job_dirs dirs = JOB_DIRS_NONE;
	struct dd_err err = { 0 };

	assert_int_equal(mkdir(place, 0700), 0);
	int opened = chmod(place, 0777);
	int r = job_dirs_make(state_dir, &stranger, &dirs, &err);
	(void)nftw(place, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(opened, 0);
	assert_int_equal(r, -EPERM);
	assert_non_null(strstr(err.msg, place));
}

static void a_slot_is_free_again_when_its_job_is_closed(void **state)
{
	(void)state;
	struct job_dirs a = JOB_DIRS_NONE, b = JOB_DIRS_NONE;
	struct dd_err err = { 0 };

	assert_int_equal(job_dirs_make(state_dir, &somebody, &a, &err), 0);
	unsigned first = a.slot;
	(void)job_dirs_destroy(&a, &err);
	job_dirs_close(&a);
	assert_int_equal(job_dirs_make(state_dir, &somebody, &b, &err), 0);
	assert_int_equal(b.slot, first);
	(void)job_dirs_destroy(&b, &err);
	job_dirs_close(&b);
}

static void reaping_removes_the_dead_job_and_leaves_the_living_one_S_03(void **state)
{
	(void)state;
	struct job_dirs living = JOB_DIRS_NONE, dead = JOB_DIRS_NONE;
	struct dd_err err = { 0 };
	int fd = -1;

	assert_int_equal(job_dirs_make(state_dir, &somebody, &living, &err), 0);
	/* a job whose processes are all killed: nothing of it holds the lock any more */
	pid_t pid = fork();
	if (pid == 0) {
		if (job_dirs_make(state_dir, &somebody, &dead, &err) < 0 ||
		    job_dirs_sub(&dead, "work", 0755, &fd, &err) < 0 ||
		    openat(fd, "left behind", O_CREAT | O_WRONLY, 0600) < 0 ||
		    symlinkat("/etc", fd, "link") < 0)
			_exit(1);
		_exit(0);
	}
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	/* Reaped by another process: flock(2) belongs to the open file, and ours would be granted
	 * to us again. */
	pid = fork();
	if (pid == 0) {
		job_dirs_close(&living);
		_exit(job_dirs_reap(state_dir, &somebody, NULL, &err));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_true(exists(living.root));
	assert_int_equal(job_dirs_reap(state_dir, &somebody, NULL, &err), 0);
	assert_true(exists("/etc/passwd"));
	(void)job_dirs_destroy(&living, &err);
	job_dirs_close(&living);
}

static void a_directory_that_is_just_being_made_is_left_alone(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	char jobs[100], making[120];

	(void)snprintf(jobs, sizeof(jobs), "%s/jobs", state_dir);
	(void)snprintf(making, sizeof(making), "%s/.half", jobs);
	assert_int_equal(mkdir(jobs, 0700), 0);
	assert_int_equal(mkdir(making, 0700), 0);
	assert_int_equal(job_dirs_reap(state_dir, &somebody, NULL, &err), 0);
	assert_true(exists(making));
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	assert_int_equal(utimensat(AT_FDCWD, making, old, 0), 0);
	assert_int_equal(job_dirs_reap(state_dir, &somebody, NULL, &err), 1);
	assert_false(exists(making));
}

/* A job without a lock file is dead to everybody: a start that comes while a large tree is removed
 * would remove it as well, and both would fail. */
static void the_lock_is_the_last_that_is_removed(void **state)
{
	(void)state;
	struct job_dirs dirs = JOB_DIRS_NONE;
	struct dd_err err = { 0 };
	_Alignas(struct inotify_event) char buf[8192];
	char last[64] = "";
	static const char *const names[] = { "a", "home", "lock-step", "work", "zz" };

	assert_int_equal(job_dirs_make(state_dir, &somebody, &dirs, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int fd = -1;
		assert_int_equal(job_dirs_sub(&dirs, names[i], 0755, &fd, &err), 0);
		dd_close(fd);
	}
	dd_auto_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(inotify_add_watch(watch, dirs.root, IN_DELETE) >= 0);
	assert_int_equal(job_dirs_destroy(&dirs, &err), 0);
	unsigned n = 0;
	for (ssize_t len; (len = read(watch, buf, sizeof(buf))) > 0;) {
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *e = (const void *)(buf + at);
			if (e->mask & IN_DELETE) {
				n++;
				(void)snprintf(last, sizeof(last), "%s", e->name);
			}
			at += (ssize_t)sizeof(*e) + e->len;
		}
	}
	assert_int_equal(n, ARRAY_LEN(names) + 1);
	assert_string_equal(last, "lock");
	job_dirs_close(&dirs);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_state_directories_of_one_user_share_no_slot,
		                                make_state, drop_state),
		cmocka_unit_test_setup_teardown(slots_that_others_may_write_are_refused_by_name,
		                                make_state, drop_state),
		cmocka_unit_test_setup_teardown(two_jobs_share_neither_directory_nor_slot,
		                                make_state, drop_state),
		cmocka_unit_test_setup_teardown(a_slot_is_free_again_when_its_job_is_closed,
		                                make_state, drop_state),
		cmocka_unit_test_setup_teardown(
			reaping_removes_the_dead_job_and_leaves_the_living_one_S_03, make_state,
			drop_state),
		cmocka_unit_test_setup_teardown(the_lock_is_the_last_that_is_removed, make_state,
		                                drop_state),
		cmocka_unit_test_setup_teardown(a_directory_that_is_just_being_made_is_left_alone,
		                                make_state, drop_state),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("job_dirs", tests, NULL, NULL);
}
