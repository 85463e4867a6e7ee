// SPDX-License-Identifier: Apache-2.0
/* tracked_test.c - reads indexes that git wrote, and refuses damaged ones. */
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

/* git itself makes the index; it runs only here, on a repository of our own. */
static void git(const char *script)
{
	char command[1500];
	(void)snprintf(command, sizeof(command),
	               "cd %s/from && export HOME=%s GIT_CONFIG_NOSYSTEM=1 && git() { command git "
	               "-c protocol.file.allow=always \"$@\"; } && { %s; } >/dev/null 2>&1",
	               top, top, script);
	assert_int_equal(system(command), 0);
}

static void assert_tracked(const char *note)
{
	struct manifest *m = NULL;
	struct tracked *t = NULL;
	assert_int_equal(manifest_scan(from, NULL, &m, &err), 0);
	assert_int_equal(tracked_load(from, m, &t, &err), 0);
	assert_true(tracked_has(t, "src/main.c"));
	assert_true(tracked_has(t, "src/main.h"));
	assert_int_equal(tracked_has(t, "untracked"), note != NULL);
	assert_false(tracked_has(t, ".git/config"));
	assert_int_equal(tracked_count(t), note ? 3 : 2);
	assert_int_equal(tracked_note(t) != NULL, note != NULL);
	if (note)
		assert_non_null(strstr(tracked_note(t), note));
	tracked_free(t);
	manifest_free(m);
}

#define FILES "mkdir src && echo a >src/main.c && echo b >src/main.h && echo c >untracked"

static void version_2_is_read(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src");
	assert_tracked(NULL);
}

static void version_3_with_intent_to_add_is_read(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src/main.c && git add -N src/main.h");
	assert_tracked(NULL);
}

static void version_4_is_read(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src && git update-index --index-version 4");
	assert_tracked(NULL);
}

static void sha256_is_read(void **state)
{
	(void)state;
	git(FILES " && git init -q --object-format=sha256 . && git add src && git update-index "
	          "--index-version 4");
	assert_tracked(NULL);
}

static void without_an_index_everything_is_tracked(void **state)
{
	(void)state;
	git(FILES);
	assert_tracked("no git index");
}

static void a_split_index_tracks_everything(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src && git update-index --split-index");
	assert_tracked("split");
}

static void every_damaged_index_is_refused(void **state)
{
	(void)state;
	static unsigned char bytes[65536];
	git(FILES " && git init -q . && git add src");
	int fd = openat(from, ".git/index", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 100);
	struct tracked *t = NULL;
	for (ssize_t i = 0; i < n; i++) {
		bytes[i] ^= 0x41;
		assert_int_equal(tracked_parse_index(bytes, (size_t)n, &t, &err), -EBADMSG);
		assert_int_equal(tracked_parse_index(bytes, (size_t)i, &t, &err), -EBADMSG);
		bytes[i] ^= 0x41;
	}
	assert_null(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(version_2_is_read),
		T(version_3_with_intent_to_add_is_read),
		T(version_4_is_read),
		T(sha256_is_read),
		T(without_an_index_everything_is_tracked),
		T(a_split_index_tracks_everything),
		T(every_damaged_index_is_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
