// SPDX-License-Identifier: Apache-2.0
/* record_said.c - what front ends say of steps: those that were not run, annotations, what was
 * withheld, summaries. Runs in: command line. */
#include "record_view.h"

#include "base/text_escape.h"
#include "drydock/fd.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_LINES = 40, SUMMARY_COLUMNS = 160, MESSAGE_MAX = 700 };

void record_place_text(const struct facts_annotation *a, char ret[RECORD_PLACE_MAX])
{
	ret[0] = '\0';
	if (!a->file)
		return;
	if (a->line > 0 && a->column > 0)
		(void)snprintf(ret, RECORD_PLACE_MAX, "%.500s:%" PRId64 ":%" PRId64, a->file,
		               a->line, a->column);
	else if (a->line > 0)
		(void)snprintf(ret, RECORD_PLACE_MAX, "%.500s:%" PRId64, a->file, a->line);
	else
		(void)snprintf(ret, RECORD_PLACE_MAX, "%.500s", a->file);
}

struct said {
	const struct record_facts *facts;
	const struct record_view_options *opt;
	FILE *out;
};

static struct table *section(const struct said *v, const struct table_column *columns, size_t n,
                             const char *title)
{
	struct table *table = table_new(columns, n, 2, v->opt->width);
	if (!v->opt->utf8)
		table_ascii(table);
	(void)fprintf(v->out, "\n%s%s%s\n", v->opt->colour ? "\033[1m" : "", title,
	              v->opt->colour ? "\033[0m" : "");
	return table;
}

static int finish(const struct said *v, struct table *table, struct dd_err *err)
{
	int r = table_print(table, v->out);
	table_free(table);
	return r < 0 ? dd_err_set(err, -r, "draw the record") : 0;
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

static int show_not_run(const struct said *v, struct dd_err *err)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT },
		                                       { NULL, TABLE_WRAP },
		                                       { NULL, TABLE_WRAP } };
	if (v->facts->n_not_run == 0)
		return 0;
	struct table *table = section(v, columns, ARRAY_LEN(columns), "not run");
	for (size_t i = 0; i < v->facts->n_not_run; i++) {
		const struct facts_not_run *n = &v->facts->not_run[i];
		table_row(table,
		          (const char *const[]){ text_or(n->outcome, "?"),
		                                 text_or(n->name, n->step), text_or(n->why, "") });
	}
	return finish(v, table, err);
}

static int show_annotations(const struct said *v, struct dd_err *err)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT },
		                                       { NULL, TABLE_LEFT },
		                                       { NULL, TABLE_WRAP },
		                                       { NULL, TABLE_WRAP } };
	if (v->facts->n_annotations == 0)
		return 0;
	struct table *table = section(v, columns, ARRAY_LEN(columns), "annotations");
	for (size_t i = 0; i < v->facts->n_annotations; i++) {
		const struct facts_annotation *a = &v->facts->annotations[i];
		char where[RECORD_PLACE_MAX], text[MESSAGE_MAX];
		record_place_text(a, where);
		(void)snprintf(text, sizeof(text), "%.200s%s%.450s%s%.60s%s", text_or(a->title, ""),
		               a->title ? ": " : "", text_or(a->message, ""), a->code ? " (" : "",
		               text_or(a->code, ""), a->code ? ")" : "");
		for (char *at = text; *at; at++)
			if (*at == '\n' || *at == '\r')
				*at = ' ';
		table_row(table, (const char *const[]){ text_or(a->level, "?"),
		                                        text_or(a->step, "?"), where, text });
	}
	return finish(v, table, err);
}

static int show_withheld(const struct said *v, struct dd_err *err)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT },
		                                       { NULL, TABLE_WRAP },
		                                       { NULL, TABLE_WRAP } };
	if (v->facts->n_withheld == 0)
		return 0;
	struct table *table = section(v, columns, ARRAY_LEN(columns),
	                              "withheld from a step that is trusted more");
	for (size_t i = 0; i < v->facts->n_withheld; i++) {
		const struct facts_withheld *w = &v->facts->withheld[i];
		char what[700];
		bool path = w->kind && strcmp(w->kind, "path") == 0;
		(void)snprintf(what, sizeof(what), "%s %.300s of %.200s",
		               path ? "PATH entry" : "variable", text_or(w->name, "?"),
		               text_or(w->from, "?"));
		table_row(table, (const char *const[]){ text_or(w->step, "?"), what,
		                                        text_or(w->why, "") });
	}
	return finish(v, table, err);
}

static void put_line(FILE *out, const char *text, size_t len)
{
	char safe[SUMMARY_COLUMNS * TEXT_ESCAPE_MAX + 1];
	(void)text_escape(safe, text, len < SUMMARY_COLUMNS ? len : SUMMARY_COLUMNS);
	(void)fprintf(out, "    %s%s\n", safe, len > SUMMARY_COLUMNS ? "..." : "");
}

static void show_summaries(const struct said *v)
{
	for (size_t i = 0; i < v->facts->n_summaries; i++) {
		const struct facts_summary *s = &v->facts->summaries[i];
		const char *at = text_or(s->text, "");
		unsigned lines = 0;
		(void)fprintf(v->out, "\n%ssummary of ", v->opt->colour ? "\033[1m" : "");
		char safe[100 * TEXT_ESCAPE_MAX + 1];
		const char *step = text_or(s->step, "?");
		(void)text_escape(safe, step, strnlen(step, 100));
		(void)fprintf(v->out, "%s%s\n", safe, v->opt->colour ? "\033[0m" : "");
		for (; *at && lines < SUMMARY_LINES; lines++) {
			size_t n = strcspn(at, "\n");
			put_line(v->out, at, n);
			at += n + (at[n] == '\n');
		}
		if (*at || s->cut)
			(void)fprintf(v->out, "    (%s)\n",
			              *at ? "more lines: drydock record report, or --events"
			                  : "it was longer: the record has its beginning");
	}
}

int record_said_show(const struct record_facts *facts, const struct record_view_options *opt,
                     FILE *out, struct dd_err *err)
{
	const struct said v = { facts, opt, out };
	int r = show_not_run(&v, err);
	if (r == 0)
		r = show_annotations(&v, err);
	if (r == 0)
		r = show_withheld(&v, err);
	if (r == 0)
		show_summaries(&v);
	return r;
}
