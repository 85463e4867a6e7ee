// SPDX-License-Identifier: Apache-2.0
/* report_tables.c - the tables of a record's page. A table without rows is left out, except the
 * first: that nothing was refused is worth saying.
 *
 * Runs in: command line. On a narrow screen each cell shows the name of its column, which stands in
 * data-l.
 */
#include "report_tables.h"

#include "base/size_text.h"
#include "record_view.h"
#include "report_html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct column {
	const char *name;
	bool number;
};

static const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

static void begin(FILE *out, const char *title, const char *class, const struct column *columns,
                  size_t n)
{
	(void)fprintf(out, "<section>\n<h2>%s</h2>\n<table class=\"%s\">\n<thead><tr>", title,
	              class);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "<th scope=\"col\"%s>%s</th>",
		              columns[i].number ? " class=\"r\"" : "", columns[i].name);
	(void)fputs("</tr></thead>\n<tbody>\n", out);
}

static void end(FILE *out)
{
	(void)fputs("</tbody>\n</table>\n</section>\n", out);
}

static void open_cell(FILE *out, const struct column *c)
{
	(void)fprintf(out, "<td%s data-l=\"%s\">", c->number ? " class=\"r\"" : "", c->name);
}

static void text_cell(FILE *out, const struct column *c, const char *text)
{
	open_cell(out, c);
	report_html_text(out, text);
	(void)fputs("</td>", out);
}

static void number_cell(FILE *out, const struct column *c, int64_t n)
{
	open_cell(out, c);
	if (n >= 0)
		(void)fprintf(out, "%" PRId64, n);
	(void)fputs("</td>", out);
}

static void bytes_cell(FILE *out, const struct column *c, int64_t n)
{
	char text[16];
	open_cell(out, c);
	if (n >= 0)
		(void)fputs(size_text((uint64_t)n, text), out);
	(void)fputs("</td>", out);
}

static void small(FILE *out, const char *before, const char *text)
{
	if (!text || !*text)
		return;
	(void)fprintf(out, "<small>%s", before);
	report_html_text(out, text);
	(void)fputs("</small>", out);
}

/* ---- refused ---- */

static const struct column refused_columns[] = {
	{ "What", false }, { "Step", false }, { "Why", false }, { "Times", true }, { "Event", true }
};

static void refused_row(FILE *out, const struct record_group *g)
{
	static const char *const kinds[TIMELINE__MARKS] = { "",
		                                            "let through, would have been refused",
		                                            "", "violation" };
	const struct timeline_mark *m = &g->mark;
	(void)fputs("<tr>", out);
	open_cell(out, &refused_columns[0]);
	(void)fputs("<span class=\"what mono\">", out);
	report_html_text(out, m->what);
	(void)fputs("</span>", out);
	small(out, "", kinds[m->kind]);
	small(out, "tried by ", m->who);
	(void)fputs("</td>", out);
	text_cell(out, &refused_columns[1], g->step->ref);
	text_cell(out, &refused_columns[2], m->why);
	number_cell(out, &refused_columns[3], m->count);
	number_cell(out, &refused_columns[4], (int64_t)(m->seq > INT64_MAX ? 0 : m->seq));
	(void)fputs("</tr>\n", out);
}

static int put_refused(FILE *out, const struct record_facts *f, struct dd_err *err)
{
	struct record_group *groups = NULL;
	size_t n = 0;
	int r = record_groups(f, &groups, &n, err);
	if (r < 0)
		return r;
	if (n == 0) {
		(void)fputs(
			"<section>\n<h2>Refused</h2>\n<p>Nothing was refused.</p>\n</section>\n",
			out);
	} else {
		begin(out, f->mode == FACTS_OBSERVED ? "Refused, or would have been" : "Refused",
		      "refused", refused_columns, ARRAY_LEN(refused_columns));
		for (size_t i = 0; i < n; i++)
			refused_row(out, &groups[i]);
		(void)fputs("</tbody>\n</table>\n<p class=\"hint\">Which line would allow it, and "
		            "what else that line would allow: "
		            "<code>drydock policy explain --record RECORD --seq "
		            "EVENT</code></p>\n</section>\n",
		            out);
	}
	free(groups);
	return 0;
}

/* ---- reached ---- */

