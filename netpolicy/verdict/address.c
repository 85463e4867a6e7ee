// SPDX-License-Identifier: Apache-2.0
/* address.c - says which addresses are not ordinary public ones, and why.
 *
 * Runs in: gate (answers of foreign resolvers), supervisor (policy, re-check). Pure.
 * One table per family, first row that covers the address wins, so narrow rows stand before wide
 * ones. Sources: the IANA special-purpose registries (RFC 6890), RFC 6052 and 8215 for NAT64, and
 * the cloud providers' own pages for the metadata addresses.
 *
 * On purpose *public*: the documentation ranges (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24,
 * 2001:db8::/32, 3fff::/20). They belong to nobody and route nowhere by themselves, so refusing
 * them protects nothing, and laboratories use them as "the outside".
 */
#include "address.h"

#include <arpa/inet.h>

enum kind {
	/* no host stands behind it, or nobody can say which one: no entry can ask for it */
	KIND_NEVER = 0,
	KIND_PRIVATE,  /* `private: allow` opens it */
	KIND_METADATA, /* hands out credentials: `private: allow` and the exact address */
	KIND_PUBLIC,
	KIND_INNER4,  /* an IPv4 address in the last 32 bits: judge that one */
	KIND_LOCAL64, /* 64:ff9b:1::/48: private, but look for metadata addresses inside */
};

static const char metadata[] = "metadata service";
static const char rfc1918[] = "private (RFC 1918)";

static const struct row4 {
	uint32_t net; /* host byte order */
	unsigned prefix;
	enum kind kind;
	const char *why;
} rows4[] = {
	{ 0xA9FEA9FE, 32, KIND_METADATA, metadata }, /* 169.254.169.254: nearly every cloud */
	/* 169.254.170.2: container credentials, AWS ECS */
	{ 0xA9FEAA02, 32, KIND_METADATA, metadata },
	/* 169.254.170.23: pod credentials, AWS EKS */
	{ 0xA9FEAA17, 32, KIND_METADATA, metadata },
	/* 168.63.129.16: Azure wire server, a public number */
	{ 0xA83F8110, 32, KIND_METADATA, metadata },
	{ 0x646464C8, 32, KIND_METADATA, metadata }, /* 100.100.100.200: Alibaba Cloud */
	{ 0xC00000C0, 32, KIND_METADATA, metadata }, /* 192.0.0.192: Oracle Cloud */
	/* connect(2) to 0.0.0.0 reaches the host itself */
	{ 0x00000000, 8, KIND_NEVER, "this network (0.0.0.0/8)" },
	{ 0x7F000000, 8, KIND_PRIVATE, "loopback" },
	{ 0x0A000000, 8, KIND_PRIVATE, rfc1918 },
	{ 0xAC100000, 12, KIND_PRIVATE, rfc1918 },
	{ 0xC0A80000, 16, KIND_PRIVATE, rfc1918 },
	{ 0x64400000, 10, KIND_PRIVATE, "carrier-grade NAT (RFC 6598)" },
	{ 0xA9FE0000, 16, KIND_PRIVATE, "link-local" },
	{ 0xC0000000, 24, KIND_PRIVATE, "IETF protocol assignments (192.0.0.0/24)" },
	{ 0xC0586300, 24, KIND_NEVER, "6to4 relay anycast (deprecated)" },
	{ 0xC6120000, 15, KIND_PRIVATE, "benchmarking (198.18.0.0/15)" },
	{ 0xE0000000, 4, KIND_NEVER, "multicast" },
	{ 0xFFFFFFFF, 32, KIND_NEVER, "broadcast" },
	{ 0xF0000000, 4, KIND_PRIVATE, "reserved (240.0.0.0/4)" },
	{ 0x00000000, 0, KIND_PUBLIC, NULL },
};

