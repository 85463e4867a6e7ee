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

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum tint { TINT_PLAIN, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_BAD, TINT_WARN, TINT__COUNT };
static const char *const tint_codes[TINT__COUNT] = { "",         "\033[1m",  "\033[2m",
	                                             "\033[32m", "\033[31m", "\033[33m" };

enum { SHOWN_MAX = 120, NAME_MAX_SHOWN = 40, ATTEMPTS_MAX = 1000 };

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
		(void)fprintf(stderr, "drydock: %s\n", text);
	else if (level == SINK_WARN)
		printf("%sdrydock: %s%s\n", tint(c, TINT_WARN), text, plain(c));
	else
		printf("%sdrydock:%s %s\n", tint(c, TINT_DIM), plain(c), text);
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
	printf("%sdrydock: %s%s\n", tint(c, TINT_WARN), text, plain(c));
	if (!is_one_file(STDOUT_FILENO, STDERR_FILENO)) /* one terminal, one file says it once */
		fprintf(stderr, "drydock: %s\n", text);
}

/* ---- begin ---- */

/* Names and notes hold words of the caller's directory and of its repository. */
static void print_escaped(const char *text)
{
	enum { MOST = 400 };
	char shown[TEXT_ESCAPE_MAX * MOST + 1];
	(void)text_escape(shown, text, strnlen(text, MOST));
	printf("%s", shown);
}

static void print_workspace(const struct spec_workspace *w)
{
	if (!w)
		return;
	printf("  workspace ");
	print_escaped(w->path);
	printf(": %s\n", w->takes);
	for (size_t i = 0; i < w->n_notes; i++) {
		printf("            ");
		print_escaped(w->notes[i]);
		printf("\n");
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
	printf("%sdrydock %s%s  job %s of ", tint(c, TINT_BOLD), drydock_version(), plain(c),
	       shown(plan->spec->id, SHOWN_MAX));
	printf("%s  run %s\n", shown(plan->spec->source, 400), job->run);
	print_workspace(job->plan->spec->workspace);
	printf("  policy    %s\n",
	       plan->policy_path
	               ? plan->policy_path
	               : "none: every step is build, the gate stays closed, no credentials");
	printf("  trust     %s (%s)\n",
	       plan->trusted ? "protected" : "not trusted: no push, no credentials",
	       plan->trust_why);
	printf("  identity  %s%s%s\n", identity_mode_name(job->id->mode),
	       job->id->note[0] ? ": " : "", job->id->note);
	printf("  record    %s\n", job->record);
	if (job->observe)
		printf("  mode      %sobserve%s: private addresses, credentials, files and limits "
		       "as ever; the rest is let through\n",
		       tint(c, TINT_WARN), plain(c));
}

static void print_gate(const struct console *c, const struct egress_list *list)
{
	char size[16];

	if (c->observe)
		printf("  gate      %sobserving%s: what follows is what enforcing gives\n",
		       tint(c, TINT_WARN), plain(c));
	if (list->n == 0) {
		printf("  gate      closed: nothing leaves this step\n");
		return;
	}
	printf("  gate      %sopen%s for", tint(c, TINT_WARN), plain(c));
	for (size_t i = 0; i < list->n && i < 8; i++) {
		const struct egress_entry *e = &list->entries[i];
		char addr[INET_ADDRSTRLEN];
		if (e->host)
			printf("%s %s%s:%u", i ? "," : "", e->wildcard ? "*." : "", e->host,
			       (unsigned)e->port);
		else
			printf("%s %s/%u:%u", i ? "," : "",
			       inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr)), e->prefix,
			       (unsigned)e->port);
	}
	if (list->n > 8)
		printf(" and %zu more", list->n - 8);
	printf("; upload up to %s for each in the job\n", size_text(list->job.upload_bytes, size));
}

