// SPDX-License-Identifier: Apache-2.0
/* gitlab_trace_test.c - the bytes of a job's log: the vectors of the protocol's description, to the
 * byte and the CRC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forges/gitlab/gl_front.h"
#include "forges/gitlab/gl_script.h"
#include "forges/gitlab/gl_trace.h"
#include "lease/mask.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static char got[8192];
static size_t got_len;

static void at_a_fixed_time(int64_t *sec, long *usec)
{
	*sec = 1767323045;
	*usec = 6;
}

static struct gl_trace *trace_of(int *fd, uint64_t limit, bool stamps)
{
	struct gl_trace *t = NULL;
	*fd = memfd_create("trace", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(gl_trace_new(&(struct gl_trace_spec){ .fd = *fd,
	                                                       .limit = limit,
	                                                       .stamps = stamps,
	                                                       .sections = true,
	                                                       .now = at_a_fixed_time },
	                              &t, NULL),
	                 0);
	return t;
}

static void take(struct gl_trace *t, int fd)
{
	assert_int_equal(gl_trace_error(t), 0);
	gl_trace_free(t);
	ssize_t n = pread(fd, got, sizeof(got) - 1, 0);
	assert_true(n >= 0);
	got_len = (size_t)n;
	got[n] = '\0';
	(void)close(fd);
}

static unsigned long crc(void)
{
	return crc32(0, (const Bytef *)got, (uInt)got_len);
}

static void whole(bool stamps)
{
	int fd;
	struct gl_trace *t = trace_of(&fd, 1 << 20, stamps);
	static const char echo[] = "\033[32;1m$ echo hi\033[0;m";
	gl_trace_section(t, true, "step_script", NULL);
	gl_trace_say(t, GL_SAY_TITLE, "Executing \"step_script\" stage of the job script");
	gl_trace_line(t, GL_STDOUT, echo, strlen(echo), false);
	gl_trace_line(t, GL_STDOUT, "hi", 2, false);
	gl_trace_section(t, false, "step_script", NULL);
	gl_trace_say(t, GL_SAY_GOOD, "Job succeeded");
	take(t, fd);
}

static void a_whole_log_is_gitlabs_to_the_byte(void **state)
{
	(void)state;
	whole(false);
	assert_int_equal(got_len, 200);
	assert_int_equal(crc(), 0x9a4e0fe9);
	whole(true);
	assert_int_equal(got_len, 394);
	assert_int_equal(crc(), 0xf3af17d2);
}

static void a_line_in_pieces_is_one_line(void **state)
{
	(void)state;
	int fd;
	struct gl_trace *t = trace_of(&fd, 1 << 20, true);
	gl_trace_line(t, GL_STDOUT, "one ", 4, true);
	gl_trace_line(t, GL_STDERR, "else", 4, false);
	gl_trace_line(t, GL_STDOUT, "two", 3, false);
	take(t, fd);
	assert_string_equal(got, "2026-01-02T03:04:05.000006Z 01O one \n"
	                         "2026-01-02T03:04:05.000006Z 01E else\n"
	                         "2026-01-02T03:04:05.000006Z 01O+two\n");
	t = trace_of(&fd, 1 << 20, false);
	gl_trace_line(t, GL_STDOUT, "one ", 4, true);
	gl_trace_line(t, GL_STDOUT, "two", 3, false);
	take(t, fd);
	assert_string_equal(got, "one two\n");
}

/* The limit cuts between characters, and what is told of it counts. */
static void the_limit_cuts_as_gitlab_does(void **state)
{
	(void)state;
	static const struct {
		unsigned limit;
		const char *text;
		unsigned times;
		unsigned long crc;
	} rows[] = {
		{ 10, "This is the long message", 1, 0x295921ca },
		{ 10, "0123456789", 2, 0xd4b99d81 },
		{ 5, "\xc7\xb2", 4, 0x318d2180 },
		{ 1, "\xe2\x94\x80", 1, 0x9e261b5f },
		{ 20, "\xe2\x94\x80", 9, 0xf187099c },
		{ 23, "\xf0\x9f\x90\xa4", 9, 0x10e32ecd },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd;
		char text[200] = "";
		struct gl_trace *t = trace_of(&fd, rows[i].limit, false);
		for (unsigned k = 0; k < rows[i].times; k++)
			(void)strcat(text, rows[i].text);
		gl_trace_line(t, GL_STDOUT, text, strlen(text), false);
		gl_trace_line(t, GL_STDOUT, "never seen", 10, false);
		take(t, fd);
		assert_null(strstr(got, "never seen"));
		assert_int_equal(crc(), rows[i].crc);
	}
}

