// SPDX-License-Identifier: Apache-2.0
/* fuzz_tls_hello.c - any bytes as a TLS hello: accepted only once, at the same length, whatever the
 * way it was cut. */
#include "netpolicy/gate/tls_hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_hello whole = { .sni_len = 0 };
	struct tls_hello part = { .sni_len = 0 };
	enum dd_reason reason = REASON_NONE;
	enum parse result = tls_hello_parse(data, size, &whole, &reason);

	if (result == PARSE_REFUSED && !reason)
		abort();
	if (result == PARSE_OK && (whole.sni_len == 0 || whole.sni_len > TLS_SNI_MAX))
		abort();
	/* More bytes never change a final answer: what half of the bytes said for sure, all of them
	 * say. */
	enum parse half = tls_hello_parse(data, size / 2, &part, &reason);
	if (half != PARSE_MORE && half != result)
		abort();
	if (half == PARSE_OK && (part.sni_len != whole.sni_len || part.ech != whole.ech ||
	                         memcmp(part.sni, whole.sni, part.sni_len) != 0))
		abort();
	return 0;
}
