// SPDX-License-Identifier: Apache-2.0
/* unicode_text.c - characters, blanks and ordinal comparison without case. Runs in: command line
 * and supervisor, on commit content and on what steps wrote. Pure, no allocation, no locale. */
#include "unicode_text.h"

#include "unicode_upper.h"

#include "drydock/err.h"

enum { STRAY = 0xdc00 };

/* The length that a first byte announces, and the least code that may need it: an overlong form is
 * no character. */
static const struct lead_row {
	unsigned char mask, bits;
	unsigned char length;
	uint32_t least;
} leads[] = {
	{ 0xe0, 0xc0, 2, 0x80 },
	{ 0xf0, 0xe0, 3, 0x800 },
	{ 0xf8, 0xf0, 4, 0x10000 },
};

uint32_t text_next(const char **at, const char *end)
{
	const unsigned char *p = (const unsigned char *)*at;
	size_t left = (size_t)(end - *at);

	(*at)++;
	if (p[0] < 0x80)
		return p[0];
	for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
		if ((p[0] & leads[i].mask) != leads[i].bits || left < leads[i].length)
			continue;
		uint32_t code = p[0] & (unsigned char)~leads[i].mask;
		size_t k = 1;
		for (; k < leads[i].length && (p[k] & 0xc0) == 0x80; k++)
			code = code << 6 | (p[k] & 0x3f);
		if (k < leads[i].length || code < leads[i].least || code > 0x10ffff ||
		    (code >= 0xd800 && code < 0xe000))
			break;
		*at += k - 1;
		return code;
	}
	return STRAY + p[0];
}

size_t text_put(char *out, uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(leads[n - 2].bits | code);
	return n;
}

bool text_is_blank(uint32_t code)
{
	switch (code) {
	case ' ':
	case 0x85:
	case 0xa0:
	case 0x1680:
	case 0x2028:
	case 0x2029:
	case 0x202f:
	case 0x205f:
	case 0x3000:
		return true;
	default:
		return (code >= '\t' && code <= '\r') || (code >= 0x2000 && code <= 0x200a);
	}
}

void text_trim(const char **text, size_t *len)
{
	const char *at = *text, *end = at + *len;

	for (const char *next = at; at < end && text_is_blank(text_next(&next, end));)
		at = next;
	const char *last = at; /* behind the last character that is no blank */
	for (const char *p = at; p < end;)
		if (!text_is_blank(text_next(&p, end)))
			last = p;
	*text = at;
	*len = (size_t)(last - at);
}

size_t text_units(const char *text, size_t len)
{
	size_t units = 0;
	for (const char *p = text, *end = text + len; p < end; units++)
		if (text_next(&p, end) >= 0x10000)
			units++;
	return units;
}

uint32_t text_upper(uint32_t code)
{
	if (code < 0x80)
		return code >= 'a' && code <= 'z' ? code - 32 : code;
	size_t low = 0, high = ARRAY_LEN(upper_runs);
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct upper_run *run = &upper_runs[mid];
		if (code < run->first)
			high = mid;
		else if (code > run->last)
			low = mid + 1;
		else
			return (code - run->first) % run->stride
			               ? code
			               : (uint32_t)((int32_t)code + run->delta);
	}
	return code;
}

/* UTF-16 puts all above 0xffff below 0xe000: its units are surrogates. */
static uint32_t unit_order(uint32_t code)
{
	return code >= 0x10000 ? code - 0x10000 + 0xd800 : code >= 0xd800 ? code + 0x100000 : code;
}

int text_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const char *a_end = a + a_len, *b_end = b + b_len;

	while (a < a_end && b < b_end) {
		uint32_t x = unit_order(text_upper(text_next(&a, a_end)));
		uint32_t y = unit_order(text_upper(text_next(&b, b_end)));
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a < a_end) - (b < b_end);
}

bool text_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return text_compare(a, a_len, b, b_len) == 0;
}

bool text_starts(const char *text, size_t len, const char *with, size_t with_len)
{
	const char *end = text + len, *with_end = with + with_len;

	while (with < with_end) {
		if (text == end ||
		    text_upper(text_next(&text, end)) != text_upper(text_next(&with, with_end)))
			return false;
	}
	return true;
}

/* From the end, character by character: a mapping may change the number of bytes. */
bool text_ends(const char *text, size_t len, const char *with, size_t with_len)
{
	size_t have = 0, want = 0;
	const char *end = text + len;

	for (const char *p = with; p < with + with_len; want++)
		(void)text_next(&p, with + with_len);
	for (const char *p = text; p < end; have++)
		(void)text_next(&p, end);
	if (want > have)
		return false;
	for (size_t i = have - want; i > 0; i--)
		(void)text_next(&text, end);
	return text_equal(text, (size_t)(end - text), with, with_len);
}

uint32_t text_hash(const char *text, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (const char *p = text, *end = text + len; p < end;)
		hash = (hash ^ text_upper(text_next(&p, end))) * 16777619u;
	return hash;
}

size_t text_fold(const char *text, size_t len, char *out)
{
	size_t n = 0;
	char one[4] = "";

	for (const char *p = text, *end = text + len; p < end;) {
		uint32_t code = text_upper(text_next(&p, end));
		n += text_put(out ? out + n : one, code);
	}
	return n;
}
