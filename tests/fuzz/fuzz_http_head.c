// SPDX-License-Identifier: Apache-2.0
/* fuzz_http_head.c - any bytes as HTTP requests: heads and bodies stay inside the input, and
 * cutting changes nothing. */
#include "netpolicy/gate/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step_body(const uint8_t *data, size_t size)
{
	struct http_chunked whole = { 0 };
	struct http_chunked bytes = { 0 };
	enum dd_reason reason = REASON_NONE;
	size_t used = 0;
	enum parse result = http_chunked_step(&whole, data, size, &used, &reason);

	if (result != PARSE_REFUSED && used > size)
		abort();
	for (size_t i = 0; i < size; i++) {
		size_t one = 0;
		enum parse r = http_chunked_step(&bytes, data + i, 1, &one, &reason);
		if (r == PARSE_MORE)
			continue;
		if (r != result || (r == PARSE_OK && i + 1 != used))
			abort();
		return;
	}
	if (result != PARSE_MORE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head head = { 0 };
	struct http_head part = { 0 };
	enum dd_reason reason = REASON_NONE;

	(void)http_head_sniff(data, size);
	enum parse result = http_head_parse(data, size, &head, &reason);
	if (result == PARSE_REFUSED && !reason)
		abort();
	if (result == PARSE_OK) {
		const char *begin = (const char *)data;
		if (head.len > size || head.host < begin ||
		    head.host + head.host_len > begin + head.len || head.host_len == 0)
			abort();
		if (memchr(head.host, '\r', head.host_len) ||
		    memchr(head.host, '\0', head.host_len))
			abort();
		if (http_head_parse(data, head.len, &part, &reason) != PARSE_OK ||
		    part.len != head.len)
			abort();
		step_body(data + head.len, size - head.len);
	}
	enum parse half = http_head_parse(data, size / 2, &part, &reason);
	if (half != PARSE_MORE && half != result)
		abort();
	step_body(data, size);
	return 0;
}
