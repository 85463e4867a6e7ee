// SPDX-License-Identifier: Apache-2.0
/* fuzz_git_index.c - any bytes as a git index. A trailer of zeros (index.skipHash) lets the fuzzer
 * past the checksum. */
#include "runner/tree/workspace.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[32];
	struct tracked *t = NULL;
	struct dd_err err;
	if (size > 65536)
		return 0;
	if (tracked_parse_index(data, size, &t, &err) == 0) {
		if (tracked_has(t, ""))
			(void)tracked_count(t);
		tracked_free(t);
	}
	for (size_t trailer = 20; trailer <= 32; trailer += 12) {
		uint8_t *copy = malloc(size + trailer);
		if (!copy)
			return 0;
		memcpy(copy, data, size);
		memcpy(copy + size, zeros, trailer);
		if (tracked_parse_index(copy, size + trailer, &t, &err) == 0)
			tracked_free(t);
		free(copy);
	}
	return 0;
}
