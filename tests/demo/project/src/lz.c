// SPDX-License-Identifier: Apache-2.0
/* lz.c - see lz.h. Matches are found with hash chains; two passes: tokens first, then codes fitted to them. */
#include "lz.h"

#include "huffman.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 15, CHAIN_MAX = 64, DISTANCE_SYMBOLS = 16, END_OF_LITERALS = 256 };

struct token {
	uint16_t symbol;   /* literal, or 256 + length - LZ_MIN */
	uint16_t distance; /* 1.., only with a length */
};

struct finder {
	const uint8_t *in;
	size_t         len;
	int32_t        head[1 << HASH_BITS];
	int32_t       *prev; /* one per input byte */
};

static unsigned hash_at(const uint8_t *p)
{
	return read_le32(p) * 2654435761u >> (32 - HASH_BITS);
}

static void finder_add(struct finder *f, size_t at)
{
	if (at + 4 > f->len)
		return;
	unsigned hash = hash_at(f->in + at);
	f->prev[at] = f->head[hash];
	f->head[hash] = (int32_t)at;
}

static size_t match_length(const struct finder *f, size_t a, size_t b)
{
	size_t n = 0;
	while (n < LZ_MAX && b + n < f->len && f->in[a + n] == f->in[b + n])
		n++;
	return n;
}

static size_t finder_longest(const struct finder *f, size_t at, size_t *ret_distance)
{
	size_t best = 0;
	if (at + 4 > f->len)
		return 0;
	int32_t where = f->head[hash_at(f->in + at)];
	for (int tries = 0; where >= 0 && tries < CHAIN_MAX; tries++, where = f->prev[where]) {
		if (at - (size_t)where >= LZ_WINDOW)
			break;
		size_t n = match_length(f, (size_t)where, at);
		if (n > best) {
			best = n;
			*ret_distance = at - (size_t)where;
		}
	}
	return best >= LZ_MIN ? best : 0;
}

static size_t tokenise(struct finder *f, struct token *tokens)
{
	size_t n = 0;
	for (size_t at = 0; at < f->len; n++) {
		size_t distance = 0, length = finder_longest(f, at, &distance);
		if (!length) {
			tokens[n] = (struct token){ .symbol = f->in[at] };
			finder_add(f, at++);
			continue;
		}
		tokens[n] = (struct token){ (uint16_t)(END_OF_LITERALS + length - LZ_MIN), (uint16_t)distance };
		while (length--)
			finder_add(f, at++);
	}
	return n;
}

/* A distance is the number of its bits (a Huffman symbol), then the bits below the leading one. */
static unsigned bit_count(unsigned value)
{
	unsigned n = 0;
	while (value >>= 1)
		n++;
	return n;
}

static int write_tokens(const struct token *tokens, size_t n, struct buf *out)
{
	uint32_t symbols[HUFFMAN_SYMBOLS] = { 0 }, distances[DISTANCE_SYMBOLS] = { 0 };
	struct huffman_code code, far;
	struct bit_writer w = { .out = out };

	for (size_t i = 0; i < n; i++) {
		symbols[tokens[i].symbol]++;
		if (tokens[i].symbol >= END_OF_LITERALS)
			distances[bit_count(tokens[i].distance)]++;
	}
	if (huffman_from_counts(&code, symbols, HUFFMAN_SYMBOLS) || huffman_from_counts(&far, distances, DISTANCE_SYMBOLS))
		return -1;
	huffman_write_lengths(&w, &code);
	huffman_write_lengths(&w, &far);
	for (size_t i = 0; i < n; i++) {
		huffman_write(&w, &code, tokens[i].symbol);
		if (tokens[i].symbol < END_OF_LITERALS)
			continue;
		unsigned bits = bit_count(tokens[i].distance);
		huffman_write(&w, &far, bits);
		bits_write(&w, tokens[i].distance, bits);
	}
	return bits_flush(&w);
}

int lz_compress(const uint8_t *in, size_t len, struct buf *out)
{
	if (len > INT32_MAX)
		return -1;
	struct finder *f = malloc(sizeof(*f));
	struct token *tokens = calloc(len + 1, sizeof(*tokens));
	int r = -1;
	if (f && tokens) {
		f->in = in;
		f->len = len;
		memset(f->head, 0xff, sizeof(f->head));
		f->prev = calloc(len + 1, sizeof(*f->prev));
		if (f->prev)
			r = write_tokens(tokens, tokenise(f, tokens), out);
		free(f->prev);
	}
	free(tokens);
	free(f);
	return r;
}

static int copy_match(struct buf *out, size_t start, size_t length, size_t distance)
{
	if (distance > out->len - start)
		return -1; /* points before this block */
	while (length--) {
		uint8_t byte = out->data[out->len - distance];
		if (buf_put(out, &byte, 1))
			return -1;
	}
	return 0;
}

static int expand_one(struct bit_reader *r, const struct huffman_tree *tree, const struct huffman_tree *far, size_t start,
                      size_t room, struct buf *out)
{
	int symbol = huffman_read(r, tree);
	if (symbol < 0)
		return -1;
	if (symbol < END_OF_LITERALS) {
		uint8_t byte = (uint8_t)symbol;
		return buf_put(out, &byte, 1);
	}
	size_t length = (size_t)symbol - END_OF_LITERALS + LZ_MIN;
	int bits = huffman_read(r, far);
	if (bits < 0 || length > room)
		return -1;
	size_t distance = (1u << bits) | bits_read(r, (unsigned)bits);
	return r->failed ? -1 : copy_match(out, start, length, distance);
}

int lz_expand(const uint8_t *in, size_t len, size_t want, struct buf *out)
{
	struct bit_reader r = { .data = in, .len = len };
	struct huffman_code code, far_code;
	struct huffman_tree tree, far;
	size_t start = out->len;

	if (huffman_read_lengths(&r, &code, HUFFMAN_SYMBOLS) || huffman_read_lengths(&r, &far_code, DISTANCE_SYMBOLS))
		return -1;
	huffman_tree_make(&tree, &code);
	huffman_tree_make(&far, &far_code);
	while (out->len - start < want)
		if (expand_one(&r, &tree, &far, start, want - (out->len - start), out))
			return -1;
	return 0;
}
