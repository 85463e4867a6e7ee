// SPDX-License-Identifier: Apache-2.0
/* dns_message_test.c - which queries are read, what an answer looks like, and that nothing of the
 * options comes back (N-06). */
#include "netpolicy/gate/dns_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define QUESTION         "\4GooD\4test\0\0\1\0\1"
#define HEAD(qd, an, ar) "\x12\x34\1\0\0" qd "\0" an "\0\0\0" ar
#define OPT              "\0\0\x29\4\xd0\0\0\0\0"
#define COOKIE           "\0\x0c\0\x0a\0\x08secrets!"
#define PARSE(text, q)   dns_query_parse((const uint8_t *)(text), sizeof(text) - 1, q)

static void a_query_is_read_and_answered_with_its_case_kept(void **state)
{
	(void)state;
	struct dns_query q;
	uint8_t out[DNS_ANSWER_MAX];
	struct in_addr addr = { .s_addr = htonl(0xc6120100) };
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") QUESTION, &q), DNS_QUERY);
	assert_string_equal(q.name, "GooD.test");
	assert_int_equal(q.type, DNS_TYPE_A);
	assert_false(q.odd);
	size_t len = dns_answer_build(&q, DNS_RCODE_OK, &addr, 30, out);
	assert_memory_equal(out, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0", 12);
	assert_memory_equal(out + 12, QUESTION, sizeof(QUESTION) - 1);
	assert_memory_equal(out + len - 16, "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc6\x12\1\0", 16);
}

static void edns_options_are_ignored_and_never_echoed(void **state)
{
	(void)state;
	struct dns_query q;
	uint8_t out[DNS_ANSWER_MAX];
	assert_int_equal(PARSE(HEAD("\1", "\0", "\1") QUESTION OPT COOKIE, &q), DNS_QUERY);
	size_t len = dns_answer_build(&q, DNS_RCODE_REFUSED, NULL, 0, out);
	assert_null(memmem(out, len, "secrets!", 8));
	assert_memory_equal(out + len - 11, "\0\0\x29\4\xd0\0\0\0\0\0\0", 11);
}

static void malformed_queries_get_formerr_or_silence(void **state)
{
	(void)state;
	struct dns_query q;
	assert_int_equal(dns_query_parse((const uint8_t *)"\1\2\0", 3, &q), DNS_DROP);
	assert_int_equal(PARSE("\x12\x34\x81\0\0\1\0\0\0\0\0\0" QUESTION, &q), DNS_DROP);
	assert_int_equal(PARSE(HEAD("\2", "\0", "\0") QUESTION QUESTION, &q), DNS_MALFORMED);
	assert_int_equal(q.rcode, DNS_RCODE_FORMERR);
	assert_int_equal(PARSE(HEAD("\1", "\1", "\0") QUESTION, &q), DNS_MALFORMED);
	/* a pointer to itself */
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") "\xc0\x0c\0\1\0\1", &q), DNS_MALFORMED);
	/* class CHAOS */
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") "\1a\0\0\1\0\3", &q), DNS_MALFORMED);
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") QUESTION "tail", &q), DNS_MALFORMED);
	/* TSIG */
	assert_int_equal(PARSE(HEAD("\1", "\0", "\1") QUESTION "\0\0\xfa\0\xff\0\0\0\0\0\0", &q),
	                 DNS_MALFORMED);
	assert_int_equal(PARSE("\x12\x34\x28\0\0\1\0\0\0\0\0\0" QUESTION, &q), DNS_MALFORMED);
	assert_int_equal(q.rcode, DNS_RCODE_NOTIMP);
}

static void a_dot_or_control_byte_inside_a_label_never_makes_another_name(void **state)
{
	(void)state;
	struct dns_query q;
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") "\x09good.test\0\0\1\0\1", &q), DNS_QUERY);
	assert_true(q.odd);
	assert_string_equal(q.name, "good\\046test");
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") "\2a\n\0\0\1\0\1", &q), DNS_QUERY);
	assert_true(q.odd);
	assert_string_equal(q.name, "a\\010");
	assert_int_equal(PARSE(HEAD("\1", "\0", "\0") "\0\0\1\0\1", &q), DNS_QUERY);
	assert_true(q.odd);
}

static void names_over_255_bytes_are_malformed(void **state)
{
	(void)state;
	struct dns_query q;
	uint8_t in[400] = { 0x12, 0x34, 1, 0, 0, 1 };
	size_t at = 12;
	for (int i = 0; i < 4; i++, at += 64) {
		in[at] = 63;
		memset(in + at + 1, 'a', 63);
	}
	in[at + 2] = in[at + 4] = 1;
	assert_int_equal(dns_query_parse(in, at + 5, &q), DNS_MALFORMED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_read_and_answered_with_its_case_kept),
		cmocka_unit_test(edns_options_are_ignored_and_never_echoed),
		cmocka_unit_test(malformed_queries_get_formerr_or_silence),
		cmocka_unit_test(a_dot_or_control_byte_inside_a_label_never_makes_another_name),
		cmocka_unit_test(names_over_255_bytes_are_malformed),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
