// SPDX-License-Identifier: Apache-2.0
/* fuzz_git_index.c - any bytes as a git index. A trailer of zeros (index.skipHash) lets the fuzzer
 * past the checksum. */
#include "runner/tree/git_index.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[32];
	struct git_index index;
	struct dd_err err;
	if (size > 65536)
		return 0;
	if (git_index_parse(data, size, &index, &err) == 0) {
		(void)git_index_find(&index, "a/b");
		git_index_done(&index);
	}
	for (size_t trailer = 20; trailer <= 32; trailer += 12) {
		uint8_t *copy = malloc(size + trailer);
		if (!copy)
			return 0;
		memcpy(copy, data, size);
		memcpy(copy + size, zeros, trailer);
		if (git_index_parse(copy, size + trailer, &index, &err) == 0)
			git_index_done(&index);
		free(copy);
	}
	return 0;
}
