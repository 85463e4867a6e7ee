// SPDX-License-Identifier: Apache-2.0
/* table.c - columns of text for a terminal, set by libsmartcols.
 *
 * Runs in: command line and supervisor. Cells hold hostile texts; they are escaped here, and the
 * library's own escaping, which would spell our backslashes anew and knows only the locale, is off.
 */
#include "table.h"

#include "base/text_escape.h"
#include "drydock/err.h"
#include "drydock/fd.h"

#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	WIDTH_DEFAULT = 80,
	WIDTH_MIN = 60,
	WIDTH_MAX = 400,
	WRAPPED_MIN = 12,
	COLUMNS_MAX = 12,
	SEPARATOR = 2
};

struct column {
	const char *name;
	enum table_column_kind kind;
	size_t longest; /* of its texts, in columns of the terminal */
	size_t width;   /* at most, when it wraps */
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n;
	unsigned indent, width;
	struct cell {
		char *text; /* escaped */
		const char *tint;
	} * cells; /* @n for each row */
	size_t n_cells, room;
	bool failed, ascii;
};

unsigned view_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	unsigned width = WIDTH_DEFAULT;
	if (columns && *columns && strspn(columns, "0123456789") == strlen(columns) &&
	    strlen(columns) < 5)
		width = (unsigned)strtoul(columns, NULL, 10);
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		width = size.ws_col;
	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

/* ---- texts ---- */

