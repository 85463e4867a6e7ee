// SPDX-License-Identifier: Apache-2.0
/* record_show.c - a record as a timeline of text: one bar a step, the gate on it, what was reached
 * and refused below it.
 *
 * Runs in: command line. Colour and block characters only where the terminal takes them; without
 * either the picture says the same in letters.
 */
#include "record_view.h"

#include "base/size_text.h"
#include "table.h"
#include "drydock/fd.h"
#include "base/text_escape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NAME_WIDTH = 20,
	LEFT = 4 + 6 + NAME_WIDTH + 1,
	RIGHT = 22,
	WIDTH_MAX = 200,
	BAR_MAX = WIDTH_MAX
};

enum tint {
	TINT_PLAIN,
	TINT_BOLD,
	TINT_DIM,
	TINT_GOOD,
	TINT_BAD,
	TINT_WARN,
	TINT_FETCH,
	TINT_PUSH,
	TINT__COUNT
};
static const char *const tint_codes[TINT__COUNT] = { "",         "\033[1m",    "\033[2m",
	                                             "\033[32m", "\033[1;31m", "\033[33m",
	                                             "\033[36m", "\033[35m" };

struct glyphs {
	const char *closed, *open, *mark[TIMELINE__MARKS], *in, *out, *rule;
};
static const struct glyphs ascii_glyphs = { "=", "#", { ".", "?", "x", "!" }, "in", "out", "-" };
static const struct glyphs utf8_glyphs = { "\u2592", "\u2588", { "\u00b7", "?", "\u2717", "!" },
	                                   "\u2193", "\u2191", "\u2500" };
static const enum tint mark_tints[TIMELINE__MARKS] = { TINT_PLAIN, TINT_WARN, TINT_BAD, TINT_BAD };

struct view {
	const struct record_facts *facts;
	const struct record_view_options *opt;
	const struct glyphs *glyphs;
	struct timeline time;
	FILE *out;
	size_t bar; /* columns of the axis */
};

struct record_view_options record_view_options(void)
{
	static const char *const locale_names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	struct record_view_options opt = { .width = view_width() };
	const char *no = getenv("NO_COLOR"), *locale = NULL;

	opt.colour = isatty(STDOUT_FILENO) && !(no && *no);
	opt.width = opt.width > WIDTH_MAX ? WIDTH_MAX : opt.width;
	for (size_t i = 0; i < ARRAY_LEN(locale_names) && !(locale && *locale); i++)
		locale = getenv(locale_names[i]);
	opt.utf8 = locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
	return opt;
}

static const char *tint(const struct view *v, enum tint t)
{
	return v->opt->colour ? tint_codes[t] : "";
}

static const char *plain(const struct view *v)
{
	return v->opt->colour ? "\033[0m" : "";
}

/* At most @width columns of @text, padded when @pad. One column a character: what is wider is rare
 * here, and only moves the picture. */
static void put(const struct view *v, const char *text, size_t width, bool pad)
{
	dd_auto_free char *safe = malloc(strlen(text) * TEXT_ESCAPE_MAX + 1);
	size_t used = 0;
	if (!safe)
		return;
	size_t len = text_escape(safe, text, strlen(text));
	for (const char *p = safe; used < width && *p; used++) {
		size_t n = utf8_char_len(p, len - (size_t)(p - safe));
		n = n ? n : 1;
		bool wide_out = n > 1 && !v->opt->utf8;
		(void)fprintf(v->out, "%.*s", wide_out ? 1 : (int)n, wide_out ? "?" : p);
		p += n;
	}
	while (pad && used++ < width)
		(void)fputc(' ', v->out);
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

static enum tint phase_tint(const char *phase)
{
	return strcmp(text_or(phase, ""), "fetch") == 0  ? TINT_FETCH
	       : strcmp(text_or(phase, ""), "push") == 0 ? TINT_PUSH
	                                                 : TINT_DIM;
}

static bool is_good(const char *outcome)
{
	return strcmp(text_or(outcome, ""), "succeeded") == 0;
}

/* ---- head and axis ---- */

static struct table *new_table(const struct view *v, const struct table_column *columns, size_t n,
                               unsigned indent)
{
	struct table *table = table_new(columns, n, indent, v->opt->width);
	if (!v->opt->utf8)
		table_ascii(table);
	return table;
}

/* What was copied, and what of it is not as the commit or as the caller's directory. */
static void put_workspace(const struct view *v)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT }, { NULL, TABLE_WRAP } };
	const struct facts_workspace *w = &v->facts->workspace;
	char text[RECORD_WORKSPACE_MAX];
	if (!w->at.seq)
		return;
	struct table *table = new_table(v, columns, ARRAY_LEN(columns), 0);
	record_workspace_text(w, text);
	table_row(table, (const char *const[]){ "workspace", text });
	for (size_t i = 0; w->notes && w->notes[i]; i++)
		table_row(table, (const char *const[]){ "", w->notes[i] });
	if (table_print(table, v->out) < 0)
		(void)fputs("workspace: no memory to draw it\n", v->out);
	table_free(table);
}

