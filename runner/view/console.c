// SPDX-License-Identifier: Apache-2.0
/* console.c - prints the progress of a job and its summary.
 *
 * Runs in: supervisor and keeper, as their sink. Texts of steps and notes arrive masked and
 * escaped; what comes from a plan is the repository's or the policy's, and is escaped here.
 */
#include "console.h"

#include "base/size_text.h"
#include "base/text_escape.h"
#include "base/version.h"
#include "table.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum tint { TINT_PLAIN, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_BAD, TINT_WARN, TINT__COUNT };
static const char *const tint_codes[TINT__COUNT] = { "",         "\033[1m",  "\033[2m",
	                                             "\033[32m", "\033[31m", "\033[33m" };

enum { SHOWN_MAX = 120, NAME_MAX_SHOWN = 40, ATTEMPTS_MAX = 1000, LINES_BUFFER = 16384 };

/* What the summary says of one step. */
struct console_row {
	unsigned number;
	const struct grant *grant;
	bool written;
	enum dd_phase phase;
	enum step_outcome outcome;
	double wall_sec;
	size_t hosts;
	uint64_t in, out, refused, unreported;
	char name[TEXT_ESCAPE_MAX * NAME_MAX_SHOWN + 1];
};

struct console_attempt {
	unsigned number;
	bool would; /* let through by observe mode */
	struct step_refusal refusal;
};

static const char *tint(const struct console *c, enum tint t)
{
	return c->sink.colour ? tint_codes[t] : "";
}

static const char *plain(const struct console *c)
{
	return c->sink.colour ? "\033[0m" : "";
}

/* While a step has the caller's terminal, that adds no carriage return. */
static const char *eol(const struct console *c)
{
	return c->raw ? "\r\n" : "\n";
}

/* Text of others, shortened; valid until the next call. */
static const char *shown(const char *text, size_t max)
{
	static char out[TEXT_ESCAPE_MAX * 400 + 1];
	size_t len = strnlen(text, max < 400 ? max : 400);
	(void)text_escape(out, text, len);
	return out;
}

/* ---- notes ---- */

static void on_note(void *arg, const struct job_step *step, enum sink_level level, const char *text)
{
	const struct console *c = arg;
	(void)step;

	if (level == SINK_ERROR)
		(void)fprintf(c->err, "drydock: %s\n", text);
	else if (level == SINK_WARN)
		fprintf(c->out, "%sdrydock: %s%s%s", tint(c, TINT_WARN), text, plain(c), eol(c));
	else
		fprintf(c->out, "%sdrydock:%s %s%s", tint(c, TINT_DIM), plain(c), text, eol(c));
}

static const char observe_banner[] = "OBSERVE: nothing is enforced on the network towards public "
				     "addresses, nor by the system call profile. What would be "
				     "refused is let through and recorded.";

