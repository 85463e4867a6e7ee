// SPDX-License-Identifier: Apache-2.0
/* diag.h - complaints about files that people write: file, line, column, the offending text
 * underlined, what was meant.
 *
 * All complaints of a file are collected, not only the first. Library code adds; only the command
 * line prints.
 */
#ifndef RUNNER_DIAG_H
#define RUNNER_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct diag_mark {
	const char *file; /* as the user named it */
	unsigned line;    /* 1-based; 0 = the whole file */
	unsigned column;  /* 1-based, in characters */
	unsigned length;  /* characters to underline, at least 1 */
};

struct diag {
	struct diag_mark mark;
	char text[400]; /* "unknown key `egres` in phases.fetch" */
	char hint[200]; /* "did you mean `egress`?"; may be empty */
};

struct diag_list {
	struct diag *items;
	size_t n, cap;
	bool truncated; /* more than DIAG_MAX complaints */
};
enum { DIAG_MAX = 200 };

void diag_list_done(struct diag_list *list);
/* Copies the file name and escapes control bytes in the texts, so a complaint outlives the tree
 * that it is about. */
__attribute__((format(printf, 4, 5))) void diag_add(struct diag_list *list, struct diag_mark mark,
                                                    const char *hint, const char *fmt, ...);

/* Those from index @from on, by file position: tables are walked in their own order, people read
 * downwards. */
void diag_sort(struct diag_list *list, size_t from);

/* "file:line:column: error: text", the line of the file with the text underlined, the hint. @source
 * may be NULL (not readable any more). Bytes of the file are escaped: a terminal never obeys them.
 */
void diag_print(FILE *out, const struct diag_list *list, const char *source, size_t source_len);

/* The same for complaints about several files: each file is read again for its lines. Of a file
 * that was reached through a link (named_path.h) only the place is told, and no byte. */
/* The same list as notes: nothing is wrong, but somebody should know. One line each. */
void diag_print_notes(FILE *out, const struct diag_list *list);
void diag_print_files(FILE *out, const struct diag_list *list);

/* Append @in as a terminal may show it: control bytes, invalid UTF-8 and bidirectional controls as
 * \\xNN. Always terminated. */
void diag_escape(char *out, size_t size, const char *in, size_t len);

/* The nearest of @words to @word within an edit distance of a third of its length (at least 1), or
 * NULL. */
const char *diag_nearest(const char *word, const char *const *words, size_t n);

#endif
