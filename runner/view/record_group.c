// SPDX-License-Identifier: Apache-2.0
/* record_group.c - what was refused, would have been, or was a violation: one row for each kind of
 * attempt of each step. Pure. */
#include "record_view.h"

#include <stdlib.h>
#include <string.h>

struct groups {
	struct record_group *rows;
	size_t n, cap;
};

static int push(struct groups *g, const struct record_group *row, struct dd_err *err)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct record_group *rows = reallocarray(g->rows, cap, sizeof(*rows));
		if (!rows)
			return dd_err_set(err, ENOMEM, "list what was refused");
		g->rows = rows;
		g->cap = cap;
	}
	g->rows[g->n++] = *row;
	return 0;
}

/* The rows of one step begin at @from. */
static struct record_group *find(const struct groups *g, size_t from, const struct timeline_mark *m)
{
	for (size_t i = from; i < g->n; i++)
		if (g->rows[i].mark.kind == m->kind && strcmp(g->rows[i].mark.what, m->what) == 0 &&
		    strcmp(g->rows[i].mark.why, m->why) == 0)
			return &g->rows[i];
	return NULL;
}

static int add_step(struct groups *g, const struct facts_step *step, struct dd_err *err)
{
	struct timeline_mark *marks = NULL;
	size_t n = 0, from = g->n;
	int r = timeline_marks(step, &marks, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (marks[i].kind == TIMELINE_CONNECTED)
			continue;
		struct record_group *same = find(g, from, &marks[i]);
		if (!same)
			r = push(g, &(struct record_group){ .step = step, .mark = marks[i] }, err);
		else if (__builtin_add_overflow(same->mark.count, marks[i].count,
		                                &same->mark.count))
			same->mark.count = INT64_MAX;
	}
	free(marks);
	return r;
}

int record_groups(const struct record_facts *facts, struct record_group **ret, size_t *ret_n,
                  struct dd_err *err)
{
	struct groups g = { .rows = NULL };
	int r = 0;
	for (size_t i = 0; r == 0 && i < facts->n_steps; i++)
		r = add_step(&g, &facts->steps[i], err);
	if (r < 0) {
		free(g.rows);
		return r;
	}
	*ret = g.rows;
	*ret_n = g.n;
	return 0;
}