static const struct column reached_columns[] = { { "Destination", false }, { "Step", false },
	                                         { "Connections", true },  { "In", true },
	                                         { "Out", true },          { "Refused", true } };

static void put_not_listed(FILE *out, const struct facts_step *s)
{
	const struct facts_sums *d = &s->gate.not_listed;
	if (d->destinations == 0)
		return;
	(void)fputs("<tr>", out);
	open_cell(out, &reached_columns[0]);
	if (d->destinations < 0)
		(void)fputs("perhaps more: this older record lists at most 256</td>", out);
	else
		(void)fprintf(out, "%" PRId64 " more, not listed</td>", d->destinations);
	text_cell(out, &reached_columns[1], s->ref);
	number_cell(out, &reached_columns[2], d->connections);
	bytes_cell(out, &reached_columns[3], d->bytes_in);
	bytes_cell(out, &reached_columns[4], d->bytes_out);
	number_cell(out, &reached_columns[5], d->denials);
	(void)fputs("</tr>\n", out);
}

static void put_reached(FILE *out, const struct record_facts *f)
{
	bool any = false;
	for (size_t i = 0; i < f->n_steps; i++) {
		for (size_t k = 0; k < f->steps[i].gate.n_receipts; k++) {
			const struct facts_receipt *d = &f->steps[i].gate.receipts[k];
			if (!any)
				begin(out, "Reached", "", reached_columns,
				      ARRAY_LEN(reached_columns));
			any = true;
			(void)fputs("<tr>", out);
			open_cell(out, &reached_columns[0]);
			(void)fputs("<span class=\"mono\">", out);
			report_html_text(out, text_or(d->host, "?"));
			(void)fprintf(out, ":%u</span>", (unsigned)d->port);
			if (d->ech > 0)
				(void)fprintf(out, "<small>%" PRId64 " with ECH</small>", d->ech);
			(void)fputs("</td>", out);
			text_cell(out, &reached_columns[1], f->steps[i].ref);
			number_cell(out, &reached_columns[2], d->connections);
			bytes_cell(out, &reached_columns[3], d->bytes_in);
			bytes_cell(out, &reached_columns[4], d->bytes_out);
			number_cell(out, &reached_columns[5], d->denials);
			(void)fputs("</tr>\n", out);
		}
		if (any)
			put_not_listed(out, &f->steps[i]);
	}
	if (any)
		end(out);
}

/* ---- steps ---- */

static const struct column step_columns[] = { { "Step", false },   { "Phase", false },
	                                      { "Result", false }, { "Processor", true },
	                                      { "Memory", true },  { "Output", true } };

static void result_cell(FILE *out, const struct facts_step *s)
{
	open_cell(out, &step_columns[2]);
	report_html_text(out, s->end.seq ? text_or(s->outcome, "ended") : "did not end");
	if (s->end.seq && s->signal > 0)
		(void)fprintf(out, "<small>by signal %" PRId64 "</small>", s->signal);
	else if (s->end.seq && s->exit > 0)
		(void)fprintf(out, "<small>with exit code %" PRId64 "</small>", s->exit);
	small(out, "", s->message);
	(void)fputs("</td>", out);
}

static void put_entries(FILE *out, const struct facts_step *s)
{
	if (s->gate.n_entries == 0)
		return;
	(void)fputs("<small>gate open for ", out);
	for (size_t i = 0; i < s->gate.n_entries && i < 12; i++) {
		(void)fputs(i ? ", " : "", out);
		report_html_text(out, s->gate.entries[i].entry);
	}
	if (s->gate.n_entries > 12)
		(void)fprintf(out, " and %zu more", s->gate.n_entries - 12);
	(void)fputs("</small>", out);
}

static void step_row(FILE *out, const struct facts_step *s)
{
	char cpu[32];
	(void)fputs("<tr>", out);
	open_cell(out, &step_columns[0]);
	(void)fprintf(out, "%" PRId64 ". ", s->index);
	report_html_text(out, text_or(s->name, text_or(s->ref, "?")));
	small(out, "id ", s->id);
	(void)fputs("</td>", out);
	open_cell(out, &step_columns[1]);
	report_html_text(out, text_or(s->phase, "?"));
	small(out, "", s->phase_why);
	put_entries(out, s);
	(void)fputs("</td>", out);
	result_cell(out, s);
	open_cell(out, &step_columns[3]);
	if (s->cpu_usec >= 0)
		(void)fputs(timeline_time((double)s->cpu_usec / 1e6, cpu), out);
	(void)fputs("</td>", out);
	bytes_cell(out, &step_columns[4], s->peak_memory_bytes);
	bytes_cell(out, &step_columns[5], s->output_bytes);
	(void)fputs("</tr>\n", out);
}

