// SPDX-License-Identifier: Apache-2.0
/* check.c - what squeeze promises, run by `make check`. */
#include "../src/container.h"
#include "../src/crc32.h"
#include "../src/huffman.h"
#include "../src/lz.h"

#include <tinycheck.h>

#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint8_t)(seed >> 24);
}

static bool survives(const uint8_t *in, size_t len, size_t *ret_packed)
{
	struct buf packed = { 0 }, again = { 0 };
	bool same = !container_pack(in, len, &packed) && !container_unpack(packed.data, packed.len, &again) &&
	            again.len == len && (!len || memcmp(again.data, in, len) == 0);
	*ret_packed = packed.len;
	buf_free(&packed);
	buf_free(&again);
	return same;
}

static void checksum_is_the_standard_one(void)
{
	CHECK(crc32_update(0, "123456789", 9) == 0xcbf43926u);
	CHECK(crc32_update(crc32_update(0, "1234", 4), "56789", 5) == 0xcbf43926u);
}

static void bits_come_back_in_order(void)
{
	struct buf out = { 0 };
	struct bit_writer w = { .out = &out };
	for (unsigned i = 1; i <= 32; i++)
		bits_write(&w, 0xdeadbeefu, i);
	CHECK(bits_flush(&w) == 0);
	struct bit_reader r = { .data = out.data, .len = out.len };
	for (unsigned i = 1; i <= 32; i++)
		CHECK(bits_read(&r, i) == (uint32_t)(0xdeadbeefull & ((1ull << i) - 1)));
	buf_free(&out);
}

static void huffman_codes_never_exceed_their_limit(void)
{
	uint32_t counts[HUFFMAN_SYMBOLS] = { 0 };
	struct huffman_code code;
	uint32_t a = 1, b = 1;
	for (unsigned i = 0; i < 40; i++) { /* Fibonacci counts make the deepest tree there is */
		counts[i] = a;
		uint32_t next = a + b;
		a = b;
		b = next;
	}
	CHECK(huffman_from_counts(&code, counts, HUFFMAN_SYMBOLS) == 0);
	for (unsigned i = 0; i < 40; i++)
		CHECK(code.length[i] >= 1 && code.length[i] <= HUFFMAN_BITS);
}

static void small_and_odd_inputs_survive(void)
{
	uint8_t data[300];
	size_t packed;
	for (size_t len = 0; len < sizeof(data); len++) {
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(len % 3 ? random_byte() : i / 7);
		CHECK(survives(data, len, &packed));
	}
}

static void repetition_shrinks_and_noise_hardly_grows(void)
{
	size_t len = 3 * CONTAINER_BLOCK + 17, packed;
	uint8_t *data = malloc(len);
	CHECK(data != NULL);
	if (!data)
		return;
	memset(data, 'x', len);
	CHECK(survives(data, len, &packed) && packed < len / 30);
	for (size_t i = 0; i < len; i++)
		data[i] = random_byte();
	CHECK(survives(data, len, &packed) && packed < len + 100);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)"the quick brown fox jumps over the lazy dog. "[(i + (i / 997)) % 45];
	CHECK(survives(data, len, &packed) && packed < len / 5);
	free(data);
}

static void damage_is_noticed_and_never_crashes(void)
{
	struct buf packed = { 0 }, out = { 0 };
	uint8_t data[5000];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i / 50);
	CHECK(container_pack(data, sizeof(data), &packed) == 0);
	for (size_t i = 0; i < packed.len; i++) {
		packed.data[i] ^= 0x10;
		out.len = 0;
		const char *wrong = container_unpack(packed.data, packed.len, &out);
		/* A bit of the padding or of the end block's unused fields may change nothing; the content must then be right. */
		CHECK(wrong || (out.len == sizeof(data) && memcmp(out.data, data, out.len) == 0));
		packed.data[i] ^= 0x10;
	}
	for (size_t len = 0; len < packed.len; len++) {
		out.len = 0;
		CHECK(container_unpack(packed.data, len, &out) != NULL);
	}
	buf_free(&packed);
	buf_free(&out);
}

int main(void)
{
	RUN(checksum_is_the_standard_one);
	RUN(bits_come_back_in_order);
	RUN(huffman_codes_never_exceed_their_limit);
	RUN(small_and_odd_inputs_survive);
	RUN(repetition_shrinks_and_noise_hardly_grows);
	RUN(damage_is_noticed_and_never_crashes);
	return tinycheck_result();
}
