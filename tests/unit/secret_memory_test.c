// SPDX-License-Identifier: Apache-2.0
/* secret_memory_test.c - secrets stay out of children, out of the swap, and out of memory after use
 * (C-16). */
#include "runner/lease/secret_memory.h"

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
#include <sys/resource.h>

static struct dd_err err;

static void a_forked_process_sees_zeros(void **state)
{
	(void)state;
	struct secret_memory *sm = NULL;
	assert_int_equal(secret_memory_new(100, &sm, &err), 0);
	char *p = secret_alloc(sm, 10);
	memcpy(p, "topsecret", 10);
	pid_t pid = fork();
	if (pid == 0)
		_exit(p[0] == 0 && p[8] == 0 ? 0 : 1);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(p, "topsecret");
	secret_memory_free(sm);
}

/* AddressSanitizer answers mlock(2) itself and locks nothing. */
#ifdef __SANITIZE_ADDRESS__
enum { CAN_LOCK = 0 };
#else
enum { CAN_LOCK = 1 };
#endif

static int can_lock(void)
{
	if (!CAN_LOCK)
		print_message("# SKIP AddressSanitizer does not lock memory\n");
	return CAN_LOCK;
}

static void the_region_is_locked_and_left_out_of_dumps(void **state)
{
	(void)state;
	if (!can_lock())
		return;
	struct secret_memory *sm = NULL;
	assert_int_equal(secret_memory_new(100, &sm, &err), 0);
	unsigned long at = (unsigned long)(uintptr_t)secret_alloc(sm, 1), from, to;
	bool inside = false, found = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = at >= from && at < to;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " lo") && strstr(line, " dd") && strstr(line, " wf");
	}
	(void)fclose(f);
	assert_true(found);
	secret_memory_free(sm);
}

static void nothing_is_left_in_memory_after_free(void **state)
{
	(void)state;
	struct secret_memory *sm = NULL;
	assert_int_equal(secret_memory_new(100, &sm, &err), 0);
	char *p = secret_alloc(sm, 16), buf[16] = "";
	for (int i = 0; i < 16; i++)
		p[i] = (char)('!' + i * 5);
	secret_memory_free(sm);
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), (off_t)(uintptr_t)p), -1);
	close(fd);
}

static void it_grows_by_what_is_asked_and_says_why_where_it_cannot(void **state)
{
	(void)state;
	struct secret_memory *sm = NULL;
	assert_int_equal(secret_memory_new(4096, &sm, &err), 0);
	char *first = secret_alloc(sm, 4000), *second = secret_alloc(sm, 4000);
	assert_non_null(first);
	assert_non_null(second);
	memset(first, 'a', 4000);
	memset(second, 'b', 4000);
	assert_int_equal(first[3999], 'a');
	char *big = secret_alloc(sm, 300000);
	assert_non_null(big);
	assert_null(secret_alloc(sm, SIZE_MAX));
	assert_true(secret_memory_full(sm, &err) < 0 && err.msg[0]);
	secret_memory_free(sm);
}

static void what_is_given_back_is_wiped_and_given_again(void **state)
{
	(void)state;
	struct secret_memory *sm = NULL;
	assert_int_equal(secret_memory_new(4096, &sm, &err), 0);
	char *p = secret_alloc(sm, 4000);
	memset(p, 'x', 4000);
	secret_shrink(sm, p, 5);
	char *q = secret_alloc(sm, 3000);
	assert_true(q > p && q < p + 64);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(q[i], 0);
	secret_shrink(sm, p, 1); /* something came after it */
	assert_memory_equal(p, "xxxxx", 5);
	secret_memory_free(sm);
}

static void memory_that_cannot_be_locked_is_refused_with_the_remedy(void **state)
{
	(void)state;
	if (!can_lock())
		return;
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		struct secret_memory *sm = NULL;
		if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 ||
		    (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)))
			_exit(2);
		_exit(secret_memory_new(100, &sm, &err) < 0 && !sm &&
		                      strstr(err.msg, "RLIMIT_MEMLOCK")
		              ? 0
		              : 3);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_process_sees_zeros),
		cmocka_unit_test(the_region_is_locked_and_left_out_of_dumps),
		cmocka_unit_test(nothing_is_left_in_memory_after_free),
		cmocka_unit_test(it_grows_by_what_is_asked_and_says_why_where_it_cannot),
		cmocka_unit_test(what_is_given_back_is_wiped_and_given_again),
		cmocka_unit_test(memory_that_cannot_be_locked_is_refused_with_the_remedy),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
