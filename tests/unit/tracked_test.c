// SPDX-License-Identifier: Apache-2.0
/* tracked_test.c - reads indexes that git wrote, and refuses damaged ones. */
#include "runner/tree/git_index.h"
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
	assert_int_equal(tracked_load(from, m, false, &t, &err), 0);
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
	struct git_index index = { .n = 0 };
	for (ssize_t i = 0; i < n; i++) {
		bytes[i] ^= 0x41;
		assert_int_equal(git_index_parse(bytes, (size_t)n, &index, &err), -EBADMSG);
		assert_int_equal(git_index_parse(bytes, (size_t)i, &index, &err), -EBADMSG);
		bytes[i] ^= 0x41;
	}
	assert_int_equal(index.n, 0);
}

/* F-18 */
static void a_damaged_index_tracks_everything(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src && truncate -s -9 .git/index");
	assert_tracked("damaged");
	git("truncate -s 0 .git/index");
	assert_tracked("damaged");
	git("rm .git/index && mkfifo .git/index");
	assert_tracked("damaged");
}

static void an_empty_index_tracks_everything(void **state)
{
	(void)state;
	git(FILES " && git init -q . && git add src && git rm -rq --cached src");
	assert_tracked("empty");
}

static void an_index_of_another_tree_tracks_everything(void **state)
{
	(void)state;
	git(FILES " && git init -q . && cp src/main.c x && cp x y && cp x z && git add x y z "
	          "src/main.h && rm x y z");
	assert_tracked("of another tree");
}

static void files_that_were_deleted_since_change_nothing(void **state)
{
	(void)state;
	git(FILES " && git init -q . && touch x && git add src x && rm x");
	struct manifest *m = NULL;
	struct tracked *t = NULL;
	assert_int_equal(manifest_scan(from, NULL, &m, &err), 0);
	assert_int_equal(tracked_load(from, m, false, &t, &err), 0);
	assert_null(tracked_note(t));
	assert_true(tracked_has(t, "x"));
	tracked_free(t);
	manifest_free(m);
}

static void what_git_wrote_down_of_a_file_is_read(void **state)
{
	(void)state;
	struct git_index index;
	struct stat st;
	git(FILES " && git init -q . && git add src");
	int fd = openat(from, ".git/index", O_RDONLY | O_CLOEXEC);
	assert_int_equal(git_index_read(fd, &index, &err), 0);
	close(fd);
	assert_int_equal(fstatat(from, "src/main.c", &st, 0), 0);
	size_t i = git_index_find(&index, "src/main.c");
	assert_string_equal(index.entries[i].path, "src/main.c");
	assert_int_equal(index.entries[i].mtime_sec, (uint32_t)st.st_mtim.tv_sec);
	assert_int_equal(index.entries[i].ctime_nsec, (uint32_t)st.st_ctim.tv_nsec);
	assert_int_equal(index.entries[i].ino, (uint32_t)st.st_ino);
	assert_int_equal(index.entries[i].size, 2);
	assert_int_equal(index.entries[i].mode, 0100644);
	assert_int_equal(index.oid_len, 20);
	/* git hash-object of "a\n" */
	assert_memory_equal(index.entries[i].oid, "\x78\x98\x19\x22", 4);
	git_index_done(&index);
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
		T(a_damaged_index_tracks_everything),
		T(an_empty_index_tracks_everything),
		T(an_index_of_another_tree_tracks_everything),
		T(files_that_were_deleted_since_change_nothing),
		T(what_git_wrote_down_of_a_file_is_read),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
