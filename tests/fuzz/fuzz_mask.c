// SPDX-License-Identifier: Apache-2.0
/* fuzz_mask.c - the masker against a slow one that is plainly right: random secrets, texts that
 * hold them in encodings made by other code, any pieces, values that come while the text runs.
 *
 * The slow one compares every form at every place, and walks from each character of hex and base64
 * to its neighbour. What an encoder made must not be in the output, and nothing may be missing but
 * what a form covers.
 */
#include "runner/lease/mask.h"
#include "runner/lease/mask_forms.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

/* Never without a word: who runs ten million cases wants to know what ended them. */
#define DIE(what)                                                                                  \
	do {                                                                                       \
		(void)fprintf(stderr, "fuzz_mask: %s (line %d)\n", what, __LINE__);                \
		abort();                                                                           \
	} while (0)

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
	enum mask_form_kind kind;
	char bytes[VALUE_MAX * 6 + 16];
	size_t len;
	size_t from; /* counts only where it begins here or behind */
};

static struct pattern patterns[PATTERNS];
static size_t n_patterns, patterns_from;
/* by their first byte (hex digits: in lower case), or ten million cases would take a day */
static uint16_t first[256][PATTERNS], n_first[256];

static int add_pattern(void *arg, enum mask_form_kind kind, const char *bytes, size_t len)
{
	unsigned char c = (unsigned char)bytes[0];
	(void)arg;
	if (n_patterns == PATTERNS || len > sizeof(patterns[0].bytes))
		DIE("more patterns than there is room for");
	for (size_t i = 0; i < n_first[c]; i++) {
		const struct pattern *p = &patterns[first[c][i]];
		if (p->kind == kind && p->len == len && memcmp(p->bytes, bytes, len) == 0)
			return 0;
	}
	first[c][n_first[c]++] = (uint16_t)n_patterns;
	struct pattern *p = &patterns[n_patterns++];
	memcpy(p->bytes, bytes, len);
	p->len = len;
	p->kind = kind;
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

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is_char(enum mask_form_kind kind, char c)
{
	static const char hex[] = "0123456789abcdef", more[] = "ghijklmnopqrstuvwxyz+/-_";
	char low = lower(c);
	return c && (strchr(hex, low) || (kind == FORM_BASE64 && strchr(more, low)));
}

static bool is_small(enum mask_form_kind kind, char c)
{
	return kind == FORM_HEX && c && strchr(": -", c);
}

/* Has the line that ends with text[last] enough characters at its end? */
static bool line_is_long(enum mask_form_kind kind, const char *text, size_t last)
{
	size_t chars = 0, gap = 0, least = kind == FORM_HEX ? 16 : 40;
	for (size_t i = last + 1; i-- > 0 && chars < least;) {
		if (is_char(kind, text[i]))
			chars++, gap = 0;
		else if (!is_small(kind, text[i]) || ++gap > 2)
			break;
	}
	return chars == least;
}

enum { NO_NEIGHBOUR = -1, NOT_YET = -2 };

/* The neighbour of the character at @at; NOT_YET: the text ends in what may stand between. */
static int neighbour(enum mask_form_kind kind, const char *text, size_t len, size_t at)
{
	size_t i = at + 1, small = 0, gap = 0;
	while (i < len && small < 3 && is_small(kind, text[i]))
		i++, small++;
	if (small > 2)
		return NO_NEIGHBOUR;
	if (i == len)
		return NOT_YET;
	if (is_char(kind, text[i]))
		return (int)i;
	if (kind == FORM_AS_IS || (text[i] != '\n' && text[i] != '\r') ||
	    !line_is_long(kind, text, at))
		return NO_NEIGHBOUR;
	if (text[i] == '\r' && i + 1 == len)
		return NOT_YET;
	if (text[i] == '\r' && text[i + 1] != '\n')
		return NO_NEIGHBOUR;
	while (i < len && text[i] && strchr("\r\n \t", text[i]))
		i++, gap++;
	if (gap > 16)
		return NO_NEIGHBOUR;
	return i == len ? NOT_YET : is_char(kind, text[i]) ? (int)i : NO_NEIGHBOUR;
}

/* Behind the pattern that begins at text[at]; 0: it does not; NOT_YET: perhaps it does. */
static int match_at(const struct pattern *p, const char *text, size_t len, size_t at)
{
	size_t n = 0;
	if (p->kind == FORM_AS_IS) {
		n = len - at < p->len ? len - at : p->len;
		return memcmp(text + at, p->bytes, n) != 0 ? 0
		       : n < p->len                        ? NOT_YET
		                                           : (int)(at + n);
	}
	for (;;) {
		char c = p->kind == FORM_HEX ? lower(text[at]) : text[at];
		if (c != p->bytes[n])
			return 0;
		if (++n == p->len)
			return (int)at + 1;
		int next = neighbour(p->kind, text, len, at);
		if (next < 0)
			return next == NOT_YET ? NOT_YET : 0;
		at = (size_t)next;
	}
}

/* Does a whole one that begins here end where the text does, but for what may stand between? It is
 * held, too: a longer one may begin with it. */
static bool ends_at_end(const struct pattern *p, const char *text, size_t len, int end)
{
	return (size_t)end == len ||
	       (p->kind != FORM_AS_IS && neighbour(p->kind, text, len, (size_t)end - 1) == NOT_YET);
}

#define EACH_PATTERN(p, c)                                                                         \
	for (size_t i_ = 0; i_ < n_first[(unsigned char)(c)]; i_++)                                \
		for (const struct pattern *p = &patterns[first[(unsigned char)(c)][i_]]; p;        \
		     p = NULL)

static bool may_begin(const char *text, size_t len, size_t at, char c, bool folded)
{
	EACH_PATTERN(p, c)
	{
		int end = folded && p->kind != FORM_HEX ? 0 : match_at(p, text, len, at);
		if (end == NOT_YET || (end > 0 && ends_at_end(p, text, len, end)))
			return true;
	}
	return false;
}

/* Where the longest end of @text begins that begins a pattern. */
static size_t slow_hold(const char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if (may_begin(text, len, at, text[at], false) ||
		    (lower(text[at]) != text[at] &&
		     may_begin(text, len, at, lower(text[at]), true)))
			return at;
	return len;
}

static size_t best_end(const char *text, size_t len, size_t at, char c, bool folded)
{
	size_t best = 0;
	EACH_PATTERN(p, c)
	{
		if (at < p->from || (folded && p->kind != FORM_HEX))
			continue;
		int end = match_at(p, text, len, at);
		if (end > 0 && (size_t)end > best)
			best = (size_t)end;
	}
	return best;
}

static size_t slow(const char *text, size_t len, char *out)
{
	size_t end = 0, o = 0;
	for (size_t p = 0; p < len; p++) {
		size_t best = best_end(text, len, p, text[p], false);
		if (lower(text[p]) != text[p]) {
			size_t folded = best_end(text, len, p, lower(text[p]), true);
			best = folded > best ? folded : best;
		}
		if (best > 0 && p >= end) {
			memcpy(out + o, "***", 3);
			o += 3;
		}
		if (best > end)
			end = best;
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

/* The end of a line, as programs put it where a line is full. */
static size_t put_line_end(struct input *in, char *out)
{
	static const char *const ends[] = { "\n", "\r\n", "\n  ", "\n\t" };
	const char *end = ends[take(in, ARRAY_LEN(ends))];
	memcpy(out, end, strlen(end));
	return strlen(end);
}

static void put_base64(struct input *in, struct text *t, const char *v, size_t len,
                       struct text *leak)
{
	enum { AROUND = 60 };
	unsigned char raw[VALUE_MAX + 2 * AROUND], out[2 * sizeof(raw) + 32];
	char lines[4 * sizeof(out)];
	bool url = take(in, 2), wrap = take(in, 2);
	uint32_t most = wrap ? AROUND : 3;
	size_t width = wrap ? 40 + take(in, 37) : sizeof(out), n = 0, o = 0, from = 0, to = 0;
	size_t before = take(in, most), after = take(in, most);
	for (size_t i = 0; i < before; i++)
		raw[n++] = (unsigned char)take(in, 256);
	memcpy(raw + n, v, len);
	n += len;
	for (size_t i = 0; i < after; i++)
		raw[n++] = (unsigned char)take(in, 256);
	size_t chars = (size_t)EVP_EncodeBlock(out, raw, (int)n);
	/* the characters whose every bit is the value's */
	size_t begin = (before * 8 + 5) / 6, end = (before + len) * 8 / 6;
	for (size_t i = 0; i < chars; i++) {
		char c = (char)out[i];
		if (i > 0 && i % width == 0)
			o += put_line_end(in, lines + o);
		from = i == begin ? o : from;
		lines[o++] = url && c == '+' ? '-' : url && c == '/' ? '_' : c;
		to = i < end ? o : to;
	}
	put(t, lines, o);
	put(leak, lines + from, to - from);
}

/* In any case of each digit, with what tools put between them, and broken over lines. */
static void put_hex(struct input *in, struct text *t, const char *v, size_t len, struct text *leak)
{
	static const char *const betweens[] = { "", "", ":", " ", "-", "  " };
	const char *between = betweens[take(in, ARRAY_LEN(betweens))];
	char out[VALUE_MAX * 10], one[3];
	size_t o = 0, width = take(in, 2) ? 8 + take(in, 30) : len;
	uint32_t cases = take(in, 3);
	for (size_t i = 0; i < len; i++) {
		bool upper = cases == 2 ? take(in, 2) : cases;
		(void)snprintf(one, sizeof(one), upper ? "%02X" : "%02x",
		               (unsigned)(unsigned char)v[i]);
		if (i > 0 && i % width == 0) {
			o += put_line_end(in, out + o);
		} else if (i > 0) {
			memcpy(out + o, between, strlen(between));
			o += strlen(between);
		}
		memcpy(out + o, one, 2);
		o += 2;
	}
	put(t, out, o);
	put(leak, out, o);
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
	if (kind == 2) {
		put_hex(in, t, v, len, leak);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)v[i];
		if (kind == 3 && !(c < 0x80 && (strchr("-_.~", (int)c) || (c | 32) - 'a' < 26U ||
		                                c - '0' < 10U)))
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
		if (kind < 3 && t->len + VALUE_MAX * 12 < sizeof(t->bytes)) {
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
		DIE("more came out than went in");
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
			DIE("mask_feed");
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
		DIE("not what the slow masker says");
	}
	for (size_t i = 0; i < leaks->n && patterns_from == 0; i++)
		if (memmem(out->bytes, out->len, leaks->text[i].bytes, leaks->text[i].len)) {
			(void)fprintf(stderr, "leaks %.*s\n", (int)leaks->text[i].len,
			              leaks->text[i].bytes);
			DIE("a form that an encoder made is in the output");
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
	struct dd_err err = { 0 };
	if (mask_stream_new(m, &s, &err) < 0)
		DIE(err.msg);
	make_text(in, &text, values, lens, n_values, &leaks);
	feed(in, s, text.bytes, text.len, &out);
	if (late) {
		/* it counts also for what is held back now */
		size_t before = text.len;
		patterns_from = slow_hold(text.bytes, text.len);
		if (mask_held(s) != text.len - patterns_from) {
			(void)fprintf(stderr, "of %.*s is held %zu\n", (int)text.len, text.bytes,
			              mask_held(s));
			DIE("another part is held than may become a secret");
		}
		lens[n_values] = make_value(in, values[n_values]);
		if (mask_add_live(m, values[n_values], lens[n_values], &s, 1, &err) < 0)
			DIE(err.msg);
		add_value(values[n_values], lens[n_values]);
		make_text(in, &text, values, lens, n_values + 1, &leaks);
		feed(in, s, text.bytes + before, text.len - before, &out);
	}
	if (mask_flush(s, collect, &out) != 0)
		DIE("mask_flush");
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
		DIE("mask_new");
	for (size_t i = 0; i < n_values; i++) {
		lens[i] = make_value(&in, values[i]);
		struct dd_err err = { 0 };
		if (mask_add(m, values[i], lens[i], &err) < 0)
			DIE(err.msg);
		add_value(values[i], lens[i]);
	}
	for (uint32_t texts = 3; texts > 0; texts--)
		one_case(&in, m, n_values, texts == 1 && take(&in, 2));
	mask_free(m);
	return 0;
}
