// SPDX-License-Identifier: Apache-2.0
/* egress_spent_test.c - budgets are counted by account, each name once, within bounds. */
#include "drydock/egress_spent.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct egress_entry entries[] = {
	{ .host = "a.test", .port = 443, .account = 0 },
	{ .host = "b.test", .port = 443, .account = 2 },
	{ .host = "c.test", .port = 443, .account = 2 },
	{ .host = "lie.test", .port = 443, .account = UINT_MAX },
};
static const struct egress_list list = { .entries = entries, .n = ARRAY_LEN(entries) };

static void bytes_add_up_by_account_and_never_wrap(void **state)
{
	(void)state;
	struct egress_spent *s = egress_spent_new(&list);
	assert_non_null(s);
	egress_spent_add(s, 2, 100);
	egress_spent_add(s, 2, 50);
	assert_int_equal(egress_spent_bytes(s, 2), 150);
	assert_int_equal(egress_spent_bytes(s, 0), 0);
	egress_spent_add(s, 2, UINT64_MAX);
	assert_true(egress_spent_bytes(s, 2) == UINT64_MAX);
	egress_spent_free(s);
}

static void an_account_that_the_list_has_not_is_used_up(void **state)
{
	(void)state;
	struct egress_spent *s = egress_spent_new(&list);
	assert_int_equal(egress_accounts(&list), 3);
	assert_true(egress_spent_bytes(s, 3) == UINT64_MAX);
	assert_true(egress_spent_bytes(s, UINT_MAX) == UINT64_MAX);
	assert_int_equal(egress_spent_names(s, UINT_MAX), UINT_MAX);
	assert_int_equal(egress_spent_count(s, UINT_MAX, "a.test"), -EINVAL);
	egress_spent_add(s, UINT_MAX, 5); /* nowhere */
	egress_spent_free(s);
}

static void a_name_counts_once_and_in_its_account_only(void **state)
{
	(void)state;
	struct egress_spent *s = egress_spent_new(&list);
	char name[40];
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < 5000; i++) {
			(void)snprintf(name, sizeof(name), "n%u.test", i);
			assert_int_equal(egress_spent_has(s, 0, name), round > 0);
			assert_int_equal(egress_spent_count(s, 0, name), 0);
			assert_false(egress_spent_has(s, 2, name));
		}
	assert_int_equal(egress_spent_names(s, 0), 5000);
	assert_int_equal(egress_spent_names(s, 2), 0);
	egress_spent_free(s);
}

static void there_is_a_bound_on_names_and_what_is_known_stays_known(void **state)
{
	(void)state;
	struct egress_spent *s = egress_spent_new(&list);
	char name[40];
	for (unsigned i = 0; i < EGRESS_SPENT_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u.test", i);
		assert_int_equal(egress_spent_count(s, i % 2 ? 2 : 0, name), 0);
	}
	assert_int_equal(egress_spent_count(s, 0, "more.test"), -ENOSPC);
	assert_int_equal(egress_spent_count(s, 0, "n0.test"), 0);
	egress_spent_free(s);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_add_up_by_account_and_never_wrap),
		cmocka_unit_test(an_account_that_the_list_has_not_is_used_up),
		cmocka_unit_test(a_name_counts_once_and_in_its_account_only),
		cmocka_unit_test(there_is_a_bound_on_names_and_what_is_known_stays_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
