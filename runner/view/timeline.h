// SPDX-License-Identifier: Apache-2.0
/* timeline.h - where the events of a record lie on one axis, and what a step adds up to. Shared by
 * the terminal and the page. Pure. */
#ifndef RUNNER_TIMELINE_H
#define RUNNER_TIMELINE_H

#include "record/record_facts.h"

enum { TIMELINE_TICKS_MAX = 12 };

struct timeline {
	int64_t first_ns, span_ns; /* span is at least 1 */
};

struct timeline timeline_of(const struct record_facts *facts);
/* 0 to 1; what lies outside is moved to the end of the axis. */
double timeline_share(const struct timeline *t, int64_t ns);
/* When @step ended: its own end, or, without one, the last thing that is known of the run. */
int64_t timeline_step_end(const struct timeline *t, const struct facts_step *step);
/* At most @max round times (seconds since the start, first 0) that fit the span. Returns how many.
 */
size_t timeline_ticks(const struct timeline *t, size_t max, double ret[TIMELINE_TICKS_MAX]);
/* "1.5 s", "2 min", "1 h 5 min". */
const char *timeline_time(double sec, char buf[32]);

enum timeline_mark_kind {
	TIMELINE_CONNECTED = 0,
	TIMELINE_WOULD,
	TIMELINE_REFUSED,
	TIMELINE_VIOLATION,
	TIMELINE__MARKS
}; /* later ones matter more */

struct timeline_mark {
	enum timeline_mark_kind kind;
	uint64_t seq;
	int64_t ns;
	int64_t count;
	char what[360];  /* as it was written down: not escaped */
	const char *why; /* borrowed, never NULL */
	char who[300];   /* the process; may be empty */
};

/* Everything of @step that a reader wants to see on the axis, in order of the record; NULL when
 * there is nothing. The caller frees. -ENOMEM. */
int timeline_marks(const struct facts_step *step, struct timeline_mark **ret, size_t *ret_n,
                   struct dd_err *err);

struct timeline_totals {
	int64_t bytes_in, bytes_out, connections, refused, would;
	bool known; /* there was a receipt */
};
struct timeline_totals timeline_totals(const struct facts_step *step);

#endif
