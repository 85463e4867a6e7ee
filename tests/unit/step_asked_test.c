// SPDX-License-Identifier: Apache-2.0
/* step_asked_test.c - how fast the questions of a step's system call filter are answered. */
#include "runner/job/step_asked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct step_asked a; /* large */

/* How many questions are answered in @ms when a step always has one more. */
static unsigned answered_within(int64_t from, int64_t ms)
{
	unsigned n = 0;
	for (int64_t now = from; now < from + ms;) {
		int wait = step_asked_wait(&a, now);
		now += wait;
		if (wait)
			continue;
		a.credit -= 100;
		n += 100;
		if (n % 1000 == 0)
			now++; /* what answering takes */
	}
	return n;
}

static void a_program_that_tries_now_and_then_never_waits(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	for (int64_t now = 1000; now < 20000; now += 10) {
		assert_int_equal(step_asked_wait(&a, now), 0);
		a.credit -= 200;
	}
}

static void a_flood_gets_its_share_and_no_more(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	unsigned first = answered_within(1000, 1000), later = answered_within(2000, 10000);
	assert_in_range(first, 90000, 110000);
	assert_in_range(later, 450000, 550000);
}

static void who_was_quiet_for_a_second_may_try_much_again(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	(void)answered_within(1000, 3000);
	assert_true(step_asked_wait(&a, 4000) > 0 || a.credit < 5000);
	assert_int_equal(step_asked_wait(&a, 5100), 0);
	assert_true(a.credit >= 49000 && a.credit <= 50000);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_tries_now_and_then_never_waits),
		cmocka_unit_test(a_flood_gets_its_share_and_no_more),
		cmocka_unit_test(who_was_quiet_for_a_second_may_try_much_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
