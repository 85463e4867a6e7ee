// SPDX-License-Identifier: Apache-2.0
/* hash_files_test.c - which files hashFiles chooses, in which order, and what it does about a tree
 * that somebody laid out for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/tree/hash_apart.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "drydock/reader_lock.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/drydock-hash-XXXXXX";
static int root_fd = -1;
static struct dd_err err;

/* Every file holds its own path. */
static const char *const files[] = {
	"B",         "_z",   "a",  "b",         "c/d/x.lock",  "c/x.lock",        "c/y.txt",
	".hidden/h", "n[1]", "n1", "e/.x.lock", "p-lock.json", "sub/p-lock.json",
};

static void make_file(const char *path)
{
	char text[300], *slash;
	(void)snprintf(text, sizeof(text), "%s/%s", root, path);
	for (slash = strchr(text + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(text, 0700);
		*slash = '/';
	}
	FILE *f = fopen(text, "w");
	assert_non_null(f);
	assert_true(fputs(path, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* "a b c": the digest of these files, in this order. */
static const char *digest_of(const char *list)
{
	static char hex[65];
	unsigned char digests[32 * 32], all[32];
	size_t n = 0;
	char *text = strdup(list);

	for (char *save = NULL, *one = strtok_r(text, " ", &save); one;
	     one = strtok_r(NULL, " ", &save))
		(void)SHA256((const unsigned char *)one, strlen(one), digests + 32 * n++);
	hex[0] = '\0';
	(void)SHA256(digests, 32 * n, all);
	for (int i = 0; n && i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)all[i]);
	free(text);
	return hex;
}

/* Both ways: in this process, and in one of its own. */
static int hash(const char *const *patterns, size_t n, bool follow, char hex[65])
{
	const struct hash_files what = {
		.root_path = "/work", .patterns = patterns, .n = n, .follow = follow
	};
	char again[65];
	struct dd_err apart = { 0 };
	int r = tree_hash_files(root_fd, &what, hex, &err);
	assert_int_equal(tree_hash_apart(root_fd, &what, 60000, again, &apart), r);
	if (r < 0)
		assert_string_equal(apart.msg, err.msg);
	else
		assert_string_equal(again, hex);
	return r;
}

static const struct {
	const char *patterns[4];
	const char *want;
} rows[] = {
	{ { "a" }, "a" },
	{ { "b", "a" }, "b a" },
	{ { "*" },
	  ".hidden/h B _z a b c/d/x.lock c/x.lock c/y.txt e/.x.lock n1 n[1] p-lock.json "
	  "sub/p-lock.json" },
	{ { "?" }, "B a b c/d/x.lock c/x.lock c/y.txt e/.x.lock" },
	{ { "[ab]" }, "a b" },
	{ { "[!a-z]*" }, ".hidden/h B _z" },
	{ { "n[1]" }, "n1" },
	{ { "**/x.lock" }, "c/d/x.lock c/x.lock" },
	{ { "**/*x.lock" }, "c/d/x.lock c/x.lock e/.x.lock" },
	{ { "c" }, "c/d/x.lock c/x.lock c/y.txt" },
	{ { "c/" }, "c/d/x.lock c/x.lock c/y.txt" },
	{ { "a/" }, "" },
	{ { "c/**" }, "c/d/x.lock c/x.lock c/y.txt" },
	{ { "c", "!c/d" }, "c/x.lock c/y.txt" },
	{ { "c", "!**/*.lock" }, "c/y.txt" },
	{ { "!c", "c" }, "c/d/x.lock c/x.lock c/y.txt" },
	{ { "c\n!c/d\n# a comment\n\n a " }, "c/x.lock c/y.txt a" },
	{ { "c/d", "c" }, "c/d/x.lock c/x.lock c/y.txt" },
	{ { "**/p-lock.json" }, "p-lock.json sub/p-lock.json" },
	{ { "/work/a", "/work/c/y.txt" }, "a c/y.txt" },
	{ { "/etc/passwd", "../x", "none", "none/**" }, "" },
	{ { ".hidden/*" }, ".hidden/h" },
	{ { "./a" }, "a" },
	{ { "**" },
	  ".hidden/h B _z a b c/d/x.lock c/x.lock c/y.txt e/.x.lock n1 n[1] p-lock.json "
	  "sub/p-lock.json" },
};

static void files_are_chosen_and_ordered_as_github_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char hex[65];
		size_t n = 0;
		while (n < 4 && rows[i].patterns[n])
			n++;
		if (hash(rows[i].patterns, n, false, hex) < 0)
			fail_msg("%s: %s", rows[i].patterns[0], err.msg);
		if (strcmp(hex, digest_of(rows[i].want)) != 0)
			fail_msg("`%s` is not the digest of `%s`", rows[i].patterns[0],
			         rows[i].want);
	}
}

static const struct {
	const char *pattern, *path;
	int fits;
} fits[] = {
	{ "**/a/**/b", "a/b", 1 }, { "**/a/**/b", "x/a/y/z/b", 1 },
	{ "**/a/**/b", "b/a", 0 }, { "a*b*c", "abbc", 1 },
	{ "a*b*c", "abb", 0 },     { "*", "a/b", 1 },
	{ "*.x", ".x", 1 },        { "[", "[", 1 },
	{ "[]]", "]", 1 },         { "[^a]", "b", 1 },
	{ "**", "a", 1 },          { "a/**/**/b", "a/b", 1 },
};

static void patterns_are_names_with_wildcards(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fits); i++)
		if (tree_hash_pattern_fits(fits[i].pattern, fits[i].path) != fits[i].fits)
			fail_msg("%s, %s", fits[i].pattern, fits[i].path);
}

