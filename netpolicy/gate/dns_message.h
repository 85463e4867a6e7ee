// SPDX-License-Identifier: Apache-2.0
/* dns_message.h - the little of DNS that a step needs: one question in, one short answer out. Pure;
 * runs in the gate. */
#ifndef NETPOLICY_DNS_MESSAGE_H
#define NETPOLICY_DNS_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_NAME_WIRE_MAX = 255,
	/* header, question, one A record, OPT: always below 512 */
	DNS_ANSWER_MAX = 12 + DNS_NAME_WIRE_MAX + 4 + 16 + 11,
	DNS_TYPE_A = 1,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_SVCB = 64,
	DNS_TYPE_HTTPS = 65,
	DNS_RCODE_OK = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5,
};

enum dns_parse {
	DNS_DROP = 0,  /* not a query, or too short to answer: silence */
	DNS_MALFORMED, /* answer with @rcode; only id and flags of @ret_query are set */
	DNS_QUERY,
};

struct dns_query {
	uint16_t id, type;
	uint8_t rcode; /* for DNS_MALFORMED */
	bool rd, edns;
	/* a label holds a byte that no host name has: never ask a verdict about @name */
	bool odd;
	/* the name as it came, its case kept (clients check it: "0x20") */
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t wire_len;
	/* labels joined by dots, foreign bytes as \DDD; printable ASCII only */
	char name[4 * DNS_NAME_WIRE_MAX + 1];
};

/* Read one query of exactly @len bytes: one question of class IN, nothing else but an optional OPT
 * record, whose options are ignored. Compression in the question is refused (nothing could be
 * pointed at but itself). */
enum dns_parse dns_query_parse(const uint8_t *in, size_t len, struct dns_query *ret_query);

/* Write the answer to @query: @rcode, and one A record when @addr is not NULL. Returns its length,
 * at most DNS_ANSWER_MAX. */
size_t dns_answer_build(const struct dns_query *query, uint8_t rcode, const struct in_addr *addr,
                        uint32_t ttl_sec, uint8_t out[DNS_ANSWER_MAX]);

#endif