static void put_steps(FILE *out, const struct record_facts *f)
{
	if (f->n_steps == 0)
		return;
	begin(out, "Steps", "", step_columns, ARRAY_LEN(step_columns));
	for (size_t i = 0; i < f->n_steps; i++)
		step_row(out, &f->steps[i]);
	end(out);
}

/* ---- credentials, artifacts, narrowing ---- */

static const struct column lease_columns[] = {
	{ "Credential", false }, { "Step", false }, { "Delivered as", false }, { "Seconds", true }
};

static void put_leases(FILE *out, const struct record_facts *f)
{
	bool any = false;
	for (size_t i = 0; i < f->n_steps; i++)
		for (size_t k = 0; k < f->steps[i].n_leases; k++) {
			const struct facts_lease *l = &f->steps[i].leases[k];
			if (!any)
				begin(out, "Credentials", "", lease_columns,
				      ARRAY_LEN(lease_columns));
			any = true;
			(void)fputs("<tr>", out);
			text_cell(out, &lease_columns[0], l->name);
			text_cell(out, &lease_columns[1], f->steps[i].ref);
			text_cell(out, &lease_columns[2], text_or(l->as, l->delivery));
			number_cell(out, &lease_columns[3], l->ttl_sec);
			(void)fputs("</tr>\n", out);
		}
	if (any)
		end(out);
}

static const struct column artifact_columns[] = { { "Artifact", false },
	                                          { "Size", true },
	                                          { "SHA-256", false } };

static void put_artifacts(FILE *out, const struct record_facts *f)
{
	if (f->n_artifacts == 0)
		return;
	begin(out, "Artifacts", "", artifact_columns, ARRAY_LEN(artifact_columns));
	for (size_t i = 0; i < f->n_artifacts; i++) {
		(void)fputs("<tr>", out);
		text_cell(out, &artifact_columns[0], f->artifacts[i].path);
		bytes_cell(out, &artifact_columns[1], f->artifacts[i].size);
		open_cell(out, &artifact_columns[2]);
		(void)fputs("<code>", out);
		report_html_text(out, f->artifacts[i].sha256);
		(void)fputs("</code></td></tr>\n", out);
	}
	end(out);
}

static const struct column narrowed_columns[] = {
	{ "Key", false }, { "Asked", false }, { "Allowed", false }, { "Why", false }
};

static void put_narrowed(FILE *out, const struct record_facts *f)
{
	if (f->n_narrowed == 0)
		return;
	begin(out, "The repository asked for more", "refused", narrowed_columns,
	      ARRAY_LEN(narrowed_columns));
	for (size_t i = 0; i < f->n_narrowed; i++) {
		const struct facts_narrowed *n = &f->narrowed[i];
		(void)fputs("<tr>", out);
		text_cell(out, &narrowed_columns[0], n->key);
		text_cell(out, &narrowed_columns[1], n->asked);
		text_cell(out, &narrowed_columns[2], n->allowed);
		text_cell(out, &narrowed_columns[3], n->why);
		(void)fputs("</tr>\n", out);
	}
	end(out);
}

/* ---- what front ends say of steps ---- */

static const struct column annotation_columns[] = {
	{ "Annotation", false }, { "Step", false }, { "Where", false }, { "Event", true }
};

