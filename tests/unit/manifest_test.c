// SPDX-License-Identifier: Apache-2.0
/* manifest_test.c - no change of a file escapes the comparison of two scans. */
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

static char told[4096];

static int tell(void *arg, enum manifest_change what, const char *path, uint64_t size,
                const char *sha256)
{
	(void)arg;
	(void)size;
	(void)sha256;
	size_t n = strlen(told);
	(void)snprintf(told + n, sizeof(told) - n, "%c%s ", " +~-"[what], path);
	return 0;
}

static struct manifest *scan(const struct manifest *before)
{
	struct manifest *m = NULL;
	assert_int_equal(manifest_scan(from, before, &m, &err), 0);
	return m;
}

static void changes_are_told_in_path_order(void **state)
{
	(void)state;
	put("a", "1");
	put("b", "1");
	put("c", "1");
	struct manifest *one = scan(NULL);
	put("b", "2"); /* same size, same tick of the clock perhaps: still seen */
	assert_return_code(unlinkat(from, "c", 0), errno);
	assert_return_code(mkfifoat(from, "fifo", 0644), errno);
	assert_return_code(symlinkat("/etc", from, "a2"), errno);
	struct manifest *two = scan(one);
	told[0] = '\0';
	assert_int_equal(manifest_diff(one, two, tell, NULL), 0);
	assert_string_equal(told, "+a2 ~b -c +fifo ");
	assert_string_not_equal(manifest_digest(one), manifest_digest(two));
	manifest_free(one);
	manifest_free(two);
}

static void a_change_that_hides_its_mtime_is_seen(void **state)
{
	(void)state;
	struct stat st;
	put("a", "1");
	assert_return_code(fstatat(from, "a", &st, 0), errno);
	struct manifest *one = scan(NULL);
	put("a", "2");
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	assert_return_code(utimensat(from, "a", times, 0), errno);
	struct manifest *two = scan(one);
	told[0] = '\0';
	assert_int_equal(manifest_diff(one, two, tell, NULL), 0);
	assert_string_equal(told, "~a ");
	manifest_free(one);
	manifest_free(two);
}

static void a_file_is_found_with_its_digest_and_a_link_is_not_a_file(void **state)
{
	(void)state;
	const char *sha = NULL;
	uint64_t size = 0;
	put("a", "hello");
	assert_return_code(symlinkat("a", from, "l"), errno);
	struct manifest *m = scan(NULL), *again = scan(m);
	assert_int_equal(manifest_find(m, "a", &sha, &size), 0);
	assert_string_equal(sha,
	                    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_int_equal(size, 5);
	assert_int_equal(manifest_find(m, "l", &sha, &size), -ENOENT);
	assert_string_equal(manifest_digest(m), manifest_digest(again));
	manifest_free(m);
	manifest_free(again);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_are_told_in_path_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_that_hides_its_mtime_is_seen, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			a_file_is_found_with_its_digest_and_a_link_is_not_a_file, setup, teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
