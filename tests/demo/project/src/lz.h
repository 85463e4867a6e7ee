// SPDX-License-Identifier: Apache-2.0
/* lz.h - repeated strings become (length, distance) pairs; both go through Huffman codes. One call, one block. */
#ifndef SQUEEZE_LZ_H
#define SQUEEZE_LZ_H

#include "bits.h"

enum {
	LZ_MIN = 4,              /* shortest match worth a pair */
	LZ_MAX = 4 + 63,         /* symbols 256..319 are lengths */
	LZ_WINDOW = 1 << 15,
};

int lz_compress(const uint8_t *in, size_t len, struct buf *out);
/* Appends exactly @want bytes to @out, or fails: hostile input never makes it write more. */
int lz_expand(const uint8_t *in, size_t len, size_t want, struct buf *out);

#endif
