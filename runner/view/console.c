// SPDX-License-Identifier: Apache-2.0
/* console.c - prints the progress of a job and its summary.
 *
 * Runs in: supervisor. No state but "is this a terminal".
 */
#include "console.h"

#include "base/text_escape.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum tint { TINT_PLAIN, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_BAD, TINT_WARN, TINT__COUNT };
static const char *const tint_codes[TINT__COUNT] = { "",         "\033[1m",  "\033[2m",
	                                             "\033[32m", "\033[31m", "\033[33m" };
static bool coloured;

const char *const step_outcome_names[STEP__OUTCOMES] = {
	[STEP_NOT_RUN] = "not run",     [STEP_SUCCEEDED] = "succeeded",
	[STEP_FAILED] = "failed",       [STEP_TIMED_OUT] = "timed out",
	[STEP_CANCELLED] = "cancelled", [STEP_OVER_LIMIT] = "over its limit",
	[STEP_REFUSED] = "refused",     [STEP_BROKEN] = "broken off",
};

void console_init(void)
{
	const char *no = getenv("NO_COLOR");
	coloured = isatty(STDOUT_FILENO) && !(no && *no);
	/* Lines appear as they happen, also in a file that somebody follows. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
}

bool console_is_coloured(void)
{
	return coloured;
}

static const char *tint(enum tint t)
{
	return coloured ? tint_codes[t] : "";
}

static const char *plain(void)
{
	return coloured ? "\033[0m" : "";
}

void console_note(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("%sdrydock:%s ", tint(TINT_DIM), plain());
	(void)vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void console_warn(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("%sdrydock: ", tint(TINT_WARN));
	(void)vprintf(fmt, ap);
	printf("%s\n", plain());
	va_end(ap);
}

const char *console_bytes(uint64_t bytes, char buf[16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(buf, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

static const char observe_banner[] = "OBSERVE: nothing is enforced on the network towards public "
				     "addresses, nor by the system call profile. What would be "
				     "refused is let through and recorded.";

/* Loud on purpose: somebody who reads a green job must not believe that it was confined. */
static void observe_line(const char *text)
{
	printf("%sdrydock: %s%s\n", tint(TINT_WARN), text, plain());
	if (!isatty(STDERR_FILENO) || !isatty(STDOUT_FILENO)) /* one terminal says it once */
		fprintf(stderr, "drydock: %s\n", text);
}

void console_observe_end(const struct plan *plan, uint64_t would_refuse)
{
	char text[700];

	(void)snprintf(text, sizeof(text),
	               "OBSERVE: this run of job %s enforced nothing on the network towards public "
	               "addresses, nor by the system call "
	               "profile; %llu attempts would have been refused",
	               plan->spec->id, (unsigned long long)would_refuse);
	observe_line(text);
}

void console_job_start(const struct plan *plan, const struct identity *id, const char *run,
                       const char *record, bool observe)
{
	if (observe)
		observe_line(observe_banner);
	printf("%sdrydock %s%s  job %s of %s  run %s\n", tint(TINT_BOLD), DRYDOCK_VERSION, plain(),
	       plan->spec->id, plan->spec->source, run);
	printf("  policy    %s\n",
	       plan->policy_path
	               ? plan->policy_path
	               : "none: every step is build, the gate stays closed, no credentials");
	printf("  trust     %s (%s)\n",
	       plan->trusted ? "protected" : "not trusted: no push, no credentials",
	       plan->trust_why);
	printf("  identity  %s%s%s\n", identity_mode_name(id->mode), id->note[0] ? ": " : "",
	       id->note);
	printf("  record    %s\n", record);
	if (observe)
		printf("  mode      %sobserve%s: private addresses, credentials, files and limits "
		       "as ever; the rest is let through\n",
		       tint(TINT_WARN), plain());
}

/* The name of a step comes from the repository: a terminal must not obey it. Valid until the next
 * call. */
static const char *shown_name(const struct grant *step)
{
	enum { SHOWN_MAX = 120 };
	static char text[TEXT_ESCAPE_MAX * SHOWN_MAX + 1];
	(void)text_escape(text, step->name, strnlen(step->name, SHOWN_MAX));
	return text;
}

static void print_gate(const struct grant *step, bool observe)
{
	if (observe)
		printf("  gate      %sobserving%s: what follows is what enforcing gives\n",
		       tint(TINT_WARN), plain());
	if (step->terms->egress.n == 0) {
		printf("  gate      closed: nothing leaves this step\n");
		return;
	}
	printf("  gate      %sopen%s for", tint(TINT_WARN), plain());
	for (size_t i = 0; i < step->terms->egress.n && i < 8; i++) {
		const struct egress_entry *e = &step->terms->egress.entries[i];
		char addr[INET_ADDRSTRLEN];
		if (e->host)
			printf("%s %s%s:%u", i ? "," : "", e->wildcard ? "*." : "", e->host,
			       (unsigned)e->port);
		else
			printf("%s %s/%u:%u", i ? "," : "",
			       inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr)), e->prefix,
			       (unsigned)e->port);
	}
	if (step->terms->egress.n > 8)
		printf(" and %zu more", step->terms->egress.n - 8);
	char size[16];
	printf("; upload up to %s for each in the job\n",
	       console_bytes(step->terms->egress.job.upload_bytes, size));
}