static void put_head(const struct view *v)
{
	const struct record_facts *f = v->facts;
	char took[32];
	(void)fprintf(v->out, "%sjob ", tint(v, TINT_BOLD));
	put(v, text_or(f->job, "?"), 60, false);
	(void)fprintf(v->out, "%s  %s", plain(v),
	              tint(v, is_good(f->status) ? TINT_GOOD : TINT_BAD));
	put(v, f->end.seq ? text_or(f->status, "ended") : "did not end", 30, false);
	(void)fprintf(v->out, "%s in %s\n", plain(v),
	              timeline_time((double)v->time.span_ns / 1e9, took));
	(void)fputs("run ", v->out);
	put(v, text_or(f->run, "?"), 60, false);
	(void)fputs("  started ", v->out);
	put(v, text_or(f->start_time, "?"), 40, false);
	(void)fputs("\npolicy ", v->out);
	put(v,
	    text_or(f->policy.path,
	            "none: every step is build, the gate is closed, no credentials"),
	    100, false);
	(void)fputc('\n', v->out);
	put_workspace(v);
	if (f->mode == FACTS_OBSERVED)
		(void)fprintf(
			v->out,
			"%sOBSERVED, NOT ENFORCED: what is marked ? would have been refused%s\n",
			tint(v, TINT_WARN), plain(v));
	for (size_t i = 0; i < f->n_jumps; i++)
		(void)fprintf(v->out,
		              "%sTHE HOST'S CLOCK WAS SET by %+.3f s before seq %" PRIu64
		              ": times of day before and behind it do not compare%s\n",
		              tint(v, TINT_WARN), (double)f->jumps[i].ms / 1000, f->jumps[i].at.seq,
		              plain(v));
	if (f->limited.at.seq)
		(void)fprintf(v->out,
		              "%sNOT ALL IS HERE: from seq %" PRIu64
		              " on connections and refusals were only counted (limits.record)%s\n",
		              tint(v, TINT_WARN), f->limited.at.seq, plain(v));
	if (f->end_why && *f->end_why) {
		(void)fputs("because ", v->out);
		put(v, f->end_why, 200, false);
		(void)fputc('\n', v->out);
	}
}

static size_t column_of(const struct view *v, int64_t ns)
{
	size_t at = (size_t)(timeline_share(&v->time, ns) * (double)v->bar);
	return at < v->bar ? at : v->bar - 1;
}

static void put_axis(const struct view *v)
{
	double ticks[TIMELINE_TICKS_MAX];
	char line[BAR_MAX + 40], text[32];
	size_t n = timeline_ticks(&v->time, v->bar / 12 + 1, ticks), free_from = 0;
	memset(line, ' ', sizeof(line));
	for (size_t i = 0; i < n; i++) {
		size_t at = column_of(v, v->time.first_ns + (int64_t)(ticks[i] * 1e9));
		size_t len = strlen(timeline_time(ticks[i], text));
		if (at < free_from || at + len > v->bar)
			continue;
		memcpy(line + at, text, len);
		free_from = at + len + 1;
	}
	(void)fprintf(v->out, "\n%*s%s%.*s%s\n", LEFT, "", tint(v, TINT_DIM), (int)v->bar, line,
	              plain(v));
}

