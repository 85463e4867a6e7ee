// SPDX-License-Identifier: Apache-2.0
/* mask_test.c - holds the masker against a slow one that is plainly right, over random secrets,
 * texts and splits. */
#include "runner/lease/mask.h"
#include "runner/lease/mask_forms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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

/* Every form of the values, as the slow masker below looks for them. */
struct forms {
	char bytes[2000][200];
	size_t lens[2000], n;
};

static int keep_form(void *arg, enum mask_form_kind kind, const char *bytes, size_t len)
{
	struct forms *f = arg;
	if (kind != FORM_AS_IS) /* no text of the letters a, b and c has one */
		return 0;
	assert_true(f->n < 2000 && len <= sizeof(f->bytes[0]));
	memcpy(f->bytes[f->n], bytes, len);
	f->lens[f->n++] = len;
	return 0;
}

/* Mark every byte of every occurrence, then print; a run starts where an occurrence starts that
 * touches no marked byte before it. */
static void slow(const struct forms *f, const char *text, char *out)
{
	size_t len = strlen(text), end = 0, o = 0;
	for (size_t p = 0; p < len; p++) {
		size_t best = 0;
		for (size_t i = 0; i < f->n; i++) {
			size_t l = f->lens[i];
			if (l > best && p + l <= len && memcmp(f->bytes[i], text + p, l) == 0)
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
	static struct forms forms;
	static char secrets[6][24], text[600], expected[2000], scratch[256];
	srand(20260101);
	for (int round = 0; round < 1000; round++) {
		const char *list[6];
		size_t n = 1 + (size_t)rand() % 6;
		forms.n = 0;
		for (size_t i = 0; i < n; i++) {
			size_t len = 4 + (size_t)rand() % 12;
			for (size_t k = 0; k < len; k++)
				secrets[i][k] = (char)('a' + rand() % 2);
			secrets[i][len] = '\0';
			list[i] = secrets[i];
			assert_true(mask_forms_room(len) <= sizeof(scratch));
			assert_int_equal(mask_forms(list[i], len, scratch, keep_form, &forms), 0);
		}
		size_t len = (size_t)rand() % 500;
		for (size_t k = 0; k < len; k++)
			text[k] = (char)('a' + (rand() % 12 == 0 ? 2 : rand() % 2));
		text[len] = '\0';
		slow(&forms, text, expected);
		struct mask *m = mask_of(list, n);
		run(m, text, len, (size_t)rand() % 4, &sink);
		mask_free(m);
		assert_string_equal(sink.bytes, expected);
	}
}

/* What GitLab's matcher prints in the clear, because it does not look back far enough. */
static void a_secret_that_begins_inside_itself_is_found_at_every_split(void **state)
{
	static const struct {
		const char *secret[2], *text, *shown;
	} rows[] = {
		{ { "aab1", NULL }, "aaab1", "a***" },
		{ { "ababc", NULL }, "xababababc\n", "xabab***\n" },
		{ { "aaab1234", NULL }, "aaaab1234", "a***" },
		{ { "abcabcd9", NULL }, "x abcabcabcd9 y", "x abc*** y" },
		{ { "hunter22", "hunter2" }, "pw=hunter22 x hunter2\n", "pw=*** x ***\n" },
		{ { "s3cr3t!!", NULL }, "a s3cr3t!!s3cr3t!! b", "a ****** b" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(rows[i].secret, rows[i].secret[1] ? 2 : 1, rows[i].text,
		              rows[i].shown);
}

/* What GitHub's masker prints in the clear: one or two bytes behind the value change its last
 * characters, and a rest in front of it moves all of them. The middle is the value's alone. */
static void base64_is_masked_whatever_stands_before_and_behind_the_value(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		/* the value alone; "u:" and "\n" around it; "ab", "c"; "x", "yz" */
		{ "czNjcjN0L1RvaytlbiYieCc3", "***" },
		{ "dTpzM2NyM3QvVG9rK2VuJiJ4JzcK", "dTp***cK" },
		{ "YWJzM2NyM3QvVG9rK2VuJiJ4JzdjCg==", "YWJ***djCg==" },
		{ "eHMzY3IzdC9Ub2srZW4mIngnN3l6", "eH***3l6" },
		{ "eHMzY3IzdC9Ub2srZW4mIngnN3l6 x", "eH***3l6 x" },
	};
	const char *s[] = { "s3cr3t/Tok+en&\"x'7" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(s, 1, rows[i].text, rows[i].shown);
	/* base64url: a value with bytes that make - and _ */
	const char *u[] = { "~~~\?\?\?>>>" };
	assert_masked(u, 1, "fn5-Pz8_Pj4-", "***");
	assert_masked(u, 1, "fn5+Pz8/Pj4+", "***");
	/* twice, and with line ends as base64(1) puts them */
	assert_masked(s, 1, "Y3pOamNqTjBMMVJ2YXl0bGJpWWllQ2Mz", "***");
	const char *l[] = {
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-and-more"
	};
	assert_masked(l, 1,
	              "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktMTU5PUFFSU1RV"
	              "\nVldYWVotYW5kLW1vcmU=\n",
	              "***U=\n");
}

/* What stands around the value decides where its lines break (L-02). */
static void base64_of_a_text_that_holds_the_value_is_masked_over_its_lines(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		/* base64 -w 76, with "\n", "\r\n", and as YAML indents it; PEM's width */
		{ "eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoiczNj\n"
		  "cjN0L1RvaytlbiYieCc3In0=\n",
		  "eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoi***In0="
		  "\n" },
		{ "eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoiczNj\r\n"
		  "cjN0L1RvaytlbiYieCc3In0=\r\n",
		  "eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoi***In0="
		  "\r\n" },
		{ "  eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoiczNj\n"
		  "  cjN0L1RvaytlbiYieCc3In0=\n",
		  "  "
		  "eyJ1c2VyIjoiZGVwbG95IiwibG9uZyI6ImVub3VnaCB0byBicmVhayIsInBhc3N3b3JkIjoi***In0="
		  "\n" },
		{ "aGVyZSBzdGFuZHMgc29tZSBwcm9zZSBhbmQgcGFzc3dvcmQ9czNjcjN0L1Rvayt\n"
		  "lbiYieCc3Cg==\n",
		  "aGVyZSBzdGFuZHMgc29tZSBwcm9zZSBhbmQgcGFzc3dvcmQ9***Cg==\n" },
		/* two lines of prose, and a short one */
		{ "see /usr/share/doc/drydock\nfor more\nczNj\ncjN0\n",
		  "see /usr/share/doc/drydock\nfor more\nczNj\ncjN0\n" },
	};
	const char *s[] = { "s3cr3t/Tok+en&\"x'7" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(s, 1, rows[i].text, rows[i].shown);
}

static void hex_is_masked_in_any_case_with_what_tools_put_between_the_digits(void **state)
{
	static const struct {
		const char *how, *text, *shown;
	} rows[] = {
		{ "mixed case", "<733363723374205422273C2f263e5C76616c>", "<***>" },
		{ "colons", "73:33:63:72:33:74:20:54:22:27:3C:2F:26:3E:5C:76:61:6C", "***" },
		{ "hexdump -C",
		  "00000010  73 33 63 72 33 74 20 54  22 27 3c 2f 26 3e 5c 76  |s3cr3t T|\n",
		  "00000010  73 33 63 72 33 74 20 54  22 27 3c 2f 26 3e 5c 76  |s3cr3t T|\n" },
		{ "xxd -g 2", "00: 7333 6372 3374 2054 2227 3c2f 263e 5c76 616c  s3c",
		  "00: ***  s3c" },
		{ "od -An -tx1", " 73 33 63 72 33 74 20 54 22 27 3c 2f 26 3e 5c 76\n 61 6c 0a\n",
		  " *** 0a\n" },
		{ "xxd -p",
		  "2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d733363723374205422\n"
		  "273c2f263e5c76616c0a\n",
		  "2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d***0a\n" },
		{ "too far apart", "7333637233742054   2227 3c2f 263e 5c76 616c",
		  "7333637233742054   2227 3c2f 263e 5c76 616c" },
	};
	const char *s[] = { "s3cr3t T\"'</&>\\val" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(s, 1, rows[i].text, rows[i].shown);
}

static void escapes_do_not_hide_a_value(void **state)
{
	static const struct {
		const char *how, *text;
	} rows[] = {
		{ "hex", "733363723374205422273c2f263e5c76616c" },
		{ "hex, upper", "733363723374205422273C2F263E5C76616C" },
		{ "hex with colons", "73:33:63:72:33:74:20:54:22:27:3c:2f:26:3e:5c:76:61:6c" },
		{ "curl --data-urlencode", "s3cr3t%20T%22%27%3C%2F%26%3E%5Cval" },
		{ "lower case", "s3cr3t%20T%22%27%3c%2f%26%3e%5cval" },
		{ "a form", "s3cr3t+T%22%27%3C%2F%26%3E%5Cval" },
		{ "encodeURIComponent", "s3cr3t%20T%22'%3C%2F%26%3E%5Cval" },
		{ "JSON", "s3cr3t T\\\"'</&>\\\\val" },
		{ "JSON with slashes", "s3cr3t T\\\"'<\\/&>\\\\val" },
		{ "JSON for HTML", "s3cr3t T\\\"'\\u003c/\\u0026\\u003e\\\\val" },
		{ "set -x", "s3cr3t T\"'\\''</&>\\val" },
		{ "shlex.quote", "s3cr3t T\"'\"'\"'</&>\\val" },
		{ "printf %q", "s3cr3t\\ T\\\"\\'\\</\\&\\>\\\\val" },
		{ "between double quotes", "s3cr3t T\\\"'</&>\\\\val" },
		{ "SQL", "s3cr3t T\"''</&>\\val" },
		{ "XML", "s3cr3t T&quot;'&lt;/&amp;&gt;\\val" },
		{ "HTML", "s3cr3t T&#34;&#39;&lt;/&amp;&gt;\\val" },
		{ "reversed", "lav\\>&/<'\"T t3rc3s" },
	};
	const char *s[] = { "s3cr3t T\"'</&>\\val" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("# %s\n", rows[i].how);
		assert_masked(s, 1, rows[i].text, "***");
	}
	const char *n[] = { "caf\xc3\xa9\tna\xc3\xafve" };
	assert_masked(n, 1, "caf\\u00e9\\tna\\u00efve", "***");
	assert_masked(n, 1, "$'caf\\303\\251\\tna\\303\\257ve'", "$'***'");
	assert_masked(n, 1, "b'caf\\xc3\\xa9\\tna\\xc3\\xafve'", "b'***'");
}

static void blanks_and_quotation_marks_around_a_value_do_not_hide_it(void **state)
{
	(void)state;
	const char *blank[] = { "  token-1234 \n" };
	assert_masked(blank, 1, "x token-1234.", "x ***.");
	const char *quoted[] = { "\"token-1234\"" };
	assert_masked(quoted, 1, "x=token-1234.", "x=***.");
	const char *jwt[] = { "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9m" };
	assert_masked(jwt, 1, "sig c2lnbmF0dXJlLW9m.", "sig ***.");
}

static void a_value_that_comes_late_is_masked_from_there_on_also_in_what_is_held_back(void **state)
{
	static struct sink sink;
	const char *first[] = { "abcdefgh" };
	struct mask *m = mask_of(first, 1);
	struct mask_stream *s = NULL;
	(void)state;
	sink.len = 0;
	assert_int_equal(mask_stream_new(m, &s, NULL), 0);
	assert_int_equal(mask_feed(s, "late-1 xx abcdef", 16, collect, &sink), 0);
	assert_int_equal(mask_add_live(m, "late-1", 6, &s, 1, NULL), 0);
	assert_int_equal(mask_add_live(m, "cdefXYZ", 7, &s, 1, NULL), 0);
	assert_int_equal(mask_feed(s, "XYZ late-1 bGF0ZS0x abcdefgh", 28, collect, &sink), 0);
	assert_int_equal(mask_flush(s, collect, &sink), 0);
	assert_string_equal(sink.bytes, "late-1 xx ab*** *** *** ***");
	mask_stream_free(s);
	mask_free(m);
}

static void a_thousand_values_one_by_one_are_all_found(void **state)
{
	static struct sink sink;
	struct mask *m = mask_of(NULL, 0);
	struct mask_stream *s = NULL;
	char value[32];
	(void)state;
	assert_int_equal(mask_stream_new(m, &s, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(value, sizeof(value), "value-%d-%d", i * 7919, i);
		assert_int_equal(mask_add_live(m, value, (size_t)n, &s, 1, NULL), 0);
	}
	sink.len = 0;
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(value, sizeof(value), "value-%d-%d.", i * 7919, i);
		assert_int_equal(mask_feed(s, value, (size_t)n, collect, &sink), 0);
	}
	assert_int_equal(mask_flush(s, collect, &sink), 0);
	assert_int_equal(sink.len, 4000);
	mask_stream_free(s);
	mask_free(m);
}

static void a_long_value_is_found_in_every_form_that_is_looked_for(void **state)
{
	static char value[16384], text[3 * 16384];
	static struct sink sink;
	struct mask *m = NULL;
	(void)state;
	srand(7);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(rand() % 90 == 0 ? '\n' : ' ' + rand() % 94);
	value[sizeof(value) - 1] = 'x';
	assert_int_equal(mask_new(&m, NULL), 0);
	assert_int_equal(mask_add(m, value, sizeof(value), NULL), 0);
	run(m, value, sizeof(value), 4000, &sink);
	assert_string_equal(sink.bytes, "***");
	for (size_t i = 0; i < sizeof(value); i++)
		(void)sprintf(text + 2 * i, "%02x", (unsigned char)value[i]);
	run(m, text, 2 * sizeof(value), 4000, &sink);
	assert_string_equal(sink.bytes, "***");
	mask_free(m);
}

static void more_than_the_automaton_may_hold_is_refused_with_the_numbers(void **state)
{
	static char value[MASK_VALUE_MAX];
	struct mask *m = NULL;
	struct mask_stream *s = NULL;
	struct dd_err err = { 0 };
	(void)state;
	srand(8);
	assert_int_equal(mask_new(&m, NULL), 0);
	for (int i = 0; i < 12; i++) {
		for (size_t k = 0; k < sizeof(value); k++)
			value[k] = (char)(1 + rand() % 255);
		assert_int_equal(mask_add(m, value, sizeof(value), NULL), 0);
	}
	assert_int_equal(mask_stream_new(m, &s, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "4194304"));
	mask_free(m);
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
		cmocka_unit_test(a_secret_that_begins_inside_itself_is_found_at_every_split),
		cmocka_unit_test(base64_is_masked_whatever_stands_before_and_behind_the_value),
		cmocka_unit_test(base64_of_a_text_that_holds_the_value_is_masked_over_its_lines),
		cmocka_unit_test(hex_is_masked_in_any_case_with_what_tools_put_between_the_digits),
		cmocka_unit_test(escapes_do_not_hide_a_value),
		cmocka_unit_test(blanks_and_quotation_marks_around_a_value_do_not_hide_it),
		cmocka_unit_test(
			a_value_that_comes_late_is_masked_from_there_on_also_in_what_is_held_back),
		cmocka_unit_test(a_thousand_values_one_by_one_are_all_found),
		cmocka_unit_test(a_long_value_is_found_in_every_form_that_is_looked_for),
		cmocka_unit_test(more_than_the_automaton_may_hold_is_refused_with_the_numbers),
		cmocka_unit_test(it_agrees_with_a_slow_masker_on_random_texts),
		cmocka_unit_test(only_what_may_be_a_secret_is_held_back),
		cmocka_unit_test(what_is_held_can_be_shown_early_but_never_a_whole_value),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