void console_step_start(const struct grant *step, size_t n_steps, bool observe)
{
	printf("\n%s[%u/%zu] %s%s  phase %s%s%s  (%s)\n", tint(TINT_BOLD), step->index, n_steps,
	       shown_name(step), plain(), tint(TINT_BOLD), dd_phase_name(step->phase), plain(),
	       step->phase_why);
	print_gate(step, observe);
	for (size_t i = 0; i < step->n_leases; i++)
		printf("  lease     %s as %s %s\n", step->leases[i].name,
		       step->leases[i].as == LEASE_AS_ENV ? "variable" : "file",
		       step->leases[i].target);
	if (step->phase == DD_PHASE_PUSH)
		printf("  sees      %s workspace\n", workspace_view_names[step->terms->view]);
}

void console_step_line(const char *line, size_t len)
{
	printf("%s  |%s %.*s\n", tint(TINT_DIM), plain(), (int)len, line);
}

void console_step_end(const struct step_result *r)
{
	bool good = r->outcome == STEP_SUCCEEDED;
	char in[16], out[16], detail[32] = "";

	if (r->outcome == STEP_FAILED && r->signal)
		(void)snprintf(detail, sizeof(detail), " by signal %d", r->signal);
	else if (r->outcome == STEP_FAILED)
		(void)snprintf(detail, sizeof(detail), " with exit code %d", r->exit_code);
	printf("  %s%s%s%s in %.2f s", tint(good ? TINT_GOOD : TINT_BAD),
	       step_outcome_names[r->outcome], detail, plain(), r->wall_sec);
	if (r->refused)
		printf(", %s%llu refused%s", tint(TINT_WARN), (unsigned long long)r->refused,
		       plain());
	if (r->would_refuse)
		printf(", %s%llu would have been refused%s", tint(TINT_WARN),
		       (unsigned long long)r->would_refuse, plain());
	printf("; gate closed%s\n", r->gate_verified ? " and read back" : "");
	for (size_t i = 0; i < r->n_destinations; i++) {
		const struct step_destination *d = &r->destinations[i];
		if (d->connections)
			printf("  reached   %s:%u  %llu connection%s  %s in  %s out\n", d->host,
			       (unsigned)d->port, (unsigned long long)d->connections,
			       d->connections == 1 ? "" : "s", console_bytes(d->bytes_in, in),
			       console_bytes(d->bytes_out, out));
	}
	if (r->all_destinations > r->n_destinations)
		printf("  reached   %zu more, not listed: %llu connections  %s in  %s out\n",
		       r->all_destinations - r->n_destinations,
		       (unsigned long long)r->cut.connections, console_bytes(r->cut.bytes_in, in),
		       console_bytes(r->cut.bytes_out, out));
	if (r->message[0])
		printf("  %sbecause%s   %s\n", tint(TINT_BAD), plain(), r->message);
}

static void summary_row(const struct step_result *r)
{
	char in_text[16], out_text[16];

	printf("  %2u  %-5s  %-14s %8.2f s  %5zu  %9s  %9s  %7llu  %.40s\n", r->step->index,
	       dd_phase_name(r->step->phase), step_outcome_names[r->outcome], r->wall_sec,
	       r->reached, console_bytes(r->total.bytes_in, in_text),
	       console_bytes(r->total.bytes_out, out_text), (unsigned long long)r->refused,
	       shown_name(r->step));
}

static void summary_attempts(const struct step_result *r, const struct step_refusal *attempts,
                             size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step_refusal *f = &attempts[i];
		printf("      step %u  %s%s%s  (%llux)  %s%s%s\n", r->step->index, tint(TINT_WARN),
		       f->what, plain(), (unsigned long long)f->count, f->why,
		       f->process[0] ? "  tried by " : "", f->process);
	}
}

static void summary_refusals(const struct step_result *r)
{
	summary_attempts(r, r->refusals, r->n_refusals);
	if (r->unreported)
		printf("      step %u  and %llu more that were counted, not told one by one\n",
		       r->step->index, (unsigned long long)r->unreported);
}

void console_summary(const struct plan *plan, const struct step_result *results, size_t n,
                     const char *status, const char *record, const char *logs)
{
	size_t refused = 0, would = 0;

	printf("\n%sjob %s: %s%s\n", tint(TINT_BOLD), plan->spec->id, status, plain());
	printf("  #   phase  result             time   hosts         in        out  refused  "
	       "step\n");
	for (size_t i = 0; i < n; i++) {
		summary_row(&results[i]);
		refused += results[i].refused > 0 || results[i].n_refusals > 0;
		would += results[i].n_would;
	}
	if (refused)
		printf("  refused:\n");
	for (size_t i = 0; i < n; i++)
		summary_refusals(&results[i]);
	if (would)
		printf("  would have been refused:\n");
	for (size_t i = 0; i < n; i++)
		summary_attempts(&results[i], results[i].would, results[i].n_would);
	printf("  record: %s\n  logs:   %s\n", record, logs);
}
