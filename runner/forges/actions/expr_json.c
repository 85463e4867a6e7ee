// SPDX-License-Identifier: Apache-2.0
/* expr_json.c - JSON into values and back, for fromJSON and toJSON. Runs in: command line and
 * supervisor; what steps wrote is read here, so it is bounded in depth and memory, and fuzzed.
 *
 * A reader of our own: what a library makes of ten megabytes of "[[],[],..." is not on our account,
 * and an object here ignores the case of its keys. */
#include "expr_value.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct json_reader {
	struct expr_memory *mem;
	const char *start, *at, *end;
	const char *outsider;
	const char *why; /* set: it has failed */
	unsigned depth;
};

static bool json_wrong(struct json_reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static void skip_blanks(struct json_reader *r)
{
	while (r->at < r->end && *r->at && strchr(" \t\r\n", *r->at))
		r->at++;
}

static bool take(struct json_reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Arrays, objects and texts carry the origin of the text that they were read from. */
static struct expr_value marked(const struct json_reader *r, struct expr_value v)
{
	v.outsider = r->outsider;
	return v;
}

/* ---- texts ---- */

static bool read_hex(struct json_reader *r, uint32_t *ret)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++, r->at++) {
		if (r->at == r->end || !isxdigit((unsigned char)*r->at))
			return json_wrong(r, "\\u needs four hexadecimal digits");
		int c = tolower((unsigned char)*r->at);
		unit = unit * 16 + (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	*ret = unit;
	return true;
}

/* Behind "\u". Half a pair is no character: it becomes the one that stands for "none". */
static bool read_unicode(struct json_reader *r, struct expr_text *out)
{
	enum { REPLACEMENT = 0xfffd };
	char bytes[4];
	uint32_t code, low;

	if (!read_hex(r, &code))
		return false;
	if (code >= 0xd800 && code < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' &&
	    r->at[1] == 'u') {
		const char *before = r->at;
		r->at += 2;
		if (!read_hex(r, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000)
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		else
			r->at = before;
	}
	if (code >= 0xd800 && code < 0xe000)
		code = REPLACEMENT;
	expr_text_add(out, bytes, text_put(bytes, code));
	return true;
}

static bool read_escape(struct json_reader *r, struct expr_text *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

	if (r->at == r->end)
		return json_wrong(r, "the text has no end");
	char c = *r->at;
	const char *name = c ? strchr(names, c) : NULL;
	if (name) {
		r->at++;
		expr_text_add(out, &values[name - names], 1);
		return true;
	}
	if (!take(r, 'u'))
		return json_wrong(r, "no such escape");
	return read_unicode(r, out);
}

/* Behind the opening quote. */
static bool read_text(struct json_reader *r, const char **ret, size_t *ret_len)
{
	struct expr_text out = { .mem = r->mem };

	for (;;) {
		const char *from = r->at;
		while (r->at < r->end && *r->at != '"' && *r->at != '\\' &&
		       (unsigned char)*r->at >= 0x20)
			r->at++;
		expr_text_add(&out, from, (size_t)(r->at - from));
		if (r->at == r->end)
			return json_wrong(r, "the text has no end");
		if (take(r, '"'))
			return expr_text_take(&out, ret, ret_len);
		if (!take(r, '\\'))
			return json_wrong(
				r, "a control character in a text is written \\n or \\u000a");
		if (!read_escape(r, &out))
			return false;
	}
}

/* ---- values ---- */

static bool read_value(struct json_reader *r, struct expr_value *ret);

static bool read_array(struct json_reader *r, struct expr_value *ret)
{
	struct expr_value item;

	if (!expr_array_new(r->mem, ret))
		return false;
	*ret = marked(r, *ret);
	skip_blanks(r);
	if (take(r, ']'))
		return true;
	do {
		if (!read_value(r, &item) || !expr_array_add(r->mem, ret->array, item))
			return false;
		skip_blanks(r);
	} while (take(r, ','));
	return take(r, ']') || json_wrong(r, "`,` or `]` belongs here");
}

static bool read_object(struct json_reader *r, struct expr_value *ret)
{
	struct expr_value value;
	const char *key;
	size_t key_len;

	if (!expr_object_new(r->mem, false, ret))
		return false;
	*ret = marked(r, *ret);
	skip_blanks(r);
	if (take(r, '}'))
		return true;
	do {
		skip_blanks(r);
		if (!take(r, '"'))
			return json_wrong(r, "a key in double quotes belongs here");
		if (!read_text(r, &key, &key_len))
			return false;
		skip_blanks(r);
		if (!take(r, ':'))
			return json_wrong(r, "`:` belongs here");
		if (!read_value(r, &value) ||
		    !expr_object_set(r->mem, ret->object, key, key_len, value))
			return false;
		skip_blanks(r);
	} while (take(r, ','));
	return take(r, '}') || json_wrong(r, "`,` or `}` belongs here");
}

static size_t count_digits(const char *at, const char *end)
{
	size_t n = 0;
	while (at + n < end && isdigit((unsigned char)at[n]))
		n++;
	return n;
}

static bool read_number(struct json_reader *r, struct expr_value *ret)
{
	const char *from = r->at;

	(void)take(r, '-');
	size_t whole = count_digits(r->at, r->end);
	if (whole == 0 || (whole > 1 && *r->at == '0'))
		return json_wrong(r, "no value begins like this");
	r->at += whole;
	if (take(r, '.')) {
		size_t fraction = count_digits(r->at, r->end);
		if (fraction == 0)
			return json_wrong(r, "a digit belongs behind the point");
		r->at += fraction;
	}
	if (take(r, 'e') || take(r, 'E')) {
		(void)(take(r, '+') || take(r, '-'));
		size_t exponent = count_digits(r->at, r->end);
		if (exponent == 0)
			return json_wrong(r, "an exponent belongs here");
		r->at += exponent;
	}
	*ret = expr_number(strtod(from, NULL)); /* ends where the grammar does: a NUL is behind */
	return true;
}

static const struct word_row {
	const char *word;
	struct expr_value value;
} words[] = {
	{ "true", { .kind = EXPR_BOOL, .truth = true } },
	{ "false", { .kind = EXPR_BOOL, .truth = false } },
	{ "null", { .kind = EXPR_NULL } },
};

static bool read_word(struct json_reader *r, struct expr_value *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].word);
		if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i].word, len) != 0)
			continue;
		r->at += len;
		*ret = words[i].value;
		return true;
	}
	return read_number(r, ret);
}