static void put_annotations(FILE *out, const struct record_facts *f)
{
	if (f->n_annotations == 0)
		return;
	begin(out, "Annotations", "", annotation_columns, ARRAY_LEN(annotation_columns));
	for (size_t i = 0; i < f->n_annotations; i++) {
		const struct facts_annotation *a = &f->annotations[i];
		char where[RECORD_PLACE_MAX];
		record_place_text(a, where);
		(void)fputs("<tr>", out);
		open_cell(out, &annotation_columns[0]);
		(void)fprintf(out, "<b class=\"%s\">",
		              a->level && strcmp(a->level, "error") == 0 ? "bad" : "");
		report_html_text(out, a->level);
		(void)fputs("</b> ", out);
		if (a->title) {
			report_html_text(out, a->title);
			(void)fputs(": ", out);
		}
		report_html_text(out, a->message);
		if (a->code) {
			(void)fputs(" (", out);
			report_html_text(out, a->code);
			(void)fputc(')', out);
		}
		(void)fputs("</td>", out);
		text_cell(out, &annotation_columns[1], a->step);
		text_cell(out, &annotation_columns[2], where);
		number_cell(out, &annotation_columns[3],
		            (int64_t)(a->at.seq > INT64_MAX ? 0 : a->at.seq));
		(void)fputs("</tr>\n", out);
	}
	end(out);
}

static const struct column not_run_columns[] = { { "Not run", false },
	                                         { "As", false },
	                                         { "Why", false } };

static void put_not_run(FILE *out, const struct record_facts *f)
{
	if (f->n_not_run == 0)
		return;
	begin(out, "Not run", "", not_run_columns, ARRAY_LEN(not_run_columns));
	for (size_t i = 0; i < f->n_not_run; i++) {
		(void)fputs("<tr>", out);
		text_cell(out, &not_run_columns[0],
		          text_or(f->not_run[i].name, f->not_run[i].step));
		text_cell(out, &not_run_columns[1], f->not_run[i].outcome);
		text_cell(out, &not_run_columns[2], f->not_run[i].why);
		(void)fputs("</tr>\n", out);
	}
	end(out);
}

static const struct column withheld_columns[] = {
	{ "Withheld", false }, { "From step", false }, { "Left by", false }, { "Why", false }
};

static void put_withheld(FILE *out, const struct record_facts *f)
{
	if (f->n_withheld == 0)
		return;
	begin(out, "Withheld from a step that is trusted more", "refused", withheld_columns,
	      ARRAY_LEN(withheld_columns));
	for (size_t i = 0; i < f->n_withheld; i++) {
		const struct facts_withheld *w = &f->withheld[i];
		(void)fputs("<tr>", out);
		open_cell(out, &withheld_columns[0]);
		report_html_text(out, w->name);
		small(out, "",
		      w->kind && strcmp(w->kind, "path") == 0 ? "entry of PATH" : "variable");
		(void)fputs("</td>", out);
		text_cell(out, &withheld_columns[1], w->step);
		text_cell(out, &withheld_columns[2], w->from);
		text_cell(out, &withheld_columns[3], w->why);
		(void)fputs("</tr>\n", out);
	}
	end(out);
}

/* As it was written: it is Markdown, and nobody here reads that of a stranger. */
static void put_summaries(FILE *out, const struct record_facts *f)
{
	for (size_t i = 0; i < f->n_summaries; i++) {
		const struct facts_summary *s = &f->summaries[i];
		(void)fputs("<section>\n<h2>Summary of ", out);
		report_html_text(out, text_or(s->step, "?"));
		(void)fputs("</h2>\n<pre>", out);
		for (const char *at = text_or(s->text, ""); *at;) {
			char line[1024];
			size_t n = strcspn(at, "\n");
			n = n < sizeof(line) - 1 ? n : sizeof(line) - 1;
			(void)snprintf(line, sizeof(line), "%.*s", (int)n, at);
			report_html_text(out, line);
			at += n;
			if (*at == '\n') {
				(void)fputc('\n', out);
				at++;
			}
		}
		(void)fputs(s->cut ? "</pre>\n<p>It was longer: this is its beginning.</p>\n"
		                     "</section>\n"
		                   : "</pre>\n</section>\n",
		            out);
	}
}

int report_tables(FILE *out, const struct record_facts *facts, struct dd_err *err)
{
	int r = put_refused(out, facts, err);
	put_narrowed(out, facts);
	put_reached(out, facts);
	put_steps(out, facts);
	put_not_run(out, facts);
	put_annotations(out, facts);
	put_withheld(out, facts);
	put_leases(out, facts);
	put_artifacts(out, facts);
	put_summaries(out, facts);
	return r;
}
