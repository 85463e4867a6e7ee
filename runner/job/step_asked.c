// SPDX-License-Identifier: Apache-2.0
/* step_asked.c - answers and counts the system calls that the step's filter refuses, and those that
 * it would have refused in observe mode.
 *
 * Runs in: supervisor. A step can ask without end, so the table is bounded, a turn is bounded, so
 * many questions are answered in a second and no more, and /proc is looked at once for each row, as
 * long as that is quick. The asking thread waits meanwhile: a flood costs the step, and neither
 * memory nor the supervisor's time.
 */
#include "step_asked.h"

#include "step_who.h"
#include "record/event_write.h"

#include "drydock/reason.h"

#include <stddef.h>

enum {
	TURN_MAX = 128,
	/* A question costs the supervisor some 4 us: a program that tries something refused now and
	   then never waits, and a flood takes a fifth of one processor. */
	CREDIT_MAX = 50000,
	CREDIT_PER_MS = 50,
};

void step_asked_begin(struct step_asked *a)
{
	memset(a, 0, offsetof(struct step_asked, rows));
}

int step_asked_wait(struct step_asked *a, int64_t now_ms)
{
	if (!a->credit_ms)
		a->credit = CREDIT_MAX;
	else
		a->credit += (double)(now_ms - a->credit_ms) * CREDIT_PER_MS;
	if (a->credit > CREDIT_MAX)
		a->credit = CREDIT_MAX;
	a->credit_ms = now_ms;
	/* a whole turn at a time, or the waiting would cost more than the answers */
	return a->credit >= TURN_MAX ? 0 : (int)((TURN_MAX - a->credit) / CREDIT_PER_MS) + 1;
}

static bool is_row(const struct step_asked_row *row, const struct sandbox_asked *q,
                   const char *detail)
{
	return row->nr == q->nr && row->answer == q->answer && strcmp(row->detail, detail) == 0;
}

/* The row of @q; a call with too many different details gets one row for the rest of them, and a
 * full table one for everything. */
static struct step_asked_row *asked_row_of(struct step_asked *a, const struct sandbox_asked *q)
{
	static const char others[] = "others";
	const char *detail = q->detail;
	size_t details = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (is_row(&a->rows[i], q, detail))
			return &a->rows[i];
		details += a->rows[i].nr == q->nr;
		if (details == STEP_ASKED_DETAILS && detail != others) {
			detail = others;
			i = (size_t)-1; /* again from the start, for the row of the rest */
			details = 0;
		}
	}
	if (a->n == STEP_ASKED_MAX)
		return &a->rows[STEP_ASKED_MAX - 1];
	struct step_asked_row *row = &a->rows[a->n++];
	*row = (struct step_asked_row){
		.nr = q->nr,
		.answer = q->answer,
		.never = q->never,
		.ends = q->ends,
		.told = q->answer && q->tell,
	};
	(void)snprintf(row->call, sizeof(row->call), "%s", q->call);
	(void)snprintf(row->detail, sizeof(row->detail), "%s", detail);
	if (a->n == STEP_ASKED_MAX)
		*row = (struct step_asked_row){ .nr = -1, .call = "others" };
	return row;
}

/* /proc shows whoever has the number now; only while the thread still waits for us is that the one
 * that asked. */
static void look_at(struct step_asked *a, struct step_asked_row *row, const struct sandbox *sb,
                    struct sandbox_asked *q, const struct job_step *step, struct mask *mask)
{
	struct process_hint who = { .pid = 0 };

	if (q->pid > 0)
		process_look_at(a->look, q->pid, &who);
	if (!sandbox_asked_waits(sb, q))
		return;
	q->ends_by_sigsys = who.sigsys_ends;
	if (row->count > 1)
		return;
	step_who_clean(step, mask, &who);
	row->who = who;
}

/* True once for each sentence. */
static bool is_news(struct step_asked *a, const char *sentence)
{
	for (size_t i = 0; i < a->n_told; i++)
		if (strcmp(a->told[i], sentence) == 0)
			return false;
	if (a->n_told == STEP_ASKED_TOLD_MAX)
		return false;
	a->told[a->n_told++] = sentence;
	return true;
}

