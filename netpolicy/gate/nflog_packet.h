// SPDX-License-Identifier: Apache-2.0
/* nflog_packet.h - who wanted to go where, read from a logged packet. Pure; runs in the gate on
 * bytes that a step chose. */
#ifndef NETPOLICY_NFLOG_PACKET_H
#define NETPOLICY_NFLOG_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nflog_packet {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} dst;             /* address and, for protocols that have one, port */
	uint16_t src_port; /* host byte order; 0: unknown */
	uint16_t dst_port;
	/* IPPROTO_* after the IPv6 extension headers; 255 if they cannot be read */
	uint8_t proto;
	/* TCP, and no beginning of a connection: of one that there was */
	bool goes_on;
};

/* The next logged packet of a netlink datagram of @len bytes, from *pos on; advances *pos. false:
 * no more (what cannot be read is stepped over and counted in *ret_bad). */
bool nflog_next(const uint8_t *in, size_t len, size_t *pos, struct nflog_packet *ret_packet,
                unsigned *ret_bad);

/* One IP packet, possibly cut short. false: not even its addresses can be read. */
bool nflog_packet_parse(const uint8_t *in, size_t len, struct nflog_packet *ret_packet);

#endif
