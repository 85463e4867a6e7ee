// SPDX-License-Identifier: Apache-2.0
/* matcher_test.c - problem matchers: which files of them are taken, what lines say, and what
 * hostile patterns and lines cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/engine/matcher.h"

#include "drydock/clock.h"
#include "drydock/err.h"

#include <stdio.h>
#include <string.h>

static struct matcher_set *set;
static struct matcher_hit hit;
static const char *gave_up;

static int setup(void **state)
{
	(void)state;
	set = matcher_set_new();
	return set ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	matcher_set_free(set);
	return 0;
}

static void add(const char *text)
{
	struct dd_err err = { 0 };
	if (matcher_set_add(set, text, strlen(text), &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static bool line(const char *text)
{
	return matcher_set_line(set, text, strlen(text), &hit, &gave_up);
}

#define ONE(patterns) "{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[" patterns "]}]}"
#define GCC                                                                                        \
	"{\"regexp\":\"^(.*):(\\\\d+):(\\\\d+):\\\\s+(warning|error):\\\\s+(.*)$\",\"file\":1,"    \
	"\"line\":2,\"column\":3,\"severity\":4,\"message\":5}"

static void one_pattern_says_all_of_it(void **state)
{
	(void)state;
	add(ONE(GCC));
	assert_false(line("make: all is well"));
	assert_true(line("src/a.c:12:5: warning: unused x"));
	assert_string_equal(hit.level, "warning");
	assert_string_equal(hit.file, "src/a.c");
	assert_string_equal(hit.message, "unused x");
	assert_int_equal(hit.line, 12);
	assert_int_equal(hit.column, 5);
	assert_true(line("\x1b[1msrc/b.c:1:2: \x1b[31merror: \x1b[0mno"));
	assert_string_equal(hit.file, "src/b.c");
	assert_string_equal(hit.level, "error");
	assert_false(line("src/a.c:12:5: WARNING: case counts"));
}

static void several_patterns_follow_one_another_and_the_last_may_loop(void **state)
{
	(void)state;
	add(ONE("{\"regexp\":\"^([^\\\\s].*)$\",\"file\":1},"
	        "{\"regexp\":\"^\\\\s+(\\\\d+):(\\\\d+)\\\\s+(error|warning)\\\\s+(.*)$\","
	        "\"line\":1,\"column\":2,\"severity\":3,\"message\":4,\"loop\":true}"));
	assert_false(line("  1:2  error  without a file before it"));
	assert_false(line("one.js"));
	assert_true(line("  1:2  error  first"));
	assert_string_equal(hit.file, "one.js");
	assert_true(line("  3:4  warning  second"));
	assert_string_equal(hit.file, "one.js");
	assert_string_equal(hit.level, "warning");
	assert_false(line("two.js"));
	assert_true(line("  5:6  error  third"));
	assert_string_equal(hit.file, "two.js");
	assert_false(line(""));
	assert_false(line("  7:8  error  the loop was left"));
	assert_false(line("three.js"));
	matcher_set_restart(set);
	assert_false(line("  9:9  error  another step"));
}

static void without_a_loop_the_whole_of_it_must_come_again(void **state)
{
	(void)state;
	add(ONE("{\"regexp\":\"^error: (.*)$\",\"message\":1},"
	        "{\"regexp\":\"^ at (.*)$\",\"file\":1},{\"regexp\":\"^ line "
	        "(\\\\d+)$\",\"line\":1}"));
	assert_false(line("error: bad"));
	assert_false(line(" at x.c"));
	assert_true(line(" line 7"));
	assert_string_equal(hit.message, "bad");
	assert_string_equal(hit.file, "x.c");
	assert_int_equal(hit.line, 7);
	assert_false(line(" line 8"));
	assert_false(line("error: worse"));
	assert_false(line("something between"));
	assert_false(line(" at x.c"));
	assert_false(line(" line 9"));
}

static void the_newest_is_asked_first_and_a_hit_resets_the_others(void **state)
{
	(void)state;
	add("{\"problemMatcher\":[{\"owner\":\"a\",\"pattern\":[{\"regexp\":\"^begin "
	    "(.*)$\",\"message\":1},{\"regexp\":\"^end$\"}]}]}");
	add("{\"problemMatcher\":[{\"owner\":\"b\",\"severity\":\"Notice\",\"pattern\":[{"
	    "\"regexp\":"
	    "\"^(hit.*)$\",\"message\":1}]}]}");
	assert_false(line("begin x"));
	assert_true(line("hit"));
	assert_string_equal(hit.level, "notice");
	assert_false(line("end"));
	assert_false(line("begin y"));
	assert_true(line("end"));
	assert_string_equal(hit.message, "y");
	add("{\"problemMatcher\":[{\"owner\":\"B\",\"pattern\":[{\"regexp\":\"^(other)$\","
	    "\"message\":1}]}]}");
	assert_false(line("hit"));
	matcher_set_remove(set, "b");
	assert_false(line("other"));
	assert_int_equal(matcher_set_count(set), 1);
	static const char file[] = "{\"problemMatcher\":[{\"owner\":\"A\",\"pattern\":[{"
				   "\"regexp\":\"(x)\",\"message\":1}]}]}";
	matcher_set_remove_file(set, file, sizeof(file) - 1);
	assert_int_equal(matcher_set_count(set), 0);
}

static void what_has_no_message_or_another_severity_is_no_problem(void **state)
{
	(void)state;
	add(ONE("{\"regexp\":\"^(\\\\w*) ?(.*)$\",\"severity\":1,\"message\":2}"));
	assert_false(line("error "));
	assert_false(line("fatal x"));
	assert_true(line("ERROR x"));
	assert_string_equal(hit.level, "error");
	assert_true(line(" x")); /* no severity: the default's default */
	assert_string_equal(hit.level, "error");
}

