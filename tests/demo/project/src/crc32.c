// SPDX-License-Identifier: Apache-2.0
/* crc32.c - see crc32.h; one table, made on first use. */
#include "crc32.h"

static uint32_t table[256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
		table[i] = crc;
	}
}

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	if (!table[1])
		make_table();
	crc = ~crc;
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}
