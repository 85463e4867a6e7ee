// SPDX-License-Identifier: Apache-2.0
/* tls_hello_test.c - which ClientHellos say a name, and which are refused (N-16). */
#include "netpolicy/gate/tls_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bytes {
	uint8_t at[2000];
	size_t len;
};

static void put(struct bytes *b, const void *in, size_t len)
{
	memcpy(b->at + b->len, in, len);
	b->len += len;
}

static void put16(struct bytes *b, size_t v)
{
	uint8_t two[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	put(b, two, 2);
}

static void put_sni(struct bytes *b, const char *name, size_t len)
{
	put16(b, 0);
	put16(b, len + 5);
	put16(b, len + 3);
	put(b, "", 1);
	put16(b, len);
	put(b, name, len);
}

/* A hello with these extensions, in records of at most @record bytes. */
static struct bytes hello_of(const struct bytes *ext, size_t record)
{
	struct bytes body = { .len = 0 };
	struct bytes out = { .len = 0 };
	uint8_t random[34] = { 3, 3 };

	put(&body, "\1\0", 2);
	put16(&body, 34 + 1 + 4 + 2 + 2 + ext->len);
	put(&body, random, sizeof(random));
	put(&body, "\0\0\2\x13\1\1\0", 7);
	put16(&body, ext->len);
	put(&body, ext->at, ext->len);
	for (size_t i = 0; i < body.len; i += record) {
		size_t n = body.len - i < record ? body.len - i : record;
		put(&out, "\x16\3\1", 3);
		put16(&out, n);
		put(&out, body.at + i, n);
	}
	return out;
}

static enum parse parse_ext(const struct bytes *ext, size_t record, struct tls_hello *h,
                            enum dd_reason *why)
{
	static struct bytes out;
	out = hello_of(ext, record);
	*why = REASON_NONE;
	return tls_hello_parse(out.at, out.len, h, why);
}

static void one_name_is_read_whatever_the_records(void **state)
{
	(void)state;
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	ext.len = 0;
	put_sni(&ext, "Good.Test", 9);
	for (size_t record = 1; record < 120; record++) {
		assert_int_equal(parse_ext(&ext, record, &h, &why), PARSE_OK);
		assert_int_equal(h.sni_len, 9);
		assert_string_equal((char *)h.sni, "Good.Test");
	}
}

static void every_beginning_asks_for_more(void **state)
{
	(void)state;
	static struct bytes ext;
	static struct bytes out;
	struct tls_hello h;
	enum dd_reason why = REASON_NONE;
	ext.len = 0;
	put_sni(&ext, "good.test", 9);
	out = hello_of(&ext, 40);
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(tls_hello_parse(out.at, len, &h, &why), PARSE_MORE);
	assert_int_equal(tls_hello_parse(out.at, out.len, &h, &why), PARSE_OK);
}

static void a_hello_without_a_name_or_with_two_is_refused(void **state)
{
	(void)state;
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	ext.len = 0;
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_NO_NAME);
	put_sni(&ext, "a.test", 6);
	put_sni(&ext, "b.test", 6);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_EXTENSION_TWICE);
	ext.len = 0;
	put(&ext, "\0\0\0\x14\0\x12\0\0\6a.test\0\0\6b.test", 24);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_NAMES);
}

/* An ECH extension: form, cipher suite, config id, a key and a payload of these lengths; its own
 * length is @over too large. */
static void put_ech(struct bytes *b, uint8_t form, size_t key, size_t payload, size_t over)
{
	uint8_t fill[400] = { 0 };
	put16(b, 0xfe0d);
	put16(b, 10 + key + payload + over);
	put(b, &form, 1);
	put(b, "\0\1\0\1\7", 5);
	put16(b, key);
	put(b, fill, key);
	put16(b, payload);
	put(b, fill, payload);
}

static void a_hello_with_an_encrypted_one_is_judged_by_its_outer_name_and_says_so(void **state)
{
	(void)state;
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	for (int before = 0; before < 2; before++) {
		ext.len = 0;
		if (before)
			put_ech(&ext, 0, 32, 144, 0);
		put_sni(&ext, "a.test", 6);
		if (!before)
			put_ech(&ext, 0, 32, 144, 0);
		for (size_t record = 1; record < 60; record++) {
			assert_int_equal(parse_ext(&ext, record, &h, &why), PARSE_OK);
			assert_string_equal((char *)h.sni, "a.test");
			assert_true(h.ech);
		}
	}
	ext.len = 0; /* the second hello after a HelloRetryRequest has no key */
	put_ech(&ext, 0, 0, 1, 0);
	put_sni(&ext, "a.test", 6);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_OK);
	assert_true(h.ech);
	ext.len = 0;
	put_sni(&ext, "a.test", 6);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_OK);
	assert_false(h.ech);
	ext.len = 0; /* an outer hello without a name says nothing */
	put_ech(&ext, 0, 32, 144, 0);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_NO_NAME);
}