static bool is_one_file(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Loud on purpose: somebody who reads a green job must not believe that it was confined. Also on
 * standard error, where it is seen when the output goes to a file. */
static void observe_line(const struct console *c, const char *text)
{
	fprintf(c->out, "%sdrydock: %s%s\n", tint(c, TINT_WARN), text, plain(c));
	if (!is_one_file(STDOUT_FILENO, STDERR_FILENO)) /* one terminal, one file says it once */
		fprintf(c->err, "drydock: %s\n", text);
}

/* ---- begin ---- */

/* Names and notes hold words of the caller's directory and of its repository. */
static void print_escaped(const struct console *c, const char *text)
{
	enum { MOST = 400 };
	char shown[TEXT_ESCAPE_MAX * MOST + 1];
	(void)text_escape(shown, text, strnlen(text, MOST));
	fprintf(c->out, "%s", shown);
}

static void print_workspace(const struct console *c, const struct spec_workspace *w)
{
	if (!w)
		return;
	fprintf(c->out, "  workspace ");
	print_escaped(c, w->path);
	fprintf(c->out, ": %s\n", w->takes);
	for (size_t i = 0; i < w->n_notes; i++) {
		fprintf(c->out, "            ");
		print_escaped(c, w->notes[i]);
		fprintf(c->out, "\n");
	}
}

static void on_job_begins(void *arg, const struct sink_job *job)
{
	struct console *c = arg;
	const struct plan *plan = job->plan;

	c->plan = plan;
	c->observe = job->observe;
	if (job->observe)
		observe_line(c, observe_banner);
	fprintf(c->out, "%sdrydock %s%s  job %s", tint(c, TINT_BOLD), drydock_version(), plain(c),
	        shown(plan->spec->id, SHOWN_MAX));
	if (strcmp(plan->spec->name, plan->spec->id) != 0)
		fprintf(c->out, ": %s", shown(plan->spec->name, SHOWN_MAX));
	fprintf(c->out, " of ");
	fprintf(c->out, "%s  run %s\n", shown(plan->spec->source, 400), job->run);
	print_workspace(c, job->plan->spec->workspace);
	fprintf(c->out, "  policy    %s\n",
	        plan->policy_path
	                ? plan->policy_path
	                : "none: every step is build, the gate stays closed, no credentials");
	fprintf(c->out, "  trust     %s (%s)\n",
	        plan->trusted ? "protected" : "not trusted: no push, no credentials",
	        plan->trust_why);
	fprintf(c->out, "  identity  %s%s%s\n", identity_mode_name(job->id->mode),
	        job->id->note[0] ? ": " : "", job->id->note);
	fprintf(c->out, "  record    %s\n", job->record);
	if (job->observe)
		fprintf(c->out,
		        "  mode      %sobserve%s: private addresses, credentials, files and limits "
		        "as ever; the rest is let through\n",
		        tint(c, TINT_WARN), plain(c));
}

static void print_gate(const struct console *c, const struct egress_list *list)
{
	char size[16];

	if (c->observe)
		fprintf(c->out, "  gate      %sobserving%s: what follows is what enforcing gives\n",
		        tint(c, TINT_WARN), plain(c));
	if (list->n == 0) {
		fprintf(c->out, "  gate      closed: nothing leaves this step\n");
		return;
	}
	fprintf(c->out, "  gate      %sopen%s for", tint(c, TINT_WARN), plain(c));
	for (size_t i = 0; i < list->n && i < 8; i++) {
		const struct egress_entry *e = &list->entries[i];
		char addr[INET_ADDRSTRLEN];
		if (e->host)
			fprintf(c->out, "%s %s%s:%u", i ? "," : "", e->wildcard ? "*." : "",
			        e->host, (unsigned)e->port);
		else
			fprintf(c->out, "%s %s/%u:%u", i ? "," : "",
			        inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr)), e->prefix,
			        (unsigned)e->port);
	}
	if (list->n > 8)
		fprintf(c->out, " and %zu more", list->n - 8);
	fprintf(c->out, "; upload up to %s for each in the job\n",
	        size_text(list->job.upload_bytes, size));
}

static void on_step_begins(void *arg, const struct job_step *step)
{
	struct console *c = arg;

	c->raw = step->shell && step->shell->terminal;

	fprintf(c->out, "\n%s[%u/%zu] %s%s", tint(c, TINT_BOLD), step->grant->index,
	        c->plan->n_grants, step->shown, plain(c));
	if (!step->written)
		fprintf(c->out, "  of step %s", shown(step->grant->ref, SHOWN_MAX));
	fprintf(c->out, "  phase %s%s%s  (%s)\n", tint(c, TINT_BOLD), dd_phase_name(step->phase),
	        plain(c), shown(step->grant->phase_why, 400));
	print_gate(c, &step->terms->egress);
	for (size_t i = 0; i < step->n_leases; i++)
		fprintf(c->out, "  lease     %s as %s %s\n", step->leases[i].name,
		        lease_as_shown(step->leases[i].as), step->leases[i].target);
	if (step->phase == DD_PHASE_PUSH)
		fprintf(c->out, "  sees      %s workspace\n",
		        workspace_view_names[step->terms->view]);
}

