// SPDX-License-Identifier: Apache-2.0
/* record_report.c - one record as one page: what happened, when, what was let through and what was
 * refused.
 *
 * Runs in: command line. The page stands alone: no script, no request, nothing loaded. Whatever
 * came from the record goes through report_html_text(); numbers are printed as numbers.
 */
#include "record_view.h"

#include "report_html.h"
#include "report_tables.h"
#include "base/size_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STRIP = 36, BAR_TOP = 4, BAR_HEIGHT = 15, MARK_Y = 28, MARKS_DRAWN_MAX = 3000 };

static const char *phase_class(const char *phase)
{
	static const char *const known[] = { "fetch", "build", "push" };
	for (size_t i = 0; phase && i < ARRAY_LEN(known); i++)
		if (strcmp(phase, known[i]) == 0)
			return known[i];
	return "build";
}

static bool is_good(const char *outcome)
{
	return outcome && strcmp(outcome, "succeeded") == 0;
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

/* ---- head ---- */

struct page {
	const struct record_facts *facts;
	struct timeline time;
};

static void put_fact(FILE *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	(void)fprintf(out, "<dt>%s</dt><dd>", name);
	report_html_text(out, value);
	(void)fputs("</dd>\n", out);
}

static int put_banners(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	(void)err;
	if (f->mode == FACTS_OBSERVED)
		(void)fputs("<p class=\"banner\"><b>Observed, not enforced.</b> Public "
		            "destinations were let through; what would have been refused is "
		            "marked.</p>\n",
		            out);
	if (!f->end.seq)
		(void)fputs("<p class=\"banner\"><b>The run did not end.</b> The record stops in "
		            "the middle.</p>\n",
		            out);
	for (size_t i = 0; i < f->n_jumps; i++)
		(void)fprintf(out,
		              "<p class=\"banner\"><b>The host's clock was set</b> by %+.3f s "
		              "before seq %" PRIu64 ": times of day before and behind it do not "
		              "compare.</p>\n",
		              (double)f->jumps[i].ms / 1000, f->jumps[i].at.seq);
	if (f->limited.at.seq)
		(void)fprintf(out,
		              "<p class=\"banner\"><b>Not all is here.</b> From seq %" PRIu64
		              " on connections and refusals were only counted "
		              "(<code>limits.record</code>).</p>\n",
		              f->limited.at.seq);
	if (f->torn_bytes)
		(void)fprintf(out,
		              "<p class=\"banner\"><b>The last line is torn:</b> %" PRIu64
		              " bytes without an end of line.</p>\n",
		              f->torn_bytes);
	if (f->end_why && *f->end_why) {
		(void)fputs("<p class=\"banner\">", out);
		report_html_text(out, f->end_why);
		(void)fputs("</p>\n", out);
	}
	return 0;
}

static void put_workspace(FILE *out, const struct facts_workspace *w)
{
	char text[RECORD_WORKSPACE_MAX];
	if (!w->at.seq)
		return;
	record_workspace_text(w, text);
	put_fact(out, "Workspace", text);
	for (size_t i = 0; w->notes && w->notes[i]; i++)
		put_fact(out, "", w->notes[i]);
}

static int put_title(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	char title[300];
	(void)err;
	(void)snprintf(title, sizeof(title), "Job %.120s: %.60s", text_or(f->job, "?"),
	               f->end.seq ? text_or(f->status, "ended") : "did not end");
	report_html_text(out, title);
	return 0;
}

static int put_job(FILE *out, const void *page, struct dd_err *err)
{
	(void)err;
	report_html_text(out, text_or(((const struct page *)page)->facts->job, "?"));
	return 0;
}

static int put_status(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	(void)err;
	(void)fprintf(out, "<span class=\"%s\">", is_good(f->status) ? "good" : "bad");
	report_html_text(out, f->end.seq ? text_or(f->status, "ended") : "did not end");
	(void)fputs("</span>", out);
	return 0;
}

static int put_took(FILE *out, const void *page, struct dd_err *err)
{
	char took[32];
	(void)err;
	(void)fputs(timeline_time((double)((const struct page *)page)->time.span_ns / 1e9, took),
	            out);
	return 0;
}

static int put_facts(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	(void)err;
	put_fact(out, "Run", f->run);
	put_fact(out, "Started", f->start_time);
	put_fact(out, "Workflow", f->workflow);
	put_workspace(out, &f->workspace);
	put_fact(out, "Policy",
	         text_or(f->policy.path,
	                 "none: every step is build, the gate is closed, no credentials"));
	put_fact(out, "Trust", f->trusted_known ? f->trust_why : NULL);
	put_fact(out, "Identity", f->identity);
	if (f->event.known) {
		put_fact(out, "Event", f->event.name);
		put_fact(out, "Repository", f->event.repository);
		put_fact(out, "Ref", f->event.ref);
	}
	put_fact(out, "drydock", f->version);
	put_fact(out, "Kernel", f->kernel);
	return 0;
}

static void put_sum(FILE *out, const char *class, const char *number, const char *what)
{
	(void)fprintf(out, "<li><b class=\"%s\">%s</b><span>%s</span></li>\n", class, number, what);
}

static int put_sums(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	(void)err;
	struct timeline_totals all = { .known = false };
	char text[40];
	for (size_t i = 0; i < f->n_steps; i++) {
		const struct timeline_totals t = timeline_totals(&f->steps[i]);
		all.bytes_in += t.bytes_in / 2 > INT64_MAX / 4 ? 0 : t.bytes_in;
		all.bytes_out += t.bytes_out / 2 > INT64_MAX / 4 ? 0 : t.bytes_out;
		all.connections += t.connections > INT32_MAX ? INT32_MAX : t.connections;
		all.refused += t.refused > INT32_MAX ? INT32_MAX : t.refused;
		all.would += t.would > INT32_MAX ? INT32_MAX : t.would;
	}
	(void)snprintf(text, sizeof(text), "%zu", f->n_steps);
	put_sum(out, "", text, f->n_steps == 1 ? "step" : "steps");
	(void)snprintf(text, sizeof(text), "%" PRId64, all.refused);
	put_sum(out, all.refused ? "bad" : "", text, "refused");
	if (f->mode == FACTS_OBSERVED) {
		(void)snprintf(text, sizeof(text), "%" PRId64, all.would);
		put_sum(out, all.would ? "bad" : "", text, "would be refused");
	}
	(void)snprintf(text, sizeof(text), "%" PRId64, all.connections);
	put_sum(out, "", text, all.connections == 1 ? "connection" : "connections");
	put_sum(out, "", size_text((uint64_t)all.bytes_in, text), "came in");
	put_sum(out, "", size_text((uint64_t)all.bytes_out, text), "went out");
	return 0;
}

/* ---- timeline ---- */

struct axis {
	const struct timeline *time;
	double ticks[TIMELINE_TICKS_MAX]; /* shares of the axis, 0 to 1 */
	double sec[TIMELINE_TICKS_MAX];
	size_t n;
};

static void put_grid(FILE *out, const struct axis *a)
{
	for (size_t i = 0; i < a->n; i++)
		(void)fprintf(
			out,
			"<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"%d\"/>",
			a->ticks[i] * 100, a->ticks[i] * 100, STRIP);
}

static void put_axis(FILE *out, const struct axis *a)
{
	char text[32];
	(void)fprintf(out, "<li class=\"row\" aria-hidden=\"true\"><span></span><div "
	                   "class=\"strip\"><svg width=\"100%%\" height=\"20\">");
	for (size_t i = 0; i < a->n; i++)
		(void)fprintf(out, "<text x=\"%.2f%%\" y=\"14\"%s>%s</text>", a->ticks[i] * 100,
		              a->ticks[i] > 0.92 ? " text-anchor=\"end\"" : "",
		              timeline_time(a->sec[i], text));
	(void)fputs("</svg></div><span></span></li>\n", out);
}

static void put_rect(FILE *out, const char *class, double from, double to)
{
	double width = to - from;
	(void)fprintf(out,
	              "<rect class=\"%s\" x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\" "
	              "rx=\"1.5\"/>",
	              class, from * 100, BAR_TOP, (width < 0.003 ? 0.003 : width) * 100,
	              BAR_HEIGHT);
}

/* Where the gate was closed the bar is pale, where it was open it is full. */
static void put_bar(FILE *out, const struct facts_step *s, const struct timeline *t)
{
	double from = timeline_share(t, s->start.mono_ns),
	       to = timeline_share(t, timeline_step_end(t, s));
	(void)fprintf(out, "<g class=\"%s\">", phase_class(s->phase));
	put_rect(out, "shut", from, to);
	if (s->gate.opened.seq && s->gate.state && strcmp(s->gate.state, "open") == 0) {
		double open_to = s->gate.closed.seq ? timeline_share(t, s->gate.closed.mono_ns)
		                                    : to;
		put_rect(out, "open", timeline_share(t, s->gate.opened.mono_ns), open_to);
	}
	(void)fputs("</g>", out);
}

static const char *const mark_shapes[TIMELINE__MARKS] = {
	[TIMELINE_CONNECTED] = "<circle class=\"ok\" r=\"2.4\"/>",
	[TIMELINE_WOULD] = "<circle class=\"would\" r=\"4\"/>",
	[TIMELINE_REFUSED] = "<path class=\"no\" d=\"M-3.6-3.6 3.6 3.6M3.6-3.6-3.6 3.6\"/>",
	[TIMELINE_VIOLATION] = "<path class=\"cut\" d=\"M0-6 6.2 4.6H-6.2Z\"/>",
};

static void put_mark(FILE *out, const struct timeline_mark *m, double at)
{
	(void)fprintf(out,
	              "<svg x=\"%.3f%%\" y=\"%d\" width=\"1\" height=\"1\"><title>event %" PRIu64
	              ": ",
	              at * 100, MARK_Y, m->seq);
	report_html_text(out, m->what);
	(void)fputs(m->why[0] ? ": " : "", out);
	report_html_text(out, m->why);
	(void)fprintf(out, "</title>%s</svg>", mark_shapes[m->kind]);
}

/* Weak marks first, so that strong ones lie on top; of equal ones at one place only the first is
 * drawn. */
static void put_marks(FILE *out, const struct timeline_mark *marks, size_t n,
                      const struct timeline *t)
{
	size_t drawn = 0;
	for (int kind = 0; kind < TIMELINE__MARKS; kind++) {
		double last = -1;
		for (size_t i = 0; i < n && drawn < MARKS_DRAWN_MAX; i++) {
			double at = timeline_share(t, marks[i].ns);
			if ((int)marks[i].kind != kind || at - last < 0.002)
				continue;
			put_mark(out, &marks[i], at);
			last = at;
			drawn++;
		}
	}
}

static void put_row_label(FILE *out, const struct facts_step *s)
{
	const char *name = text_or(s->name, text_or(s->ref, "?"));
	(void)fprintf(out,
	              "<div class=\"name\"><span class=\"n\">%" PRId64
	              "</span><span class=\"tag %s\">",
	              s->index, phase_class(s->phase));
	report_html_text(out, text_or(s->phase, "?"));
	(void)fputs("</span><span class=\"t\" title=\"", out);
	report_html_text(out, name);
	(void)fputs("\">", out);
	report_html_text(out, name);
	(void)fputs("</span></div>", out);
}

static void put_row_end(FILE *out, const struct facts_step *s, const struct timeline *t)
{
	char took[32], in[16], sent[16];
	const struct timeline_totals sum = timeline_totals(s);
	double sec = s->wall_sec >= 0 ? s->wall_sec
	                              : (double)(timeline_step_end(t, s) - s->start.mono_ns) / 1e9;
	(void)fprintf(out, "<div class=\"end\"><span class=\"%s\">",
	              is_good(s->outcome) ? "" : "bad");
	report_html_text(out, s->end.seq ? text_or(s->outcome, "ended") : "no end");
	(void)fprintf(out, "</span> %s<small>", timeline_time(sec, took));
	if (sum.refused || sum.would)
		(void)fprintf(out, "<span class=\"bad\">%" PRId64 " %s</span> ",
		              sum.refused ? sum.refused : sum.would,
		              sum.refused ? "refused" : "would be");
	if (sum.bytes_in || sum.bytes_out)
		(void)fprintf(out, "&darr;&nbsp;%s &uarr;&nbsp;%s",
		              size_text((uint64_t)sum.bytes_in, in),
		              size_text((uint64_t)sum.bytes_out, sent));
	(void)fputs("</small></div></li>\n", out);
}

static int put_row(FILE *out, const struct facts_step *s, const struct axis *a, struct dd_err *err)
{
	struct timeline_mark *marks = NULL;
	size_t n = 0;
	const struct timeline_totals sum = timeline_totals(s);
	int r = timeline_marks(s, &marks, &n, err);
	if (r < 0)
		return r;
	(void)fputs("<li class=\"row\">", out);
	put_row_label(out, s);
	(void)fprintf(out,
	              "<div class=\"strip\"><svg width=\"100%%\" height=\"%d\" role=\"img\" "
	              "aria-label=\"from %.2f s to %.2f s, gate ",
	              STRIP, (double)(s->start.mono_ns - a->time->first_ns) / 1e9,
	              (double)(timeline_step_end(a->time, s) - a->time->first_ns) / 1e9);
	report_html_text(out, text_or(s->gate.state, "unknown"));
	(void)fprintf(out, ", %" PRId64 " connections, %" PRId64 " refused\">", sum.connections,
	              sum.refused);
	put_grid(out, a);
	put_bar(out, s, a->time);
	put_marks(out, marks, n, a->time);
	(void)fputs("</svg></div>", out);
	put_row_end(out, s, a->time);
	free(marks);
	return 0;
}

static void put_legend_mark(FILE *out, enum timeline_mark_kind kind, const char *text)
{
	(void)fprintf(out,
	              "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><svg x=\"7\" "
	              "y=\"7\" width=\"1\" height=\"1\">%s</svg></svg>%s</li>",
	              mark_shapes[kind], text);
}

static int put_legend(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	(void)err;
	(void)fputs("<ul class=\"legend\"><li><svg width=\"26\" height=\"14\" "
	            "aria-hidden=\"true\"><rect class=\"open\" width=\"26\" height=\"12\" y=\"1\"/>"
	            "</svg>gate open</li><li><svg width=\"26\" height=\"14\" "
	            "aria-hidden=\"true\"><rect class=\"shut\" width=\"26\" height=\"12\" y=\"1\"/>"
	            "</svg>gate closed</li>",
	            out);
	put_legend_mark(out, TIMELINE_CONNECTED, "connection");
	put_legend_mark(out, TIMELINE_REFUSED, "refused");
	put_legend_mark(out, TIMELINE_VIOLATION, "violation");
	if (f->mode == FACTS_OBSERVED)
		put_legend_mark(out, TIMELINE_WOULD, "would have been refused");
	(void)fputs("</ul>\n", out);
	return 0;
}

static int put_rows(FILE *out, const void *page, struct dd_err *err)
{
	const struct record_facts *f = ((const struct page *)page)->facts;
	const struct timeline *t = &((const struct page *)page)->time;
	struct axis a = { .time = t };
	int r = 0;
	a.n = timeline_ticks(t, 6, a.sec);
	for (size_t i = 0; i < a.n; i++)
		a.ticks[i] = timeline_share(t, t->first_ns + (int64_t)(a.sec[i] * 1e9));
	put_axis(out, &a);
	for (size_t i = 0; r == 0 && i < f->n_steps; i++)
		r = put_row(out, &f->steps[i], &a, err);
	return r;
}

static int put_tables(FILE *out, const void *page, struct dd_err *err)
{
	return report_tables(out, ((const struct page *)page)->facts, err);
}

static int put_events(FILE *out, const void *page, struct dd_err *err)
{
	(void)err;
	(void)fprintf(out, "%" PRIu64, ((const struct page *)page)->facts->lines);
	return 0;
}

static int put_chain_head(FILE *out, const void *page, struct dd_err *err)
{
	(void)err;
	report_html_text(out, ((const struct page *)page)->facts->head);
	return 0;
}

/* What report.html asks for. */
static const struct report_part parts[] = {
	{ "title", put_title },   { "job", put_job },         { "status", put_status },
	{ "took", put_took },     { "banners", put_banners }, { "facts", put_facts },
	{ "sums", put_sums },     { "rows", put_rows },       { "legend", put_legend },
	{ "tables", put_tables }, { "events", put_events },   { "head", put_chain_head },
};

int record_report_html(const struct record_facts *facts, FILE *out, struct dd_err *err)
{
	const struct page page = { .facts = facts, .time = timeline_of(facts) };
	int r = report_html_page(out, parts, ARRAY_LEN(parts), &page, err);
	if (r == 0 && ferror(out))
		r = dd_err_set(err, EIO, "write the page");
	return r;
}
