// SPDX-License-Identifier: Apache-2.0
/* fuzz_matcher.c - any file of problem matchers, and any lines behind it (they begin at a byte
 * 0xff).
 */
#include "runner/forges/engine/matcher.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *lines = size ? memchr(data, 0xff, size) : NULL;
	struct matcher_set *set = matcher_set_new();
	struct matcher_hit hit;
	const char *gave_up;
	struct dd_err err = { 0 };

	if (!set)
		return 0;
	if (matcher_set_add(set, (const char *)data, (size_t)((lines ? lines : end) - data), &err) <
	            0 &&
	    !err.msg[0])
		abort();
	for (const uint8_t *at = lines ? lines + 1 : end; at < end;) {
		const uint8_t *lf = memchr(at, '\n', (size_t)(end - at)), *to = lf ? lf : end;
		if (matcher_set_line(set, (const char *)at, (size_t)(to - at), &hit, &gave_up) &&
		    (!hit.level || !hit.message[0] || !hit.file || !hit.from_path))
			abort();
		at = to + (lf != NULL);
	}
	matcher_set_free(set);
	return 0;
}
