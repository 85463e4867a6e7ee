// SPDX-License-Identifier: Apache-2.0
/* nflog_packet.c - reads the destination out of a packet that the wall refused and logged.
 *
 * Runs in: gate. The netlink framing comes from the kernel, the packet inside from hostile code;
 * both are read with the same distrust. Pure.
 */
#include "nflog_packet.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <string.h>

enum {
	EXTENSION_HEADERS_MAX = 6,
	PROTO_UNREADABLE = 255,
	/* NLA_HDRLEN and NLA_ALIGN mix signed and unsigned */
	ATTR_HEADER = sizeof(struct nlattr),
	ATTR_ALIGN = 4,
};

enum { TCP_FLAGS_AT = 13, TCP_SYN = 0x02, TCP_ACK = 0x10 }; /* RFC 9293 3.1 */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

static void read_ports(const uint8_t *in, size_t len, struct nflog_packet *p)
{
	if (!has_ports(p->proto) || len < 4)
		return;
	p->src_port = be16(in);
	p->dst_port = be16(in + 2);
	p->goes_on = p->proto == IPPROTO_TCP && len > TCP_FLAGS_AT &&
	             (in[TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

static bool parse_v4(const uint8_t *in, size_t len, struct nflog_packet *p)
{
	if (len < 20)
		return false;
	size_t header = (size_t)(in[0] & 0x0f) * 4;
	p->dst.v4 = (struct sockaddr_in){ .sin_family = AF_INET };
	memcpy(&p->dst.v4.sin_addr, in + 16, 4);
	p->proto = in[9];
	bool later_fragment = (be16(in + 6) & 0x1fff) != 0;
	if (header >= 20 && header <= len && !later_fragment)
		read_ports(in + header, len - header, p);
	p->dst.v4.sin_port = htons(p->dst_port);
	return true;
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS;
}

static bool parse_v6(const uint8_t *in, size_t len, struct nflog_packet *p)
{
	if (len < 40)
		return false;
	p->dst.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	memcpy(&p->dst.v6.sin6_addr, in + 24, 16);
	uint8_t next = in[6];
	size_t at = 40;
	bool later_fragment = false;
	for (unsigned n = 0; n < EXTENSION_HEADERS_MAX && is_extension(next); n++) {
		if (len - at < 8)
			break;
		if (next == IPPROTO_FRAGMENT)
			later_fragment = (be16(in + at + 2) & 0xfff8) != 0;
		size_t size = next == IPPROTO_FRAGMENT ? 8 : ((size_t)in[at + 1] + 1) * 8;
		next = in[at];
		if (size > len - at) {
			next = PROTO_UNREADABLE;
			break;
		}
		at += size;
	}
	p->proto = is_extension(next) ? PROTO_UNREADABLE : next;
	if (!later_fragment)
		read_ports(in + at, len - at, p);
	p->dst.v6.sin6_port = htons(p->dst_port);
	return true;
}

bool nflog_packet_parse(const uint8_t *in, size_t len, struct nflog_packet *ret_packet)
{
	memset(ret_packet, 0, sizeof(*ret_packet));
	if (len < 1)
		return false;
	if (in[0] >> 4 == 4)
		return parse_v4(in, len, ret_packet);
	if (in[0] >> 4 == 6)
		return parse_v6(in, len, ret_packet);
	return false;
}

/* The payload attribute of one NFLOG message; attributes are padded to four bytes. */
static bool find_payload(const uint8_t *in, size_t len, const uint8_t **ret_payload,
                         size_t *ret_len)
{
	size_t pos = 0;

	while (len - pos >= (size_t)ATTR_HEADER) {
		struct nlattr attr;
		memcpy(&attr, in + pos, sizeof(attr));
		if (attr.nla_len < ATTR_HEADER || attr.nla_len > len - pos)
			return false;
		if ((attr.nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD) {
			*ret_payload = in + pos + ATTR_HEADER;
			*ret_len = attr.nla_len - (size_t)ATTR_HEADER;
			return true;
		}
		size_t step = (attr.nla_len + ATTR_ALIGN - 1u) & ~(ATTR_ALIGN - 1u);
		if (step > len - pos)
			return false;
		pos += step;
	}
	return false;
}

static bool read_message(const uint8_t *in, size_t len, struct nflog_packet *ret_packet)
{
	size_t skip = sizeof(struct nfgenmsg);
	const uint8_t *payload = NULL;
	size_t payload_len = 0;

	return len >= skip && find_payload(in + skip, len - skip, &payload, &payload_len) &&
	       nflog_packet_parse(payload, payload_len, ret_packet);
}

bool nflog_next(const uint8_t *in, size_t len, size_t *pos, struct nflog_packet *ret_packet,
                unsigned *ret_bad)
{
	while (len - *pos >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr head;
		memcpy(&head, in + *pos, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len - *pos) {
			(*ret_bad)++;
			break;
		}
		const uint8_t *body = in + *pos + sizeof(head);
		size_t step = ((size_t)head.nlmsg_len + ATTR_ALIGN - 1) & ~(size_t)(ATTR_ALIGN - 1);
		*pos = step > len - *pos ? len : *pos + step;
		if (head.nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
			continue;
		if (read_message(body, head.nlmsg_len - sizeof(head), ret_packet))
			return true;
		(*ret_bad)++;
	}
	*pos = len;
	return false;
}
