// SPDX-License-Identifier: Apache-2.0
/* record_clock_test.c - what a record says when the host's clock is set under it (V-07). The clock
 * of this program alone is moved: clock_gettime() below is the one that the record asks. */
#include "runner/record/event_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t wall_ms, slept_ms; /* the wall clock is ahead; the machine was suspended */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);
	int64_t add = clock == CLOCK_REALTIME   ? wall_ms + slept_ms
	              : clock == CLOCK_BOOTTIME ? slept_ms
	                                        : 0;
	int64_t ns = ts->tv_sec * 1000000000 + ts->tv_nsec + add * 1000000;
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return r;
}

static char path[64];
static struct record *rec;
static struct record_facts *facts;
static struct dd_err err;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/drydock-clock-XXXXXX");
	int fd = mkstemp(path);
	wall_ms = slept_ms = 0;
	facts = NULL;
	return fd < 0 || close(fd) < 0 || record_open(path, "r", "j", &rec, &err);
}

static int teardown(void **state)
{
	(void)state;
	record_free(rec);
	record_facts_free(facts);
	return unlink(path);
}

static void add(const char *event)
{
	assert_int_equal(record_add(rec, RECORD_BEGINS, NULL, NULL, event, NULL, &err), 0);
}

static void load(void)
{
	if (record_facts_load(path, &facts, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_clock_that_is_set_is_flagged_once_and_monotonic_time_goes_on(void **state)
{
	(void)state;
	add("run.start");
	wall_ms = 3600 * 1000;
	add("policy.narrowed");
	add("policy.narrowed");
	wall_ms = -86400 * 1000;
	add("run.end");
	load();
	assert_int_equal(facts->n_jumps, 2);
	assert_int_equal(facts->jumps[0].at.seq, 2);
	assert_in_range(facts->jumps[0].ms, 3599000, 3601000);
	assert_int_equal(facts->jumps[1].at.seq, 4);
	assert_true(facts->jumps[1].ms < -89000 * 1000 && facts->jumps[1].ms > -91000 * 1000);
	assert_true(facts->end.mono_ns > facts->start.mono_ns);
	assert_true(facts->end.mono_ns - facts->start.mono_ns < 10LL * 1000000000);
	assert_int_equal(record_verify(path, NULL, &err), 0);
}

static void a_clock_that_was_set_before_the_first_line_is_flagged_there(void **state)
{
	(void)state;
	wall_ms = 5000;
	add("run.start");
	load();
	assert_int_equal(facts->n_jumps, 1);
	assert_int_equal(facts->jumps[0].at.seq, 1);
}

static void a_suspended_machine_and_a_slewed_clock_are_no_jumps(void **state)
{
	(void)state;
	add("run.start");
	slept_ms = 3600 * 1000;
	add("policy.narrowed");
	slept_ms += 3600 * 1000;
	wall_ms = 3 * 1000; /* in an hour */
	add("policy.narrowed");
	wall_ms += 900;
	add("run.end");
	load();
	assert_int_equal(facts->n_jumps, 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_clock_that_is_set_is_flagged_once_and_monotonic_time_goes_on),
		T(a_clock_that_was_set_before_the_first_line_is_flagged_there),
		T(a_suspended_machine_and_a_slewed_clock_are_no_jumps),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
