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

static void an_encrypted_hello_is_refused(void **state)
{
	(void)state;
	static struct bytes ext;
	struct tls_hello h;
	enum dd_reason why;
	ext.len = 0;
	put_sni(&ext, "a.test", 6);
	put(&ext, "\xfe\x0d\0\2xx", 6);
	assert_int_equal(parse_ext(&ext, 500, &h, &why), PARSE_REFUSED);
	assert_int_equal(why, REASON_TLS_ENCRYPTED_HELLO);
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
		cmocka_unit_test(an_encrypted_hello_is_refused),
		cmocka_unit_test(lengths_that_do_not_nest_are_refused),
		cmocka_unit_test(another_handshake_message_is_not_read_as_a_hello),
		cmocka_unit_test(a_real_openssl_hello_is_understood),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
