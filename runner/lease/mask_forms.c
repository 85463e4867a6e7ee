// SPDX-License-Identifier: Apache-2.0
/* mask_forms.c - one table of encodings, a row for each way that a program may write a value.
 *
 * Runs in the supervisor, on secret values; what it writes stands in memory that the caller wipes.
 * Base64 has no place of its own for a byte: three bytes share four characters. So a value has
 * three forms, for the three places where it may begin, and of each only the characters that
 * nothing but the value decides: what stands before and behind it, and the padding, do not matter.
 * No row is a wall: whoever means to print a secret finds an encoding that is not here.
 */
#include "mask_forms.h"

#include "drydock/err.h"
#include "mask.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char form_b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char form_b64url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char form_lower[] = "0123456789abcdef", form_upper[] = "0123456789ABCDEF";

size_t mask_forms_room(size_t len)
{
	return len * 6 + 16; /* \u00XX for every byte */
}

struct form_row;
/* Returns the length; 0: the value has no such form. */
typedef size_t (*form_make_fn)(const struct form_row *row, const char *value, size_t len,
                               char *out);

struct form_row {
	form_make_fn make;
	const char *alphabet; /* of base64 or of hex digits */
	const char *set;      /* characters that stay, or those that are escaped */
	const char *word;     /* what an escape looks like, where there is only one */
	unsigned offset;
	enum mask_form_kind kind; /* FORM_BASE64: looked for as it is, and in that way */
	bool short_only;          /* see MASK_FORMS_LONG */
	bool flag;                /* see the function */
};

/* ---- base64 and hex ---- */

static size_t form_base64_core(const char *alphabet, const char *v, size_t len, unsigned offset,
                               char *out)
{
	size_t first = ((size_t)8 * offset + 5) / 6, end = 8 * (offset + len) / 6, o = 0;
	for (size_t k = first; k < end; k++) {
		size_t bit = 6 * k - (size_t)8 * offset;
		unsigned two = (unsigned)(unsigned char)v[bit / 8] << 8;
		if (bit / 8 + 1 < len)
			two |= (unsigned char)v[bit / 8 + 1];
		out[o++] = alphabet[two >> (10 - bit % 8) & 63];
	}
	return o;
}

static size_t form_base64(const struct form_row *row, const char *v, size_t len, char *out)
{
	return form_base64_core(row->alphabet, v, len, row->offset, out);
}

/* Base64 of base64: three places for the inner one, three for the outer one. */
static size_t form_base64_twice(const struct form_row *row, const char *v, size_t len, char *out)
{
	char *inner = out + len * 2 + 8;
	size_t n = form_base64_core(form_b64, v, len, row->offset / 3, inner);
	return form_base64_core(form_b64, inner, n, row->offset % 3, out);
}

static size_t form_hex(const struct form_row *row, const char *v, size_t len, char *out)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		out[o++] = row->alphabet[(unsigned char)v[i] >> 4];
		out[o++] = row->alphabet[(unsigned char)v[i] & 15];
	}
	return o;
}

static size_t form_reversed(const struct form_row *row, const char *v, size_t len, char *out)
{
	(void)row;
	for (size_t i = 0; i < len; i++)
		out[i] = v[len - 1 - i];
	return len;
}

/* ---- escapes ---- */

static bool form_is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t form_put(char *out, const char *word)
{
	size_t n = 0;
	for (; word[n]; n++)
		out[n] = word[n];
	return n;
}

/* @flag: a blank is a plus, as in forms. */
static size_t form_url(const struct form_row *row, const char *v, size_t len, char *out)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		if (form_is_word(v[i]) || (v[i] && strchr(row->set, v[i])))
			out[o++] = v[i];
		else if (row->flag && v[i] == ' ')
			out[o++] = '+';
		else {
			out[o++] = '%';
			out[o++] = row->alphabet[(unsigned char)v[i] >> 4];
			out[o++] = row->alphabet[(unsigned char)v[i] & 15];
		}
	}
	return o;
}

static size_t form_u16(char *out, const char *digits, unsigned value)
{
	size_t o = form_put(out, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		out[o++] = digits[value >> shift & 15];
	return o;
}

/* The character at @v, and its length; 0: it is no UTF-8. */
static size_t form_utf8(const char *v, size_t len, unsigned *ret)
{
	unsigned char c = (unsigned char)v[0];
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
	if (n == 0 || n > len)
		return 0;
	*ret = n == 1 ? c : c & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)v[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | ((unsigned char)v[i] & 0x3f);
	}
	return n;
}

/* The inside of a JSON string. @set: what is escaped though it need not be; @flag: all but ASCII
 * is. */