static const struct {
	const char *text, *why;
} bad[] = {
	{ "{", "line 1" },
	{ "[]", "problemMatcher" },
	{ "{\"problemMatcher\":[{}]}", "owner" },
	{ "{\"problemMatcher\":[{\"owner\":\"\"}]}", "owner" },
	{ "{\"problemMatcher\":[{\"owner\":\"o\"}]}", "0 patterns" },
	{ "{\"problemMatcher\":[{\"owner\":\"o\",\"severity\":\"x\",\"pattern\":[{}]}]}",
	  "severity" },
	{ ONE("{\"regexp\":\"(x)\"}"), "no pattern sets `message`" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":2}"), "has 1 groups" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":\"1\"}"), "no number" },
	{ ONE("{\"regexp\":\"(x\",\"message\":1}"), "parenthesis" },
	{ ONE("{\"regexp\":\"(\\\\C)\",\"message\":1}"), "\\C" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":1,\"loop\":true}"), "loop" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":1},{\"regexp\":\"(x)\",\"message\":1}"),
	  "set twice" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":1},{\"regexp\":\"x\",\"loop\":true}"), "message" },
	{ ONE("{\"regexp\":\"(x)\",\"message\":1,\"loop\":true},{\"regexp\":\"x\"}"), "loop" },
	{ ONE("{\"regexp\":\"((a{999}){999}){999}\",\"message\":1}"), "large" },
	{ "{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[{\"regexp\":\"(x)\",\"message\":1}]},"
	  "{"
	  "\"owner\":\"O\",\"pattern\":[{\"regexp\":\"(x)\",\"message\":1}]}]}",
	  "two of that owner" },
};

static void a_file_with_a_mistake_counts_for_nothing_and_says_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dd_err err = { 0 };
		if (matcher_set_add(set, bad[i].text, strlen(bad[i].text), &err) != -EINVAL)
			fail_msg("%s: is taken", bad[i].text);
		if (!strstr(err.msg, bad[i].why))
			fail_msg("%s: %s", bad[i].text, err.msg);
		assert_int_equal(matcher_set_count(set), 0);
	}
}

static void a_pattern_that_goes_back_and_forth_is_given_up(void **state)
{
	(void)state;
	char text[60];
	int64_t before = dd_now_ms();

	add(ONE("{\"regexp\":\"^(([a-z])+.)+[A-Z]([a-z])+$\",\"message\":1}"));
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		assert_false(line(text));
		assert_null(gave_up);
	}
	assert_false(line(text));
	assert_non_null(gave_up);
	assert_non_null(strstr(gave_up, "`o` is removed"));
	assert_int_equal(matcher_set_count(set), 0);
	assert_true(dd_now_ms() - before < 2000);
}

static void slow_lines_are_bounded_in_sum(void **state)
{
	(void)state;
	static char text[MATCHER_LINE_MAX];
	int64_t before = dd_now_ms();
	bool stopped = false;

	/* each line is slow, and none reaches a limit */
	add(ONE("{\"regexp\":\"x*x*y(z)\",\"message\":1}"));
	memset(text, 'x', 140);
	for (int i = 0; i < 200000 && !stopped; i++) {
		(void)line(text);
		stopped = gave_up && strstr(gave_up, "not asked any more");
	}
	if (!stopped) /* a machine on which none of them is slow */
		assert_true(dd_now_ms() - before < 200000 * 200 / 1000 + 5000);
	else
		assert_true(dd_now_ms() - before < 4LL * MATCHER_SLOW_MS);
	matcher_set_restart(set);
	assert_int_equal(matcher_set_count(set), 1);
}

static void long_lines_and_bytes_that_are_no_text_are_lines(void **state)
{
	(void)state;
	static char text[MATCHER_LINE_MAX + 2];
	add(ONE("{\"regexp\":\"(x+)\",\"message\":1}"));
	memset(text, 'x', sizeof(text) - 1);
	assert_false(line(text)); /* longer than is looked at */
	text[100] = '\0';
	assert_true(line(text));
	assert_true(line("\xff\xfe x \x80"));
	assert_true(matcher_set_line(set, "a\0x", 3, &hit, &gave_up));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(one_pattern_says_all_of_it),
		T(several_patterns_follow_one_another_and_the_last_may_loop),
		T(without_a_loop_the_whole_of_it_must_come_again),
		T(the_newest_is_asked_first_and_a_hit_resets_the_others),
		T(what_has_no_message_or_another_severity_is_no_problem),
		T(a_file_with_a_mistake_counts_for_nothing_and_says_what_it_is),
		T(a_pattern_that_goes_back_and_forth_is_given_up),
		T(slow_lines_are_bounded_in_sum),
		T(long_lines_and_bytes_that_are_no_text_are_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
