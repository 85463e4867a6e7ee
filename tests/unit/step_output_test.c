// SPDX-License-Identifier: Apache-2.0
/* step_output_test.c - what reaches the log and the terminal when a step prints hostile bytes. */
#include "runner/job/step_output.h"
#include "runner/base/text_escape.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct mask *mask;
static struct step_output *so;
static struct dd_err err;
static int log_fd = -1;
static char shown[65536];
static size_t shown_len, longest;

static int on_line(void *arg, const struct step_line *line)
{
	size_t len = line->coloured_len;
	(void)arg;
	longest = len > longest ? len : longest;
	assert_int_equal(strlen(line->text), line->len);
	assert_int_equal(strlen(line->coloured), len);
	assert_null(memchr(line->text, '\x1b', line->len));
	if (shown_len + len + 4 < sizeof(shown))
		shown_len += (size_t)snprintf(shown + shown_len, sizeof(shown) - shown_len,
		                              "%s%s%s", line->stream == STEP_STDERR ? "E:" : "",
		                              line->coloured, line->continues ? "+" : "|");
	return 0;
}

static int setup(void **state)
{
	(void)state;
	log_fd = memfd_create("log", MFD_CLOEXEC);
	shown_len = longest = 0;
	shown[0] = '\0';
	return mask_new(&mask, &err) == 0 && mask_add(mask, "topsecret", 9, &err) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	step_output_free(so);
	so = NULL;
	mask_free(mask);
	return close(log_fd);
}

static void start(uint64_t log_bytes, bool colour)
{
	struct step_output_spec spec = { .mask = mask,
		                         .log_fd = log_fd,
		                         .log_bytes = log_bytes,
		                         .colour = colour,
		                         .line = on_line };
	assert_int_equal(step_output_new(&spec, &so, &err), 0);
}

static void say(enum step_stream stream, const char *text)
{
	assert_int_equal(step_output_feed(so, stream, text, strlen(text), &err), 0);
}

static void assert_log(const char *expected)
{
	char buf[4096] = "";
	assert_true(pread(log_fd, buf, sizeof(buf) - 1, 0) >= 0);
	assert_string_equal(buf, expected);
}

static void secrets_reach_neither_the_log_nor_the_terminal(void **state)
{
	(void)state;
	start(1000, false);
	for (const char *s = "a topsecret b\n"; *s;
	     s++) /* one byte at a time, the other stream in between */
		if (step_output_feed(so, STEP_STDOUT, s, 1, &err) < 0 ||
		    step_output_feed(so, STEP_STDERR, "e\n", 2, &err) < 0)
			fail();
	assert_int_equal(step_output_end(so, &err), 0);
	char buf[4096] = "";
	assert_true(pread(log_fd, buf, sizeof(buf) - 1, 0) > 0);
	assert_null(strstr(shown, "topsecret"));
	assert_non_null(strstr(shown, "a *** b|"));
	assert_non_null(strstr(buf, "***"));
	assert_null(strstr(buf, "tops"));
}

static void controls_and_broken_utf8_are_escaped_for_the_terminal_and_in_the_log(void **state)
{
	(void)state;
	start(1000, false);
	const char *text = "a\x1b]0;t\x07\tbc\r\n\xff\xc3\xa9\xc2\x9b\xe2\x80\xae\n";
	say(STEP_STDOUT, text);
	assert_int_equal(step_output_end(so, &err), 0);
	assert_string_equal(shown, "a\\x1b]0;t\\x07\tbc|\\xff\xc3\xa9\\xc2\\x9b\\xe2\\x80\\xae|");
	assert_log("a\\x1b]0;t\\x07\tbc\n\\xff\xc3\xa9\\xc2\\x9b\\xe2\\x80\\xae\n");
}

static void workflow_commands_are_plain_text(void **state)
{
	(void)state;
	start(1000, false);
	say(STEP_STDOUT, "::add-mask::x\n::stop-commands::y\n##[error]z\n");
	assert_string_equal(shown, "::add-mask::x|::stop-commands::y|##[error]z|");
}

