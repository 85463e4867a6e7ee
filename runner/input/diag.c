// SPDX-License-Identifier: Apache-2.0
/* diag.c - collects and prints complaints about files that people write.
 *
 * Runs in: command line and supervisor. The files may be hostile (a workflow is commit content):
 * every byte that goes to a terminal is escaped here. */
#include "diag.h"

#include "read_file.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 160 }; /* characters of a source line that are shown */

void diag_list_done(struct diag_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((void *)(uintptr_t)list->items[i].mark.file);
	free(list->items);
	*list = (struct diag_list){ 0 };
}

/* Bytes of the UTF-8 character at @in, 0 when it is not one. */
static size_t utf8_len(const char *in, size_t len)
{
	const unsigned char *p = (const unsigned char *)in;
	size_t want = p[0] < 0x80                   ? 1
	              : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
	              : (p[0] & 0xf0) == 0xe0       ? 3
	              : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
	                                            : 0;
	if (want == 0 || want > len)
		return 0;
	for (size_t i = 1; i < want; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return want;
}

/* C0, DEL, C1; and the bidirectional controls, with which a line can be made to read as another
 * one. */
static bool must_escape(const char *in, size_t n)
{
	const unsigned char *p = (const unsigned char *)in;
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n == 3 && p[0] == 0xe2)
		return (p[1] == 0x80 && (p[2] >= 0xa8 && p[2] <= 0xae)) ||
		       (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f)) ||
		       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
	return false;
}

/* One character of @in into @out (at least 17 bytes); *ret_used bytes were read, the width in
 * columns is returned. */
static size_t escape_char(char *out, const char *in, size_t len, size_t *ret_used)
{
	size_t n = utf8_len(in, len);
	bool escape = n == 0 || must_escape(in, n);
	*ret_used = n ? n : 1;
	out[0] = '\0';
	if (n == 1 && in[0] == '\t') {
		memcpy(out, " ", 2);
		return 1;
	}
	if (!escape) {
		memcpy(out, in, n);
		out[n] = '\0';
		return 1;
	}
	for (size_t i = 0; i < *ret_used; i++)
		(void)snprintf(out + 4 * i, 5, "\\x%02x", (unsigned)(unsigned char)in[i]);
	return 4 * *ret_used;
}

void diag_escape(char *out, size_t size, const char *in, size_t len)
{
	size_t at = 0;
	for (size_t i = 0, used; i < len; i += used) {
		char piece[17];
		(void)escape_char(piece, in + i, len - i, &used);
		size_t n = strlen(piece);
		if (at + n + 1 > size)
			break;
		memcpy(out + at, piece, n);
		at += n;
	}
	out[at] = '\0';
}

static bool list_room(struct diag_list *list)
{
	if (list->n >= DIAG_MAX) {
		list->truncated = true;
		return false;
	}
	if (list->n < list->cap)
		return true;
	size_t cap = list->cap ? list->cap * 2 : 8;
	struct diag *items = reallocarray(list->items, cap, sizeof(*items));
	if (!items) {
		list->truncated = true;
		return false;
	}
	list->items = items;
	list->cap = cap;
	return true;
}

