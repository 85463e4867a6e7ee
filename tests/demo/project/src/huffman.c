// SPDX-License-Identifier: Apache-2.0
/* huffman.c - see huffman.h.
 *
 * Lengths come from merging the two rarest nodes until one is left. When a code would be longer than 15 bits, the counts are
 * halved and the merge starts over: a little worse than optimal, always valid, and short. */
#include "huffman.h"

#include <string.h>

struct node {
	uint32_t count;
	int      parent; /* -1: root, or not merged yet */
	int      used;
};

static int rarest(const struct node *nodes, int n)
{
	int best = -1;
	for (int i = 0; i < n; i++)
		if (nodes[i].used && nodes[i].parent < 0 && (best < 0 || nodes[i].count < nodes[best].count))
			best = i;
	return best;
}

static void merge_all(struct node *nodes, int n)
{
	for (int next = n; next < 2 * HUFFMAN_SYMBOLS; next++) {
		int a = rarest(nodes, next);
		if (a < 0)
			return;
		nodes[a].parent = next;
		int b = rarest(nodes, next);
		if (b < 0) {
			nodes[a].parent = -1;
			return;
		}
		nodes[b].parent = next;
		nodes[next] = (struct node){ .count = nodes[a].count + nodes[b].count, .parent = -1, .used = 1 };
	}
}

static unsigned depth_of(const struct node *nodes, int i)
{
	unsigned depth = 0;
	for (; nodes[i].parent >= 0; i = nodes[i].parent)
		depth++;
	return depth ? depth : 1; /* a lone symbol still needs one bit */
}

static unsigned lengths_once(struct huffman_code *code, const uint32_t *counts)
{
	struct node nodes[2 * HUFFMAN_SYMBOLS];
	unsigned longest = 0;

	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < code->n; i++)
		nodes[i] = (struct node){ .count = counts[i], .parent = -1, .used = counts[i] > 0 };
	merge_all(nodes, (int)code->n);
	for (unsigned i = 0; i < code->n; i++) {
		code->length[i] = counts[i] ? (uint8_t)depth_of(nodes, (int)i) : 0;
		if (code->length[i] > longest)
			longest = code->length[i];
	}
	return longest;
}

int huffman_from_counts(struct huffman_code *code, const uint32_t *counts, unsigned n)
{
	uint32_t scaled[HUFFMAN_SYMBOLS];

	if (n > HUFFMAN_SYMBOLS)
		return -1;
	*code = (struct huffman_code){ .n = n };
	memcpy(scaled, counts, n * sizeof(*counts));
	while (lengths_once(code, scaled) > HUFFMAN_BITS)
		for (unsigned i = 0; i < n; i++)
			scaled[i] = scaled[i] ? scaled[i] / 2 + 1 : 0;
	return huffman_assign(code);
}

static uint16_t reverse(unsigned value, unsigned bits)
{
	unsigned out = 0;
	for (unsigned i = 0; i < bits; i++)
		out |= (value >> i & 1) << (bits - 1 - i);
	return (uint16_t)out;
}

int huffman_assign(struct huffman_code *code)
{
	unsigned count[HUFFMAN_BITS + 2] = { 0 }, next[HUFFMAN_BITS + 2] = { 0 };

	for (unsigned i = 0; i < code->n; i++) {
		if (code->length[i] > HUFFMAN_BITS)
			return -1;
		count[code->length[i]]++;
	}
	count[0] = 0;
	for (unsigned len = 1; len <= HUFFMAN_BITS; len++) {
		next[len] = (next[len - 1] + count[len - 1]) << 1;
		if (next[len] + count[len] > 1u << len)
			return -1; /* more codes than this length has room for */
	}
	for (unsigned i = 0; i < code->n; i++)
		if (code->length[i])
			code->bits[i] = reverse(next[code->length[i]]++, code->length[i]);
	return 0;
}

int huffman_tree_make(struct huffman_tree *tree, const struct huffman_code *code)
{
	unsigned start[HUFFMAN_BITS + 2] = { 0 };

	*tree = (struct huffman_tree){ { 0 }, { 0 } };
	for (unsigned i = 0; i < code->n; i++)
		tree->count[code->length[i]]++;
	tree->count[0] = 0;
	for (unsigned len = 1; len <= HUFFMAN_BITS; len++)
		start[len + 1] = start[len] + tree->count[len];
	for (unsigned i = 0; i < code->n; i++)
		if (code->length[i])
			tree->symbol[start[code->length[i]]++] = (uint16_t)i;
	return 0;
}

void huffman_write(struct bit_writer *w, const struct huffman_code *code, unsigned symbol)
{
	bits_write(w, code->bits[symbol], code->length[symbol]);
}

int huffman_read(struct bit_reader *r, const struct huffman_tree *tree)
{
	unsigned code = 0, first = 0, index = 0;

	for (unsigned len = 1; len <= HUFFMAN_BITS; len++) {
		code |= bits_read(r, 1);
		if (r->failed)
			return -1;
		unsigned count = tree->count[len];
		if (code < first + count)
			return tree->symbol[index + (code - first)];
		index += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	return -1;
}

/* Lengths as nibbles; a run of zeros is 0 followed by its size in 8 bits. */
void huffman_write_lengths(struct bit_writer *w, const struct huffman_code *code)
{
	for (unsigned i = 0; i < code->n;) {
		bits_write(w, code->length[i], 4);
		if (code->length[i++])
			continue;
		unsigned run = 0;
		for (; i < code->n && !code->length[i] && run < 255; i++)
			run++;
		bits_write(w, run, 8);
	}
}

int huffman_read_lengths(struct bit_reader *r, struct huffman_code *code, unsigned n)
{
	*code = (struct huffman_code){ .n = n };
	for (unsigned i = 0; i < n;) {
		code->length[i] = (uint8_t)bits_read(r, 4);
		if (r->failed)
			return -1;
		if (code->length[i++])
			continue;
		i += bits_read(r, 8);
		if (r->failed || i > n)
			return -1;
	}
	return huffman_assign(code);
}