/* One column for each character: what is wider is rare here, and then a line is a little longer. */
static bool takes_column(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t columns_of(const char *text)
{
	size_t n = 0;
	for (const char *p = text; *p; p++)
		n += takes_column(*p);
	return n;
}

/* A blank where a line may end: not the one in "12 KiB". */
static bool may_break(const char *text, const char *blank)
{
	bool number = blank > text && blank[-1] >= '0' && blank[-1] <= '9';
	bool unit = (blank[1] >= 'A' && blank[1] <= 'Z') || (blank[1] >= 'a' && blank[1] <= 'z');
	return *blank == ' ' && !(number && unit);
}

/* The end of the first line of @text, which has more than @width columns: between words, or in the
 * middle of one that is longer than a line. */
static const char *line_end(const char *text, size_t width)
{
	const char *blank = NULL, *p = text;
	for (size_t used = 0; *p; p++) {
		if (may_break(text, p))
			blank = p;
		used += takes_column(*p);
		if (used > width)
			break;
	}
	return blank && blank > text ? blank : p;
}

/* @text in lines of @width columns, in its own memory; NULL: there is none. */
static char *wrapped(const char *text, size_t width)
{
	size_t len = strlen(text);
	char *out = malloc(2 * len + 1), *o = out;
	if (!out)
		return NULL;
	while (columns_of(text) > width) {
		const char *end = line_end(text, width);
		o = mempcpy(o, text, (size_t)(end - text));
		*o++ = '\n';
		text = end + strspn(end, " ");
	}
	(void)stpcpy(o, text);
	return out;
}

/* ---- the table ---- */

struct table *table_new(const struct table_column *columns, size_t n, unsigned indent,
                        unsigned width)
{
	struct table *t = n <= COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;
	if (!t)
		return NULL;
	*t = (struct table){ .n = n, .indent = indent, .width = width - indent };
	for (size_t i = 0; i < n; i++)
		t->columns[i] = (struct column){ .name = columns[i].name,
			                         .kind = columns[i].kind,
			                         .longest = columns_of(
							 columns[i].name ? columns[i].name : "") };
	return t;
}

static bool grow(struct table *t)
{
	size_t room = t->room ? 2 * t->room : 16 * t->n;
	struct cell *cells = reallocarray(t->cells, room, sizeof(*cells));
	if (!cells)
		return false;
	t->cells = cells;
	t->room = room;
	return true;
}

void table_ascii(struct table *t)
{
	if (t)
		t->ascii = true;
}

static void to_ascii(char *text)
{
	char *o = text;
	for (const char *p = text; *p; p++)
		if (takes_column(*p))
			*o++ = (unsigned char)*p < 0x80 ? *p : '?';
	*o = '\0';
}

void table_row(struct table *t, const char *const *cells)
{
	if (!t || t->failed || (t->n_cells == t->room && !grow(t))) {
		if (t)
			t->failed = true;
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		const char *text = cells[i] ? cells[i] : "";
		char *safe = malloc(strlen(text) * TEXT_ESCAPE_MAX + 1);
		t->cells[t->n_cells++] = (struct cell){ .text = safe };
		t->failed = t->failed || !safe;
		if (!safe)
			continue;
		(void)text_escape(safe, text, strlen(text));
		if (t->ascii)
			to_ascii(safe);
		size_t width = columns_of(safe);
		if (width > t->columns[i].longest)
			t->columns[i].longest = width;
	}
}

void table_tint(struct table *t, size_t column, const char *sequence)
{
	if (t && !t->failed && t->n_cells)
		t->cells[t->n_cells - t->n + column].tint = sequence;
}

/* What the columns leave that do not wrap is shared by those that do; one that needs less leaves
 * the rest to those behind it. */
static void share_width(struct table *t)
{
	size_t used = (t->n - 1) * SEPARATOR, n_wrapped = 0;
	for (size_t i = 0; i < t->n; i++) {
		bool wraps = t->columns[i].kind == TABLE_WRAP;
		n_wrapped += wraps;
		used += wraps ? 0 : t->columns[i].longest;
	}
	size_t rest = used < t->width ? t->width - used : 0;
	for (size_t i = 0; i < t->n; i++) {
		struct column *c = &t->columns[i];
		if (c->kind != TABLE_WRAP)
			continue;
		size_t part = rest / n_wrapped--;
		part = part < WRAPPED_MIN ? WRAPPED_MIN : part;
		c->width = c->longest < part ? c->longest : part;
		rest -= c->width < rest ? c->width : rest;
	}
}

/* A tab is what a terminal may see, and no table can hold. */
static void blank_tabs(char *text)
{
	for (char *p = text; (p = strchr(p, '\t'));)
		*p = ' ';
}

static int fill(const struct table *t, struct libscols_table *to)
{
	struct libscols_line *line = NULL;
	for (size_t i = 0; i < t->n; i++) {
		const struct column *c = &t->columns[i];
		struct libscols_column *made =
			scols_table_new_column(to, c->name ? c->name : "", 0,
		                               c->kind == TABLE_RIGHT  ? SCOLS_FL_RIGHT
		                               : c->kind == TABLE_WRAP ? SCOLS_FL_WRAP
		                                                       : 0);
		if (!made || (c->kind == TABLE_WRAP &&
		              scols_column_set_wrapfunc(made, scols_wrapnl_chunksize,
		                                        scols_wrapnl_nextchunk, NULL) < 0))
			return -ENOMEM;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		const struct column *c = &t->columns[i % t->n];
		line = i % t->n ? line : scols_table_new_line(to, NULL);
		const struct cell *cell = &t->cells[i];
		char *text = c->kind == TABLE_WRAP ? wrapped(cell->text, c->width)
		                                   : strdup(cell->text);
		if (!line || !text || scols_line_refer_data(line, i % t->n, text) < 0) {
			free(text);
			return -ENOMEM;
		}
		blank_tabs(text);
		if (cell->tint && *cell->tint &&
		    scols_cell_set_color(scols_line_get_cell(line, i % t->n), cell->tint) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The whole table as text. The library's own escaping is off: it would spell our backslashes anew.
 */
static int lay_out(const struct table *t, struct libscols_table *to, char **ret)
{
	if (scols_table_enable_noencoding(to, 1) < 0 || scols_table_enable_colors(to, 1) < 0 ||
	    scols_table_enable_noheadings(to, !t->columns[0].name) < 0 ||
	    scols_table_set_termforce(to, SCOLS_TERMFORCE_NEVER) < 0 ||
	    scols_table_set_column_separator(to, "  ") < 0 || fill(t, to) < 0)
		return -ENOMEM;
	/* widths are of UTF-8, whatever the caller's locale is */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	int r = scols_print_table_to_string(to, ret);
	if (utf8) {
		(void)uselocale(before);
		freelocale(utf8);
	}
	return r < 0 || !*ret ? -ENOMEM : 0;
}

static void put_lines(const char *text, unsigned indent, FILE *out)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		int len = (int)strcspn(line, "\n");
		while (len > 0 && line[len - 1] == ' ') /* padding of the last column */
			len--;
		(void)fprintf(out, "%*s%.*s\n", len ? (int)indent : 0, "", len, line);
	}
}

int table_print(struct table *t, FILE *out)
{
	dd_auto_free char *text = NULL;
	if (!t || t->failed)
		return -ENOMEM;
	if (t->n_cells == 0)
		return 0;
	share_width(t);
	struct libscols_table *to = scols_new_table();
	int r = to ? lay_out(t, to, &text) : -ENOMEM;
	scols_unref_table(to);
	if (r == 0)
		put_lines(text, t->indent, out);
	return r;
}

void table_free(struct table *t)
{
	for (size_t i = 0; t && i < t->n_cells; i++)
		free(t->cells[i].text);
	if (t)
		free(t->cells);
	free(t);
}
