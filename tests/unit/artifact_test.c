// SPDX-License-Identifier: Apache-2.0
/* artifact_test.c - only the recorded bytes of a regular file are handed out (A-09, A-11, F-03). */
#include "runner/tree/workspace.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>

static char top[64];
static int from = -1, to = -1;
static struct dd_err err;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/drydock-ws-XXXXXX");
	memset(&err, 0, sizeof(err));
	if (!mkdtemp(top))
		return -1;
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(fd, "from", 0755) < 0 || mkdirat(fd, "to", 0755) < 0)
		return -1;
	from = openat(fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	return from < 0 || to < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = tree_remove(fd, &err);
	close(fd);
	close(from);
	close(to);
	return r == 0 ? rmdir(top) : -1;
}

static void put(const char *name, const char *text)
{
	int fd = openat(from, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#define HELLO                                                                                      \
	"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" /* sha256 of "hello" */

static int copy(const char *path)
{
	return artifact_copy(from, to, path, HELLO, (struct tree_owner){ 0 }, &err);
}

static void a_file_with_the_recorded_digest_arrives_in_its_directory(void **state)
{
	(void)state;
	char buf[8] = "";
	assert_return_code(mkdirat(from, "d", 0755), errno);
	put("d/a", "hello");
	assert_int_equal(copy("d/a"), 0);
	int fd = openat(to, "d/a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	close(fd);
	assert_string_equal(buf, "hello");
}

static void a_file_of_an_earlier_run_is_replaced_and_nothing_else_is(void **state)
{
	(void)state;
	struct stat st;
	put("a", "hello");
	assert_return_code(fchmodat(from, "a", 07777, 0), errno);
	assert_int_equal(copy("a"), 0);
	assert_int_equal(copy("a"), 0);
	assert_return_code(fstatat(to, "a", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_return_code(unlinkat(to, "a", 0), errno);
	assert_return_code(symlinkat("elsewhere", to, "a"), errno);
	assert_int_equal(copy("a"), -EEXIST);
	assert_int_equal(faccessat(to, "elsewhere", F_OK, 0), -1);
}

static void a_changed_file_is_refused_and_leaves_nothing(void **state)
{
	(void)state;
	put("a", "hellO");
	assert_int_equal(copy("a"), -EBADMSG);
	assert_int_equal(faccessat(to, "a", F_OK, 0), -1);
}

static void anything_but_a_regular_file_is_refused_without_blocking(void **state)
{
	(void)state;
	assert_return_code(mkfifoat(from, "fifo", 0644), errno);
	assert_int_equal(copy("fifo"), -EINVAL);
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	assert_int_equal(copy("d"), -EINVAL);
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(artifact_copy(proc, to, "self/status", HELLO, (struct tree_owner){ 0 }, &err) <
	            0);
	close(proc);
}

static void links_and_dots_lead_nowhere(void **state)
{
	(void)state;
	put("a", "hello");
	assert_return_code(symlinkat("a", from, "l"), errno);
	assert_return_code(symlinkat(".", from, "d"), errno);
	assert_true(copy("l") < 0);
	assert_int_equal(copy("d/a"), -ELOOP);
	static const char *const bad[] = { "", "/a", "a/", "./a", "../from/a", "x/../a", "a//b" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(copy(bad[i]), -EINVAL);
	assert_return_code(symlinkat("../from", to, "sub"), errno);
	assert_int_equal(mkdirat(from, "sub", 0755), 0);
	put("sub/a", "hello");
	assert_true(copy("sub/a") < 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_file_with_the_recorded_digest_arrives_in_its_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_of_an_earlier_run_is_replaced_and_nothing_else_is, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_file_is_refused_and_leaves_nothing, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			anything_but_a_regular_file_is_refused_without_blocking, setup, teardown),
		cmocka_unit_test_setup_teardown(links_and_dots_lead_nowhere, setup, teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
