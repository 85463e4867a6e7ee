// SPDX-License-Identifier: Apache-2.0
/* probe_test.c - the host probe answers by name, gives a remedy, obeys DRYDOCK_FAULT, and leaves
 * nothing behind. */
#include "drydock/fault.h"
#include "drydock/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

static const struct sandbox_feature *find(const struct sandbox_feature *rows, int n,
                                          const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	fail_msg("no row %s", name);
	/* never reached; the compiler does not know that */
	static const struct sandbox_feature none;
	return &none;
}

static int probe_with_fault(const char *fault, const struct sandbox_feature **ret)
{
	assert_int_equal(setenv("DRYDOCK_FAULT", fault, 1), 0);
	dd_fault_init();
	int n = sandbox_probe(ret, NULL);
	assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
	dd_fault_init();
	assert_true(n > 0);
	return n;
}

/* The doctor's `terminal` and `links` stand in runner/: they only note. */
static void every_row_of_the_probe_is_a_name_that_drydock_fault_knows(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	int n = sandbox_probe_all(&rows, NULL);
	assert_true(n >= 15);
	for (int i = 0; i < n; i++)
		if (!dd_fault_is(rows[i].name, strlen(rows[i].name)))
			fail_msg("%s is not in include/drydock/fault.h", rows[i].name);
}

static void every_row_has_a_need_a_finding_and_a_remedy(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	struct dd_err err = { 0 };
	int n = sandbox_probe(&rows, &err);
	assert_true(n >= 15);
	for (int i = 0; i < n; i++) {
		assert_true(rows[i].name[0] && rows[i].need[0] && rows[i].found[0]);
		assert_non_null(rows[i].remedy);
		assert_true(strlen(rows[i].remedy) > 5);
	}
}

static void what_a_test_of_the_locks_needs_is_found_here(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	int n = sandbox_probe(&rows, NULL);
	assert_true(find(rows, n, "kernel")->present);
	assert_true(find(rows, n, "seccomp")->present);
	if (!find(rows, n, "userns")->present)
		skip(); /* every other row is made in a user namespace */
	assert_true(find(rows, n, "capabilities")->present);
	assert_true(find(rows, n, "namespaces")->present);
	assert_true(find(rows, n, "mount_setattr")->present);
}

static void each_required_feature_can_be_taken_away_by_name(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	int n = sandbox_probe(&rows, NULL);
	char names[32][32];
	int n_names = 0;
	for (int i = 0; i < n && n_names < 32; i++) {
		if (rows[i].required)
			(void)snprintf(names[n_names++], sizeof(names[0]), "%s", rows[i].name);
	}
	for (int i = 0; i < n_names; i++) {
		n = probe_with_fault(names[i], &rows);
		const struct sandbox_feature *f = find(rows, n, names[i]);
		assert_false(f->present);
		assert_non_null(strstr(f->found, "DRYDOCK_FAULT"));
	}
}

static void the_names_of_set_up_points_take_the_row_away_that_needs_them(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	int n = probe_with_fault("netns,no_new_privs", &rows);
	assert_false(find(rows, n, "namespaces")->present);
	assert_false(find(rows, n, "capabilities")->present);
	assert_true(find(rows, n, "seccomp")->present);
}

static void the_probe_leaves_no_child_and_no_lock_on_its_caller(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	assert_true(sandbox_probe(&rows, NULL) > 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void a_caller_without_room_for_the_answer_is_told(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(sandbox_probe(NULL, &err), -EINVAL);
	assert_true(err.msg[0]);
}

static void the_doctor_asks_more_than_a_run_and_nothing_else_differs(void **state)
{
	(void)state;
	const struct sandbox_feature *rows = NULL;
	char names[64][32];
	int n = sandbox_probe(&rows, NULL);
	for (int i = 0; i < n && i < 64; i++)
		(void)snprintf(names[i], sizeof(names[0]), "%s", rows[i].name);
	int all = sandbox_probe_all(&rows, NULL);
	assert_true(all > n);
	for (int i = 0; i < n && i < 64; i++)
		assert_non_null(find(rows, all, names[i])->area);
	for (int i = 0; i < all; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(rows[i].name, rows[k].name);
}

static void the_host_view_is_asked_by_whole_components(void **state)
{
	(void)state;
	const char *why = NULL;
	assert_string_equal(sandbox_view_find("/usr/bin/cc", &why), "/usr");
	assert_non_null(why);
	assert_string_equal(sandbox_view_find("/usr", NULL), "/usr");
	assert_null(sandbox_view_find("/usrlocal", NULL));
	assert_string_equal(sandbox_view_find("/etc/java-17-openjdk/security", NULL), "/etc");
	assert_null(sandbox_view_find("/etc/shadow", NULL));
	assert_null(sandbox_view_find("/etc/ssl/private/key.pem", NULL));
	assert_null(sandbox_view_find("/etc/apt/auth.conf", NULL));
	assert_null(sandbox_view_find("/", NULL));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_probe_is_a_name_that_drydock_fault_knows),
		cmocka_unit_test(every_row_has_a_need_a_finding_and_a_remedy),
		cmocka_unit_test(what_a_test_of_the_locks_needs_is_found_here),
		cmocka_unit_test(each_required_feature_can_be_taken_away_by_name),
		cmocka_unit_test(the_names_of_set_up_points_take_the_row_away_that_needs_them),
		cmocka_unit_test(the_probe_leaves_no_child_and_no_lock_on_its_caller),
		cmocka_unit_test(the_doctor_asks_more_than_a_run_and_nothing_else_differs),
		cmocka_unit_test(the_host_view_is_asked_by_whole_components),
		cmocka_unit_test(a_caller_without_room_for_the_answer_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
