// SPDX-License-Identifier: Apache-2.0
/* text_escape.c - decides which characters a terminal may see, and spells the others as \xNN.
 *
 * Runs in every role, on hostile bytes. Direction overrides are refused with the controls: they
 * make a line read differently from what it says.
 */
#include "text_escape.h"

#include <stdint.h>

/* The lower bound of each length refuses overlong forms. */
static const struct {
	unsigned char mask, lead;
	uint32_t min;
} utf8_forms[] = {
	[1] = { 0x80, 0x00, 0 },
	[2] = { 0xe0, 0xc0, 0x80 },
	[3] = { 0xf0, 0xe0, 0x800 },
	[4] = { 0xf8, 0xf0, 0x10000 },
};

static size_t decode(const char *s, size_t len, uint32_t *ret)
{
	const unsigned char *u = (const unsigned char *)s;
	for (size_t n = 1; n <= 4 && n <= len; n++) {
		if ((u[0] & utf8_forms[n].mask) != utf8_forms[n].lead)
			continue;
		uint32_t c = u[0] & (unsigned char)~utf8_forms[n].mask;
		for (size_t i = 1; i < n; i++) {
			if ((u[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (u[i] & 0x3fU);
		}
		if (c < utf8_forms[n].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret = c;
		return n;
	}
	return 0;
}

size_t utf8_char_len(const char *s, size_t len)
{
	uint32_t c;
	return decode(s, len, &c);
}

static const struct {
	uint32_t first, last;
} not_plain[] = {
	{ 0x00, 0x08 },     { 0x0a, 0x1f },     { 0x7f, 0x9f },     { 0x61c, 0x61c },
	{ 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff },
};

bool utf8_char_is_plain(const char *s, size_t char_len)
{
	uint32_t c;
	if (char_len == 0 || decode(s, char_len, &c) != char_len)
		return false;
	for (size_t i = 0; i < sizeof(not_plain) / sizeof(not_plain[0]); i++)
		if (c >= not_plain[i].first && c <= not_plain[i].last)
			return false;
	return true;
}

static size_t escape_byte(char *out, unsigned char b)
{
	static const char hex[] = "0123456789abcdef";
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[b >> 4];
	out[3] = hex[b & 15];
	return 4;
}

size_t text_escape(char *out, const char *s, size_t len)
{
	size_t o = 0;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_char_len(s + i, len - i);
		bool plain = n > 0 && utf8_char_is_plain(s + i, n);
		size_t take = n > 0 ? n : 1;
		for (size_t k = 0; k < take; k++) {
			if (plain)
				out[o++] = s[i + k];
			else
				o += escape_byte(out + o, (unsigned char)s[i + k]);
		}
		i += take;
	}
	out[o] = '\0';
	return o;
}