static const struct row6 {
	uint8_t net[16];
	unsigned prefix;
	enum kind kind;
	const char *why;
} rows6[] = {
	/* fd00:ec2::254: AWS */
	{ { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 128, KIND_METADATA, metadata },
	/* fd00:ec2::23: AWS EKS */
	{ { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x00, 0x23 }, 128, KIND_METADATA, metadata },
	/* fd20:ce::254: Google Cloud */
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54 }, 128, KIND_METADATA, metadata },
	/* fd00:c1::a9fe:a9fe: Oracle */
	{ { 0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe }, 128, KIND_METADATA, metadata },
	{ { 0 }, 128, KIND_NEVER, "unspecified" },
	{ { [15] = 1 }, 128, KIND_PRIVATE, "loopback" },
	{ { [10] = 0xff, 0xff }, 96, KIND_INNER4, NULL }, /* v4-mapped: the socket speaks IPv4 */
	{ { 0 }, 96, KIND_NEVER, "IPv4-compatible (deprecated)" },
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, KIND_INNER4, NULL }, /* NAT64, well-known prefix */
	{ { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, 48, KIND_LOCAL64, "local-use NAT64 (RFC 8215)" },
	{ { 0x20, 0x01, 0, 0 }, 32, KIND_NEVER, "Teredo tunnel" },
	{ { 0x20, 0x01, 0, 0 }, 23, KIND_PRIVATE, "IETF protocol assignments (2001::/23)" },
	{ { 0x20, 0x02 }, 16, KIND_NEVER, "6to4 tunnel (deprecated)" },
	{ { 0xfc }, 7, KIND_PRIVATE, "unique local (RFC 4193)" },
	{ { 0xfe, 0x80 }, 10, KIND_PRIVATE, "link-local" },
	{ { 0xfe, 0xc0 }, 10, KIND_PRIVATE, "site-local (deprecated)" },
	{ { 0xff }, 8, KIND_NEVER, "multicast" },
	{ { 0x20 }, 3, KIND_PUBLIC, NULL },
	{ { 0 }, 0, KIND_NEVER, "reserved (not global unicast)" },
};

struct finding {
	enum kind kind;  /* never INNER4 or LOCAL64 */
	const char *why; /* NULL: public */
};

static struct finding judge4(uint32_t addr)
{
	for (size_t i = 0; i < ARRAY_LEN(rows4); i++) {
		uint32_t mask = rows4[i].prefix ? UINT32_MAX << (32 - rows4[i].prefix) : 0;
		if ((addr & mask) == rows4[i].net)
			return (struct finding){ rows4[i].kind, rows4[i].why };
	}
	return (struct finding){ KIND_NEVER, "unknown address" };
}