/* One line in the step's own log about what was refused, in observe mode too where that is so. */
static void asked_tell(struct step_asked *a, const struct step_asked_row *row,
                       const struct sandbox_asked *q, const struct job_step *step)
{
	char line[1800], by[200];
	const char *file = a->policy ? a->policy : "a policy file (--policy; there is none now)";

	if (!q->answer || !q->tell || !a->tell || !is_news(a, q->tell))
		return;
	step_who_text(&row->who, by, sizeof(by));
	(void)snprintf(line, sizeof(line), "drydock: %s %s%s%s%s in phase %s%s%s: %s%s%s%s",
	               q->ends ? "ended a process for the system call" : "refused the system call",
	               row->call, row->detail[0] ? " (" : "", row->detail,
	               row->detail[0] ? ")" : "", dd_phase_name(step->phase),
	               by[0] ? ", tried by " : "", by, q->tell,
	               q->never ? "" : " (policy: ", q->never ? "" : file, q->never ? "" : ")");
	a->tell(a->tell_arg, line);
}

int step_asked_serve(struct step_asked *a, const struct sandbox *sb,
                     const struct seccomp_program *prog, const struct job_step *step,
                     struct mask *mask, struct dd_err *err)
{
	for (int i = 0; i < TURN_MAX; i++) {
		struct sandbox_asked q;
		int r = sandbox_asked_recv(sb, prog, &q, err);
		if (r == -EPIPE)
			a->over = true;
		if (r == 0 || r == -EPIPE)
			return 0;
		if (r < 0)
			return r;
		struct step_asked_row *row = asked_row_of(a, &q);
		a->credit--;
		row->count++;
		if (row->count == 1 || q.ends)
			look_at(a, row, sb, &q, step, mask);
		if (row->count == 1)
			asked_tell(a, row, &q, step);
		if ((r = sandbox_asked_answer(sb, &q, err)) < 0)
			return r;
	}
	return 0;
}

static enum dd_reason reason_of(const struct step_asked_row *row)
{
	bool unknown = row->call[0] >= '0' && row->call[0] <= '9';
	return row->ends     ? REASON_CALL_FOREIGN
	       : !row->never ? REASON_CALL_NOT_LISTED
	       : unknown     ? REASON_CALL_UNKNOWN
	                     : REASON_CALL_NEVER;
}

static void note(const struct step_asked_row *row, struct step_result *result)
{
	struct step_refusal *f;
	size_t *n = row->answer ? &result->n_refusals : &result->n_would;

	result->would_refuse += row->answer ? 0 : row->count;
	result->refused += row->told ? row->count : 0;
	if (*n == STEP_REFUSALS_MAX)
		return;
	f = row->answer ? &result->refusals[(*n)++] : &result->would[(*n)++];
	*f = (struct step_refusal){ .count = row->count };
	(void)snprintf(f->what, sizeof(f->what), "call %s%s%s", row->call,
	               row->detail[0] ? " " : "", row->detail);
	(void)snprintf(f->why, sizeof(f->why), "%s", dd_reason_row(reason_of(row))->sentence);
	step_who_text(&row->who, f->process, sizeof(f->process));
}

int step_asked_record(const struct step_asked *a, struct record *rec, const struct job_step *step,
                      struct step_result *result, struct dd_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n; i++) {
		const struct step_asked_row *row = &a->rows[i];
		const char *answer = row->ends     ? "SIGSYS"
		                     : row->answer ? strerrorname_np(row->answer)
		                                   : "continued";
		note(row, result);
		r = record_sys_deny(
			rec, step->ref, step->phase,
			&(struct facts_syscall){ .name = row->call,
		                                 .nr = row->nr,
		                                 .reason = reason_of(row),
		                                 .count = (int64_t)row->count,
		                                 .process = step_who_facts(&row->who),
		                                 .answer = answer ? answer : "?",
		                                 .detail = row->detail[0] ? row->detail : NULL },
			err);
	}
	return r;
}
