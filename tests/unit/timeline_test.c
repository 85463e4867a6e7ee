// SPDX-License-Identifier: Apache-2.0
/* timeline_test.c - shares of the axis, round ticks, readable times, marks in order, and sums that
 * a hostile record cannot overflow. */
#include "runner/view/timeline.h"

#include "runner/view/record_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEC = 1000000000 };

static void the_axis_reaches_from_the_first_to_the_last_event(void **state)
{
	(void)state;
	struct facts_net net = { .at = { 5, 9LL * SEC } };
	/* did not end */
	struct facts_step step = { .start = { 2, 2LL * SEC }, .net = &net, .n_net = 1 };
	const struct record_facts facts = { .start = { 1, 1LL * SEC },
		                            .steps = &step,
		                            .n_steps = 1 };
	const struct timeline t = timeline_of(&facts);
	assert_true(t.first_ns == 1LL * SEC && t.span_ns == 8LL * SEC);
	assert_true(timeline_step_end(&t, &step) == 9LL * SEC);
	assert_true(timeline_share(&t, 1LL * SEC) == 0 && timeline_share(&t, 5LL * SEC) == 0.5 &&
	            timeline_share(&t, 9LL * SEC) == 1);
	assert_true(timeline_share(&t, INT64_MIN) == 0 && timeline_share(&t, INT64_MAX) == 1);
}

static void a_clock_that_says_nonsense_leaves_an_axis(void **state)
{
	(void)state;
	const struct record_facts wild = { .start = { 1, INT64_MIN }, .end = { 2, INT64_MAX } };
	const struct record_facts still = { .start = { 1, 7 }, .end = { 2, 7 } };
	assert_true(timeline_of(&wild).span_ns >= 1);
	assert_true(timeline_of(&still).span_ns == 1);
}

static void ticks_are_round_and_few(void **state)
{
	(void)state;
	static const struct tick_row {
		double span, step;
	} rows[] = { { 5.2, 1 }, { 0.04, 0.01 }, { 61, 15 }, { 3700, 900 }, { 100000, 43200 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct timeline t = { .span_ns = (int64_t)(rows[i].span * SEC) };
		double ticks[TIMELINE_TICKS_MAX];
		size_t n = timeline_ticks(&t, 6, ticks);
		assert_true(n >= 2 && n <= 6);
		assert_true(ticks[0] == 0);
		if (ticks[1] != rows[i].step)
			fail_msg("span %g: step %g, not %g", rows[i].span, ticks[1], rows[i].step);
		assert_true(ticks[n - 1] <= rows[i].span);
	}
	double ticks[TIMELINE_TICKS_MAX];
	const struct timeline endless = { .span_ns = INT64_MAX };
	assert_true(timeline_ticks(&endless, 6, ticks) <= 6);
	assert_int_equal(timeline_ticks(&endless, 0, ticks), 0);
}

static void times_are_read_aloud(void **state)
{
	(void)state;
	static const struct time_row {
		double sec;
		const char *text;
	} rows[] = { { 0, "0 s" },         { 0.007, "7 ms" },     { 0.9999, "1 s" },
		     { 1.508, "1.51 s" },  { 59.6, "60 s" },      { 130, "2 min 10 s" },
		     { 180, "3 min" },     { 7500, "2 h 5 min" }, { -1, "?" },
		     { 1e30, "very long" } };
	char buf[32];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(timeline_time(rows[i].sec, buf), rows[i].text);
}

static void marks_stand_in_the_order_of_the_record(void **state)
{
	(void)state;
	struct facts_net net[] = {
		{ .at = { 4, 1 },
		  .kind = FACTS_CONNECTED,
		  .host = "a.test",
		  .port = 443,
		  .process.pid = FACTS_ABSENT,
		  .count = FACTS_ABSENT },
		{ .at = { 9, 2 },
		  .kind = FACTS_NAME_REFUSED,
		  .host = "b.test",
		  .count = 3,
		  .process = { true, 7, "curl", "curl b.test" } },
		/* an answer is no event for the eye */
		{ .at = { 6, 2 },
		  .kind = FACTS_RESOLVED,
		  .host = "c.test",
		  .process.pid = FACTS_ABSENT },
		{ .at = { 7, 2 },
		  .kind = FACTS_CONNECTED,
		  .host = "",
		  .address = "2a0a::1",
		  .port = 80,
		  .would_deny = true,
		  .process.pid = FACTS_ABSENT },
	};
	struct facts_violation violation = { .at = { 8, 3 },
		                             .kind = "budget",
		                             .subject = "a.test",
		                             .port = 443,
		                             .consequence = "connection cut" };
	struct facts_syscall call = {
		.at = { 5, 1 }, .name = "ptrace", .answer = "EPERM", .process.pid = FACTS_ABSENT
	};
	const struct facts_step step = { .net = net,
		                         .n_net = ARRAY_LEN(net),
		                         .violations = &violation,
		                         .n_violations = 1,
		                         .calls = &call,
		                         .n_calls = 1 };
	static const struct {
		uint64_t seq;
		enum timeline_mark_kind kind;
		const char *what;
	} want[] = { { 4, TIMELINE_CONNECTED, "tcp a.test:443" },
		     { 5, TIMELINE_REFUSED, "system call ptrace" },
		     { 7, TIMELINE_WOULD, "tcp [2a0a::1]:80" },
		     { 8, TIMELINE_VIOLATION, "budget a.test:443" },
		     { 9, TIMELINE_REFUSED, "name b.test" } };
	struct timeline_mark *marks = NULL;
	size_t n = 0;
	assert_int_equal(timeline_marks(&step, &marks, &n, NULL), 0);
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++) {
		assert_true(marks[i].seq == want[i].seq && marks[i].kind == want[i].kind);
		assert_string_equal(marks[i].what, want[i].what);
		assert_non_null(marks[i].why);
	}
	assert_string_equal(marks[4].who, "curl (curl b.test)");
	assert_true(marks[4].count == 3);
	free(marks);
}

