// SPDX-License-Identifier: Apache-2.0
/* egress.h - the egress allowlist of one phase, and the verdict about one destination.
 *
 * Pure: no sockets, no files, no clock. The same functions answer the dry run, the gate and the
 * supervisor's re-check, so a verdict cannot differ between them. Order of use: canonicalise each
 * host the operator wrote (egress_host_parse), build a struct egress_list, ask
 * egress_verdict_name()/egress_verdict_addr(). The strings are borrowed from whoever made the list
 * (the policy) and must outlive it. Safe in every role and after seccomp.
 */
#ifndef DRYDOCK_EGRESS_H
#define DRYDOCK_EGRESS_H

#include "err.h"
#include "reason.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EGRESS_HOST_MAX = 253, /* longest name without the trailing dot, RFC 1035 */
	EGRESS_ENTRIES_MAX = 16384,
	EGRESS_PINS_MAX = 8,
};

/* What the gate demands of the first bytes of a connection before it dials. Zero is the strict
 * value. */
enum egress_tls {
	EGRESS_TLS_SNI =
		0, /* TLS with SNI equal to the name, or HTTP/1 with Host equal to the name */
	/* the client speaks neither (SSH): the name-to-address binding alone decides */
	EGRESS_TLS_RAW,
};

/* May a hello for the entry's name hold an encrypted one besides? Zero is the strict value. A
 * policy that says nothing means PASS: browsers send one always, and what it may hide from the gate
 * is no more than what TLS hides anyway (docs/threat-model.md, "An allowed host"). */
enum egress_ech { EGRESS_ECH_REFUSE = 0, EGRESS_ECH_PASS };

/* One line of the allowlist. Either a name (host != NULL) or a block of raw IPv4 addresses (host ==
 * NULL). */
struct egress_entry {
	/* canonical: lower case, A-labels, no trailing dot. A wildcard holds the suffix: "*.a.test"
	 * -> "a.test" */
	const char *host;
	bool wildcard;       /* matches one or more labels in front of host, never host itself */
	struct in_addr cidr; /* network byte order, host bits zero; only when host == NULL */
	unsigned prefix;     /* 0..32; only when host == NULL */
	uint16_t port;       /* host byte order, never 0 */
	/* `private: allow`: private, loopback, link-local answers may be dialled (metadata only by
	 * its exact address) */
	bool private_ok;
	enum egress_tls tls;
	enum egress_ech ech;               /* asked only where tls is EGRESS_TLS_SNI */
	const char *pins[EGRESS_PINS_MAX]; /* `address:`: textual IPv4/IPv6 literals dialled instead
	                                      of resolving; NULL-terminated unless full */
	const char *why;                   /* the operator's reason, may be NULL */
	/* "file.yml:12:9", or "npm: registry" for an entry from a set; never NULL */
	const char *origin;
	/* Which entry of the operator's own list this one is, or was narrowed out of: its number
	 * there. Budgets and caps are counted by it, for a repository may write many entries below
	 * one of the operator's, and must not get a budget for each (G-13). Alike is never more:
	 * lists made without it count everything together. */
	unsigned account;
	/* the operator's entry of that account is a wildcard: names count against wildcard_names,
	 * also those that a repository has listed one by one */
	bool account_wildcard;
};

struct egress_index;

/* What one account may use. */
struct egress_caps {
	uint64_t upload_bytes;   /* 0 forbids any byte out */
	unsigned wildcard_names; /* distinct names, where the operator wrote a wildcard */
	unsigned cidr_addresses; /* distinct addresses, where the operator wrote a block */
};

/* Nothing is capped: what a policy means that says nothing about one step. */
#define EGRESS_CAPS_WIDEST                                                                         \
	{                                                                                          \
		UINT64_MAX, UINT32_MAX, UINT32_MAX                                                 \
	}

struct egress_list {
	const struct egress_entry *entries;
	size_t n;
	/* egress_index_make() of these entries, or NULL: then every question walks the list */
	const struct egress_index *index;
	/* of each account: over all steps of the job that have this list, and in one step */
	struct egress_caps job, step;
	unsigned connections; /* per step, all destinations; concurrently open */
};