static void on_step_begins(void *arg, const struct job_step *step)
{
	const struct console *c = arg;

	printf("\n%s[%u/%zu] %s%s", tint(c, TINT_BOLD), step->grant->index, c->plan->n_grants,
	       step->shown, plain(c));
	if (!step->written)
		printf("  of step %s", shown(step->grant->ref, SHOWN_MAX));
	printf("  phase %s%s%s  (%s)\n", tint(c, TINT_BOLD), dd_phase_name(step->phase), plain(c),
	       shown(step->grant->phase_why, 400));
	print_gate(c, &step->terms->egress);
	for (size_t i = 0; i < step->n_leases; i++)
		printf("  lease     %s as %s %s\n", step->leases[i].name,
		       lease_as_shown(step->leases[i].as), step->leases[i].target);
	if (step->phase == DD_PHASE_PUSH)
		printf("  sees      %s workspace\n", workspace_view_names[step->terms->view]);
}

/* ---- meanwhile ---- */

static void on_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	const struct console *c = arg;
	(void)step;

	printf("%s  |%s %.*s\n", tint(c, TINT_DIM), plain(c), (int)line->coloured_len,
	       line->coloured);
}

static void on_refusal(void *arg, const struct job_step *step, const char *line)
{
	const struct console *c = arg;
	(void)step;

	printf("%s  |%s %s\n", tint(c, TINT_DIM), plain(c), line);
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
	char in[16], out[16], detail[32] = "";

	if (r->outcome == STEP_FAILED && r->signal)
		(void)snprintf(detail, sizeof(detail), " by signal %d", r->signal);
	else if (r->outcome == STEP_FAILED)
		(void)snprintf(detail, sizeof(detail), " with exit code %d", r->exit_code);
	printf("  %s%s%s%s in %.2f s", tint(c, good ? TINT_GOOD : TINT_BAD),
	       step_outcome_names[r->outcome], detail, plain(c), r->wall_sec);
	if (r->refused)
		printf(", %s%llu refused%s", tint(c, TINT_WARN), (unsigned long long)r->refused,
		       plain(c));
	if (r->would_refuse)
		printf(", %s%llu would have been refused%s", tint(c, TINT_WARN),
		       (unsigned long long)r->would_refuse, plain(c));
	printf("; gate closed%s\n", r->gate_verified ? " and read back" : "");
	for (size_t i = 0; i < r->n_destinations; i++) {
		const struct step_destination *d = &r->destinations[i];
		if (d->connections)
			printf("  reached   %s:%u  %llu connection%s  %s in  %s out\n", d->host,
			       (unsigned)d->port, (unsigned long long)d->connections,
			       d->connections == 1 ? "" : "s", size_text(d->bytes_in, in),
			       size_text(d->bytes_out, out));
	}
	if (r->all_destinations > r->n_destinations)
		printf("  reached   %zu more, not listed: %llu connections  %s in  %s out\n",
		       r->all_destinations - r->n_destinations,
		       (unsigned long long)r->cut.connections, size_text(r->cut.bytes_in, in),
		       size_text(r->cut.bytes_out, out));
	if (r->message[0])
		printf("  %sbecause%s   %s\n", tint(c, TINT_BAD), plain(c), r->message);
	keep(c, step, r);
}

/* ---- end of the job ---- */

static void summary_row(const struct console_row *row)
{
	char in[16], out[16];

	printf("  %2u  %-5s  %-14s %8.2f s  %5zu  %9s  %9s  %7llu  %.40s\n", row->number,
	       dd_phase_name(row->phase), step_outcome_names[row->outcome], row->wall_sec,
	       row->hosts, size_text(row->in, in), size_text(row->out, out),
	       (unsigned long long)row->refused, row->name);
}

/* The written steps that had no turn. */
static void summary_rest(const struct console *c, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_grants; i++) {
		const struct grant *grant = &plan->grants[i];
		bool ran = false;
		for (size_t k = 0; k < c->n_rows && !ran; k++)
			ran = c->rows[k].grant == grant && c->rows[k].written;
		if (ran)
			continue;
		struct console_row row = { .number = grant->index, .phase = grant->phase };
		(void)snprintf(row.name, sizeof(row.name), "%.*s", (int)sizeof(row.name) - 1,
		               shown(grant->name, NAME_MAX_SHOWN));
		summary_row(&row);
	}
}

