// SPDX-License-Identifier: Apache-2.0
/* dns_message.c - reads one DNS query and writes one DNS answer (RFC 1035 4.1, RFC 6891).
 *
 * Runs in: gate, on bytes that hostile code chose. Pure. Nothing of a query is ever forwarded: the
 * name alone goes on, and only after a verdict, so options, flags and odd types cannot carry data
 * out (N-06).
 */
#include "dns_message.h"

#include <string.h>

enum {
	HEADER_LEN = 12,
	FLAG_QR = 0x80, /* third byte of the header */
	FLAG_RD = 0x01,
	FLAG_RA = 0x80, /* fourth byte */
	OPCODE_MASK = 0x78,
	CLASS_IN = 1,
	TYPE_OPT = 41,
	/* the size we would take; the value that fits every path, "DNS flag day 2020" */
	OPT_PAYLOAD = 1232,
};

struct cursor {
	const uint8_t *in;
	size_t len, pos;
	bool short_read;
};

static uint8_t dns_get8(struct cursor *c)
{
	if (c->pos >= c->len) {
		c->short_read = true;
		return 0;
	}
	return c->in[c->pos++];
}

static uint16_t dns_get16(struct cursor *c)
{
	uint16_t high = dns_get8(c);
	return (uint16_t)(high << 8 | dns_get8(c));
}

static bool is_host_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* A dot inside a label would read as a label boundary, so it counts as foreign like NUL or space.
 */
static void append_name_byte(struct dns_query *q, size_t *at, uint8_t c)
{
	if (is_host_char(c)) {
		q->name[(*at)++] = (char)c;
	} else {
		q->odd = true;
		q->name[(*at)++] = '\\';
		q->name[(*at)++] = (char)('0' + c / 100);
		q->name[(*at)++] = (char)('0' + c / 10 % 10);
		q->name[(*at)++] = (char)('0' + c % 10);
	}
}

static bool read_name(struct cursor *c, struct dns_query *q)
{
	size_t start = c->pos;
	size_t at = 0;

	for (;;) {
		uint8_t label = dns_get8(c);
		if (c->short_read || label > 63 || c->pos - start + label > DNS_NAME_WIRE_MAX)
			return false;
		if (label == 0)
			break;
		if (at > 0)
			q->name[at++] = '.';
		for (uint8_t i = 0; i < label; i++)
			append_name_byte(q, &at, dns_get8(c));
		if (c->short_read)
			return false;
	}
	if (at == 0) {
		q->name[at++] = '.';
		q->odd = true; /* the root is no host */
	}
	q->name[at] = '\0';
	q->wire_len = c->pos - start;
	memcpy(q->wire, c->in + start, q->wire_len);
	return true;
}

/* RFC 6891: owner is the root; version 0; the options are stepped over unread. */
static bool read_opt(struct cursor *c, struct dns_query *q)
{
	uint8_t owner = dns_get8(c);
	uint16_t type = dns_get16(c);
	(void)dns_get16(c); /* the client's payload size: our answers fit in any */
	(void)dns_get8(c);
	uint8_t version = dns_get8(c);
	(void)dns_get16(c);
	uint16_t options_len = dns_get16(c);

	if (c->short_read || owner != 0 || type != TYPE_OPT || version != 0 ||
	    c->len - c->pos < options_len)
		return false;
	c->pos += options_len;
	q->edns = true;
	return true;
}

static enum dns_parse malformed(struct dns_query *q, uint8_t rcode)
{
	q->rcode = rcode;
	q->wire_len = 0;
	q->edns = false;
	return DNS_MALFORMED;
}

enum dns_parse dns_query_parse(const uint8_t *in, size_t len, struct dns_query *ret_query)
{
	struct cursor c = { .in = in, .len = len };
	struct dns_query *q = ret_query;

	memset(q, 0, sizeof(*q));
	if (len < HEADER_LEN || (in[2] & FLAG_QR))
		return DNS_DROP;
	q->id = dns_get16(&c);
	q->rd = (in[2] & FLAG_RD) != 0;
	c.pos += 2;
	uint16_t questions = dns_get16(&c);
	uint16_t answers = dns_get16(&c);
	uint16_t authorities = dns_get16(&c);
	uint16_t additional = dns_get16(&c);

	if (in[2] & OPCODE_MASK)
		return malformed(q, DNS_RCODE_NOTIMP);
	if (questions != 1 || answers != 0 || authorities != 0 || additional > 1)
		return malformed(q, DNS_RCODE_FORMERR);
	if (!read_name(&c, q))
		return malformed(q, DNS_RCODE_FORMERR);
	q->type = dns_get16(&c);
	uint16_t class = dns_get16(&c);
	if (c.short_read || class != CLASS_IN)
		return malformed(q, DNS_RCODE_FORMERR);
	if (additional == 1 && !read_opt(&c, q))
		return malformed(q, DNS_RCODE_FORMERR);
	if (c.pos != len)
		return malformed(q, DNS_RCODE_FORMERR);
	return DNS_QUERY;
}

static void put16(uint8_t **out, uint16_t v)
{
	*(*out)++ = (uint8_t)(v >> 8);
	*(*out)++ = (uint8_t)v;
}

static void dns_put_address(uint8_t **out, const struct in_addr *addr, uint32_t ttl_sec)
{
	put16(out, 0xc000 | HEADER_LEN); /* the name of the question */
	put16(out, DNS_TYPE_A);
	put16(out, CLASS_IN);
	put16(out, (uint16_t)(ttl_sec >> 16));
	put16(out, (uint16_t)ttl_sec);
	put16(out, sizeof(addr->s_addr));
	memcpy(*out, &addr->s_addr, sizeof(addr->s_addr));
	*out += sizeof(addr->s_addr);
}

static void put_opt(uint8_t **out)
{
	*(*out)++ = 0;
	put16(out, TYPE_OPT);
	put16(out, OPT_PAYLOAD);
	put16(out, 0);
	put16(out, 0);
	put16(out, 0);
}

size_t dns_answer_build(const struct dns_query *query, uint8_t rcode, const struct in_addr *addr,
                        uint32_t ttl_sec, uint8_t out[DNS_ANSWER_MAX])
{
	bool question = query->wire_len > 0;
	uint8_t *at = out;

	put16(&at, query->id);
	*at++ = (uint8_t)(FLAG_QR | (query->rd ? FLAG_RD : 0));
	*at++ = (uint8_t)(FLAG_RA | (rcode & 0x0f));
	put16(&at, question);
	put16(&at, question && addr);
	put16(&at, 0);
	put16(&at, query->edns);
	if (question) {
		memcpy(at, query->wire, query->wire_len);
		at += query->wire_len;
		put16(&at, query->type);
		put16(&at, CLASS_IN);
		if (addr)
			dns_put_address(&at, addr, ttl_sec);
	}
	if (query->edns)
		put_opt(&at);
	return (size_t)(at - out);
}
