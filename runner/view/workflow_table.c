// SPDX-License-Identifier: Apache-2.0
/* workflow_table.c - what came of the jobs of a workflow, a line each.
 *
 * Runs in: the process that the user started. Names and reasons hold commit content. */
#include "workflow_table.h"

#include "base/text_escape.h"

#include <string.h>

static void put(FILE *out, const char *text, size_t max)
{
	char shown[TEXT_ESCAPE_MAX * 400 + 1];
	size_t len = strnlen(text, max);
	(void)text_escape(shown, text, len);
	(void)fprintf(out, "%s", shown);
}

static void put_counts(FILE *out, const struct workflow_row *rows, size_t n)
{
	static const char *const results[] = { "success", "failure", "cancelled", "skipped" };
	const char *between = ": ";
	for (size_t k = 0; k < sizeof(results) / sizeof(results[0]); k++) {
		size_t hits = 0;
		for (size_t i = 0; i < n; i++)
			hits += strcmp(rows[i].result, results[k]) == 0;
		if (hits == 0)
			continue;
		(void)fprintf(out, "%s%zu %s", between, hits, results[k]);
		between = ", ";
	}
	(void)fputc('\n', out);
}

void workflow_table(const char *name, const struct workflow_row *rows, size_t n, double sec,
                    FILE *out)
{
	(void)fputs("\nworkflow ", out);
	put(out, name, 200);
	(void)fprintf(out, ", %zu job%s in %.1f s", n, n == 1 ? "" : "s", sec);
	put_counts(out, rows, n);
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(out, "  %-9s %8.2f s  ", rows[i].result, rows[i].sec);
		put(out, rows[i].name, 200);
		if (rows[i].forgiven)
			(void)fputs("  (continue-on-error: it does not count)", out);
		if (rows[i].why) {
			(void)fputs("  (", out);
			put(out, rows[i].why, 200);
			(void)fputc(')', out);
		}
		(void)fputc('\n', out);
		if (rows[i].record) {
			(void)fputs("                         record ", out);
			put(out, rows[i].record, 400);
			(void)fputc('\n', out);
		}
	}
	(void)fflush(out);
}
