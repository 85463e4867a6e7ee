// SPDX-License-Identifier: Apache-2.0
/* huffman.h - canonical Huffman codes of at most 15 bits. */
#ifndef SQUEEZE_HUFFMAN_H
#define SQUEEZE_HUFFMAN_H

#include "bits.h"

enum { HUFFMAN_BITS = 15, HUFFMAN_SYMBOLS = 320 };

struct huffman_code {
	unsigned n;                        /* symbols */
	uint8_t  length[HUFFMAN_SYMBOLS];  /* 0: the symbol does not occur */
	uint16_t bits[HUFFMAN_SYMBOLS];    /* reversed: first bit is the least significant */
};

struct huffman_tree { /* for decoding: symbols ordered by code */
	uint16_t count[HUFFMAN_BITS + 1];
	uint16_t symbol[HUFFMAN_SYMBOLS];
};

int  huffman_from_counts(struct huffman_code *code, const uint32_t *counts, unsigned n);
int  huffman_assign(struct huffman_code *code); /* lengths -> bits; -1 if the lengths are no prefix code */
int  huffman_tree_make(struct huffman_tree *tree, const struct huffman_code *code);
void huffman_write(struct bit_writer *w, const struct huffman_code *code, unsigned symbol);
int  huffman_read(struct bit_reader *r, const struct huffman_tree *tree); /* symbol, or -1 */
void huffman_write_lengths(struct bit_writer *w, const struct huffman_code *code);
int  huffman_read_lengths(struct bit_reader *r, struct huffman_code *code, unsigned n);

#endif