/* ---- meanwhile ---- */

static void on_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	const struct console *c = arg;
	(void)step;

	fprintf(c->out, "%s  |%s %.*s\n", tint(c, TINT_DIM), plain(c), (int)line->coloured_len,
	        line->coloured);
}

static void on_refusal(void *arg, const struct job_step *step, const char *line)
{
	const struct console *c = arg;
	(void)step;

	fprintf(c->out, "%s%s  |%s %s%s", c->raw ? "\r\n" : "", tint(c, TINT_DIM), plain(c), line,
	        eol(c));
}

static void on_settle(void *arg)
{
	struct console *c = arg;
	printer_settle(&c->printer);
}

/* ---- end of a step ---- */

/* Room for one more; false: there is no memory, and the summary is shorter. */
static bool grow(void **items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return true;
	size_t more = *room ? 2 * *room : 16;
	void *bigger = reallocarray(*items, more, size);
	if (!bigger)
		return false;
	*items = bigger;
	*room = more;
	return true;
}

static void keep_attempts(struct console *c, unsigned number, const struct step_refusal *attempts,
                          size_t n, bool would)
{
	for (size_t i = 0; i < n; i++) {
		if (c->n_attempts == ATTEMPTS_MAX ||
		    !grow((void **)&c->attempts, c->n_attempts, &c->room_attempts,
		          sizeof(*c->attempts))) {
			c->untold += n - i;
			return;
		}
		c->attempts[c->n_attempts++] = (struct console_attempt){ .number = number,
			                                                 .would = would,
			                                                 .refusal = attempts[i] };
	}
}

static void keep(struct console *c, const struct job_step *step, const struct step_result *r)
{
	if (!grow((void **)&c->rows, c->n_rows, &c->room_rows, sizeof(*c->rows)))
		return;
	struct console_row *row = &c->rows[c->n_rows++];
	*row = (struct console_row){ .number = step->number,
		                     .grant = step->grant,
		                     .written = step->written,
		                     .phase = step->phase,
		                     .outcome = r->outcome,
		                     .wall_sec = r->wall_sec,
		                     .refused = r->refused,
		                     .unreported = r->unreported,
		                     .hosts = r->reached,
		                     .in = r->total.bytes_in,
		                     .out = r->total.bytes_out };
	(void)snprintf(row->name, sizeof(row->name), "%.*s", (int)sizeof(row->name) - 1,
	               step->shown);
	keep_attempts(c, step->number, r->refusals, r->n_refusals, false);
	keep_attempts(c, step->number, r->would, r->n_would, true);
}

