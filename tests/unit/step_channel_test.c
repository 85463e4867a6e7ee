// SPDX-License-Identifier: Apache-2.0
/* step_channel_test.c - what stands where a step should have left a file is handed on whole or not
 * at all, and nothing is followed or waited for. */
#include "runner/job/step_channel.h"

#include "drydock/fd.h"
#include "runner/job/job.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = { "output", "env", NULL };
static const struct recipe recipe = { .name = "a step", .channel = names };
static const struct job_step step = { .recipe = &recipe, .number = 3 };
static const struct identity single = { .mode = IDENTITY_SINGLE };
static char where[] = "/tmp/dd-channel-XXXXXX";
static struct job job;
static struct dd_err err;

static int setup(void **state)
{
	(void)state;
	memcpy(where, "/tmp/dd-channel-XXXXXX", sizeof(where));
	if (!mkdtemp(where))
		return -1;
	job = (struct job){ .id = &single, .dirs = JOB_DIRS_NONE };
	job.dirs.root_fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char dir[600];
	return step_channel_make(&job, &step, dir, &err);
}

static int teardown(void **state)
{
	(void)state;
	(void)unlinkat(job.dirs.root_fd, "channel", 0); /* where a test made it a link */
	int r = job_dirs_drop(&job.dirs, "channel", &err);
	dd_close_p(&job.dirs.root_fd);
	return rmdir(where) < 0 ? -1 : r;
}

/* Run @command in the directory of the channel, as the step might have. */
static void leave(const char *command)
{
	char whole[400];
	(void)snprintf(whole, sizeof(whole), "cd %s/channel && %s", where, command);
	assert_int_equal(system(whole), 0); /* NOLINT(cert-env33-c) */
}

static struct step_left left_now(void)
{
	struct step_left left = { .n = 0 };
	step_channel_read(&job, &step, &left);
	assert_int_equal(left.n, 2);
	return left;
}

static void what_a_step_left_is_read_whole(void **state)
{
	(void)state;
	leave("printf 'a=1\\nb=2\\n' >output");
	struct step_left left = left_now();
	assert_string_equal(left.files[0].name, "output");
	assert_string_equal(left.files[0].bytes, "a=1\nb=2\n");
	assert_int_equal(left.files[0].len, 8);
	/* an empty file is nothing, and not missing */
	assert_string_equal(left.files[1].bytes, "");
	assert_string_equal(left.files[1].why, "");
	step_left_done(&left);
	assert_int_equal(left.n, 0);
}

static void nothing_is_followed_waited_for_or_taken_in_part(void **state)
{
	(void)state;
	static const struct {
		const char *command, *why;
	} rows[] = {
		{ "rm output", "removed it" },
		{ "ln -sf /etc/passwd output", "a link" },
		{ "ln -sfn . output", "a link" },
		{ "rm output; mkfifo output", "no regular file" },
		{ "rm output; mkdir output", "no regular file" },
		{ "truncate -s 1048577 output", "1048577 bytes, more than 1048576" },
		{ "truncate -s 1T output", "bytes, more than" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		leave(rows[i].command);
		struct step_left left = left_now();
		assert_null(left.files[0].bytes);
		assert_non_null(strstr(left.files[0].why, rows[i].why));
		assert_non_null(left.files[1].bytes); /* the other one is its own matter */
		step_left_done(&left);
		leave("rm -rf output && : >output");
	}
}

static void a_channel_whose_directory_is_gone_leaves_nothing(void **state)
{
	(void)state;
	leave("cd .. && rm -rf channel && ln -s /etc channel");
	struct step_left left = left_now();
	for (size_t i = 0; i < left.n; i++) {
		assert_null(left.files[i].bytes);
		assert_non_null(strstr(left.files[i].why, "gone"));
	}
	step_left_done(&left);
}

static void the_largest_file_fits(void **state)
{
	(void)state;
	leave("head -c 1048576 /dev/zero >env");
	struct step_left left = left_now();
	assert_int_equal(left.files[1].len, STEP_CHANNEL_BYTES_MAX);
	step_left_done(&left);
}

static ino_t inode_of(const char *name, struct stat *st)
{
	char path[100];
	(void)snprintf(path, sizeof(path), "channel/%s", name);
	assert_int_equal(fstatat(job.dirs.root_fd, path, st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st->st_mode));
	assert_int_equal(st->st_mode & 07777, 0600);
	assert_int_equal(st->st_size, 0);
	assert_int_equal(st->st_nlink, 1);
	return st->st_ino;
}

/* Whatever the step before did. @phase: of that step and of this one. True: "output" is the file
 * that it was. */
static bool next_step_finds_it_as_new(const char *command, enum dd_phase before,
                                      enum dd_phase phase)
{
	const struct job_step left = { .recipe = &recipe, .number = 3, .phase = before },
			      next = { .recipe = &recipe, .number = 4, .phase = phase };
	struct stat st;
	char dir[600];

	ino_t was = inode_of("output", &st);
	leave(command);
	assert_int_equal(step_channel_clear(&job, &left, &err), 0);
	assert_int_equal(step_channel_make(&job, &next, dir, &err), 0);
	leave("test \"$(ls -A | tr '\\n' ' ')\" = 'env output '");
	(void)inode_of("env", &st);
	return inode_of("output", &st) == was;
}

static void the_next_step_finds_its_files_empty_and_as_they_were_made(void **state)
{
	static const struct {
		const char *command;
		bool stays;
	} rows[] = {
		{ "echo a secret >output", true },
		{ "truncate -s 1T output", true },
		{ "chmod 666 output", false },
		{ "ln output more", false },
		{ ": >more", false },
		{ ": >.more", false },
		{ "mkdir more; : >more/x", false },
		{ "mkfifo more", false },
		{ "mv output was; ln -s was output", false },
		{ "mv output was; mkfifo output", false },
		{ "mv output was; mkdir output", false },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool same = next_step_finds_it_as_new(rows[i].command, DD_PHASE_BUILD,
		                                      DD_PHASE_BUILD);
		/* a new file may get an old number; an old one keeps it */
		if (!same && rows[i].stays)
			fail_msg("%s: made anew", rows[i].command);
	}
}

/* Attributes and times of a file would be a way from the one trust to the other. */
static void no_file_goes_from_a_build_step_to_a_push_step_or_back(void **state)
{
	static const enum dd_phase rows[][2] = { { DD_PHASE_BUILD, DD_PHASE_PUSH },
		                                 { DD_PHASE_PUSH, DD_PHASE_BUILD } };
	struct stat st;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		leave("touch -d 2001-01-01 output env");
		(void)next_step_finds_it_as_new("touch -d 2001-01-01 output env", rows[i][0],
		                                rows[i][1]);
		(void)inode_of("output", &st);
		assert_true(st.st_ctime - st.st_atime < 1000); /* not of 2001 */
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_a_step_left_is_read_whole),
		T(nothing_is_followed_waited_for_or_taken_in_part),
		T(a_channel_whose_directory_is_gone_leaves_nothing),
		T(the_largest_file_fits),
		T(the_next_step_finds_its_files_empty_and_as_they_were_made),
		T(no_file_goes_from_a_build_step_to_a_push_step_or_back),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
