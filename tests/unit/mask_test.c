// SPDX-License-Identifier: Apache-2.0
/* mask_test.c - holds the masker against a slow one that is plainly right, over random secrets,
 * texts and splits. */
#include "runner/lease/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

struct sink {
	char bytes[65536];
	size_t len;
};

static int collect(void *arg, const char *bytes, size_t len)
{
	struct sink *s = arg;
	assert_true(s->len + len < sizeof(s->bytes));
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
	s->bytes[s->len] = '\0';
	return 0;
}

static struct mask *mask_of(const char *const *secrets, size_t n)
{
	struct mask *m = NULL;
	struct dd_err err;
	assert_int_equal(mask_new(&m, &err), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(mask_add(m, secrets[i], strlen(secrets[i]), &err), 0);
	return m;
}

/* @step bytes at a time; 0: random. */
static void run(struct mask *m, const char *text, size_t len, size_t step, struct sink *sink)
{
	struct mask_stream *s = NULL;
	struct dd_err err;
	assert_int_equal(mask_stream_new(m, &s, &err), 0);
	sink->len = 0;
	sink->bytes[0] = '\0';
	for (size_t at = 0; at < len;) {
		size_t n = step ? step : (size_t)rand() % 9;
		n = n > len - at ? len - at : n;
		assert_int_equal(mask_feed(s, text + at, n, collect, sink), 0);
		at += n;
	}
	assert_int_equal(mask_flush(s, collect, sink), 0);
	mask_stream_free(s);
}

static void assert_masked(const char *const *secrets, size_t n, const char *text,
                          const char *expected)
{
	static struct sink sink;
	struct mask *m = mask_of(secrets, n);
	for (size_t step = 0; step < 40; step++) {
		run(m, text, strlen(text), step, &sink);
		assert_string_equal(sink.bytes, expected);
	}
	mask_free(m);
}

static void a_secret_is_masked_however_it_is_split(void **state)
{
	(void)state;
	const char *s[] = { "hunter2hunter2" };
	assert_masked(s, 1, "a hunter2hunter2 b hunter2hunter hunter2hunter2",
	              "a *** b hunter2hunter ***");
	const char *twice[] = { "s3cret" };
	assert_masked(twice, 1, "s3crets3cret", "******");
}

static void the_longest_secret_wins_and_overlaps_leave_nothing_over(void **state)
{
	(void)state;
	const char *s[] = { "abcd", "abcdefgh", "ghij" };
	assert_masked(s, 3, "x abcdefg abcdefgh abcdefghij ghij", "x ***efg *** *** ***");
	const char *o[] = { "aaaa" };
	assert_masked(o, 1, "aaaaaaa b aaa", "*** b aaa");
}

static void every_long_line_of_a_secret_is_masked_for_itself(void **state)
{
	(void)state;
	const char *s[] = { "-----BEGIN-----\r\nMIIEowIBAAKCAQEA\nshort\n" };
	assert_masked(s, 1, "+ MIIEowIBAAKCAQEA +\n+ short +\n-----BEGIN-----",
	              "+ *** +\n+ short +\n***");
}

static void a_newline_at_the_end_of_a_secret_does_not_hide_it(void **state)
{
	(void)state;
	const char *s[] = { "tokn\n" };
	assert_masked(s, 1, "tokn.", "***.");
}

static void a_secret_too_short_to_mask_is_refused(void **state)
{
	(void)state;
	struct mask *m = mask_of(NULL, 0);
	struct dd_err err;
	assert_int_equal(mask_add(m, "abc", 3, &err), -EINVAL);
	assert_int_equal(mask_add(m, "abc\n\n", 5, &err), -EINVAL);
	mask_free(m);
}

static void a_secret_cannot_come_late(void **state)
{
	(void)state;
	struct mask *m = mask_of(NULL, 0);
	struct mask_stream *s = NULL;
	struct dd_err err;
	assert_int_equal(mask_stream_new(m, &s, &err), 0);
	assert_int_equal(mask_add(m, "abcdefgh", 8, &err), -EBUSY);
	mask_stream_free(s);
	assert_int_equal(mask_add(m, "abcdefgh", 8, &err), 0);
	mask_free(m);
}

/* Mark every byte of every occurrence, then print; a run starts where an occurrence starts that
 * touches no marked byte before it. */
static void slow(const char *const *secrets, size_t n, const char *text, char *out)
{
	size_t len = strlen(text), end = 0, o = 0;
	for (size_t p = 0; p < len; p++) {
		size_t best = 0;
		for (size_t i = 0; i < n; i++) {
			size_t l = strlen(secrets[i]);
			if (l > best && p + l <= len && memcmp(secrets[i], text + p, l) == 0)
				best = l;
		}
		if (best > 0 && p >= end) {
			memcpy(out + o, "***", 3);
			o += 3;
		}
		if (p + best > end && best > 0)
			end = p + best;
		if (p >= end)
			out[o++] = text[p];
	}
	out[o] = '\0';
}

static void it_agrees_with_a_slow_masker_on_random_texts(void **state)
{
	(void)state;
	static struct sink sink;
	static char secrets[6][24], text[600], expected[2000];
	srand(20260101);
	for (int round = 0; round < 3000; round++) {
		const char *list[6];
		size_t n = 1 + (size_t)rand() % 6;
		for (size_t i = 0; i < n; i++) {
			size_t len = 4 + (size_t)rand() % 12;
			for (size_t k = 0; k < len; k++)
				secrets[i][k] = (char)('a' + rand() % 2);
			secrets[i][len] = '\0';
			list[i] = secrets[i];
		}
		size_t len = (size_t)rand() % 500;
		for (size_t k = 0; k < len; k++)
			text[k] = (char)('a' + (rand() % 12 == 0 ? 2 : rand() % 2));
		text[len] = '\0';
		slow(list, n, text, expected);
		struct mask *m = mask_of(list, n);
		run(m, text, len, (size_t)rand() % 4, &sink);
		mask_free(m);
		assert_string_equal(sink.bytes, expected);
	}
}

static int hold(void *arg, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

static void only_what_may_be_a_secret_is_held_back(void **state)
{
	(void)state;
	const char *list[] = { "0123456789abcdef" };
	struct mask *m = mask_of(list, 1);
	struct mask_stream *s = NULL;
	struct dd_err err;
	size_t told = 0;
	assert_int_equal(mask_stream_new(m, &s, &err), 0);
	assert_int_equal(mask_feed(s, "password? ", 10, hold, &told), 0);
	assert_int_equal(told, 10); /* a prompt does not wait for the next line */
	assert_int_equal(mask_feed(s, "0123456789abcde", 15, hold, &told), 0);
	assert_int_equal(told, 10);
	assert_int_equal(mask_feed(s, "?", 1, hold, &told), 0);
	assert_int_equal(told, 26);
	mask_stream_free(s);
	mask_free(m);
}

static void measure_100_secrets(void **state)
{
	(void)state;
	static char text[1 << 20], secret[41];
	struct mask *m = mask_of(NULL, 0);
	struct mask_stream *s = NULL;
	struct dd_err err;
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 40; k++)
			secret[k] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				[rand() % 62];
		assert_int_equal(mask_add(m, secret, 40, &err), 0);
	}
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(rand() % 60 == 0 ? '\n' : ' ' + rand() % 94);
	assert_int_equal(mask_stream_new(m, &s, &err), 0);
	size_t told = 0;
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 200; i++)
		assert_int_equal(mask_feed(s, text, sizeof(text), hold, &told), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(mask_flush(s, hold, &told), 0);
	double sec = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	print_message("# %.0f MB/s with 100 secrets\n", 200 * 1.048576 / sec);
	assert_int_equal(told, 200 * sizeof(text));
	mask_stream_free(s);
	mask_free(m);
}