static void what_an_observed_run_let_through_is_no_refusal(void **state)
{
	(void)state;
	/* Tried and not reached: enforcing would not have tried. */
	struct facts_net net = { .at = { 4, 1 },
		                 .kind = FACTS_REFUSED,
		                 .host = "a.test",
		                 .port = 443,
		                 .would_deny = true,
		                 .process.pid = FACTS_ABSENT };
	struct facts_violation violation = { .at = { 5, 1 },
		                             .kind = "budget",
		                             .subject = "a.test",
		                             .consequence = "none: observing" };
	const struct facts_step step = {
		.net = &net, .n_net = 1, .violations = &violation, .n_violations = 1
	};
	struct timeline_mark *marks = NULL;
	size_t n = 0;
	assert_int_equal(timeline_marks(&step, &marks, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_true(marks[0].kind == TIMELINE_WOULD && marks[1].kind == TIMELINE_WOULD);
	free(marks);
	const struct timeline_totals t = timeline_totals(&step);
	assert_true(t.would == 1 && t.refused == 0);
}

static void equal_refusals_of_a_step_are_one_row(void **state)
{
	(void)state;
	struct facts_net net[] = {
		{ .at = { 2, 1 },
		  .kind = FACTS_NAME_REFUSED,
		  .host = "b.test",
		  .why = "no",
		  .count = 1,
		  .process.pid = FACTS_ABSENT },
		{ .at = { 3, 1 },
		  .kind = FACTS_NAME_REFUSED,
		  .host = "b.test",
		  .why = "no",
		  .count = 2,
		  .process.pid = FACTS_ABSENT },
		{ .at = { 4, 1 },
		  .kind = FACTS_NAME_REFUSED,
		  .host = "b.test",
		  .why = "another reason",
		  .count = INT64_MAX,
		  .process.pid = FACTS_ABSENT },
		{ .at = { 5, 1 },
		  .kind = FACTS_NAME_REFUSED,
		  .host = "b.test",
		  .why = "another reason",
		  .count = INT64_MAX,
		  .process.pid = FACTS_ABSENT },
	};
	struct facts_step steps[] = { { .net = net, .n_net = 4 }, { .net = net, .n_net = 1 } };
	const struct record_facts facts = { .steps = steps, .n_steps = 2 };
	struct record_group *groups = NULL;
	size_t n = 0;
	assert_int_equal(record_groups(&facts, &groups, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_true(groups[0].mark.count == 3 && groups[0].mark.seq == 2);
	assert_true(groups[1].mark.count == INT64_MAX);
	assert_ptr_equal(groups[2].step, &steps[1]);
	free(groups);
}

static void sums_do_not_overflow(void **state)
{
	(void)state;
	struct facts_net net[] = { { .kind = FACTS_REFUSED, .count = INT64_MAX },
		                   { .kind = FACTS_NAME_REFUSED, .count = 9 } };
	const struct facts_step step = {
		.gate = { .closed = { 3, 1 },
		          .total = { .bytes_in = INT64_MAX, .bytes_out = -7, .connections = 3 } },
		.net = net,
		.n_net = 2,
	};
	const struct timeline_totals t = timeline_totals(&step);
	assert_true(t.known && t.bytes_in == INT64_MAX && t.bytes_out == 0 && t.connections == 3 &&
	            t.refused == INT64_MAX);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_axis_reaches_from_the_first_to_the_last_event),
		cmocka_unit_test(a_clock_that_says_nonsense_leaves_an_axis),
		cmocka_unit_test(ticks_are_round_and_few),
		cmocka_unit_test(times_are_read_aloud),
		cmocka_unit_test(marks_stand_in_the_order_of_the_record),
		cmocka_unit_test(what_an_observed_run_let_through_is_no_refusal),
		cmocka_unit_test(equal_refusals_of_a_step_are_one_row),
		cmocka_unit_test(sums_do_not_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