static void older_forms_of_it_are_told_as_well(void **state)
{
	(void)state;
	static const size_t types[] = { 0xffce, 0xfe08, 0xfe09, 0xfe0a, 0xfe0b, 0xfe0c };
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ext.len = 0;
		put_sni(&ext, "a.test", 6);
		put16(&ext, types[i]);
		put16(&ext, 3);
		put(&ext, "xyz", 3);
		assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_OK);
		assert_true(h.ech);
	}
}

static void what_no_client_sends_as_ech_is_refused(void **state)
{
	(void)state;
	static const struct {
		uint8_t form;
		size_t key, payload, over;
	} rows[] = { { 1, 0, 1, 0 },
		     { 2, 32, 144, 0 },
		     { 0, 32, 0, 0 },
		     { 0, 0, 0, 0 },
		     { 0, 32, 144, 1 } };
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ext.len = 0;
		put_ech(&ext, rows[i].form, rows[i].key, rows[i].payload, rows[i].over);
		put_sni(&ext, "a.test", 6);
		assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
		assert_int_equal(why, REASON_TLS_MALFORMED);
	}
	static const struct {
		const char *ext;
		size_t len;
	} raw[] = { { "\xfe\x0d\0\0", 4 },   /* nothing */
		    { "\xfe\x0d\0\1\1", 5 }, /* the inner form: only between servers */
		    { "\xfe\x0d\0\1\0", 5 },
		    { "\xfe\x0d\0\13\0\0\1\0\1\7\377\377\0\1x", 15 } }; /* a key longer than all */
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		ext.len = 0;
		put(&ext, raw[i].ext, raw[i].len);
		put_sni(&ext, "a.test", 6);
		assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
		assert_int_equal(why, REASON_TLS_MALFORMED);
	}
	ext.len = 0;
	put_sni(&ext, "a.test", 6);
	put_ech(&ext, 0, 32, 144, 0);
	put_ech(&ext, 0, 32, 144, 0);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_EXTENSION_TWICE);
}

static void lengths_that_do_not_nest_are_refused(void **state)
{
	(void)state;
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	char name[300];
	memset(name, 'a', sizeof(name));
	ext.len = 0;
	put_sni(&ext, name, sizeof(name));
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED); /* N-16: 300 bytes */
	ext.len = 0;
	put(&ext, "\0\0\0\4\0\2\0\0", 8);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	ext.len = 0;
	put(&ext, "\0\1\xff\xff", 4);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(tls_hello_parse((const uint8_t *)"\x16\3\1\0\0", 5, &h, &why),
	                 PARSE_REFUSED);
	assert_int_equal(tls_hello_parse((const uint8_t *)"\x16\3\1\0\4\2\0\0\0", 9, &h, &why),
	                 PARSE_REFUSED);
	assert_int_equal(tls_hello_parse((const uint8_t *)"\x17", 1, &h, &why), PARSE_REFUSED);
}

/* Else the same bytes could be a hello to us and something else to the server. */
static void another_handshake_message_is_not_read_as_a_hello(void **state)
{
	(void)state;
	static struct bytes ext, out;
	struct tls_hello h;
	enum dd_reason why = REASON_NONE;
	ext.len = 0;
	put_sni(&ext, "good.test", 9);
	out = hello_of(&ext, 500);
	assert_int_equal(out.at[5], 1);
	assert_int_equal(tls_hello_parse(out.at, out.len, &h, &why), PARSE_OK);
	out.at[5] = 2; /* ServerHello */
	assert_int_equal(tls_hello_parse(out.at, out.len, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_NOT_A_HELLO);
}

static void a_real_openssl_hello_is_understood(void **state)
{
	(void)state;
	static const char *const command =
		"python3 -c \"import "
		"ssl,sys\nc=ssl.create_default_context();i=ssl.MemoryBIO();o=ssl.MemoryBIO()\n"
		"s=c.wrap_bio(i,o,server_hostname='registry.example.com')\ntry: s.do_handshake()\n"
		"except ssl.SSLWantReadError: pass\nsys.stdout.buffer.write(o.read())\" "
		"2>/dev/null";
	uint8_t in[4096];
	struct tls_hello h;
	enum dd_reason why = REASON_NONE;
	FILE *p = popen(command, "re");
	size_t len = p ? fread(in, 1, sizeof(in), p) : 0;
	if (p)
		(void)pclose(p);
	if (len == 0) {
		print_message("# SKIP no python3 with ssl\n");
		skip();
	}
	assert_int_equal(tls_hello_parse(in, len, &h, &why), PARSE_OK);
	assert_string_equal((char *)h.sni, "registry.example.com");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_name_is_read_whatever_the_records),
		cmocka_unit_test(every_beginning_asks_for_more),
		cmocka_unit_test(a_hello_without_a_name_or_with_two_is_refused),
		cmocka_unit_test(
			a_hello_with_an_encrypted_one_is_judged_by_its_outer_name_and_says_so),
		cmocka_unit_test(older_forms_of_it_are_told_as_well),
		cmocka_unit_test(what_no_client_sends_as_ech_is_refused),
		cmocka_unit_test(lengths_that_do_not_nest_are_refused),
		cmocka_unit_test(another_handshake_message_is_not_read_as_a_hello),
		cmocka_unit_test(a_real_openssl_hello_is_understood),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
