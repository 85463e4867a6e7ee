// SPDX-License-Identifier: Apache-2.0
/* tree_test.c - copies and removes trees that a hostile step could have left, and watches that
 * nothing outside is touched. */
#include "runner/tree/dir_stack.h"
#include "runner/tree/tree_walk.h"
#include "runner/tree/workspace.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static char top[] = "/tmp/drydock-tree-XXXXXX";
static int top_fd = -1, from = -1, to = -1;
static struct dd_err err;

static int make_dir(const char *name)
{
	if (mkdirat(top_fd, name, 0755) < 0)
		return -1;
	return openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int setup(void **state)
{
	(void)state;
	memcpy(top + sizeof(top) - 7, "XXXXXX", 6);
	if (!mkdtemp(top))
		return -1;
	memset(&err, 0, sizeof(err));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	from = make_dir("from");
	to = make_dir("to");
	return top_fd < 0 || from < 0 || to < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	int r = tree_remove(top_fd, &err);
	close(from);
	close(to);
	close(top_fd);
	return r == 0 && rmdir(top) == 0 ? 0 : -1;
}

static void put(int dir, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_return_code(fchmod(fd, mode), errno);
	close(fd);
}

static void assert_text(int dir, const char *name, const char *text)
{
	char buf[4096] = "";
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	close(fd);
	assert_string_equal(buf, text);
}

static bool exists(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct tree_counts copy_or_fail(void)
{
	struct tree_counts counts = { 0 };
	struct tree_owner owner = { .change = false };
	int r = tree_copy(from, to, owner, &counts, &err);
	if (r != 0)
		print_error("%s\n", err.msg);
	assert_int_equal(r, 0);
	return counts;
}

static void files_directories_and_times_arrive(void **state)
{
	(void)state;
	put(from, "a", "hello", 0644);
	put(from, "run", "#!/bin/sh\n", 0755);
	put(from, "empty", "", 0600);
	assert_return_code(mkdirat(from, "d", 0755), errno);
	put(from, "d/b", "deep", 0640);
	const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	assert_return_code(utimensat(from, "d", times, 0), errno);
	struct tree_counts n = copy_or_fail();
	assert_int_equal(n.files, 4);
	assert_int_equal(n.dirs, 1);
	assert_int_equal(n.bytes, 5 + 10 + 4);
	assert_text(to, "a", "hello");
	assert_text(to, "d/b", "deep");
	struct stat st;
	assert_return_code(fstatat(to, "run", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_return_code(fstatat(to, "d", &st, 0), errno);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
}

static void setuid_setgid_and_sticky_bits_are_dropped(void **state)
{
	(void)state;
	put(from, "suid", "x", 06755);
	assert_return_code(mkdirat(from, "sticky", 0755), errno);
	assert_return_code(fchmodat(from, "sticky", 03777, 0), errno);
	(void)copy_or_fail();
	struct stat st;
	assert_return_code(fstatat(to, "suid", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_return_code(fstatat(to, "sticky", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0777);
}

static void symlinks_are_copied_as_links_and_never_followed(void **state)
{
	(void)state;
	assert_return_code(symlinkat("/etc/passwd", from, "passwd"), errno);
	assert_return_code(symlinkat("loop", from, "loop"), errno);
	assert_return_code(symlinkat("..", from, "up"), errno);
	assert_int_equal(copy_or_fail().links, 3);
	char target[64] = "";
	assert_int_equal(readlinkat(to, "passwd", target, sizeof(target)), 11);
	assert_string_equal(target, "/etc/passwd");
}

static void fifos_sockets_and_devices_are_skipped_counted_and_never_opened(void **state)
{
	(void)state;
	assert_return_code(mkfifoat(from, "fifo", 0666), errno);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/from/sock", top);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), errno);
	uint64_t expected = 2;
	if (mknodat(from, "null", S_IFCHR | 0666, makedev(1, 3)) == 0)
		expected++;
	struct tree_counts n = copy_or_fail(); /* would block here on the FIFO */
	close(sock);
	assert_int_equal(n.skipped, expected);
	assert_int_equal(n.files, 0);
	assert_false(exists(to, "fifo"));
	assert_false(exists(to, "null"));
}

static void hard_links_become_files_of_their_own(void **state)
{
	(void)state;
	put(from, "one", "same", 0644);
	assert_return_code(linkat(from, "one", from, "two", 0), errno);
	assert_int_equal(copy_or_fail().files, 2);
	struct stat a, b;
	assert_return_code(fstatat(to, "one", &a, 0), errno);
	assert_return_code(fstatat(to, "two", &b, 0), errno);
	assert_int_not_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 1);
}

static void a_copy_never_overwrites_and_names_what_was_there(void **state)
{
	(void)state;
	put(from, "a\n\x1b[31m", "new", 0644);
	put(to, "a\n\x1b[31m", "old", 0644);
	assert_int_equal(tree_copy(from, to, (struct tree_owner){ 0 }, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "a\\x0a\\x1b[31m"));
	assert_text(to, "a\n\x1b[31m", "old");
}

static void a_planted_link_in_the_destination_is_not_written_through(void **state)
{
	(void)state;
	put(top_fd, "outside", "untouched", 0644);
	put(from, "a", "new", 0644);
	assert_return_code(symlinkat("../outside", to, "a"), errno);
	assert_true(tree_copy(from, to, (struct tree_owner){ 0 }, NULL, &err) < 0);
	assert_text(top_fd, "outside", "untouched");
}

static void the_new_owner_gets_everything(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put(from, "a", "x", 0644);
	assert_return_code(mkdirat(from, "d", 0700), errno);
	assert_return_code(symlinkat("a", from, "l"), errno);
	struct tree_owner owner = { .change = true, .uid = 12345, .gid = 23456 };
	assert_int_equal(tree_copy(from, to, owner, NULL, &err), 0);
	static const char *const names[] = { "a", "d", "l" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;
		assert_return_code(fstatat(to, names[i], &st, AT_SYMLINK_NOFOLLOW), errno);
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 23456);
	}
}

enum { DEEP = 10000 };

/* Built from the inside out with relative descriptors: the path is far longer than PATH_MAX. */
static void build_deep(int dir)
{
	char name[256];
	memset(name, 'n', 255);
	name[255] = '\0';
	name[0] = '\n';
	name[1] = '\x1b';
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEEP; i++) {
		const char *n = i < 40 ? name : "d";
		assert_return_code(mkdirat(fd, n, 0755), errno);
		int next = openat(fd, n, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		if (i % 1000 == 0)
			put(fd, "f", "deep", 0644);
	}
	close(fd);
}

static void a_tree_of_10000_levels_is_copied_and_removed_with_few_descriptors(void **state)
{
	(void)state;
	build_deep(from);
	struct rlimit old, few;
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	few = old;
	few.rlim_cur = 600;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &few), errno);
	struct tree_counts n = { 0 };
	int copied = tree_copy(from, to, (struct tree_owner){ 0 }, &n, &err);
	int removed = tree_remove(from, &err);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	assert_int_equal(copied, 0);
	assert_int_equal(n.dirs, DEEP);
	assert_int_equal(n.files, DEEP / 1000);
	assert_int_equal(removed, 0);
	assert_int_equal(unlinkat(top_fd, "from", AT_REMOVEDIR), 0); /* so it was empty */
}

static int count_visit(void *arg, enum tree_event what, const struct tree_entry *e,
                       struct dd_err *error)
{
	(void)e;
	(void)error;
	*(unsigned *)arg += what == TREE_ENTER;
	return 0;
}

/* the path alone has 2 MB at the end; a walk that builds it for every directory copies 20 GB.
 */
static void the_cost_of_a_walk_grows_with_the_depth_and_not_with_its_square(void **state)
{
	(void)state;
	char name[201];
	unsigned seen = 0;
	memset(name, 'n', 200);
	name[200] = '\0';
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEEP; i++) {
		assert_return_code(mkdirat(fd, name, 0755), errno);
		int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	clock_t start = clock(); /* processor time: other tests run beside this one */
	assert_int_equal(tree_walk(from, 0, count_visit, &seen, &err), 0);
	double took = (double)(clock() - start) / CLOCKS_PER_SEC;
	assert_int_equal(tree_remove(from, &err), 0);
	assert_int_equal(seen, DEEP);
	assert_true(took < 2);
}

static void twenty_thousand_files_are_removed_in_batches(void **state)
{
	(void)state;
	char name[256];
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "%0*d\n\x1b]0;x\x07", 200 + i % 40, i);
		int fd = openat(from, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(copy_or_fail().files, 20000);
	assert_int_equal(tree_remove(from, &err), 0);
	assert_int_equal(unlinkat(top_fd, "from", AT_REMOVEDIR), 0);
}

static void directories_without_permissions_are_removed_too(void **state)
{
	(void)state;
	pid_t pid = fork(); /* as an ordinary user, whom permissions bind */
	if (pid == 0) {
		if (geteuid() == 0 && (fchown(from, 65534, 65534) < 0 || fchmod(top_fd, 0755) < 0 ||
		                       setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		if (mkdirat(from, "locked", 0755) < 0 || mkdirat(from, "locked/inner", 0755) < 0)
			_exit(3);
		if (fchmodat(from, "locked/inner", 0, 0) < 0 || fchmodat(from, "locked", 0, 0) < 0)
			_exit(4);
		_exit(tree_remove(from, &err) == 0 && !exists(from, "locked") ? 0 : 5);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void removing_never_follows_a_link(void **state)
{
	(void)state;
	int outside = make_dir("outside");
	put(outside, "precious", "kept", 0644);
	assert_return_code(symlinkat("../outside", from, "link"), errno);
	assert_int_equal(tree_remove(from, &err), 0);
	assert_false(exists(from, "link"));
	assert_text(outside, "precious", "kept");
	close(outside);
}

static atomic_bool stop_swapping;

/* A directory and a link to the outside change places as fast as they can (F-04). */
static void *swapper(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop_swapping)) {
		(void)mkdirat(from, "victim", 0755);
		(void)mkdirat(from, "victim/sub", 0755);
		int fd = openat(from, "victim/sub/f", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		                0644);
		if (fd >= 0)
			close(fd);
		if (symlinkat("../outside", from, "link") < 0 && errno != EEXIST)
			break;
		for (int i = 0; i < 50; i++)
			(void)renameat2(from, "victim", from, "link", RENAME_EXCHANGE);
	}
	return NULL;
}

/* Looked up without links: the copy may well hold a link, but never what is behind it. */
static bool copied(const char *path)
{
	dd_auto_fd int fd = open_beneath(to, path, O_PATH, 0);
	return fd >= 0;
}

static int outside_names(int fd)
{
	return exists(fd, "sub") + exists(fd, "sub/f") + exists(fd, "precious");
}

static void swapping_a_directory_and_a_link_never_leads_outside(void **state)
{
	(void)state;
	int outside = make_dir("outside");
	assert_return_code(mkdirat(outside, "sub", 0755), errno);
	put(outside, "sub/f", "kept", 0644);
	put(outside, "precious", "kept", 0644);
	pthread_t thread;
	atomic_store(&stop_swapping, false);
	assert_int_equal(pthread_create(&thread, NULL, swapper, NULL), 0);
	bool leaked = false;
	unsigned rounds = 0;
	for (time_t end = time(NULL) + 2; time(NULL) < end && !leaked; rounds++) {
		if (rounds % 4 == 3)
			/* may lose: -EBUSY is an answer, touching the outside is not */
			(void)tree_remove(from, NULL);
		else
			(void)tree_copy(from, to, (struct tree_owner){ 0 }, NULL, NULL);
		leaked = copied("victim/precious") || copied("link/precious") ||
		         outside_names(outside) != 3;
		(void)tree_remove(to, NULL);
	}
	atomic_store(&stop_swapping, true);
	pthread_join(thread, NULL);
	assert_false(leaked);
	assert_true(rounds > 20);
	assert_text(outside, "sub/f", "kept");
	close(outside);
}

static void a_mount_inside_is_neither_copied_nor_removed(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_return_code(mkdirat(from, "mnt", 0755), errno);
	put(from, "mnt/below", "below", 0644);
	pid_t pid = fork();
	if (pid == 0) { /* in a mount namespace of its own, so that nothing stays behind */
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/from/mnt", top);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", path, "tmpfs", 0, NULL) < 0)
			_exit(77);
		(void)snprintf(path, sizeof(path), "%s/from", top);
		/* the old descriptor still looks into the old mount namespace */
		from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		put(from, "mnt/inside", "inside", 0644);
		struct tree_counts n = { 0 };
		if (tree_copy(from, to, (struct tree_owner){ 0 }, &n, &err) != 0 ||
		    n.skipped != 1 || exists(to, "mnt"))
			_exit(2);
		_exit(tree_remove(from, &err) == -EBUSY && exists(from, "mnt/inside") ? 0 : 3);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void opening_beneath_refuses_links_dots_and_absolute_paths(void **state)
{
	(void)state;
	put(top_fd, "outside", "secret", 0644);
	assert_return_code(symlinkat("../outside", from, "l"), errno);
	assert_return_code(symlinkat("..", from, "d"), errno);
	assert_int_equal(open_beneath(from, "l", O_RDONLY, 0), -ELOOP);
	assert_int_equal(open_beneath(from, "d/outside", O_RDONLY, 0), -ELOOP);
	assert_int_equal(open_beneath(from, "../outside", O_RDONLY, 0), -EXDEV);
	assert_int_equal(open_beneath(from, "/etc/passwd", O_RDONLY, 0), -EXDEV);
}

static int fail_when_gone(void *arg, enum tree_event what, const struct tree_entry *e,
                          struct dd_err *e2)
{
	(void)arg;
	(void)e2;
	if (what == TREE_ENTRY && strcmp(e->name, "a") == 0)
		(void)unlinkat(e->dir_fd, "b", 0);
	if (what == TREE_ENTRY && strcmp(e->name, "b") == 0)
		(void)unlinkat(e->dir_fd, "a", 0);
	return 0;
}

static void a_name_that_vanishes_is_an_error_where_nothing_may_change(void **state)
{
	(void)state;
	put(from, "a", "", 0644);
	put(from, "b", "", 0644);
	assert_int_equal(tree_walk(from, 0, fail_when_gone, NULL, &err), -EBUSY);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(files_directories_and_times_arrive),
		T(setuid_setgid_and_sticky_bits_are_dropped),
		T(symlinks_are_copied_as_links_and_never_followed),
		T(fifos_sockets_and_devices_are_skipped_counted_and_never_opened),
		T(hard_links_become_files_of_their_own),
		T(a_copy_never_overwrites_and_names_what_was_there),
		T(a_planted_link_in_the_destination_is_not_written_through),
		T(the_new_owner_gets_everything),
		T(a_tree_of_10000_levels_is_copied_and_removed_with_few_descriptors),
		T(the_cost_of_a_walk_grows_with_the_depth_and_not_with_its_square),
		T(twenty_thousand_files_are_removed_in_batches),
		T(directories_without_permissions_are_removed_too),
		T(removing_never_follows_a_link),
		T(swapping_a_directory_and_a_link_never_leads_outside),
		T(a_mount_inside_is_neither_copied_nor_removed),
		T(opening_beneath_refuses_links_dots_and_absolute_paths),
		T(a_name_that_vanishes_is_an_error_where_nothing_may_change),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
