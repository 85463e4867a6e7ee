// SPDX-License-Identifier: Apache-2.0
/* fuzz_mask.c - the masker against a slow one that is plainly right: random secrets, texts that
 * hold them in encodings made by other code, any pieces, values that come while the text runs.
 *
 * The slow one compares every form at every place. What an encoder made must not be in the output,
 * and nothing may be missing but what a form covers.
 */
#include "runner/lease/mask.h"
#include "runner/lease/mask_forms.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUES = 6, VALUE_MAX = 48, PATTERNS = 2000, TEXT = 4096, LEAKS = 16 };

struct input {
	const uint8_t *data;
	size_t size;
	uint32_t state; /* goes on when the data is over */
};

static uint32_t take(struct input *in, uint32_t below)
{
	if (in->size > 0) {
		in->state = in->state * 31 + *in->data++;
		in->size--;
	}
	in->state = in->state * 1664525 + 1013904223;
	return (in->state >> 8) % below;
}

/* ---- the slow masker ---- */

struct pattern {
	char bytes[VALUE_MAX * 6 + 16];
	size_t len;
	size_t from; /* counts only where it begins here or behind */
};

static struct pattern patterns[PATTERNS];
static size_t n_patterns, patterns_from;
/* by their first byte, or ten million cases would take a day */
static uint16_t first[256][PATTERNS], n_first[256];

static int add_pattern(void *arg, const char *bytes, size_t len)
{
	unsigned char c = (unsigned char)bytes[0];
	(void)arg;
	if (n_patterns == PATTERNS || len > sizeof(patterns[0].bytes))
		abort();
	for (size_t i = 0; i < n_first[c]; i++) {
		const struct pattern *p = &patterns[first[c][i]];
		if (p->len == len && memcmp(p->bytes, bytes, len) == 0)
			return 0;
	}
	first[c][n_first[c]++] = (uint16_t)n_patterns;
	struct pattern *p = &patterns[n_patterns++];
	memcpy(p->bytes, bytes, len);
	p->len = len;
	p->from = patterns_from;
	return 0;
}