static void colours_pass_only_when_asked_and_are_reset(void **state)
{
	(void)state;
	start(1000, true);
	say(STEP_STDOUT, "\x1b[1;31mred\x1b[2J\nplain\n");
	assert_string_equal(shown, "\x1b[1;31mred\\x1b[2J\x1b[0m|plain|");
	assert_log("red\\x1b[2J\nplain\n");
}

static void without_colour_nothing_of_a_style_is_spelled(void **state)
{
	(void)state;
	start(1000, false);
	say(STEP_STDOUT, "\x1b[1mbold\x1b[0m and \x1b[38;5;1mred\x1b(B\x1b[m\x1b[K\n");
	assert_string_equal(shown, "bold and red|");
	assert_log("bold and red\n");
}

static void of_a_line_that_was_written_over_itself_the_last_is_kept(void **state)
{
	(void)state;
	start(1 << 20, false);
	say(STEP_STDOUT, " 10%\r 20%\r\x1b[Kdone\r\n");
	say(STEP_STDOUT, "windows\r\n\r\n");
	say(STEP_STDERR, "50%\r100%\r");
	assert_int_equal(step_output_end(so, &err), 0);
	assert_string_equal(shown, "done|windows||E:100%|");
	assert_log("done\nwindows\n\n100%\n");
}

static void a_progress_bar_without_end_is_one_short_line(void **state)
{
	(void)state;
	start(1 << 20, false);
	for (int i = 0; i < 5000; i++)
		say(STEP_STDOUT, "\r[######      ] fetching");
	say(STEP_STDOUT, "\rall there\n");
	assert_string_equal(shown, "all there|");
}

static void a_line_end_of_two_bytes_is_one_at_the_end_of_a_piece(void **state)
{
	(void)state;
	static char text[STEP_LINE_MAX + 8];
	start(1 << 20, false);
	memset(text, '.', sizeof(text));
	(void)strcpy(text + STEP_LINE_MAX - 1, "\r");
	say(STEP_STDOUT, text);
	say(STEP_STDOUT, "\nx\n");
	assert_int_equal(shown_len, STEP_LINE_MAX - 1 + 4);
	assert_string_equal(shown + STEP_LINE_MAX - 1, "+|x|");
}

static void a_secret_that_colours_take_apart_is_masked(void **state)
{
	(void)state;
	for (int colour = 0; colour < 2; colour++) {
		assert_int_equal(setup(state), 0);
		start(1000, colour);
		say(STEP_STDOUT, "\x1b[1mx tops\x1b[31mecr\x1b[Ket y\n");
		assert_string_equal(shown, "x *** y|");
		assert_log("x *** y\n");
		assert_int_equal(teardown(state), 0);
	}
	assert_int_equal(setup(state), 0);
}

/* L-10: whatever a step prints, nobody can take it for a line of drydock's. */
static void no_line_of_a_step_carries_the_mark(void **state)
{
	(void)state;
	static const char *const tricks[] = {
		"drydock: refused dns evil.test in phase fetch: not in the allowlist\n",
		"  DryDock: x\n",
		"x\x1b[0mdry\x1b[31mdock\x1b[0m: y\n",
		("dry\xe2\x80\x8b"
		 "dock\xe2\x81\xa0: z\n"),
		"dry\x1b[Kdo\x1b(Bck: z\n",
		"drydrydock: w drydock: v\n",
		"drydock:",
	};
	start(100000, true);
	for (size_t i = 0; i < ARRAY_LEN(tricks); i++)
		say(STEP_STDOUT, tricks[i]);
	assert_int_equal(step_output_end(so, &err), 0);
	char buf[4096] = "";
	assert_true(pread(log_fd, buf, sizeof(buf) - 1, 0) > 0);
	assert_null(strcasestr(buf, STEP_OUTPUT_MARK));
	assert_non_null(strstr(buf, "\\x64rydock: refused dns evil.test"));
	assert_null(strcasestr(shown, STEP_OUTPUT_MARK));
	assert_non_null(strstr(shown, "x\x1b[0m\\x64ry\x1b[31mdock\x1b[0m: y"));
	assert_non_null(strstr(shown, "\\x64ry\xe2\x80\x8b"
	                              "dock"));
}

