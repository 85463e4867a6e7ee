// SPDX-License-Identifier: Apache-2.0
/* timeline.c - the arithmetic of a timeline: one axis, round ticks, marks and sums. Pure; texts
 * stay as hostile as they were. */
#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reach(struct timeline *t, const struct facts_at *at, int64_t *last)
{
	if (at->seq && at->mono_ns > *last)
		*last = at->mono_ns;
	if (at->seq && at->mono_ns < t->first_ns)
		t->first_ns = at->mono_ns;
}

struct timeline timeline_of(const struct record_facts *f)
{
	struct timeline t = { .first_ns = f->start.mono_ns };
	int64_t last = f->start.mono_ns;
	reach(&t, &f->end, &last);
	for (size_t i = 0; i < f->n_steps; i++) {
		const struct facts_step *s = &f->steps[i];
		reach(&t, &s->start, &last);
		reach(&t, &s->gate.opened, &last);
		reach(&t, &s->gate.closed, &last);
		reach(&t, &s->end, &last);
		for (size_t k = 0; k < s->n_net; k++)
			reach(&t, &s->net[k].at, &last);
		for (size_t k = 0; k < s->n_violations; k++)
			reach(&t, &s->violations[k].at, &last);
	}
	/* A record is foreign: its clock may say anything. */
	if (__builtin_sub_overflow(last, t.first_ns, &t.span_ns) || t.span_ns < 1)
		t.span_ns = 1;
	return t;
}

double timeline_share(const struct timeline *t, int64_t ns)
{
	double share = ((double)ns - (double)t->first_ns) / (double)t->span_ns;
	return share < 0 ? 0 : share > 1 ? 1 : share;
}

int64_t timeline_step_end(const struct timeline *t, const struct facts_step *step)
{
	return step->end.seq ? step->end.mono_ns : t->first_ns + t->span_ns;
}

/* ---- ticks ---- */

static const double tick_steps[] = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,  0.1,   0.2,  0.5,
	                             1,     2,     5,     10,   15,   30,    60,    120,  300,
	                             600,   900,   1800,  3600, 7200, 14400, 43200, 86400 };

size_t timeline_ticks(const struct timeline *t, size_t max, double ret[TIMELINE_TICKS_MAX])
{
	double span = (double)t->span_ns / 1e9, step = span;
	if (max > TIMELINE_TICKS_MAX)
		max = TIMELINE_TICKS_MAX;
	if (max == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(tick_steps); i++)
		if (span / tick_steps[i] < (double)max) {
			step = tick_steps[i];
			break;
		}
	size_t n = 0;
	while (n < max && step * (double)n <= span) {
		ret[n] = step * (double)n;
		n++;
	}
	return n;
}

const char *timeline_time(double sec, char buf[32])
{
	if (sec < 0)
		(void)snprintf(buf, 32, "?");
	else if (sec < 0.0005)
		(void)snprintf(buf, 32, "0 s");
	else if (sec < 0.9995)
		(void)snprintf(buf, 32, "%.0f ms", sec * 1000);
	else if (sec < 10)
		(void)snprintf(buf, 32, "%.3g s", sec);
	else if (sec < 120)
		(void)snprintf(buf, 32, "%.0f s", sec);
	else if (sec < 7200)
		(void)snprintf(buf, 32, (long)sec % 60 ? "%ld min %ld s" : "%ld min",
		               (long)sec / 60, (long)sec % 60);
	else if (sec < 1e9)
		(void)snprintf(buf, 32, "%ld h %ld min", (long)sec / 3600, (long)sec % 3600 / 60);
	else
		(void)snprintf(buf, 32, "very long");
	return buf;
}

/* ---- marks ---- */

static void name_process(const struct facts_process *p, struct timeline_mark *m)
{
	if (p->known && p->exe && *p->exe)
		(void)snprintf(m->who, sizeof(m->who),
		               p->argv && *p->argv ? "%.80s (%.200s)" : "%.80s", p->exe,
		               p->argv ? p->argv : "");
}