static void add_forms(const char *value, size_t len)
{
	char scratch[VALUE_MAX * 6 + 16];
	(void)mask_forms(value, len, scratch, add_pattern, NULL);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value and what counts as one beside it. */
static void add_value(const char *value, size_t len)
{
	size_t begin = 0, end = len, line = 0;
	while (end > 0 && (value[end - 1] == '\n' || value[end - 1] == '\r'))
		end--;
	len = end;
	add_forms(value, len);
	while (begin < end && blank(value[begin]))
		begin++;
	while (end > begin && blank(value[end - 1]))
		end--;
	if (end - begin >= MASK_MIN)
		add_forms(value + begin, end - begin);
	if (end - begin > MASK_LINE_MIN + 2 && (value[begin] == '"' || value[begin] == '\'') &&
	    value[end - 1] == value[begin])
		add_forms(value + begin + 1, end - begin - 2);
	for (size_t i = 0; memchr(value, '\n', len) && i <= len; i++) {
		if (i < len && value[i] != '\n')
			continue;
		size_t stop = i > line && value[i - 1] == '\r' ? i - 1 : i;
		if (stop - line >= MASK_LINE_MIN)
			add_forms(value + line, stop - line);
		line = i + 1;
	}
}

/* Where the longest end of @text begins that begins a pattern. */
static size_t slow_hold(const char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		for (size_t i = 0; i < n_first[(unsigned char)text[at]]; i++) {
			const struct pattern *one = &patterns[first[(unsigned char)text[at]][i]];
			if (one->len >= len - at && memcmp(one->bytes, text + at, len - at) == 0)
				return at;
		}
	return len;
}

static size_t slow(const char *text, size_t len, char *out)
{
	size_t end = 0, o = 0;
	for (size_t p = 0; p < len; p++) {
		size_t best = 0;
		for (size_t i = 0; i < n_first[(unsigned char)text[p]]; i++) {
			const struct pattern *one = &patterns[first[(unsigned char)text[p]][i]];
			if (one->len > best && p >= one->from && p + one->len <= len &&
			    memcmp(one->bytes, text + p, one->len) == 0)
				best = one->len;
		}
		if (best > 0 && p >= end) {
			memcpy(out + o, "***", 3);
			o += 3;
		}
		if (best > 0 && p + best > end)
			end = p + best;
		if (p >= end)
			out[o++] = text[p];
	}
	return o;
}

/* ---- encoders that are not the masker's ---- */

struct text {
	char bytes[TEXT];
	size_t len;
};

static void put(struct text *t, const char *bytes, size_t len)
{
	if (len > sizeof(t->bytes) - t->len)
		len = sizeof(t->bytes) - t->len;
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static void put_char(struct text *t, char c)
{
	put(t, &c, 1);
}

static void put_base64(struct input *in, struct text *t, const char *v, size_t len,
                       struct text *leak)
{
	unsigned char raw[VALUE_MAX + 8], out[2 * VALUE_MAX + 32];
	size_t before = take(in, 3), after = take(in, 3), n = 0;
	bool url = take(in, 2);
	for (size_t i = 0; i < before; i++)
		raw[n++] = (unsigned char)take(in, 256);
	memcpy(raw + n, v, len);
	n += len;
	for (size_t i = 0; i < after; i++)
		raw[n++] = (unsigned char)take(in, 256);
	size_t o = (size_t)EVP_EncodeBlock(out, raw, (int)n);
	for (size_t i = 0; i < o && url; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	put(t, (char *)out, o);
	/* the characters whose every bit is the value's */
	size_t first = (before * 8 + 5) / 6, end = (before + len) * 8 / 6;
	put(leak, (char *)out + first, end - first);
}

static void put_encoded(struct input *in, struct text *t, const char *v, size_t len,
                        struct text *leak)
{
	char one[16];
	uint32_t kind = take(in, 8);
	bool upper = take(in, 2);
	if (kind == 1) {
		put_base64(in, t, v, len, leak);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)v[i];
		if (kind == 2)
			(void)sprintf(one, upper ? "%02X" : "%02x", c);
		else if (kind == 3 && !(c < 0x80 && (strchr("-_.~", (int)c) ||
		                                     (c | 32) - 'a' < 26U || c - '0' < 10U)))
			(void)sprintf(one, upper ? "%%%02X" : "%%%02x", c);
		else if (kind == 4 && c == '\'')
			(void)strcpy(one, "'\\''");
		else if (kind == 5 && c != 0 && strchr("\"\\\n\r\t", (int)c))
			(void)sprintf(one, "\\%c",
			              c == '\n'   ? 'n'
			              : c == '\r' ? 'r'
			              : c == '\t' ? 't'
			                          : (int)c);
		else if (kind == 6 && (c == '&' || c == '<' || c == '>'))
			(void)strcpy(one, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
		else
			one[0] = (char)c, one[1] = '\0';
		size_t n = one[0] ? strlen(one) : 1;
		put(t, one, n);
		put(leak, one, n);
	}
}

static size_t make_value(struct input *in, char *v)
{
	static const char specials[] = "ab\"'\\&<>/ +%$`:.-_=@\n\r\tE\xc3\xa9";
	size_t len = MASK_MIN + take(in, take(in, 3) ? 12 : VALUE_MAX - MASK_MIN);
	uint32_t kind = take(in, 4);
	for (size_t i = 0; i < len; i++)
		v[i] = kind < 2    ? (char)('a' + take(in, 2))
		       : kind == 2 ? specials[take(in, sizeof(specials) - 1)]
		                   : (char)(' ' + take(in, 95));
	for (size_t i = 0; i < len; i++)
		if (v[i] == '*') /* the output is searched for values, and has stars of its own */
			v[i] = '+';
	while (len > 0 && (v[len - 1] == '\n' || v[len - 1] == '\r'))
		v[--len] = 'x', len++;
	return len;
}

/* ---- one case ---- */

struct leaks {
	struct text text[LEAKS];
	size_t n;
};

static void make_text(struct input *in, struct text *t, char values[][VALUE_MAX],
                      const size_t *lens, size_t n_values, struct leaks *leaks)
{
	for (uint32_t pieces = take(in, 12); pieces > 0; pieces--) {
		uint32_t which = take(in, (uint32_t)n_values), kind = take(in, 6);
		if (kind < 3 && t->len + VALUE_MAX * 6 < sizeof(t->bytes)) {
			struct text *leak = &leaks->text[leaks->n];
			leak->len = 0;
			put_encoded(in, t, values[which], lens[which], leak);
			leaks->n += leak->len >= MASK_MIN && leaks->n + 1 < LEAKS;
		} else if (kind == 3) {
			const struct pattern *p = &patterns[take(in, (uint32_t)n_patterns)];
			put(t, p->bytes, take(in, (uint32_t)p->len + 1));
		} else {
			for (uint32_t n = take(in, 20); n > 0; n--)
				put_char(t, (char)(kind == 4 ? 'a' + take(in, 2) : take(in, 256)));
		}
	}
}

static int collect(void *arg, const char *bytes, size_t len)
{
	struct text *t = arg;
	if (len > sizeof(t->bytes) - t->len)
		abort();
	put(t, bytes, len);
	return 0;
}

static void feed(struct input *in, struct mask_stream *s, const char *bytes, size_t len,
                 struct text *out)
{
	uint32_t most = 1 + take(in, 64);
	while (len > 0) {
		size_t n = 1 + take(in, most);
		n = n < len ? n : len;
		if (mask_feed(s, bytes, n, collect, out) != 0)
			abort();
		bytes += n;
		len -= n;
	}
}

static void judge(const struct text *text, const struct text *out, const struct leaks *leaks)
{
	static char expected[TEXT * 2];
	size_t n = slow(text->bytes, text->len, expected);
	if (n != out->len || memcmp(expected, out->bytes, n) != 0) {
		(void)fprintf(stderr, "expected %.*s\n     got %.*s\n", (int)n, expected,
		              (int)out->len, out->bytes);
		abort();
	}
	for (size_t i = 0; i < leaks->n && patterns_from == 0; i++)
		if (memmem(out->bytes, out->len, leaks->text[i].bytes, leaks->text[i].len)) {
			(void)fprintf(stderr, "leaks %.*s\n", (int)leaks->text[i].len,
			              leaks->text[i].bytes);
			abort();
		}
}

static char values[VALUES][VALUE_MAX];
static size_t lens[VALUES];

/* One text; @late: a value comes in its middle. */
static void one_case(struct input *in, struct mask *m, size_t n_values, bool late)
{
	static struct text text, out;
	static struct leaks leaks;
	struct mask_stream *s = NULL;
	text.len = out.len = leaks.n = 0;
	if (mask_stream_new(m, &s, NULL) < 0)
		abort();
	make_text(in, &text, values, lens, n_values, &leaks);
	feed(in, s, text.bytes, text.len, &out);
	if (late) {
		/* it counts also for what is held back now */
		size_t before = text.len;
		patterns_from = slow_hold(text.bytes, text.len);
		if (mask_held(s) != text.len - patterns_from)
			abort();
		lens[n_values] = make_value(in, values[n_values]);
		if (mask_add_live(m, values[n_values], lens[n_values], &s, 1, NULL) < 0)
			abort();
		add_value(values[n_values], lens[n_values]);
		make_text(in, &text, values, lens, n_values + 1, &leaks);
		feed(in, s, text.bytes + before, text.len - before, &out);
	}
	if (mask_flush(s, collect, &out) != 0)
		abort();
	judge(&text, &out, &leaks);
	mask_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size, 1 };
	struct mask *m = NULL;
	size_t n_values = 1 + take(&in, VALUES - 1);

	n_patterns = patterns_from = 0;
	memset(n_first, 0, sizeof(n_first));
	if (mask_new(&m, NULL) < 0)
		abort();
	for (size_t i = 0; i < n_values; i++) {
		lens[i] = make_value(&in, values[i]);
		if (mask_add(m, values[i], lens[i], NULL) < 0)
			abort();
		add_value(values[i], lens[i]);
	}
	for (uint32_t texts = 3; texts > 0; texts--)
		one_case(&in, m, n_values, texts == 1 && take(&in, 2));
	mask_free(m);
	return 0;
}
