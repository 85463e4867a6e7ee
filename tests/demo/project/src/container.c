// SPDX-License-Identifier: Apache-2.0
/* container.c - see container.h */
#include "container.h"

#include "crc32.h"
#include "lz.h"

#include <string.h>

static const char magic[4] = { 'S', 'Q', 'Z', '1' };

enum kind { KIND_END, KIND_STORED, KIND_SQUEEZED };
enum { BLOCK_HEAD = 13 };

static int put_block(struct buf *out, enum kind kind, const uint8_t *body, size_t body_len, size_t plain_len, uint32_t crc)
{
	uint8_t byte = (uint8_t)kind;
	if (buf_put(out, &byte, 1) || buf_put_le32(out, (uint32_t)plain_len) || buf_put_le32(out, (uint32_t)body_len) ||
	    buf_put_le32(out, crc))
		return -1;
	return buf_put(out, body, body_len);
}

static int pack_block(const uint8_t *in, size_t len, struct buf *out)
{
	struct buf small = { 0 };
	uint32_t crc = crc32_update(0, in, len);
	int r = lz_compress(in, len, &small);

	if (!r && small.len < len)
		r = put_block(out, KIND_SQUEEZED, small.data, small.len, len, crc);
	else if (!r)
		r = put_block(out, KIND_STORED, in, len, len, crc);
	buf_free(&small);
	return r;
}

int container_pack(const uint8_t *in, size_t len, struct buf *out)
{
	if (buf_put(out, magic, sizeof(magic)))
		return -1;
	while (len) {
		size_t n = len < CONTAINER_BLOCK ? len : CONTAINER_BLOCK;
		if (pack_block(in, n, out))
			return -1;
		in += n;
		len -= n;
	}
	return put_block(out, KIND_END, NULL, 0, 0, 0);
}

static const char *unpack_block(const uint8_t *head, const uint8_t *body, struct buf *out)
{
	size_t plain_len = read_le32(head + 1), body_len = read_le32(head + 5), start = out->len;

	if (plain_len > CONTAINER_BLOCK)
		return "a block is larger than this format allows";
	if (head[0] == KIND_STORED) {
		if (body_len != plain_len || buf_put(out, body, body_len))
			return "a stored block has two sizes";
	} else if (head[0] != KIND_SQUEEZED) {
		return "unknown kind of block";
	} else if (lz_expand(body, body_len, plain_len, out)) {
		return "a squeezed block is damaged";
	}
	if (crc32_update(0, out->data + start, plain_len) != read_le32(head + 9))
		return "a checksum does not match";
	return NULL;
}

const char *container_unpack(const uint8_t *in, size_t len, struct buf *out)
{
	if (len < sizeof(magic) || memcmp(in, magic, sizeof(magic)) != 0)
		return "not a squeeze file";
	in += sizeof(magic);
	len -= sizeof(magic);
	for (;;) {
		if (len < BLOCK_HEAD)
			return "the file ends in the middle";
		const uint8_t *head = in;
		in += BLOCK_HEAD;
		len -= BLOCK_HEAD;
		if (head[0] == KIND_END)
			return len ? "there is something behind the end" : NULL;
		size_t body_len = read_le32(head + 5);
		if (body_len > len)
			return "the file ends in the middle";
		const char *wrong = unpack_block(head, in, out);
		if (wrong)
			return wrong;
		in += body_len;
		len -= body_len;
	}
}