static void expect_error(const char *pattern, const char *text)
{
	char hex[65];
	assert_true(hash(&pattern, 1, false, hex) < 0);
	if (!strstr(err.msg, text))
		fail_msg("%s: %s", pattern, err.msg);
}

static void a_link_is_read_through_inside_only_and_nothing_is_waited_for(void **state)
{
	(void)state;
	const char *const one[] = { "l/in", "l/dir", "l/dir/**" };
	char hex[65];

	assert_int_equal(mkdirat(root_fd, "l", 0700), 0);
	assert_int_equal(symlinkat("../a", root_fd, "l/in"), 0);
	assert_int_equal(symlinkat("../c", root_fd, "l/dir"), 0);
	assert_int_equal(hash(one, 3, false, hex), 0);
	assert_string_equal(hex, digest_of("a"));
	assert_int_equal(symlinkat("/etc/passwd", root_fd, "l/out"), 0);
	assert_int_equal(symlinkat("../../../../etc/passwd", root_fd, "l/out2"), 0);
	assert_int_equal(symlinkat("nowhere", root_fd, "l/dangling"), 0);
	assert_int_equal(symlinkat("loop", root_fd, "l/loop"), 0);
	assert_int_equal(mkfifoat(root_fd, "l/fifo", 0600), 0);
	expect_error("l/out", "out of the workspace");
	expect_error("l/out2", "out of the workspace");
	expect_error("l/dangling", "No such file");
	expect_error("l/loop", "symbolic links");
	expect_error("l/fifo", "no regular file");
}

static void links_to_directories_are_followed_when_asked_once_around(void **state)
{
	(void)state;
	const char *const one[] = { "f/*", "f/**/y.txt" }, *const whole[] = { "f/whole/y.txt" },
			  *const all[] = { "f/whole/*.txt" };
	char hex[65];

	assert_int_equal(mkdirat(root_fd, "f", 0700), 0);
	assert_int_equal(symlinkat("../c", root_fd, "f/c"), 0);
	assert_int_equal(symlinkat("..", root_fd, "f/up"), 0);
	assert_int_equal(symlinkat("nowhere", root_fd, "f/dangling"), 0);
	assert_int_equal(symlinkat("/work/c", root_fd, "f/whole"), 0);
	assert_true(hash(one, 1, false, hex) < 0); /* the link that leads nowhere */
	assert_int_equal(hash(whole, 1, false, hex),
	                 0); /* what a pattern spells out is looked up */
	assert_string_equal(hex, digest_of("c/y.txt"));
	assert_int_equal(hash(whole, 1, true, hex), 0);
	assert_string_equal(hex, digest_of("c/y.txt"));
	assert_int_equal(hash(all, 1, false, hex), 0);
	assert_string_equal(hex, "");
	assert_int_equal(hash(all, 1, true, hex), 0);
	assert_string_equal(hex, digest_of("c/y.txt"));
	assert_int_equal(unlinkat(root_fd, "f/up", 0), 0);
	assert_int_equal(hash(&one[1], 1, true, hex), 0);
	assert_string_equal(hex, digest_of("c/y.txt c/y.txt"));
	assert_int_equal(symlinkat(".", root_fd, "f/loop"), 0);
	assert_int_equal(hash(&one[1], 1, true, hex), 0);
	assert_string_equal(hex, digest_of("c/y.txt c/y.txt"));
	assert_int_equal(symlinkat("/etc", root_fd, "f/out"), 0);
	assert_true(hash(one, 1, true, hex) < 0);
	assert_non_null(strstr(err.msg, "out of the workspace"));
}

static void what_takes_too_long_is_over_when_its_time_is(void **state)
{
	(void)state;
	const char *const one[] = { "big" };
	const struct hash_files what = { .root_path = "/work", .patterns = one, .n = 1 };
	char hex[65];
	dd_auto_fd int fd = openat(root_fd, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, 1LL << 42), 0); /* four terabytes of nothing */
	int64_t before = dd_now_ms();
	assert_int_equal(tree_hash_apart(root_fd, &what, 300, hex, &err), -ETIME);
	assert_true(dd_now_ms() - before < 5000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	assert_int_equal(unlinkat(root_fd, "big", 0), 0);
}

static void the_reader_sees_nothing_but_its_tree(void **state)
{
	(void)state;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		char byte = 'x';
		int before = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (reader_lock(root_fd, (size_t)1 << 40, NULL) < 0)
			_exit(1);
		if (openat(root_fd, "a", O_RDONLY | O_CLOEXEC) < 0 || write(before, &byte, 1) != 1)
			_exit(2);
		if (openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0)
			_exit(3);
		if (openat(root_fd, "a", O_WRONLY | O_CLOEXEC) >= 0 ||
		    openat(root_fd, "made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
			_exit(4);
		if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || fork() >= 0 ||
		    unlinkat(root_fd, "a", 0) == 0 || kill(getppid(), 0) == 0)
			_exit(5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

static void a_pattern_of_many_stars_takes_no_time(void **state)
{
	(void)state;
	const char *const one[] = {
		"**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*/**/**/**/*x*x*x*x*x*x*x"
	};
	char hex[65], name[200];
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	make_file(name);
	assert_int_equal(hash(one, 1, false, hex), 0);
	assert_string_equal(hex, "");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		make_file(files[i]);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[80];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_chosen_and_ordered_as_github_does),
		cmocka_unit_test(patterns_are_names_with_wildcards),
		cmocka_unit_test(a_link_is_read_through_inside_only_and_nothing_is_waited_for),
		cmocka_unit_test(a_pattern_of_many_stars_takes_no_time),
		cmocka_unit_test(links_to_directories_are_followed_when_asked_once_around),
		cmocka_unit_test(what_takes_too_long_is_over_when_its_time_is),
		cmocka_unit_test(the_reader_sees_nothing_but_its_tree),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