static size_t form_json(const struct form_row *row, const char *v, size_t len, char *out)
{
	static const char plain[] = "\"\\\n\r\t\b\f", words[] = "\"\\nrtbf";
	size_t o = 0;
	for (size_t i = 0, n = 1; i < len; i += n) {
		const char *known = v[i] ? strchr(plain, v[i]) : NULL;
		unsigned c = (unsigned char)v[i];
		n = 1;
		if (known || (v[i] == '/' && strchr(row->set, '/'))) {
			out[o++] = '\\';
			out[o++] = (char)(known ? words[known - plain] : v[i]);
		} else if (c < 0x20 || c == 0x7f || (c < 0x80 && strchr(row->set, v[i]))) {
			/* DEL stays as it is where only ASCII counts */
			if (c == 0x7f && !row->flag)
				out[o++] = v[i];
			else
				o += form_u16(out + o, row->alphabet, c);
		} else if (c < 0x80 || !row->flag) {
			out[o++] = v[i];
		} else if ((n = form_utf8(v + i, len - i, &c)) == 0) {
			return 0;
		} else if (c < 0x10000) {
			o += form_u16(out + o, row->alphabet, c);
		} else {
			o += form_u16(out + o, row->alphabet,
			              0xd800 + ((c - 0x10000) >> 10 & 0x3ff));
			o += form_u16(out + o, row->alphabet, 0xdc00 + ((c - 0x10000) & 0x3ff));
		}
	}
	return o;
}

/* Each character of @set becomes @word. */
static size_t form_replace(const struct form_row *row, const char *v, size_t len, char *out)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		if (v[i] && strchr(row->set, v[i]))
			o += form_put(out + o, row->word);
		else
			out[o++] = v[i];
	}
	return o;
}

/* A backslash before each of @set; @flag: before all but letters, digits and what printf's %q
 * leaves. */
static size_t form_backslash(const struct form_row *row, const char *v, size_t len, char *out)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		bool stays = row->flag ? form_is_word(v[i]) || (v[i] && strchr(row->set, v[i])) ||
		                                 (v[i] & 0x80)
		                       : !v[i] || !strchr(row->set, v[i]);
		if (!stays)
			out[o++] = '\\';
		out[o++] = v[i];
	}
	return o;
}

/* The inside of $'...', as shells trace what is not printable; with an alphabet that of Python's
 * b'...', which knows fewer words and writes \xNN. */
static size_t form_ansi_c(const struct form_row *row, const char *v, size_t len, char *out)
{
	const char *plain = row->alphabet ? "\\\n\r\t" : "'\\\n\r\t\b\f\a\v\x1b";
	const char *words = row->alphabet ? "\\nrt" : "'\\nrtbfavE";
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		const char *known = v[i] ? strchr(plain, v[i]) : NULL;
		unsigned c = (unsigned char)v[i];
		if (known) {
			out[o++] = '\\';
			out[o++] = words[known - plain];
		} else if ((c < 0x20 || c >= 0x7f) && row->alphabet) {
			o += form_put(out + o, "\\x");
			out[o++] = row->alphabet[c >> 4];
			out[o++] = row->alphabet[c & 15];
		} else if (c < 0x20 || c >= 0x7f) {
			out[o++] = '\\';
			out[o++] = (char)('0' + (c >> 6));
			out[o++] = (char)('0' + (c >> 3 & 7));
			out[o++] = (char)('0' + (c & 7));
		} else {
			out[o++] = v[i];
		}
	}
	return o;
}

/* @word: how a quotation mark is written; @set: how an apostrophe is, "" where it stays. */
static size_t form_xml(const struct form_row *row, const char *v, size_t len, char *out)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		const char *word = v[i] == '&'                   ? "&amp;"
		                   : v[i] == '<'                 ? "&lt;"
		                   : v[i] == '>'                 ? "&gt;"
		                   : v[i] == '"'                 ? row->word
		                   : v[i] == '\'' && row->set[0] ? row->set
		                                                 : NULL;
		if (word)
			o += form_put(out + o, word);
		else
			out[o++] = v[i];
	}
	return o;
}

/* clang-format off */
#define FORM_B64(off) \
	{ .make = form_base64, .alphabet = form_b64, .offset = (off), .kind = FORM_BASE64 }, \
	{ .make = form_base64, .alphabet = form_b64url, .offset = (off), .kind = FORM_BASE64 }