static void on_step_ended(void *arg, const struct job_step *step, const struct step_result *r)
{
	struct console *c = arg;
	bool good = r->outcome == STEP_SUCCEEDED;

	c->raw = false;
	char in[16], out[16], detail[32] = "";

	if (r->outcome == STEP_FAILED && r->signal)
		(void)snprintf(detail, sizeof(detail), " by signal %d", r->signal);
	else if (r->outcome == STEP_FAILED)
		(void)snprintf(detail, sizeof(detail), " with exit code %d", r->exit_code);
	fprintf(c->out, "  %s%s%s%s in %.2f s", tint(c, good ? TINT_GOOD : TINT_BAD),
	        step_outcome_names[r->outcome], detail, plain(c), r->wall_sec);
	if (r->refused)
		fprintf(c->out, ", %s%llu refused%s", tint(c, TINT_WARN),
		        (unsigned long long)r->refused, plain(c));
	if (r->would_refuse)
		fprintf(c->out, ", %s%llu would have been refused%s", tint(c, TINT_WARN),
		        (unsigned long long)r->would_refuse, plain(c));
	fprintf(c->out, "; gate closed%s\n", r->gate_verified ? " and read back" : "");
	for (size_t i = 0; i < r->n_destinations; i++) {
		const struct step_destination *d = &r->destinations[i];
		if (d->connections)
			fprintf(c->out, "  reached   %s:%u  %llu connection%s  %s in  %s out\n",
			        d->host, (unsigned)d->port, (unsigned long long)d->connections,
			        d->connections == 1 ? "" : "s", size_text(d->bytes_in, in),
			        size_text(d->bytes_out, out));
	}
	if (r->all_destinations > r->n_destinations)
		fprintf(c->out,
		        "  reached   %zu more, not listed: %llu connections  %s in  %s out\n",
		        r->all_destinations - r->n_destinations,
		        (unsigned long long)r->cut.connections, size_text(r->cut.bytes_in, in),
		        size_text(r->cut.bytes_out, out));
	if (r->message[0])
		fprintf(c->out, "  %sbecause%s   %s\n", tint(c, TINT_BAD), plain(c), r->message);
	keep(c, step, r);
}

/* ---- end of the job ---- */

static const struct table_column summary_columns[] = {
	{ "#", TABLE_RIGHT },    { "phase", TABLE_LEFT },    { "result", TABLE_LEFT },
	{ "time", TABLE_RIGHT }, { "hosts", TABLE_RIGHT },   { "in", TABLE_RIGHT },
	{ "out", TABLE_RIGHT },  { "refused", TABLE_RIGHT }, { "step", TABLE_WRAP },
};

static void summary_row(struct table *table, const struct console_row *row)
{
	char number[16], took[32], hosts[24], in[16], out[16], refused[24];

	(void)snprintf(number, sizeof(number), "%u", row->number);
	(void)snprintf(took, sizeof(took), "%.2f s", row->wall_sec);
	(void)snprintf(hosts, sizeof(hosts), "%zu", row->hosts);
	(void)snprintf(refused, sizeof(refused), "%llu", (unsigned long long)row->refused);
	table_row(table, (const char *const[]){ number, dd_phase_name(row->phase),
	                                        step_outcome_names[row->outcome], took, hosts,
	                                        size_text(row->in, in), size_text(row->out, out),
	                                        refused, row->name });
}

static bool had_a_turn(const struct console *c, const struct grant *grant)
{
	for (size_t i = 0; i < c->n_rows; i++)
		if (c->rows[i].grant == grant && c->rows[i].written)
			return true;
	return false;
}

/* The written steps from @at on and before the one with @index that had no turn. Returns where the
 * next call goes on. */
static size_t summary_skipped(struct table *table, const struct console *c, const struct plan *plan,
                              size_t at, unsigned index)
{
	for (; at < plan->n_grants && plan->grants[at].index < index; at++) {
		const struct grant *grant = &plan->grants[at];
		if (had_a_turn(c, grant))
			continue;
		struct console_row row = { .number = grant->index, .phase = grant->phase };
		(void)snprintf(row.name, sizeof(row.name), "%.*s", (int)sizeof(row.name) - 1,
		               shown(grant->name, NAME_MAX_SHOWN));
		summary_row(table, &row);
	}
	return at;
}

static void summary(const struct console *c, const struct plan *plan)
{
	struct table *table = table_new(summary_columns, ARRAY_LEN(summary_columns), 2,
	                                view_width());
	size_t at = 0;

	for (size_t i = 0; i < c->n_rows; i++) {
		at = summary_skipped(table, c, plan, at, c->rows[i].number);
		summary_row(table, &c->rows[i]);
	}
	(void)summary_skipped(table, c, plan, at, UINT_MAX);
	if (table_print(table, c->out) < 0)
		fprintf(c->out, "  no memory for the table of its steps: they are in the record\n");
	table_free(table);
}

