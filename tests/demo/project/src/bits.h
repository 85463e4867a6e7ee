// SPDX-License-Identifier: Apache-2.0
/* bits.h - a growing byte buffer, and single bits in and out of it (least significant bit first). */
#ifndef SQUEEZE_BITS_H
#define SQUEEZE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t   len, cap;
};

int  buf_put(struct buf *buf, const void *bytes, size_t len); /* 0, or -1 without memory */
int  buf_put_le32(struct buf *buf, uint32_t value);
void buf_free(struct buf *buf);
uint32_t read_le32(const uint8_t *bytes);

struct bit_writer {
	struct buf *out;
	uint64_t    hold;
	unsigned    n;
	bool        failed; /* sticky: checked once, at the end */
};

void bits_write(struct bit_writer *w, uint32_t value, unsigned count); /* count <= 32 */
int  bits_flush(struct bit_writer *w);

struct bit_reader {
	const uint8_t *data;
	size_t         len, pos;
	uint64_t       hold;
	unsigned       n;
	bool           failed; /* read past the end */
};

uint32_t bits_read(struct bit_reader *r, unsigned count); /* count <= 32 */

#endif