static void mark_net(const struct facts_net *n, struct timeline_mark *m)
{
	bool query = n->kind == FACTS_RESOLVED || n->kind == FACTS_NAME_REFUSED;
	bool refused = (n->kind == FACTS_REFUSED || n->kind == FACTS_NAME_REFUSED) &&
	               !n->would_deny;
	const char *where = n->host && *n->host ? n->host : n->address ? n->address : "?";
	*m = (struct timeline_mark){ .kind = refused         ? TIMELINE_REFUSED
		                             : n->would_deny ? TIMELINE_WOULD
		                                             : TIMELINE_CONNECTED,
		                     .seq = n->at.seq,
		                     .ns = n->at.mono_ns,
		                     .count = n->count > 0 ? n->count : 1,
		                     .why = n->why ? n->why : "" };
	if (query)
		(void)snprintf(m->what, sizeof(m->what), "name %.300s", where);
	else
		(void)snprintf(m->what, sizeof(m->what),
		               strchr(where, ':') ? "%.8s [%.300s]:%u" : "%.8s %.300s:%u",
		               n->proto ? n->proto : "tcp", where, (unsigned)n->port);
	name_process(&n->process, m);
}

static void mark_violation(const struct facts_violation *v, struct timeline_mark *m)
{
	/* "none: observing" */
	bool went_on = v->consequence && strncmp(v->consequence, "none", 4) == 0;
	*m = (struct timeline_mark){ .kind = went_on ? TIMELINE_WOULD : TIMELINE_VIOLATION,
		                     .seq = v->at.seq,
		                     .ns = v->at.mono_ns,
		                     .count = 1,
		                     .why = v->why      ? v->why
		                            : v->change ? v->change
		                                        : "" };
	(void)snprintf(m->what, sizeof(m->what), v->port ? "%.40s %.250s:%u" : "%.40s %.250s%.0u",
	               v->kind ? v->kind : "violation", v->subject ? v->subject : "",
	               (unsigned)v->port);
}

static void mark_call(const struct facts_syscall *c, struct timeline_mark *m)
{
	bool went_on = c->answer && strcmp(c->answer, "continued") == 0;
	*m = (struct timeline_mark){ .kind = went_on ? TIMELINE_WOULD : TIMELINE_REFUSED,
		                     .seq = c->at.seq,
		                     .ns = c->at.mono_ns,
		                     .count = c->count > 0 ? c->count : 1,
		                     .why = c->answer ? c->answer : "" };
	(void)snprintf(m->what, sizeof(m->what), "system call %.60s%s%.100s",
	               c->name ? c->name : "?", c->detail ? " " : "", c->detail ? c->detail : "");
	name_process(&c->process, m);
}

static int by_seq(const void *a, const void *b)
{
	const struct timeline_mark *x = a, *y = b;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

int timeline_marks(const struct facts_step *step, struct timeline_mark **ret, size_t *ret_n,
                   struct dd_err *err)
{
	size_t all = step->n_net + step->n_violations + step->n_calls, n = 0;
	*ret = NULL;
	*ret_n = 0;
	if (all == 0)
		return 0;
	struct timeline_mark *marks = calloc(all, sizeof(*marks));
	if (!marks)
		return dd_err_set(err, ENOMEM, "draw the record");
	for (size_t i = 0; i < step->n_net; i++)
		if (step->net[i].kind != FACTS_RESOLVED || step->net[i].would_deny)
			mark_net(&step->net[i], &marks[n++]);
	for (size_t i = 0; i < step->n_violations; i++)
		mark_violation(&step->violations[i], &marks[n++]);
	for (size_t i = 0; i < step->n_calls; i++)
		mark_call(&step->calls[i], &marks[n++]);
	qsort(marks, n, sizeof(*marks), by_seq);
	*ret = marks;
	*ret_n = n;
	return 0;
}

/* ---- sums ---- */

static void sum(int64_t *to, int64_t what)
{
	if (what > 0 && __builtin_add_overflow(*to, what, to))
		*to = INT64_MAX;
}

struct timeline_totals timeline_totals(const struct facts_step *step)
{
	struct timeline_totals t = { .known = step->gate.closed.seq != 0 };
	sum(&t.bytes_in, step->gate.total.bytes_in);
	sum(&t.bytes_out, step->gate.total.bytes_out);
	sum(&t.connections, step->gate.total.connections);
	for (size_t i = 0; i < step->n_net; i++) {
		const struct facts_net *n = &step->net[i];
		int64_t count = n->count > 0 ? n->count : 1;
		if (n->would_deny)
			sum(&t.would, count);
		else if (n->kind == FACTS_REFUSED || n->kind == FACTS_NAME_REFUSED)
			sum(&t.refused, count);
	}
	if (step->refused > t.refused) /* the kernel counted more than was told one by one */
		t.refused = step->refused;
	return t;
}