static void a_mark_over_the_end_of_a_piece_is_found(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < sizeof(STEP_OUTPUT_MARK); cut++) {
		static char text[STEP_LINE_MAX + 200];
		assert_int_equal(setup(state), 0);
		start(1 << 20, false);
		memset(text, '.', sizeof(text));
		(void)strcpy(text + STEP_LINE_MAX - cut, STEP_OUTPUT_MARK " x\n");
		say(STEP_STDOUT, text);
		assert_int_equal(step_output_end(so, &err), 0);
		static char buf[3 * STEP_LINE_MAX];
		memset(buf, 0, sizeof(buf));
		assert_true(pread(log_fd, buf, sizeof(buf) - 1, 0) > 0);
		assert_null(strstr(buf, STEP_OUTPUT_MARK));
		assert_int_equal(teardown(state), 0);
	}
	assert_int_equal(setup(state), 0); /* for the teardown of this test */
}

static void the_output_is_cut_at_its_limit_with_a_line_that_says_so(void **state)
{
	(void)state;
	start(10, false);
	say(STEP_STDOUT, "0123456789abc\n");
	say(STEP_STDERR, "more\n");
	assert_int_equal(step_output_end(so, &err), 0);
	assert_true(step_output_was_cut(so));
	assert_log("0123456789\ndrydock: the output is cut here, it is longer than the limit of "
	           "10 bytes\n");
	assert_null(strstr(shown, "more"));
	assert_non_null(strstr(shown, "|drydock: the output is cut"));
}

static void an_output_of_exactly_the_limit_is_not_cut(void **state)
{
	(void)state;
	start(3, false);
	say(STEP_STDOUT, "ab\n");
	assert_int_equal(step_output_end(so, &err), 0);
	assert_false(step_output_was_cut(so));
}

static void a_line_of_10_megabytes_comes_in_pieces(void **state)
{
	(void)state;
	start(1 << 30, false);
	static char text[10000];
	memset(text, '\x01', sizeof(text));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(step_output_feed(so, STEP_STDOUT, text, sizeof(text), &err), 0);
	assert_int_equal(step_output_end(so, &err), 0);
	assert_int_equal(longest, STEP_LINE_MAX * 4);
	assert_int_equal(lseek(log_fd, 0, SEEK_END), 4 * 10000000 + 1);
}

static void a_long_line_is_not_broken_inside_a_character(void **state)
{
	(void)state;
	start(1 << 20, false);
	for (int i = 0; i < 3000; i++)
		say(STEP_STDOUT, "\xe2\x82\xac");
	say(STEP_STDOUT, "\n");
	assert_null(strstr(shown, "\\x"));
}

static void a_log_that_cannot_be_written_ends_the_job(void **state)
{
	(void)state;
	struct step_output_spec spec = { .mask = mask,
		                         .log_fd = open("/dev/full", O_WRONLY | O_CLOEXEC),
		                         .log_bytes = 100 };
	assert_int_equal(step_output_new(&spec, &so, &err), 0);
	assert_int_equal(step_output_feed(so, STEP_STDOUT, "x\n", 2, &err), -ENOSPC);
	close(spec.log_fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(secrets_reach_neither_the_log_nor_the_terminal),
		T(controls_and_broken_utf8_are_escaped_for_the_terminal_and_in_the_log),
		T(workflow_commands_are_plain_text),
		T(colours_pass_only_when_asked_and_are_reset),
		T(without_colour_nothing_of_a_style_is_spelled),
		T(of_a_line_that_was_written_over_itself_the_last_is_kept),
		T(a_progress_bar_without_end_is_one_short_line),
		T(a_line_end_of_two_bytes_is_one_at_the_end_of_a_piece),
		cmocka_unit_test_teardown(a_secret_that_colours_take_apart_is_masked, teardown),
		T(no_line_of_a_step_carries_the_mark),
		cmocka_unit_test_teardown(a_mark_over_the_end_of_a_piece_is_found, teardown),
		T(the_output_is_cut_at_its_limit_with_a_line_that_says_so),
		T(an_output_of_exactly_the_limit_is_not_cut),
		T(a_line_of_10_megabytes_comes_in_pieces),
		T(a_long_line_is_not_broken_inside_a_character),
		T(a_log_that_cannot_be_written_ends_the_job),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
