// SPDX-License-Identifier: Apache-2.0
/* egress_test.c - host names as people and attackers spell them, and the verdicts about them. */
#include "drydock/egress.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define L63     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TEXT(s) s, sizeof(s) - 1

static void names_have_one_canonical_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} rows[] = {
		{ TEXT("example.test"), "example.test" },
		{ TEXT("Example.TEST"), "example.test" },
		{ TEXT("example.test."), "example.test" },
		{ TEXT("xn--bcher-kva.example"), "xn--bcher-kva.example" },
		{ TEXT("_srv.a-b.c1"), "_srv.a-b.c1" },
		{ TEXT("localhost"), "localhost" },
		{ TEXT("1.2.3.4.example"), "1.2.3.4.example" },
		{ TEXT("0x7f.example"), "0x7f.example" },
		{ TEXT(L63 ".test"), L63 ".test" },
		{ TEXT(L63 "." L63 "." L63
		           ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."),
		  L63 "." L63 "." L63
		      ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char host[EGRESS_HOST_MAX + 1] = "untouched";
		assert_int_equal(egress_host_canonical(rows[i].in, rows[i].len, host), 0);
		assert_string_equal(host, rows[i].want);
	}
}

static void names_that_are_not_names_are_refused_and_the_output_stays_untouched(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		size_t len;
	} rows[] = {
		{ TEXT("") },
		{ TEXT(".") },
		{ TEXT("..") },
		{ TEXT(".a.test") },
		{ TEXT("a..test") },
		{ TEXT("a.test..") },
		{ TEXT("a.test\0.evil.test") },
		{ TEXT("a.test\r\n") },
		{ TEXT("a.test ") },
		{ TEXT(" a.test") },
		{ TEXT("a%00.test") },
		{ TEXT("user@a.test") },
		{ TEXT("a\\.test") },
		{ TEXT("a/test") },
		{ TEXT("a.test:443") },
		{ TEXT("[::1]") },
		{ TEXT("::1") },
		{ TEXT("b\xc3\xbc"
		       "cher.example") },
		{ TEXT("*.a.test") },
		{ TEXT("a\x7f.test") },
		{ TEXT("a,b") },
		{ TEXT("127.0.0.1") },
		{ TEXT("127.0.0.1.") },
		{ TEXT("127.1") },
		{ TEXT("0x7f.1") },
		{ TEXT("0X7F000001") },
		{ TEXT("2130706433") },
		{ TEXT("017700000001") },
		{ TEXT("1.2.3") },
		{ TEXT("0x") },
		{ TEXT("a.1") },
		{ TEXT("a.0x1f") },
		{ TEXT("1.2.3.4.5") },
		{ TEXT(L63 "a.test") },
		{ TEXT(L63 "." L63 "." L63
		           ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
		{ TEXT(L63 "." L63 "." L63 "." L63 "." L63) },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char host[EGRESS_HOST_MAX + 1] = "untouched";
		assert_int_equal(egress_host_canonical(rows[i].in, rows[i].len, host), -EINVAL);
		assert_string_equal(host, "untouched");
	}
}

static void a_policy_host_is_a_name_or_a_suffix_of_two_labels(void **state)
{
	(void)state;
	char host[EGRESS_HOST_MAX + 1];
	bool wildcard = true;
	assert_int_equal(egress_host_parse("Registry.Example.Test.", host, &wildcard, NULL), 0);
	assert_string_equal(host, "registry.example.test");
	assert_false(wildcard);
	assert_int_equal(egress_host_parse("*.Example.test", host, &wildcard, NULL), 0);
	assert_string_equal(host, "example.test");
	assert_true(wildcard);
}

static void a_policy_host_that_is_too_wide_or_no_name_is_refused_with_what_was_meant(void **state)
{
	(void)state;
	static const struct {
		const char *in, *told;
	} rows[] = {
		{ "*", "star" },
		{ "*.test", "top-level" },
		{ "*.*.test", "star" },
		{ "a.*.test", "star" },
		{ "*a.test", "star" },
		{ "a.test*", "star" },
		{ "*.", "not a host name" },
		{ "", "not a host name" },
		{ "a b", "not a host name" },
		{ "10.0.0.1", "cidr: 10.0.0.1/32" },
		{ "*.1", "address" },
		{ "https://a.test", "not a host name" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char host[EGRESS_HOST_MAX + 1] = "untouched";
		bool wildcard = false;
		struct dd_err err = { 0 };
		assert_int_equal(egress_host_parse(rows[i].in, host, &wildcard, &err), -EINVAL);
		assert_string_equal(host, "untouched");
		if (!strstr(err.msg, rows[i].told))
			fail_msg("%s: told %s", rows[i].in, err.msg);
	}
}

static const struct egress_entry entries[] = {
	{ .host = "example.test", .wildcard = true, .port = 443, .why = "wide", .origin = "1" },
	{ .host = "deep.example.test",
	  .wildcard = true,
	  .port = 443,
	  .why = "narrow",
	  .origin = "2" },
	{ .host = "a.deep.example.test", .port = 443, .why = "exact", .origin = "3" },
	{ .host = "a.deep.example.test", .port = 22, .origin = "4" },
	{ .host = "only.test", .port = 443, .origin = "5" },
};
static const struct egress_list list = { .entries = entries, .n = ARRAY_LEN(entries) };

static void the_closest_entry_decides_about_a_name(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		uint16_t port;
		const char *origin;
	} rows[] = {
		{ "a.deep.example.test", 443, "3" },
		{ "a.deep.example.test", 22, "4" },
		{ "b.deep.example.test", 443, "2" },
		{ "x.y.deep.example.test", 443, "2" },
		{ "deep.example.test", 443, "1" },
		{ "x.example.test", 443, "1" },
		{ "x.example.test", 0, "1" },
		{ "only.test", 443, "5" },
		{ "only.test", 0, "5" },
		{ "example.test", 443, NULL },
		{ "notexample.test", 443, NULL },
		{ ".example.test", 443, NULL },
		{ "example.test.evil.test", 443, NULL },
		{ "only.test.evil.test", 443, NULL },
		{ "x.only.test", 443, NULL },
		{ "only.test", 80, NULL },
		{ "test", 443, NULL },
		{ "", 443, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_verdict v = egress_verdict_name(&list, rows[i].host, rows[i].port);
		assert_non_null(v.why);
		assert_int_equal(v.allow, rows[i].origin != NULL);
		assert_int_equal(v.allow, v.reason == REASON_NONE);
		if (rows[i].origin)
			assert_string_equal(v.entry->origin, rows[i].origin);
		else
			assert_null(v.entry);
	}
	assert_string_equal(egress_verdict_name(&list, "a.deep.example.test", 443).why, "exact");
	assert_int_equal(egress_verdict_name(&list, "only.test", 80).reason,
	                 REASON_PORT_NOT_LISTED);
}

static void an_empty_list_allows_nothing(void **state)
{
	(void)state;
	const struct egress_list empty = { 0 };
	assert_false(egress_verdict_name(&empty, "a.test", 443).allow);
	assert_false(egress_verdict_addr(&empty, (struct in_addr){ htonl(0x01010101) }, 443).allow);
}

static void blocks_allow_addresses_but_only_by_their_own_rules(void **state)
{
	(void)state;
	const struct egress_entry blocks[] = {
		{ .cidr.s_addr = htonl(0xCB007100), .prefix = 24, .port = 443, .origin = "wide" },
		{ .cidr.s_addr = htonl(0xCB007107), .prefix = 32, .port = 443, .origin = "narrow" },
		{ .cidr.s_addr = htonl(0x0A000000),
		  .prefix = 8,
		  .port = 443,
		  .origin = "private, not said" },
		{ .cidr.s_addr = htonl(0x0A010000),
		  .prefix = 16,
		  .port = 443,
		  .private_ok = true,
		  .origin = "private, said" },
		{ .cidr.s_addr = htonl(0xA9FE0000),
		  .prefix = 16,
		  .port = 80,
		  .private_ok = true,
		  .origin = "link-local" },
		{ .cidr.s_addr = htonl(0x646464C8),
		  .prefix = 32,
		  .port = 80,
		  .private_ok = true,
		  .origin = "metadata, named" },
		{ .host = "a.test", .port = 443, .origin = "a name" },
	};
	const struct egress_list all = { .entries = blocks, .n = ARRAY_LEN(blocks) };
	static const struct {
		uint32_t addr;
		uint16_t port;
		const char *origin;
		bool allow;
	} rows[] = {
		{ 0xCB007101, 443, "wide", true },
		{ 0xCB007107, 443, "narrow", true },
		{ 0xCB007101, 80, NULL, false },
		{ 0xCB007201, 443, NULL, false },
		{ 0x0A020001, 443, "private, not said", false },
		{ 0x0A010001, 443, "private, said", true },
		{ 0xA9FE0001, 80, "link-local", true },
		{ 0xA9FEA9FE, 80, "link-local", false },
		{ 0x646464C8, 80, "metadata, named", true },
		{ 0x01010101, 443, NULL, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_verdict v = egress_verdict_addr(
			&all, (struct in_addr){ htonl(rows[i].addr) }, rows[i].port);
		assert_non_null(v.why);
		assert_int_equal(v.allow, rows[i].allow);
		assert_int_equal(v.allow, v.reason == REASON_NONE);
		assert_int_equal(v.entry != NULL, rows[i].origin != NULL);
		if (rows[i].origin)
			assert_string_equal(v.entry->origin, rows[i].origin);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_canonical_spelling),
		cmocka_unit_test(
			names_that_are_not_names_are_refused_and_the_output_stays_untouched),
		cmocka_unit_test(a_policy_host_is_a_name_or_a_suffix_of_two_labels),
		cmocka_unit_test(
			a_policy_host_that_is_too_wide_or_no_name_is_refused_with_what_was_meant),
		cmocka_unit_test(the_closest_entry_decides_about_a_name),
		cmocka_unit_test(an_empty_list_allows_nothing),
		cmocka_unit_test(blocks_allow_addresses_but_only_by_their_own_rules),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