/* ---- one step ---- */

static void put_bar(const struct view *v, const struct facts_step *s)
{
	size_t from = column_of(v, s->start.mono_ns),
	       to = column_of(v, timeline_step_end(&v->time, s));
	bool opened = s->gate.opened.seq && strcmp(text_or(s->gate.state, ""), "open") == 0;
	size_t open_from = opened ? column_of(v, s->gate.opened.mono_ns) : v->bar;
	size_t open_to = s->gate.closed.seq ? column_of(v, s->gate.closed.mono_ns) : to;
	(void)fprintf(v->out, "%*s%s", (int)from, "", tint(v, phase_tint(s->phase)));
	for (size_t i = from; i <= to; i++)
		(void)fputs(opened && i >= open_from && i <= open_to ? v->glyphs->open
		                                                     : v->glyphs->closed,
		            v->out);
	(void)fprintf(v->out, "%s%*s", plain(v), (int)(v->bar - to), "");
}

static void put_outcome(const struct view *v, const struct facts_step *s)
{
	char took[32];
	(void)fputs(tint(v, is_good(s->outcome) ? TINT_PLAIN : TINT_BAD), v->out);
	put(v, s->end.seq ? text_or(s->outcome, "ended") : "no end", 14, false);
	double sec = s->wall_sec >= 0
	                     ? s->wall_sec
	                     : (double)(timeline_step_end(&v->time, s) - s->start.mono_ns) / 1e9;
	(void)fprintf(v->out, "%s %s\n", plain(v), timeline_time(sec, took));
}

/* The strongest mark of a column is shown. False: there is none. */
static bool put_marks(const struct view *v, const struct timeline_mark *marks, size_t n)
{
	int best[BAR_MAX];
	bool any = false;
	for (size_t i = 0; i < v->bar; i++)
		best[i] = -1;
	for (size_t i = 0; i < n; i++) {
		size_t at = column_of(v, marks[i].ns);
		best[at] = best[at] > (int)marks[i].kind ? best[at] : (int)marks[i].kind;
		any = true;
	}
	for (size_t i = 0; any && i < v->bar; i++) {
		if (best[i] < 0)
			(void)fputc(' ', v->out);
		else
			(void)fprintf(v->out, "%s%s%s", tint(v, mark_tints[best[i]]),
			              v->glyphs->mark[best[i]], plain(v));
	}
	return any;
}

/* Below the step; LEFT columns, which have room for two sizes with their units, in ASCII too. */
static void put_bytes(const struct view *v, const struct timeline_totals *t)
{
	enum { INDENT = 1 };
	char in[16], out[16], text[60] = "";
	if (t->bytes_in || t->bytes_out)
		(void)snprintf(text, sizeof(text), "%s %s  %s %s", v->glyphs->in,
		               size_text((uint64_t)t->bytes_in, in), v->glyphs->out,
		               size_text((uint64_t)t->bytes_out, out));
	(void)fprintf(v->out, "%*s%s", INDENT, "", tint(v, TINT_DIM));
	put(v, text, LEFT - INDENT, true);
	(void)fputs(plain(v), v->out);
}

static void put_refused(const struct view *v, const struct timeline_totals *t)
{
	if (t->refused)
		(void)fprintf(v->out, " %s%" PRId64 " refused%s", tint(v, TINT_BAD), t->refused,
		              plain(v));
	if (t->refused && t->would) /* both do not fit beside each other */
		(void)fprintf(v->out, "\n%*s", (int)(LEFT + v->bar), "");
	if (t->would)
		(void)fprintf(v->out, " %s%" PRId64 " would be refused%s", tint(v, TINT_WARN),
		              t->would, plain(v));
	(void)fputc('\n', v->out);
}