static bool covers6(const struct row6 *row, const uint8_t addr[16])
{
	size_t whole = row->prefix / 8;
	unsigned rest = row->prefix % 8;

	if (memcmp(row->net, addr, whole) != 0)
		return false;
	return rest == 0 || ((row->net[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

static uint32_t inner4(const uint8_t addr[16], const uint8_t at[4])
{
	return (uint32_t)addr[at[0]] << 24 | (uint32_t)addr[at[1]] << 16 |
	       (uint32_t)addr[at[2]] << 8 | addr[at[3]];
}

/* The site chooses the prefix length below its /48, and with it where the IPv4 address sits (RFC
 * 6052, 2.2): look at all four places. */
static struct finding judge_local64(const uint8_t addr[16], const char *why)
{
	static const uint8_t places[][4] = {
		{ 6, 7, 9, 10 }, { 7, 9, 10, 11 }, { 9, 10, 11, 12 }, { 12, 13, 14, 15 }
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct finding inner = judge4(inner4(addr, places[i]));
		if (inner.kind == KIND_METADATA)
			return inner;
	}
	return (struct finding){ KIND_PRIVATE, why };
}

static struct finding judge6(const uint8_t addr[16])
{
	static const uint8_t last[4] = { 12, 13, 14, 15 };
	const struct row6 *row = rows6;

	while (!covers6(row, addr)) /* ends: the last row covers everything */
		row++;
	if (row->kind == KIND_INNER4)
		return judge4(inner4(addr, last));
	if (row->kind == KIND_LOCAL64)
		return judge_local64(addr, row->why);
	return (struct finding){ row->kind, row->why };
}

static struct finding address_judge(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in sin;
		memcpy(&sin, addr, sizeof(sin));
		return judge4(ntohl(sin.sin_addr.s_addr));
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;
		memcpy(&sin6, addr, sizeof(sin6));
		return judge6(sin6.sin6_addr.s6_addr);
	}
	return (struct finding){ KIND_NEVER, "not an IP address" };
}

const char *egress_addr_special(const struct sockaddr *addr)
{
	return address_judge(addr).why;
}

enum dd_reason egress_addr_reason(const struct sockaddr *addr)
{
	switch (address_judge(addr).kind) {
	case KIND_PUBLIC:
		return REASON_NONE;
	case KIND_PRIVATE:
		return REASON_ADDRESS_PRIVATE;
	case KIND_METADATA:
		return REASON_ADDRESS_METADATA;
	case KIND_NEVER:
	case KIND_INNER4:
	case KIND_LOCAL64:
		break;
	}
	return REASON_ADDRESS_SPECIAL;
}

bool egress_addr_is_metadata(const struct sockaddr *addr)
{
	return address_judge(addr).kind == KIND_METADATA;
}

int address_each_metadata_v4(int (*fn)(void *arg, struct in_addr addr), void *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(rows4); i++) {
		if (rows4[i].kind != KIND_METADATA)
			continue;
		int r = fn(arg, (struct in_addr){ htonl(rows4[i].net) });
		if (r != 0)
			return r;
	}
	return 0;
}

int address_each_special_v4(int (*fn)(void *arg, struct in_addr net, unsigned prefix), void *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(rows4); i++) {
		if (rows4[i].kind == KIND_PUBLIC || rows4[i].kind == KIND_METADATA)
			continue;
		int r = fn(arg, (struct in_addr){ htonl(rows4[i].net) }, rows4[i].prefix);
		if (r != 0)
			return r;
	}
	return 0;
}

bool address_entry_names(const struct egress_entry *entry, struct in_addr addr)
{
	return !entry->host && entry->prefix == 32 && entry->private_ok &&
	       entry->cidr.s_addr == addr.s_addr;
}

static const uint8_t v4_mapped[12] = { [10] = 0xff, 0xff };

/* 16 bytes that are equal for an IPv4 address and its v4-mapped form. */
static bool wide_from_sockaddr(const struct sockaddr *addr, uint8_t wide[16])
{
	memcpy(wide, v4_mapped, sizeof(v4_mapped));
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in sin;
		memcpy(&sin, addr, sizeof(sin));
		memcpy(wide + 12, &sin.sin_addr, 4);
		return true;
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;
		memcpy(&sin6, addr, sizeof(sin6));
		memcpy(wide, &sin6.sin6_addr, 16);
		return true;
	}
	return false;
}

static bool wide_from_text(const char *text, uint8_t wide[16])
{
	memcpy(wide, v4_mapped, sizeof(v4_mapped));
	return inet_pton(AF_INET, text, wide + sizeof(v4_mapped)) == 1 ||
	       inet_pton(AF_INET6, text, wide) == 1;
}

/* Did the operator write this very address? A wide block, or a name that happens to resolve to it,
 * does not count. */
static bool is_written_out(const struct egress_entry *entry, const struct sockaddr *addr)
{
	uint8_t want[16], pin[16];

	if (!wide_from_sockaddr(addr, want))
		return false;
	if (!entry->host && addr->sa_family == AF_INET) {
		struct in_addr in;
		memcpy(&in, want + 12, sizeof(in));
		return address_entry_names(entry, in);
	}
	for (size_t i = 0; i < EGRESS_PINS_MAX && entry->pins[i]; i++) {
		if (wide_from_text(entry->pins[i], pin) && memcmp(pin, want, sizeof(pin)) == 0)
			return true;
	}
	return false;
}

bool egress_entry_may_dial(const struct egress_entry *entry, const struct sockaddr *addr,
                           const char **ret_why)
{
	struct finding found = address_judge(addr);

	if (found.kind == KIND_PUBLIC)
		return true;
	if (found.kind == KIND_PRIVATE && entry->private_ok)
		return true;
	if (found.kind == KIND_METADATA && entry->private_ok && is_written_out(entry, addr))
		return true;
	*ret_why = found.why;
	return false;
}
