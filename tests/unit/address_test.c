// SPDX-License-Identifier: Apache-2.0
/* address_test.c - which answers of a resolver are not ordinary public addresses, and who may dial
 * them all the same. */
#include "drydock/egress.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

union any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union any parse(const char *text)
{
	union any a = { 0 };
	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
		a.sa.sa_family = AF_INET;
		return a;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
	a.sa.sa_family = AF_INET6;
	return a;
}

enum may { NEVER, PRIVATE, METADATA, PUBLIC };

static const struct row {
	const char *addr, *why;
	enum may may;
} rows[] = {
	{ "127.0.0.1", "loopback", PRIVATE },
	{ "127.255.255.255", "loopback", PRIVATE },
	{ "126.255.255.255", NULL, PUBLIC },
	{ "128.0.0.0", NULL, PUBLIC },
	{ "10.0.0.0", "1918", PRIVATE },
	{ "10.255.255.255", "1918", PRIVATE },
	{ "9.255.255.255", NULL, PUBLIC },
	{ "11.0.0.0", NULL, PUBLIC },
	{ "172.15.255.255", NULL, PUBLIC },
	{ "172.16.0.0", "1918", PRIVATE },
	{ "172.31.255.255", "1918", PRIVATE },
	{ "172.32.0.0", NULL, PUBLIC },
	{ "192.167.255.255", NULL, PUBLIC },
	{ "192.168.0.0", "1918", PRIVATE },
	{ "192.168.255.255", "1918", PRIVATE },
	{ "192.169.0.0", NULL, PUBLIC },
	{ "100.63.255.255", NULL, PUBLIC },
	{ "100.64.0.0", "6598", PRIVATE },
	{ "100.127.255.255", "6598", PRIVATE },
	{ "100.128.0.0", NULL, PUBLIC },
	{ "169.253.255.255", NULL, PUBLIC },
	{ "169.254.0.1", "link-local", PRIVATE },
	{ "169.255.0.0", NULL, PUBLIC },
	{ "169.254.169.254", "metadata", METADATA },
	{ "169.254.170.2", "metadata", METADATA },
	{ "169.254.170.23", "metadata", METADATA },
	{ "168.63.129.16", "metadata", METADATA },
	{ "168.63.129.17", NULL, PUBLIC },
	{ "100.100.100.200", "metadata", METADATA },
	{ "192.0.0.192", "metadata", METADATA },
	{ "192.0.0.1", "192.0.0.0/24", PRIVATE },
	{ "192.0.1.0", NULL, PUBLIC },
	{ "0.0.0.0", "0.0.0.0/8", NEVER },
	{ "0.1.2.3", "0.0.0.0/8", NEVER },
	{ "1.0.0.0", NULL, PUBLIC },
	{ "198.17.255.255", NULL, PUBLIC },
	{ "198.18.0.0", "benchmarking", PRIVATE },
	{ "198.19.255.255", "benchmarking", PRIVATE },
	{ "198.20.0.0", NULL, PUBLIC },
	{ "192.88.99.1", "6to4", NEVER },
	{ "223.255.255.255", NULL, PUBLIC },
	{ "224.0.0.1", "multicast", NEVER },
	{ "239.255.255.255", "multicast", NEVER },
	{ "240.0.0.1", "reserved", PRIVATE },
	{ "255.255.255.254", "reserved", PRIVATE },
	{ "255.255.255.255", "broadcast", NEVER },
	{ "192.0.2.1", NULL, PUBLIC },
	{ "198.51.100.1", NULL, PUBLIC },
	{ "203.0.113.1", NULL, PUBLIC },
	{ "2001:db8::1", NULL, PUBLIC },
	{ "::", "unspecified", NEVER },
	{ "::1", "loopback", PRIVATE },
	{ "::2", "compatible", NEVER },
	{ "::10.0.0.1", "compatible", NEVER },
	{ "::8.8.8.8", "compatible", NEVER },
	{ "::ffff:10.0.0.1", "1918", PRIVATE },
	{ "::ffff:127.0.0.1", "loopback", PRIVATE },
	{ "::ffff:169.254.169.254", "metadata", METADATA },
	{ "::ffff:8.8.8.8", NULL, PUBLIC },
	{ "::ffff:0.0.0.0", "0.0.0.0/8", NEVER },
	{ "::ffff:0:10.0.0.1", "reserved", NEVER },
	{ "64:ff9b::10.0.0.1", "1918", PRIVATE },
	{ "64:ff9b::169.254.169.254", "metadata", METADATA },
	{ "64:ff9b::8.8.8.8", NULL, PUBLIC },
	{ "64:ff9b::1:8.8.8.8", "reserved", NEVER },
	{ "64:ff9b:1::8.8.8.8", "NAT64", PRIVATE },
	{ "64:ff9b:1::169.254.169.254", "metadata", METADATA },
	{ "64:ff9b:1:a9fe:a9:fe00::", "metadata", METADATA },
	{ "64:ff9b:2::1", "reserved", NEVER },
	{ "2001::1", "Teredo", NEVER },
	{ "2001:0:53aa:64c:0:1234:5601:5601", "Teredo", NEVER },
	{ "2001:1::1", "2001::/23", PRIVATE },
	{ "2001:1ff::1", "2001::/23", PRIVATE },
	{ "2001:200::1", NULL, PUBLIC },
	{ "2002:a00:1::1", "6to4", NEVER },
	{ "2002:808:808::1", "6to4", NEVER },
	{ "2003::1", NULL, PUBLIC },
	{ "2606:4700::1", NULL, PUBLIC },
	{ "3fff:ffff::1", NULL, PUBLIC },
	{ "4000::1", "reserved", NEVER },
	{ "1fff::1", "reserved", NEVER },
	{ "100::1", "reserved", NEVER },
	{ "fc00::1", "4193", PRIVATE },
	{ "fdff::1", "4193", PRIVATE },
	{ "fbff::1", "reserved", NEVER },
	{ "fd00:ec2::254", "metadata", METADATA },
	{ "fd00:ec2::23", "metadata", METADATA },
	{ "fd20:ce::254", "metadata", METADATA },
	{ "fd00:c1::a9fe:a9fe", "metadata", METADATA },
	{ "fd00:ec2::255", "4193", PRIVATE },
	{ "fe80::1", "link-local", PRIVATE },
	{ "febf::1", "link-local", PRIVATE },
	{ "fec0::1", "site-local", PRIVATE },
	{ "ff02::1", "multicast", NEVER },
	{ "ffff::1", "multicast", NEVER },
};