static void what_is_held_can_be_shown_early_but_never_a_whole_value(void **state)
{
	(void)state;
	static const char *const secrets[] = { "sesame-open" };
	static struct sink out;
	struct mask_stream *s = NULL;
	struct mask *m = mask_of(secrets, 1);

	assert_int_equal(mask_stream_new(m, &s, NULL), 0);
	for (const char *p = "x sesame-open y sesamoid sess"; *p; p++) {
		assert_int_equal(mask_feed(s, p, 1, collect, &out), 0);
		assert_int_equal(mask_show_held(s, MASK_MIN - 1, collect, &out), 0);
	}
	assert_string_equal(out.bytes, "x ses*** y sesamoid sess");
	assert_int_equal(mask_flush(s, collect, &out), 0);
	assert_string_equal(out.bytes, "x ses*** y sesamoid sess");
	mask_stream_free(s);
	mask_free(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_masked_however_it_is_split),
		cmocka_unit_test(the_longest_secret_wins_and_overlaps_leave_nothing_over),
		cmocka_unit_test(every_long_line_of_a_secret_is_masked_for_itself),
		cmocka_unit_test(a_newline_at_the_end_of_a_secret_does_not_hide_it),
		cmocka_unit_test(a_secret_too_short_to_mask_is_refused),
		cmocka_unit_test(a_secret_cannot_come_late),
		cmocka_unit_test(it_agrees_with_a_slow_masker_on_random_texts),
		cmocka_unit_test(only_what_may_be_a_secret_is_held_back),
		cmocka_unit_test(what_is_held_can_be_shown_early_but_never_a_whole_value),
		cmocka_unit_test(measure_100_secrets),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