void diag_add(struct diag_list *list, struct diag_mark mark, const char *hint, const char *fmt, ...)
{
	char raw[sizeof(list->items->text) * 2];
	if (!list_room(list))
		return;
	struct diag *d = &list->items[list->n++];
	*d = (struct diag){ .mark = mark };
	d->mark.file = strdup(mark.file ? mark.file : "-");
	if (d->mark.length == 0)
		d->mark.length = 1;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	diag_escape(d->text, sizeof(d->text), raw, strlen(raw));
	if (hint)
		diag_escape(d->hint, sizeof(d->hint), hint, strlen(hint));
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;
	if (x->mark.line != y->mark.line)
		return x->mark.line < y->mark.line ? -1 : 1;
	if (x->mark.column != y->mark.column)
		return x->mark.column < y->mark.column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void diag_sort(struct diag_list *list, size_t from)
{
	if (from < list->n)
		qsort(list->items + from, list->n - from, sizeof(*list->items), by_place);
}

/* Line @line (1-based) of @source; NULL when it has none. */
static const char *source_line(const char *source, size_t len, unsigned line, size_t *ret_len)
{
	if (!source || line == 0)
		return NULL;
	const char *at = source, *end = source + len;
	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark is no character */
		at += 3;
	for (unsigned i = 1; i < line; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return NULL;
		at++;
	}
	const char *stop = memchr(at, '\n', (size_t)(end - at));
	*ret_len = (size_t)((stop ? stop : end) - at);
	if (*ret_len > 0 && at[*ret_len - 1] == '\r')
		--*ret_len;
	return at;
}

static void print_line(FILE *out, const char *line, size_t len, const struct diag_mark *mark)
{
	char under[WINDOW * 16 + 2];
	size_t col = 1, at = 0, first = mark->column > WINDOW / 2 ? mark->column - WINDOW / 2 : 1;
	(void)fputs("    ", out);
	for (size_t i = 0, used; i < len && col < first + WINDOW; i += used, col++) {
		char piece[17];
		size_t width = escape_char(piece, line + i, len - i, &used);
		if (col < first)
			continue;
		(void)fputs(piece, out);
		for (size_t k = 0; k < width; k++) {
			bool head = col == mark->column && k == 0;
			bool tail = col >= mark->column && col - mark->column < mark->length;
			under[at++] = (char)(head ? '^' : tail ? '~' : ' ');
		}
	}
	if (mark->column >= col &&
	    mark->column < first + WINDOW) { /* behind the last character of the line */
		for (col = col > first ? col : first; col < mark->column; col++)
			under[at++] = ' ';
		under[at++] = '^';
	}
	while (at > 0 && under[at - 1] == ' ')
		at--;
	under[at] = '\0';
	(void)fprintf(out, "\n    %s\n", under);
}

static void print_one(FILE *out, const struct diag *d, const char *source, size_t source_len)
{
	char file[512];
	const char *name = d->mark.file ? d->mark.file : "-";
	diag_escape(file, sizeof(file), name, strlen(name));
	if (d->mark.line == 0)
		(void)fprintf(out, "%s: error: %s\n", file, d->text);
	else
		(void)fprintf(out, "%s:%u:%u: error: %s\n", file, d->mark.line, d->mark.column,
		              d->text);
	size_t len = 0;
	const char *line = source_line(source, source_len, d->mark.line, &len);
	if (line)
		print_line(out, line, len, &d->mark);
	if (d->hint[0])
		(void)fprintf(out, "    hint: %s\n", d->hint);
}

/* A complaint without a byte of the file: texts and hints hold words of it. */
static void print_unquoted(FILE *out, const struct diag *d, const struct named_link *link)
{
	char file[512], shown[512];
	const char *name = d->mark.file ? d->mark.file : "-";
	diag_escape(file, sizeof(file), name, strlen(name));
	diag_escape(shown, sizeof(shown), link->path, strlen(link->path));
	(void)fprintf(
		out,
		"%s:%u:%u: error: something is wrong here; what it is would quote a file that "
		"was reached through the link %s\n"
		"    hint: name the file that is meant, and not the link\n",
		file, d->mark.line, d->mark.column, shown);
}

static void print_truncated(FILE *out, const struct diag_list *list)
{
	if (list->truncated)
		(void)fprintf(out, "... and more: only the first %zu complaints are kept\n",
		              list->n);
}

void diag_print(FILE *out, const struct diag_list *list, const char *source, size_t source_len)
{
	for (size_t i = 0; i < list->n; i++)
		print_one(out, &list->items[i], source, source_len);
	print_truncated(out, list);
}

void diag_print_notes(FILE *out, const struct diag_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct diag *d = &list->items[i];
		char file[512];
		diag_escape(file, sizeof(file), d->mark.file, strlen(d->mark.file));
		(void)fprintf(out, "%s:%u:%u: note: %s%s%s%s\n", file, d->mark.line, d->mark.column,
		              d->text, d->hint[0] ? " (" : "", d->hint, d->hint[0] ? ")" : "");
	}
}

void diag_print_files(FILE *out, const struct diag_list *list)
{
	char *source = NULL;
	size_t len = 0;
	const char *of = NULL;
	struct named_link link = { .path = "" };
	for (size_t i = 0; i < list->n; i++) {
		const char *file = list->items[i].mark.file;
		if (file && (!of || strcmp(of, file) != 0)) {
			free(source);
			source = NULL;
			if (read_named_file(file, READ_FILE_TEXT_MAX, &source, &len, &link, NULL) <
			    0)
				source = NULL;
			of = file;
		}
		if (link.path[0])
			print_unquoted(out, &list->items[i], &link);
		else
			print_one(out, &list->items[i], source, len);
	}
	free(source);
	print_truncated(out, list);
}

enum { WORD_MAX = 63 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

/* Insertions, deletions, replacements, and two neighbours swapped, which is what fingers do most.
 * Words are short. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1] = { 0 }; /* of i, i - 1, i - 2, in turns */
	size_t la = strlen(a), lb = strlen(b);
	for (size_t i = 0; i <= la; i++) {
		unsigned *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = i == 0 ? (unsigned)j
			                : min3(last[j] + 1, row[j - 1] + 1,
			                       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

const char *diag_nearest(const char *word, const char *const *words, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(word);
	if (len > WORD_MAX)
		return NULL;
	unsigned limit = len / 3 > 1 ? (unsigned)(len / 3) : 1, least = limit + 1;
	for (size_t i = 0; i < n; i++) {
		if (strlen(words[i]) > WORD_MAX)
			continue;
		unsigned d = edit_distance(word, words[i]);
		if (d < least) {
			least = d;
			best = words[i];
		}
	}
	return best;
}
