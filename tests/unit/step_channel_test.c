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

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_a_step_left_is_read_whole),
		T(nothing_is_followed_waited_for_or_taken_in_part),
		T(a_channel_whose_directory_is_gone_leaves_nothing),
		T(the_largest_file_fits),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