static void summary_attempts(const struct console *c, bool would, const char *head)
{
	for (size_t i = 0; i < c->n_attempts; i++) {
		const struct step_refusal *f = &c->attempts[i].refusal;
		if (c->attempts[i].would != would)
			continue;
		if (head)
			printf("  %s:\n", head);
		head = NULL;
		printf("      step %u  %s%s%s  (%llux)  %s%s%s\n", c->attempts[i].number,
		       tint(c, TINT_WARN), f->what, plain(c), (unsigned long long)f->count, f->why,
		       f->process[0] ? "  tried by " : "", f->process);
	}
	for (size_t i = 0; !would && i < c->n_rows; i++)
		if (c->rows[i].unreported) {
			if (head)
				printf("  %s:\n", head);
			head = NULL;
			printf("      step %u  and %llu more that were counted, not told one by "
			       "one\n",
			       c->rows[i].number, (unsigned long long)c->rows[i].unreported);
		}
}

/* As one word of a shell. */
static void print_word(const char *dir, const char *step, const char *more)
{
	char path[1024];
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._+-";

	(void)snprintf(path, sizeof(path), "%s%s%s%s", dir, step ? "/" : "", step ? step : "",
	               more);
	if (path[strspn(path, plain)] == '\0') {
		printf("%s", path);
		return;
	}
	(void)putchar('\'');
	for (const char *p = path; *p; p++)
		printf(*p == '\'' ? "'\\''" : "%c", *p);
	(void)putchar('\'');
}

/* Nobody but the caller may read it, and all of it is the caller's to remove. */
static void print_kept(const struct sink_end *end)
{
	printf("  kept:   %s\n          look     cat ", shown(end->kept, 400));
	print_word(end->kept, end->kept_step, "/about");
	printf("   # beside it: log, script, environment, and the trees\n          go in    cd ");
	print_word(end->kept, end->kept_step, "/work");
	printf("   # no sandbox: look, and run nothing of it\n          remove   rm -rf ");
	print_word(end->kept, NULL, "");
	printf("\n");
}

static void on_job_ended(void *arg, const struct sink_end *end)
{
	struct console *c = arg;
	char text[700];

	printf("\n%sjob %s: %s%s\n", tint(c, TINT_BOLD), shown(end->plan->spec->id, SHOWN_MAX),
	       end->status, plain(c));
	printf("  #   phase  result             time   hosts         in        out  refused  "
	       "step\n");
	for (size_t i = 0; i < c->n_rows; i++)
		summary_row(&c->rows[i]);
	summary_rest(c, end->plan);
	summary_attempts(c, false, "refused");
	summary_attempts(c, true, "would have been refused");
	if (c->untold)
		printf("      and %zu more kinds, in the record\n", c->untold);
	printf("  record: %s\n  head:   %s\n  logs:   %s\n", end->record, end->head, end->logs);
	if (end->kept)
		print_kept(end);
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

const struct job_sink *console_sink(struct console *c)
{
	const char *no = getenv("NO_COLOR");

	*c = (struct console){ .sink = { .colour = isatty(STDOUT_FILENO) && !(no && *no),
		                         .job_begins = on_job_begins,
		                         .step_begins = on_step_begins,
		                         .line = on_line,
		                         .note = on_note,
		                         .refusal = on_refusal,
		                         .step_ended = on_step_ended,
		                         .job_ended = on_job_ended } };
	c->sink.arg = c;
	/* Lines appear as they happen, also in a file that somebody follows. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return &c->sink;
}

void console_done(struct console *c)
{
	free(c->rows);
	free(c->attempts);
	*c = (struct console){ .plan = NULL };
}
