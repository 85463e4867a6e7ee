// SPDX-License-Identifier: Apache-2.0
/* verdict.c - decides whether a step may reach one destination, and which entry of the allowlist
 * says so.
 *
 * Runs in: supervisor (dry run, re-check of every admission), gate (every query and connection).
 * Pure: same question, same answer. The walk over the entries is the meaning; a list with an index
 * (verdict_index.c) is asked there instead, and a test holds the two against each other.
 */
#include "verdict_index.h"

#include <arpa/inet.h>

static const char allowed_without_why[] = "allowed by the policy";

static struct egress_verdict verdict_allow(const struct egress_entry *entry)
{
	return (struct egress_verdict){ .allow = true,
		                        .entry = entry,
		                        .why = entry->why ? entry->why : allowed_without_why };
}

static struct egress_verdict deny(const struct egress_entry *entry, enum dd_reason reason,
                                  const char *detail)
{
	return (struct egress_verdict){
		.allow = false, .entry = entry, .reason = reason, .why = detail
	};
}

static bool port_matches(const struct egress_entry *entry, uint16_t port)
{
	return port == 0 || entry->port == port;
}

/* How closely @entry fits the name: 0 not at all, a longer suffix more, the exact name most. The
 * byte before the suffix must be a dot: "notexample.test" does not end in the label sequence
 * "example.test" (N-18). */
static size_t name_fit(const struct egress_entry *entry, const char *host, size_t len)
{
	if (!entry->host)
		return 0;
	if (!entry->wildcard)
		return strcmp(entry->host, host) == 0 ? EGRESS_HOST_MAX + 1 : 0;

	size_t suffix = strlen(entry->host);
	if (len < suffix + 2 || host[len - suffix - 1] != '.')
		return 0;
	return memcmp(host + len - suffix, entry->host, suffix) == 0 ? suffix : 0;
}

static const struct egress_entry *walk(const struct egress_list *list, const char *host,
                                       uint16_t port, bool *ret_known)
{
	const struct egress_entry *best = NULL;
	size_t best_fit = 0, len = strlen(host);

	*ret_known = false;
	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *entry = &list->entries[i];
		size_t fit = name_fit(entry, host, len);
		if (fit == 0)
			continue;
		*ret_known = true;
		if (port_matches(entry, port) && fit > best_fit) {
			best = entry;
			best_fit = fit;
		}
	}
	return best;
}

struct egress_verdict egress_verdict_name(const struct egress_list *list, const char *host,
                                          uint16_t port)
{
	bool known, indexed = egress_index_fits(list->index, list->entries, list->n);
	const struct egress_entry *best = indexed ? egress_index_find(list->index, host, port,
	                                                              &known)
	                                          : walk(list, host, port, &known);

	if (best)
		return verdict_allow(best);
	return deny(NULL, known ? REASON_PORT_NOT_LISTED : REASON_NAME_NOT_LISTED, "");
}

uint64_t egress_limit(const struct egress_list *list, enum dd_reason reason)
{
	const struct {
		enum dd_reason reason;
		uint64_t limit;
	} limits[] = {
		{ REASON_UPLOAD, list->job.upload_bytes },
		{ REASON_UPLOAD_USED_UP, list->job.upload_bytes },
		{ REASON_STEP_UPLOAD, list->step.upload_bytes },
		{ REASON_STEP_UPLOAD_USED_UP, list->step.upload_bytes },
		{ REASON_WILDCARD_NAMES, list->job.wildcard_names },
		{ REASON_STEP_WILDCARD_NAMES, list->step.wildcard_names },
		{ REASON_CIDR_ADDRESSES, list->job.cidr_addresses },
		{ REASON_STEP_CIDR_ADDRESSES, list->step.cidr_addresses },
		{ REASON_CONNECTIONS, list->connections },
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (limits[i].reason == reason)
			return limits[i].limit;
	return 0;
}

static bool block_covers(const struct egress_entry *entry, struct in_addr addr)
{
	if (entry->host)
		return false;
	uint32_t mask = entry->prefix ? UINT32_MAX << (32 - entry->prefix) : 0;
	return ((ntohl(addr.s_addr) ^ ntohl(entry->cidr.s_addr)) & mask) == 0;
}

struct egress_verdict egress_verdict_addr(const struct egress_list *list, struct in_addr addr,
                                          uint16_t port)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = addr };
	const struct egress_entry *best = NULL;
	struct egress_verdict refusal = deny(NULL, REASON_ADDRESS_NOT_LISTED, "");
	bool indexed = egress_index_fits(list->index, list->entries, list->n);
	const uint32_t *blocks = NULL;
	size_t n = indexed ? egress_index_blocks(list->index, &blocks) : list->n;

	for (size_t i = 0; i < n; i++) {
		const struct egress_entry *entry = &list->entries[indexed ? blocks[i] : i];
		const char *why = NULL;
		if (!block_covers(entry, addr) || !port_matches(entry, port))
			continue;
		if (!egress_entry_may_dial(entry, (const struct sockaddr *)&sin, &why)) {
			if (!refusal.entry)
				refusal = deny(entry,
				               egress_addr_reason((const struct sockaddr *)&sin),
				               why);
			continue;
		}
		if (!best || entry->prefix > best->prefix)
			best = entry;
	}
	return best ? verdict_allow(best) : refusal;
}