static const struct table_column attempt_columns[] = {
	{ NULL, TABLE_LEFT }, { NULL, TABLE_WRAP }, { NULL, TABLE_RIGHT }, { NULL, TABLE_WRAP }
};

static void attempt_row(const struct console *c, struct table *table,
                        const struct console_attempt *a)
{
	char step[24], count[24], why[sizeof(a->refusal.why) + sizeof(a->refusal.process) + 16];

	(void)snprintf(step, sizeof(step), "step %u", a->number);
	(void)snprintf(count, sizeof(count), "%llux", (unsigned long long)a->refusal.count);
	(void)snprintf(why, sizeof(why), "%s%s%s", a->refusal.why,
	               a->refusal.process[0] ? "; tried by " : "", a->refusal.process);
	table_row(table, (const char *const[]){ step, a->refusal.what, count, why });
	table_tint(table, 1, tint(c, TINT_WARN));
}

static void summary_attempts(const struct console *c, bool would, const char *head)
{
	struct table *table = table_new(attempt_columns, ARRAY_LEN(attempt_columns), 6,
	                                view_width());
	bool any = false;

	for (size_t i = 0; i < c->n_attempts; i++)
		if (c->attempts[i].would == would) {
			attempt_row(c, table, &c->attempts[i]);
			any = true;
		}
	for (size_t i = 0; !would && i < c->n_rows; i++) {
		char step[24], text[100];
		if (!c->rows[i].unreported)
			continue;
		any = true;
		(void)snprintf(step, sizeof(step), "step %u", c->rows[i].number);
		(void)snprintf(text, sizeof(text),
		               "and %llu more that were counted, not told one by one",
		               (unsigned long long)c->rows[i].unreported);
		table_row(table, (const char *const[]){ step, "", "", text });
	}
	if (any)
		fprintf(c->out, "  %s:\n", head);
	if (table_print(table, c->out) < 0)
		fprintf(c->out, "      no memory for the table: they are in the record\n");
	table_free(table);
}

/* As one word of a shell. */
static void print_word(const struct console *c, const char *dir, const char *step, const char *more)
{
	char path[1024];
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._+-";

	(void)snprintf(path, sizeof(path), "%s%s%s%s", dir, step ? "/" : "", step ? step : "",
	               more);
	if (path[strspn(path, plain)] == '\0') {
		fprintf(c->out, "%s", path);
		return;
	}
	(void)fputc('\'', c->out);
	for (const char *p = path; *p; p++)
		fprintf(c->out, *p == '\'' ? "'\\''" : "%c", *p);
	(void)fputc('\'', c->out);
}

/* Nobody but the caller may read it, and all of it is the caller's to remove. */
static void print_kept(const struct console *c, const struct sink_end *end)
{
	fprintf(c->out, "  kept:   %s\n          look     cat ", shown(end->kept, 400));
	print_word(c, end->kept, end->kept_step, "/about");
	fprintf(c->out,
	        "   # beside it: log, script, environment, and the trees\n          go in    cd ");
	print_word(c, end->kept, end->kept_step, "/work");
	fprintf(c->out,
	        "   # no sandbox: run nothing of it there; the same run with --shell %s opens one\n"
	        "          remove   rm -rf ",
	        shown(end->kept_step, JOB_STEP_NAME_MAX));
	print_word(c, end->kept, NULL, "");
	fprintf(c->out, "\n");
}