static int put_step(const struct view *v, const struct facts_step *s, struct dd_err *err)
{
	struct timeline_mark *marks = NULL;
	size_t n = 0;
	const struct timeline_totals totals = timeline_totals(s);
	(void)fprintf(v->out, "%3" PRId64 " %s", s->index, tint(v, phase_tint(s->phase)));
	put(v, text_or(s->phase, "?"), 5, true);
	(void)fprintf(v->out, "%s ", plain(v));
	put(v, text_or(s->name, text_or(s->ref, "?")), NAME_WIDTH, true);
	(void)fputc(' ', v->out);
	put_bar(v, s);
	put_outcome(v, s);
	int r = timeline_marks(s, &marks, &n, err);
	if (r < 0)
		return r;
	if (n > 0 || totals.refused) {
		put_bytes(v, &totals);
		if (!put_marks(v, marks, n))
			(void)fprintf(v->out, "%*s", (int)v->bar, "");
		put_refused(v, &totals);
	}
	free(marks);
	return 0;
}

/* ---- what must not be overlooked ---- */

static const struct table_column group_columns[] = {
	{ NULL, TABLE_LEFT }, { NULL, TABLE_RIGHT }, { NULL, TABLE_WRAP }, { NULL, TABLE_WRAP }
};

/* Two rows: what was tried, and below it why not and who. */
static void add_group(const struct view *v, struct table *table, const struct record_group *g)
{
	const struct timeline_mark *m = &g->mark;
	char seq[32], times[40] = "", what[sizeof(m->what) + sizeof(times)];
	char why[600];
	(void)snprintf(seq, sizeof(seq), "%" PRIu64, m->seq);
	if (m->count > 1)
		(void)snprintf(times, sizeof(times), "  (%" PRId64 " times)", m->count);
	(void)snprintf(what, sizeof(what), "%s%s", m->what, times);
	(void)snprintf(why, sizeof(why), m->who[0] ? "%.200s; tried by %s" : "%.200s%s", m->why,
	               m->who);
	table_row(table, (const char *const[]){ v->glyphs->mark[m->kind], seq,
	                                        text_or(g->step->ref, "?"), what });
	table_tint(table, 0, tint(v, mark_tints[m->kind]));
	table_row(table, (const char *const[]){ "", "", "", why });
	table_tint(table, 3, tint(v, TINT_DIM));
}

static int print_table(const struct view *v, struct table *table, struct dd_err *err)
{
	int r = table_print(table, v->out);
	table_free(table);
	return r < 0 ? dd_err_set(err, -r, "draw the record") : 0;
}

static int put_groups(const struct view *v, struct dd_err *err)
{
	struct record_group *groups = NULL;
	size_t n = 0;
	int r = record_groups(v->facts, &groups, &n, err);
	if (r < 0)
		return r;
	struct table *table = new_table(v, group_columns, ARRAY_LEN(group_columns), 2);
	for (size_t i = 0; i < n; i++)
		add_group(v, table, &groups[i]);
	free(groups);
	if (n > 0)
		(void)fprintf(v->out, "\n%s%s%s\n", tint(v, TINT_BOLD),
		              v->facts->mode == FACTS_OBSERVED ? "refused, or would have been"
		                                               : "refused",
		              plain(v));
	r = print_table(v, table, err);
	if (n > 0) {
		(void)fputs("  drydock policy explain --seq N --record ", v->out);
		put(v, text_or(v->facts->path, "RECORD"), 200, false);
		(void)fputs("\n", v->out);
	}
	return r;
}

static const struct table_column reached_columns[] = {
	{ NULL, TABLE_LEFT },  { NULL, TABLE_WRAP },  { NULL, TABLE_WRAP },
	{ NULL, TABLE_RIGHT }, { NULL, TABLE_RIGHT }, { NULL, TABLE_RIGHT },
};