static bool read_value(struct json_reader *r, struct expr_value *ret)
{
	skip_blanks(r);
	if (r->at == r->end)
		return json_wrong(r, "a value belongs here");
	if (take(r, '"')) {
		const char *text = NULL;
		size_t len = 0;
		if (!read_text(r, &text, &len))
			return false;
		*ret = marked(r, expr_string(text, len));
		return true;
	}
	bool list = *r->at == '[', map = *r->at == '{';
	if (!list && !map)
		return read_word(r, ret);
	if (r->depth == EXPR_JSON_DEPTH)
		return json_wrong(r, "nested deeper than 100 levels");
	r->at++;
	r->depth++;
	bool ok = list ? read_array(r, ret) : read_object(r, ret);
	r->depth--;
	return ok;
}

int expr_json_parse(struct expr_memory *mem, const char *text, size_t len, const char *outsider,
                    struct expr_value *ret, size_t *ret_at, const char **ret_why)
{
	struct json_reader r = {
		.mem = mem, .start = text, .at = text, .end = text + len, .outsider = outsider
	};
	bool ok = read_value(&r, ret);

	if (ok) {
		skip_blanks(&r);
		ok = r.at == r.end || json_wrong(&r, "something follows behind the value");
	}
	if (ok)
		return 0;
	*ret_at = (size_t)(r.at - r.start);
	*ret_why = r.why;
	return r.why ? -EINVAL : -ENOMEM;
}

/* ---- writing ---- */

struct json_writer {
	struct expr_text out;
	bool (*piece)(void *user, size_t units);
	void *user;
	const char *outsider;
	bool refused;
};