static void on_job_ended(void *arg, const struct sink_end *end)
{
	struct console *c = arg;
	char text[700];

	c->printer.last_words = true;
	fprintf(c->out, "\n%sjob %s: %s%s\n", tint(c, TINT_BOLD),
	        shown(end->plan->spec->id, SHOWN_MAX), end->status, plain(c));
	summary(c, end->plan);
	summary_attempts(c, false, "refused");
	summary_attempts(c, true, "would have been refused");
	if (c->untold)
		fprintf(c->out, "      and %zu more kinds, in the record\n", c->untold);
	fprintf(c->out, "  record: %s\n  head:   %s\n  logs:   %s\n", end->record, end->head,
	        end->logs);
	if (end->kept)
		print_kept(c, end);
	(void)snprintf(
		text, sizeof(text),
		"OBSERVE: this run of job %.480s enforced nothing on the network towards public "
		"addresses, nor by the system call "
		"profile; %llu attempts would have been refused",
		shown(end->plan->spec->id, SHOWN_MAX), (unsigned long long)end->would_refuse);
	if (end->observe)
		observe_line(c, text);
}

/* ---- life ---- */

/* Whole lines where there is a prefix: those of several jobs come side by side. */
static void put_prefixed(struct console *c, int fd, const char *text, size_t len)
{
	enum { PIECE = 8192 };
	bool *inside = &c->inside[fd == STDERR_FILENO];
	char line[PIECE + sizeof(c->prefix)];
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;
		size_t lead = *inside ? 0 : strlen(c->prefix);
		n = n < PIECE ? n : PIECE;
		memcpy(line, c->prefix, lead);
		memcpy(line + lead, text, n);
		printer_put(&c->printer, fd, line, lead + n);
		*inside = text[n - 1] != '\n';
		text += n;
		len -= n;
	}
}

static ssize_t put_to(struct console *c, int fd, const char *text, size_t len)
{
	if (c->prefix[0])
		put_prefixed(c, fd, text, len);
	else
		printer_put(&c->printer, fd, text, len);
	return (ssize_t)len;
}

static ssize_t put_out(void *arg, const char *text, size_t len)
{
	return put_to(arg, STDOUT_FILENO, text, len);
}

static ssize_t put_err(void *arg, const char *text, size_t len)
{
	return put_to(arg, STDERR_FILENO, text, len);
}

/* Lines go out as they happen: what a process that ends at once had not flushed would be lost. */
static FILE *open_lines(struct console *c, ssize_t (*put)(void *, const char *, size_t))
{
	FILE *f = fopencookie(c, "w", (cookie_io_functions_t){ .write = put });
	if (f)
		(void)setvbuf(f, NULL, _IOLBF, LINES_BUFFER);
	return f;
}

/* "[test (18)] ", cut where it would push the lines away. */
static void make_prefix(struct console *c, const char *name)
{
	enum { MOST = 30 };
	char fit[TEXT_ESCAPE_MAX * MOST + 1];
	size_t len = strnlen(name, MOST + 1);
	(void)text_escape(fit, name, len > MOST ? MOST : len);
	(void)snprintf(c->prefix, sizeof(c->prefix), "[%.40s%s] ", fit, len > MOST ? "..." : "");
}

const struct job_sink *console_sink(struct console *c, const char *prefix)
{
	const char *no = getenv("NO_COLOR");

	*c = (struct console){ .sink = { .colour = isatty(STDOUT_FILENO) && !(no && *no),
		                         .job_begins = on_job_begins,
		                         .step_begins = on_step_begins,
		                         .line = on_line,
		                         .note = on_note,
		                         .refusal = on_refusal,
		                         .step_ended = on_step_ended,
		                         .job_ended = on_job_ended,
		                         .settle = on_settle } };
	c->sink.arg = c;
	if (prefix)
		make_prefix(c, prefix);
	(void)fflush(stdout); /* what was said before comes before */
	printer_start(&c->printer);
	c->out = open_lines(c, put_out);
	c->err = open_lines(c, put_err);
	if (c->out && c->err)
		return &c->sink;
	console_done(c);
	return NULL;
}

void console_done(struct console *c)
{
	if (c->out)
		(void)fclose(c->out);
	if (c->err)
		(void)fclose(c->err);
	printer_end(&c->printer);
	free(c->rows);
	free(c->attempts);
	*c = (struct console){ .printer = { .fd = -1 } };
}
