// SPDX-License-Identifier: Apache-2.0
/* table.h - columns of text for a terminal, set by libsmartcols.
 *
 * Texts are escaped on the way in, so that a name which somebody else chose moves no cursor; they
 * are UTF-8 whatever the locale says. A table that does not fit its width wraps the columns that
 * may wrap, between words, and never between a number and its unit.
 *
 * Order of use: table_new(), table_row() for each, table_print(), table_free(). A step that fails
 * for want of memory makes the later ones do nothing; table_print() says so.
 */
#ifndef RUNNER_TABLE_H
#define RUNNER_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum table_column_kind {
	TABLE_LEFT = 0,
	TABLE_RIGHT, /* numbers */
	TABLE_WRAP,  /* sentences: may take several lines */
};

struct table_column {
	const char *name; /* its heading; NULL in a table without headings */
	enum table_column_kind kind;
};

struct table;

/* How wide a terminal is: COLUMNS, what the terminal says, 80 where there is none. */
unsigned view_width(void);

/* @indent blanks before each line; @width with them. NULL: no memory, which the others accept. */
struct table *table_new(const struct table_column *columns, size_t n, unsigned indent,
                        unsigned width);
/* Before the first row: characters beyond ASCII become "?". */
void table_ascii(struct table *t);
/* One text for each column; NULL is empty. */
void table_row(struct table *t, const char *const *cells);
/* @sequence (a literal, "" or NULL: none) colours one cell of the last row. */
void table_tint(struct table *t, size_t column, const char *sequence);
/* 0, or -ENOMEM. */
int table_print(struct table *t, FILE *out);
void table_free(struct table *t);

#endif