static void tokens_are_masked_by_their_shape(void **state)
{
	(void)state;
	static const char *const prefixes[] = { "glpat-", "glrt-", "gldt-" };
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "glpat-ZZZZZ tail", "glpat-[MASKED] tail" },
		{ "b glpat-AbC_9=. c", "b glpat-[MASKED] c" },
		{ "glrt-t1_abc.DEF gldt-zz", "glrt-[MASKED] gldt-[MASKED]" },
		{ "glpat- alone", "glpat- alone" },
		{ "GET https://x/?a=1&private_token=abc&b=2 and ?X-Amz-Signature=deadbeef done",
		  "GET https://x/?a=1&private_token=[MASKED]&b=2 and ?X-Amz-Signature=[MASKED] "
		  "done" },
		{ "private_token=abc", "private_token=abc" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = gl_mask_line(prefixes, ARRAY_LEN(prefixes), rows[i].in,
		                        strlen(rows[i].in), got);
		got[n] = '\0';
		assert_string_equal(got, rows[i].out);
	}
}

static int keep(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	memcpy(got + got_len, bytes, len);
	got_len += len;
	return 0;
}

/* Whatever two writes a text comes in: GitLab's own runner shows some of these. */
static void values_are_masked_at_every_split(void **state)
{
	(void)state;
	static const struct {
		const char *secrets[2], *in, *out;
	} rows[] = {
		{ { "hunter22", "hunter2" },
		  "pw=hunter22 x hunter2\n",
		  "pw=[MASKED] x [MASKED]\n" },
		{ { "s3cr3t!!", NULL }, "a s3cr3t!!s3cr3t!! b", "a [MASKED][MASKED] b" },
		{ { "ababc", NULL }, "xabababc\n", "xab[MASKED]\n" },
		{ { "ababc", NULL }, "xababababc\n", "xabab[MASKED]\n" },
		{ { "aaab1234", NULL }, "aaaab1234", "a[MASKED]" },
		{ { "abcabcd9", NULL }, "x abcabcabcd9 y", "x abc[MASKED] y" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t at = 0; at <= strlen(rows[i].in); at++) {
			struct mask *m = NULL;
			struct mask_stream *s = NULL;
			assert_int_equal(mask_new(&m, NULL), 0);
			mask_word(m, "[MASKED]");
			for (size_t k = 0; k < 2 && rows[i].secrets[k]; k++)
				assert_int_equal(mask_add(m, rows[i].secrets[k],
				                          strlen(rows[i].secrets[k]), NULL),
				                 0);
			assert_int_equal(mask_stream_new(m, &s, NULL), 0);
			got_len = 0;
			assert_int_equal(mask_feed(s, rows[i].in, at, keep, NULL), 0);
			assert_int_equal(
				mask_feed(s, rows[i].in + at, strlen(rows[i].in) - at, keep, NULL),
				0);
			assert_int_equal(mask_flush(s, keep, NULL), 0);
			got[got_len] = '\0';
			assert_string_equal(got, rows[i].out);
			mask_stream_free(s);
			mask_free(m);
		}
}

static void a_marker_is_a_whole_command(void **state)
{
	(void)state;
	assert_int_equal(gl_marker_of(": drydock fetch"), GL_MARKER_FETCH);
	assert_int_equal(gl_marker_of("  :  drydock   build "), GL_MARKER_BUILD);
	assert_int_equal(gl_marker_of(": drydock push"), GL_MARKER_PUSH);
	static const char *const none[] = { ": drydock",
		                            ": drydock fetch now",
		                            "echo : drydock fetch",
		                            ": drydock fetch\n",
		                            ": drydock pushed",
		                            "drydock fetch",
		                            ": drydock fetch; x",
		                            "" };
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(gl_marker_of(none[i]), GL_NO_MARKER);
}

static void durations_are_gos(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned sec;
	} rows[] = { { "1h20m", 4800 },  { "10m", 600 }, { "1.5h", 5400 }, { "90s", 90 },
		     { "1h1m1s", 3661 }, { "", 0 },      { "-1m", 0 },     { "10", 0 },
		     { "m", 0 },         { "1m x", 0 },  { "500ms", 0 },   { "9999999h", 0 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(gl_duration_sec(rows[i].text), rows[i].sec);
	assert_int_equal(gl_duration_sec(NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_log_is_gitlabs_to_the_byte),
		cmocka_unit_test(a_line_in_pieces_is_one_line),
		cmocka_unit_test(the_limit_cuts_as_gitlab_does),
		cmocka_unit_test(tokens_are_masked_by_their_shape),
		cmocka_unit_test(values_are_masked_at_every_split),
		cmocka_unit_test(a_marker_is_a_whole_command),
		cmocka_unit_test(durations_are_gos),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
