// SPDX-License-Identifier: Apache-2.0
/* bits.c - see bits.h */
#include "bits.h"

#include <stdlib.h>
#include <string.h>

int buf_put(struct buf *buf, const void *bytes, size_t len)
{
	if (len > buf->cap - buf->len) {
		size_t cap = buf->cap ? buf->cap : 256;
		while (cap - buf->len < len) {
			if (cap > SIZE_MAX / 2)
				return -1;
			cap *= 2;
		}
		uint8_t *data = realloc(buf->data, cap);
		if (!data)
			return -1;
		buf->data = data;
		buf->cap = cap;
	}
	if (len)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	return 0;
}

int buf_put_le32(struct buf *buf, uint32_t value)
{
	uint8_t bytes[4];
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	return buf_put(buf, bytes, sizeof(bytes));
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

uint32_t read_le32(const uint8_t *bytes)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < 4; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	return value;
}

static void drain(struct bit_writer *w, unsigned keep)
{
	while (w->n > keep) {
		uint8_t byte = (uint8_t)w->hold;
		if (buf_put(w->out, &byte, 1))
			w->failed = true;
		w->hold >>= 8;
		w->n -= w->n < 8 ? w->n : 8;
	}
}

void bits_write(struct bit_writer *w, uint32_t value, unsigned count)
{
	uint64_t mask = count == 32 ? 0xffffffffu : (1u << count) - 1;
	w->hold |= (value & mask) << w->n;
	w->n += count;
	drain(w, 7);
}

int bits_flush(struct bit_writer *w)
{
	drain(w, 0);
	return w->failed ? -1 : 0;
}

uint32_t bits_read(struct bit_reader *r, unsigned count)
{
	while (r->n < count) {
		if (r->pos == r->len) {
			r->failed = true;
			return 0;
		}
		r->hold |= (uint64_t)r->data[r->pos++] << r->n;
		r->n += 8;
	}
	uint64_t mask = count == 32 ? 0xffffffffu : (1u << count) - 1;
	uint32_t value = (uint32_t)(r->hold & mask);
	r->hold >>= count;
	r->n -= count;
	return value;
}
