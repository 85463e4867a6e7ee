// SPDX-License-Identifier: Apache-2.0
/* fuzz_dns_message.c - any bytes as a DNS query: never more than one bounded answer, never an
 * unprintable name. */
#include "netpolicy/gate/dns_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_query query;
	uint8_t answer[DNS_ANSWER_MAX];
	struct in_addr addr = { .s_addr = 0x010112c6 };
	enum dns_parse result = dns_query_parse(data, size, &query);

	if (result == DNS_DROP)
		return 0;
	for (const char *p = query.name; *p; p++) {
		if (*p < 0x21 || *p > 0x7e)
			abort();
	}
	size_t len = dns_answer_build(&query, result == DNS_QUERY ? DNS_RCODE_OK : query.rcode,
	                              &addr, 30, answer);
	if (len < 12 || len > DNS_ANSWER_MAX || memcmp(answer, data, 2) != 0)
		abort();
	/* The question comes back byte for byte, and an answer is never taken for a query. */
	if (result == DNS_QUERY && memcmp(answer + 12, data + 12, query.wire_len + 4) != 0)
		abort();
	if (dns_query_parse(answer, len, &query) != DNS_DROP)
		abort();
	return 0;
}