static void add_reached(const struct view *v, struct table *table, const char *ref,
                        const char *what, int64_t connections, int64_t bytes_in, int64_t bytes_out)
{
	char in[16], out[16], times[40], in_text[24], out_text[24];
	(void)snprintf(times, sizeof(times), "%" PRId64 " connection%s", connections,
	               connections == 1 ? "" : "s");
	(void)snprintf(in_text, sizeof(in_text), "%s in",
	               size_text(bytes_in > 0 ? (uint64_t)bytes_in : 0, in));
	(void)snprintf(out_text, sizeof(out_text), "%s out",
	               size_text(bytes_out > 0 ? (uint64_t)bytes_out : 0, out));
	table_row(table,
	          (const char *const[]){ v->glyphs->mark[TIMELINE_CONNECTED], text_or(ref, "?"),
	                                 what, times, in_text, out_text });
}

/* A receipt lists so many; that it does not list all is part of what it says (G-15). */
static void add_not_listed(const struct view *v, struct table *table, const struct facts_step *s)
{
	const struct facts_sums *d = &s->gate.not_listed;
	char text[60];
	if (d->destinations == 0)
		return;
	(void)snprintf(text, sizeof(text), "%" PRId64 " more, not listed", d->destinations);
	if (d->destinations < 0)
		table_row(table, (const char *const[]){
					 v->glyphs->mark[TIMELINE_CONNECTED], text_or(s->ref, "?"),
					 "perhaps more: this older record lists at most 256 "
					 "destinations",
					 "", "", "" });
	else
		add_reached(v, table, s->ref, text, d->connections, d->bytes_in, d->bytes_out);
}

static int put_receipts(const struct view *v, struct dd_err *err)
{
	struct table *table = new_table(v, reached_columns, ARRAY_LEN(reached_columns), 2);
	bool any = false;
	for (size_t i = 0; i < v->facts->n_steps; i++) {
		const struct facts_step *s = &v->facts->steps[i];
		for (size_t k = 0; k < s->gate.n_receipts; k++) {
			const struct facts_receipt *d = &s->gate.receipts[k];
			char where[280];
			if (d->connections <= 0)
				continue;
			any = true;
			(void)snprintf(where, sizeof(where), "%.256s:%u", text_or(d->host, "?"),
			               (unsigned)d->port);
			add_reached(v, table, s->ref, where, d->connections, d->bytes_in,
			            d->bytes_out);
		}
		any = any || s->gate.not_listed.destinations;
		add_not_listed(v, table, s);
	}
	if (any)
		(void)fprintf(v->out, "\n%sreached%s\n", tint(v, TINT_BOLD), plain(v));
	return print_table(v, table, err);
}

static void put_legend(const struct view *v)
{
	const struct glyphs *g = v->glyphs;
	(void)fprintf(
		v->out,
		"\n%s%s gate open  %s gate closed  %s connection  %s refused  %s violation%s%s%s\n",
		tint(v, TINT_DIM), g->open, g->closed, g->mark[TIMELINE_CONNECTED],
		g->mark[TIMELINE_REFUSED], g->mark[TIMELINE_VIOLATION],
		v->facts->mode == FACTS_OBSERVED ? "  " : "",
		v->facts->mode == FACTS_OBSERVED ? "? would refuse" : "", plain(v));
}

int record_show_timeline(const struct record_facts *facts, const struct record_view_options *opt,
                         FILE *out, struct dd_err *err)
{
	struct view v = { .facts = facts,
		          .opt = opt,
		          .glyphs = opt->utf8 ? &utf8_glyphs : &ascii_glyphs,
		          .time = timeline_of(facts),
		          .out = out };
	v.bar = (opt->width > LEFT + RIGHT + 8 ? opt->width - LEFT - RIGHT : 8);
	int r = 0;
	put_head(&v);
	put_axis(&v);
	for (size_t i = 0; r == 0 && i < facts->n_steps; i++)
		r = put_step(&v, &facts->steps[i], err);
	put_legend(&v);
	if (r == 0)
		r = put_groups(&v, err);
	if (r == 0)
		r = put_receipts(&v, err);
	if (r == 0)
		r = record_said_show(facts, opt, out, err);
	if (facts->torn_bytes)
		(void)fprintf(out,
		              "\n%sthe last line is torn: %" PRIu64
		              " bytes without an end of line%s\n",
		              tint(&v, TINT_BAD), facts->torn_bytes, plain(&v));
	return r;
}
