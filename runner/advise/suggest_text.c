// SPDX-License-Identifier: Apache-2.0
/* suggest_text.c - the small things that every part of a suggestion needs: lists of texts,
 * warnings, and quoting for YAML.
 *
 * Runs in: command line. The texts are foreign: a record's. */
#include "suggest_parts.h"

#include "base/text_escape.h"

#include <stdlib.h>
#include <string.h>

void suggest_add_text(struct plan_arena *arena, struct suggest_texts *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], text) == 0)
			return;
	list->items = arena_grow(arena, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] = text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void suggest_sort_texts(struct suggest_texts *list)
{
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), by_text);
}

/* Escaped as a whole: a warning becomes a comment, and must not end its line whoever chose a word
 * of it. */
void suggest_warn(struct suggest *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		suggest_add_text(s->arena, &s->warnings, "a warning was lost: out of memory");
		return;
	}
	char *safe = arena_array(s->arena, (size_t)n + 1, TEXT_ESCAPE_MAX);
	(void)text_escape(safe, text, (size_t)n);
	suggest_add_text(s->arena, &s->warnings, safe);
	free(text);
}

bool suggest_cut_short(const struct record_facts *facts, char *ret, size_t size)
{
	bool ended = facts->end.seq && !facts->torn_bytes;
	bool failed = ended && facts->status && strcmp(facts->status, "succeeded") != 0;

	char of[32] = "";

	if (ended && !failed)
		return false;
	if (facts->n_planned != FACTS_ABSENT)
		(void)snprintf(of, sizeof(of), " of %lld", (long long)facts->n_planned);
	(void)snprintf(ret, size,
	               "the run %s, %zu%s steps began: what it would have needed next is not in "
	               "the policy",
	               ended ? "failed" : "did not end in this record", facts->n_steps, of);
	return true;
}

/* ---- quoting ---- */

static unsigned code_point(const char *s, size_t len)
{
	static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned code = (unsigned char)s[0] & lead_bits[len];
	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	return code;
}

/* What every YAML reader takes as it is inside of double quotes, and no terminal obeys. */
static bool stands_for_itself(const char *s, size_t len, unsigned code)
{
	return code != '"' && code != '\\' && code != '\t' && code != 0xfeff && code < 0xfffe &&
	       utf8_char_is_plain(s, len);
}

const char *suggest_quoted(struct plan_arena *arena, const char *text)
{
	enum { WIDEST = 10 }; /* \UXXXXXXXX, for at least one byte */
	size_t len = strlen(text), n = 0;
	char *out = arena_alloc(arena, len * WIDEST + 3);
	out[n++] = '"';
	for (size_t i = 0; i < len;) {
		size_t c = utf8_char_len(text + i, len - i);
		unsigned code = c ? code_point(text + i, c) : (unsigned char)text[i];
		if (c && stands_for_itself(text + i, c, code)) {
			memcpy(out + n, text + i, c);
			n += c;
		} else if (code == '"' || code == '\\') {
			out[n++] = '\\';
			out[n++] = (char)code;
		} else {
			n += (size_t)sprintf(out + n,
			                     code < 0x100     ? "\\x%02x"
			                     : code < 0x10000 ? "\\u%04x"
			                                      : "\\U%08x",
			                     code);
		}
		i += c ? c : 1;
	}
	out[n++] = '"';
	return out;
}
