// SPDX-License-Identifier: Apache-2.0
/* nflog_packet_test.c - destinations are read out of whole, cut, fragmented and hostile packets. */
#include "netpolicy/gate/nflog_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <arpa/inet.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t tcp4[24] = { 0x45, 0,  0, 40, 0, 1, 0, 0, 64,   6,    0, 0,
	                          198,  18, 0, 2,  8, 8, 4, 4, 0x9c, 0x40, 1, 0xbb };

static void a_tcp_packet_names_address_and_ports(void **state)
{
	(void)state;
	struct nflog_packet p;
	assert_true(nflog_packet_parse(tcp4, sizeof(tcp4), &p));
	assert_int_equal(p.dst.v4.sin_addr.s_addr, htonl(0x08080404));
	assert_int_equal(p.dst_port, 443);
	assert_int_equal(p.src_port, 40000);
	assert_int_equal(p.proto, IPPROTO_TCP);
}

static void cut_or_fragmented_packets_have_no_ports(void **state)
{
	(void)state;
	struct nflog_packet p;
	uint8_t in[sizeof(tcp4)];
	assert_false(nflog_packet_parse(tcp4, 19, &p));
	assert_true(nflog_packet_parse(tcp4, 21, &p));
	assert_int_equal(p.dst_port, 0);
	memcpy(in, tcp4, sizeof(in));
	in[7] = 9; /* a later fragment: what looks like ports is payload (N-23) */
	assert_true(nflog_packet_parse(in, sizeof(in), &p));
	assert_int_equal(p.dst_port, 0);
	memcpy(in, tcp4, sizeof(in));
	in[0] = 0x4f; /* options longer than the packet */
	assert_true(nflog_packet_parse(in, sizeof(in), &p));
	assert_int_equal(p.dst_port, 0);
}

static void what_begins_a_connection_is_told_from_what_goes_on_with_one(void **state)
{
	(void)state;
	static const struct {
		uint8_t flags;
		bool goes_on;
	} rows[] = { { 0x02, false }, { 0x10, true }, { 0x11, true }, { 0x04, true },
		     { 0x12, true },  { 0x00, true }, { 0xc2, false } };
	struct nflog_packet p;
	uint8_t in[34] = { 0 };
	memcpy(in, tcp4, sizeof(tcp4));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		in[20 + 13] = rows[i].flags;
		assert_true(nflog_packet_parse(in, sizeof(in), &p));
		assert_int_equal(p.goes_on, rows[i].goes_on);
	}
	assert_true(nflog_packet_parse(in, sizeof(in) - 1, &p)); /* cut: an attempt, to be told */
	assert_false(p.goes_on);
	in[9] = IPPROTO_UDP;
	in[20 + 13] = 0x10;
	assert_true(nflog_packet_parse(in, sizeof(in), &p));
	assert_false(p.goes_on);
}

static void ipv6_extension_headers_are_stepped_over(void **state)
{
	(void)state;
	uint8_t in[56] = { 0x60,     [6] = IPPROTO_DSTOPTS, [24] = 0x20, [25] = 1,
		           [39] = 1, [40] = IPPROTO_UDP,    [48] = 1,    [49] = 2,
		           [51] = 53 };
	struct nflog_packet p;
	assert_true(nflog_packet_parse(in, sizeof(in), &p));
	assert_int_equal(p.dst.any.sa_family, AF_INET6);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(p.dst_port, 53);
	in[41] = 200; /* longer than the packet */
	assert_true(nflog_packet_parse(in, sizeof(in), &p));
	assert_int_equal(p.proto, 255);
	assert_int_equal(p.dst_port, 0);
}

static void a_datagram_may_hold_several_messages_and_bad_ones_are_counted(void **state)
{
	(void)state;
	/* nlmsghdr, nfgenmsg, NFULA_PAYLOAD */
	uint8_t one[16 + 4 + 4 + sizeof(tcp4)] = {
		sizeof(one), 0, 0, 0, 0, 4, [16] = 2, [20] = 4 + sizeof(tcp4), [22] = 9
	};
	uint8_t in[3 * sizeof(one)];
	struct nflog_packet p;
	size_t pos = 0;
	unsigned bad = 0;
	memcpy(one + 24, tcp4, sizeof(tcp4));
	for (size_t i = 0; i < 3; i++)
		memcpy(in + i * sizeof(one), one, sizeof(one));
	in[sizeof(one) + 20] = 3; /* an attribute shorter than its head */
	assert_true(nflog_next(in, sizeof(in), &pos, &p, &bad));
	assert_true(nflog_next(in, sizeof(in), &pos, &p, &bad));
	assert_int_equal(p.dst_port, 443);
	assert_false(nflog_next(in, sizeof(in), &pos, &p, &bad));
	assert_int_equal(bad, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_packet_names_address_and_ports),
		cmocka_unit_test(cut_or_fragmented_packets_have_no_ports),
		cmocka_unit_test(what_begins_a_connection_is_told_from_what_goes_on_with_one),
		cmocka_unit_test(ipv6_extension_headers_are_stepped_over),
		cmocka_unit_test(a_datagram_may_hold_several_messages_and_bad_ones_are_counted),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
