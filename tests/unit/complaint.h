// SPDX-License-Identifier: Apache-2.0
/* complaint.h - tables of wrong files: a bar marks where the complaint must start, so nobody counts
 * columns by hand. */
#ifndef TESTS_UNIT_COMPLAINT_H
#define TESTS_UNIT_COMPLAINT_H

#include "runner/input/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wrong {
	const char *text;     /* one "|>" in front of the offending token; none: any place */
	const char *fragment; /* of the complaint */
};

struct marked {
	char text[4096];
	unsigned line, column; /* 0: no mark */
};

static inline void unmark(const char *in, struct marked *out)
{
	size_t n = 0;
	unsigned line = 1, column = 1;
	memset(out, 0, sizeof(*out));
	for (const char *p = in; *p; p++) {
		if (p[0] == '|' && p[1] == '>') {
			out->line = line;
			out->column = column;
			p++;
			continue;
		}
		assert_true(n + 1 < sizeof(out->text));
		out->text[n++] = *p;
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
}

static inline int has_complaint(const struct diag_list *list, const struct marked *m,
                                const char *fragment)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct diag *d = &list->items[i];
		if (strstr(d->text, fragment) &&
		    (m->line == 0 || (d->mark.line == m->line && d->mark.column == m->column)))
			return 1;
	}
	printf("# wanted at %u:%u: %s\n# in:\n%s\n# got:\n", m->line, m->column, fragment, m->text);
	diag_print(stdout, list, m->text, strlen(m->text));
	return 0;
}

#endif