/* The limit in force that @reason (ABOUT_BUDGET) speaks of; 0: none of this list's. */
uint64_t egress_limit(const struct egress_list *list, enum dd_reason reason);
/* How many accounts a list has: one more than the largest number. */
unsigned egress_accounts(const struct egress_list *list);

struct egress_verdict {
	bool allow;
	const struct egress_entry *entry; /* the entry that decided; NULL when nothing matched */
	enum dd_reason reason;            /* of a refusal */
	/* static or borrowed text, never NULL: the entry's why, or the detail of @reason ("" where
	 * its sentence says it all) */
	const char *why;
};

/* Canonicalise a host name as written in a policy, asked in DNS, or claimed in SNI or Host: lower
 * case, one trailing dot removed. Accepts letters, digits, '-', '_' and '.', labels of 1..63,
 * total 1..253; refuses everything else (NUL, control, space, '%', '@', '\\', '/', ':', bytes >=
 * 0x80: IDN must arrive as A-labels) and anything that inet_aton(3) would read as an IPv4 address
 * ("127.1", "0x7f.1", "2130706433"). @len bytes of @in, which need not be terminated. Returns 0, or
 * -EINVAL and leaves @ret_host untouched. */
int egress_host_canonical(const char *in, size_t len, char ret_host[EGRESS_HOST_MAX + 1]);

/* Does a client that dialled @name and says @said (canonical) mean the same host? It does if it
 * says the name, or what a resolver with the list @search (canonical, NULL-terminated; NULL: none)
 * made it out of: who wrote `registry` dialled `registry.corp.test`, and still says `registry`. */
bool egress_host_means(const char *said, const char *name, const char *const *search);

/* Parse the `host:` of a policy entry: a name or "*.suffix" (@ret_wildcard). Refuses "*", "*.tld"
 * (a suffix of one label) and a star elsewhere. @err says what was wrong and what was expected (no
 * position: the caller has it). */
int egress_host_parse(const char *in, char ret_host[EGRESS_HOST_MAX + 1], bool *ret_wildcard,
                      struct dd_err *err);

/* A list that is asked often gets an index: @memory of egress_index_size() bytes, aligned for a
 * pointer, lives as long as the entries. The answers are the same with and without; a list that was
 * cut since is walked. */
size_t egress_index_size(size_t n);
const struct egress_index *egress_index_make(void *memory, const struct egress_entry *entries,
                                             size_t n);

/* May a step under @list reach @host (canonical) at @port? port 0 asks "at any port" (for DNS).
 * Exact entries win over wildcards, longer suffixes over shorter. */
struct egress_verdict egress_verdict_name(const struct egress_list *list, const char *host,
                                          uint16_t port);

/* The same for a raw address: only cidr entries can allow it; the special-address rule below is
 * applied here. */
struct egress_verdict egress_verdict_addr(const struct egress_list *list, struct in_addr addr,
                                          uint16_t port);

/* Why a name may not be dialled at this address: "loopback", "private (RFC 1918)", "link-local",
 * "metadata service", ...; NULL when it is an ordinary public address. Covers IPv4, IPv6,
 * v4-mapped, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), 6to4, Teredo, and the metadata addresses
 * 169.254.169.254, fd00:ec2::254, 168.63.129.16, 100.100.100.200, 192.0.0.192. */
const char *egress_addr_special(const struct sockaddr *addr);
bool egress_addr_is_metadata(const struct sockaddr *addr);
/* The same as a reason: REASON_ADDRESS_PRIVATE (`private: allow` would open it), _METADATA (only
 * its very address would) or _SPECIAL (nothing would); REASON_NONE: public. */
enum dd_reason egress_addr_reason(const struct sockaddr *addr);

/* May @entry be dialled at @addr (an answer from outside)? Public: yes. Special: only with
 * private_ok, and a metadata address only if it is one of the entry's pins or the entry is that
 * very address as a /32. Sets *ret_why on refusal. */
bool egress_entry_may_dial(const struct egress_entry *entry, const struct sockaddr *addr,
                           const char **ret_why);

#endif