/* Tells of what was added since @from, as one piece. */
static bool told(struct json_writer *w, size_t from)
{
	if (w->out.mem->exceeded || w->refused)
		return false;
	if (w->piece && !w->piece(w->user, text_units(w->out.text + from, w->out.len - from)))
		w->refused = true;
	return !w->refused;
}

static void put_word(struct json_writer *w, const char *word)
{
	expr_text_add(&w->out, word, strlen(word));
}

/* The characters that GitHub's writer escapes: controls, quote, backslash, and the three line ends
 * that JavaScript knows besides. */
static void put_quoted(struct json_writer *w, const char *text, size_t len)
{
	static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
	const char *at = text, *end = text + len;

	put_word(w, "\"");
	while (at < end) {
		const char *from = at;
		char escaped[8];
		uint32_t code = text_next(&at, end);
		const char *value = code && code < 0x80 ? strchr(values, (int)code) : NULL;
		if (value) {
			escaped[0] = '\\';
			escaped[1] = names[value - values];
			expr_text_add(&w->out, escaped, 2);
		} else if (code < 0x20 || code == 0x85 || code == 0x2028 || code == 0x2029) {
			(void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
			put_word(w, escaped);
		} else {
			expr_text_add(&w->out, from, (size_t)(at - from));
		}
	}
	put_word(w, "\"");
}

static void put_scalar(struct json_writer *w, const struct expr_value *v)
{
	char number[EXPR_NUMBER_TEXT];

	if (v->kind == EXPR_STRING)
		put_quoted(w, v->text, v->len);
	else if (v->kind == EXPR_NUMBER)
		expr_text_add(&w->out, number, expr_number_format(v->number, number));
	else if (v->kind == EXPR_BOOL)
		put_word(w, v->truth ? "true" : "false");
	else
		put_word(w, "null");
}

static void put_line(struct json_writer *w, unsigned depth)
{
	put_word(w, "\n");
	expr_text_fill(&w->out, ' ', (size_t)depth * 2);
}

/* Values come from contexts and from JSON; both are bounded in depth, but nothing here relies on
 * it. */
enum { WRITE_DEPTH_MAX = 200 };

static bool write_value(struct json_writer *w, const struct expr_value *v, unsigned depth);

static bool write_item(struct json_writer *w, const struct expr_value *item,
                       const struct expr_member *member, bool first, unsigned depth)
{
	size_t from = w->out.len;

	if (!first)
		put_word(w, ",");
	put_line(w, depth);
	if (member) {
		put_quoted(w, member->key, member->key_len);
		if (!told(w, from))
			return false;
		put_word(w, ": ");
	}
	return write_value(w, item, depth);
}

static bool write_value(struct json_writer *w, const struct expr_value *v, unsigned depth)
{
	size_t from = w->out.len;
	bool list = v->kind == EXPR_ARRAY, map = v->kind == EXPR_OBJECT;
	size_t n = list ? v->array->n : map ? v->object->n : 0;

	if (!w->outsider)
		w->outsider = v->outsider;
	if (depth > WRITE_DEPTH_MAX) {
		w->refused = true;
		return false;
	}
	if (n == 0) {
		if (list || map)
			put_word(w, list ? "[]" : "{}");
		else
			put_scalar(w, v);
		return told(w, from);
	}
	put_word(w, list ? "[" : "{");
	if (!told(w, from))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct expr_member *member = map ? &v->object->members[i] : NULL;
		if (!write_item(w, map ? &member->value : &v->array->items[i], member, i == 0,
		                depth + 1))
			return false;
	}
	from = w->out.len;
	put_line(w, depth);
	put_word(w, list ? "]" : "}");
	return told(w, from);
}

bool expr_json_write(struct expr_memory *mem, const struct expr_value *v,
                     bool (*piece)(void *user, size_t units), void *user, struct expr_value *ret)
{
	struct json_writer w = { .out = { .mem = mem }, .piece = piece, .user = user };
	const char *text;
	size_t len;

	if (!write_value(&w, v, 0) || !expr_text_take(&w.out, &text, &len))
		return false;
	*ret = expr_string(text, len);
	ret->outsider = w.outsider;
	return true;
}