static void special_addresses_are_told_from_public_ones_and_say_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		union any a = parse(rows[i].addr);
		const char *why = egress_addr_special(&a.sa);
		if (!rows[i].why != !why || (why && !strstr(why, rows[i].why)))
			fail_msg("%s: %s, expected %s", rows[i].addr, why ? why : "public",
			         rows[i].why ? rows[i].why : "public");
		assert_int_equal(egress_addr_is_metadata(&a.sa), rows[i].may == METADATA);
		assert_int_equal(egress_addr_reason(&a.sa),
		                 rows[i].may == PUBLIC     ? REASON_NONE
		                 : rows[i].may == PRIVATE  ? REASON_ADDRESS_PRIVATE
		                 : rows[i].may == METADATA ? REASON_ADDRESS_METADATA
		                                           : REASON_ADDRESS_SPECIAL);
	}
}

static void only_an_entry_that_asks_may_dial_a_special_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		union any a = parse(rows[i].addr);
		const struct egress_entry plain = { .host = "a.test", .port = 443 }, asks = {
			.host = "a.test", .port = 443, .private_ok = true
		};
		const struct egress_entry pinned = { .host = "a.test",
			                             .port = 443,
			                             .private_ok = true,
			                             .pins = { "192.0.2.9", rows[i].addr } };
		const struct egress_entry pinned_plain = { .host = "a.test",
			                                   .port = 443,
			                                   .pins = { rows[i].addr } };
		const char *why = NULL;
		if (egress_entry_may_dial(&plain, &a.sa, &why) != (rows[i].may == PUBLIC) ||
		    !why != (rows[i].may == PUBLIC))
			fail_msg("plain entry: %s", rows[i].addr);
		if (egress_entry_may_dial(&asks, &a.sa, &why) !=
		    (rows[i].may == PUBLIC || rows[i].may == PRIVATE))
			fail_msg("private: allow: %s", rows[i].addr);
		if (egress_entry_may_dial(&pinned, &a.sa, &why) != (rows[i].may != NEVER))
			fail_msg("pinned: %s", rows[i].addr);
		if (egress_entry_may_dial(&pinned_plain, &a.sa, &why) != (rows[i].may == PUBLIC))
			fail_msg("pinned without private: allow: %s", rows[i].addr);
	}
}

static void a_pin_for_another_metadata_address_opens_nothing(void **state)
{
	(void)state;
	const struct egress_entry entry = { .host = "a.test",
		                            .port = 80,
		                            .private_ok = true,
		                            .pins = { "169.254.169.253", "::", "no address" } };
	const char *why = NULL;
	union any a = parse("169.254.169.254");
	assert_false(egress_entry_may_dial(&entry, &a.sa, &why));
	assert_string_equal(why, "metadata service");
}

static void an_unknown_address_family_is_special(void **state)
{
	(void)state;
	const struct sockaddr sa = { .sa_family = AF_UNIX };
	const struct egress_entry entry = { .host = "a.test", .port = 80, .private_ok = true };
	const char *why = NULL;
	assert_non_null(egress_addr_special(&sa));
	assert_false(egress_entry_may_dial(&entry, &sa, &why));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_addresses_are_told_from_public_ones_and_say_why),
		cmocka_unit_test(only_an_entry_that_asks_may_dial_a_special_address),
		cmocka_unit_test(a_pin_for_another_metadata_address_opens_nothing),
		cmocka_unit_test(an_unknown_address_family_is_special),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