#define FORM_TWICE(off) { .make = form_base64_twice, .offset = (off), .short_only = true }
#define FORM_URL(keeps, plus) { .make = form_url, .alphabet = form_upper, .set = (keeps), .flag = (plus) }, \
	{ .make = form_url, .alphabet = form_lower, .set = (keeps), .flag = (plus) }
static const struct form_row form_rows[] = {
	FORM_B64(0), FORM_B64(1), FORM_B64(2),
	FORM_TWICE(0), FORM_TWICE(1), FORM_TWICE(2), FORM_TWICE(3), FORM_TWICE(4), FORM_TWICE(5),
	FORM_TWICE(6), FORM_TWICE(7), FORM_TWICE(8),
	{ .make = form_hex, .alphabet = form_lower, .kind = FORM_HEX },
	{ .make = form_reversed, .short_only = true },
	FORM_URL("-_.~", false),                   /* all but what RFC 3986 calls unreserved */
	FORM_URL("-_.~", true),                    /* a form */
	FORM_URL("-_.*", true),                    /* a form, as browsers and Java write it */
	FORM_URL("-_.~/", false),                  /* a path */
	FORM_URL("-_.!~*'()", false),              /* encodeURIComponent */
	FORM_URL("-_.!~*'();,/?:@&=+$#", false),   /* encodeURI */
	{ .make = form_json, .alphabet = form_lower, .set = "" },
	{ .make = form_json, .alphabet = form_upper, .set = "" },
	{ .make = form_json, .alphabet = form_lower, .set = "/" },
	{ .make = form_json, .alphabet = form_lower, .set = "<>&" },
	{ .make = form_json, .alphabet = form_lower, .set = "", .flag = true },
	{ .make = form_json, .alphabet = form_upper, .set = "", .flag = true },
	{ .make = form_json, .alphabet = form_lower, .set = "/", .flag = true },
	{ .make = form_replace, .set = "'", .word = "'\\''" },
	{ .make = form_replace, .set = "'", .word = "'\"'\"'" },
	{ .make = form_replace, .set = "'", .word = "''" },     /* SQL, YAML, expressions */
	{ .make = form_replace, .set = "\"", .word = "\"\"" },  /* CSV */
	{ .make = form_backslash, .set = "\"" },                /* a command line */
	{ .make = form_backslash, .set = "\"\\" },
	{ .make = form_backslash, .set = "\"\\$`" },            /* between double quotes */
	{ .make = form_backslash, .set = "'\\" },
	{ .make = form_backslash, .set = "_-./:=@%+", .flag = true },
	{ .make = form_backslash, .set = "_-./:=@%+,", .flag = true },
	{ .make = form_ansi_c },
	{ .make = form_ansi_c, .alphabet = form_lower },
	{ .make = form_xml, .word = "&quot;", .set = "" },
	{ .make = form_xml, .word = "&quot;", .set = "&#39;" },
	{ .make = form_xml, .word = "&quot;", .set = "&apos;" },
	{ .make = form_xml, .word = "&quot;", .set = "&#x27;" },
	{ .make = form_xml, .word = "&#34;", .set = "&#39;" },
	{ .make = form_xml, .word = "\"", .set = "" },
};
/* clang-format on */

/* base64(1) and PEM break what they write: each line of it is there by itself. Of the last only
 * what the value decides. */
static int form_wrapped(const char *v, size_t len, size_t width, char *out, mask_form_fn fn,
                        void *arg)
{
	size_t n = form_base64_core(form_b64, v, len, 0, out);
	int r = 0;
	for (size_t at = 0; n > width && at < n && r == 0; at += width) {
		size_t line = n - at < width ? n - at : width;
		if (line >= MASK_LINE_MIN)
			r = fn(arg, FORM_AS_IS, out + at, line);
	}
	return r;
}

int mask_forms(const char *value, size_t len, char *scratch, mask_form_fn fn, void *arg)
{
	bool is_long = len > MASK_FORMS_LONG;
	int r = len >= MASK_MIN ? fn(arg, FORM_AS_IS, value, len) : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(form_rows); i++) {
		const struct form_row *row = &form_rows[i];
		size_t n = row->short_only && is_long ? 0 : row->make(row, value, len, scratch);
		if (n < MASK_MIN || (n == len && memcmp(scratch, value, n) == 0))
			continue;
		if (row->kind != FORM_HEX)
			r = fn(arg, FORM_AS_IS, scratch, n);
		if (r == 0 && row->kind != FORM_AS_IS)
			r = fn(arg, row->kind, scratch, n);
	}
	if (r == 0)
		r = form_wrapped(value, len, 76, scratch, fn, arg);
	if (r == 0)
		r = form_wrapped(value, len, 64, scratch, fn, arg);
	return r;
}
