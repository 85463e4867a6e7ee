// SPDX-License-Identifier: Apache-2.0
/* record_view.h - the ways to look at a record: a timeline for a terminal, one page for a browser,
 * and every event. Command line only.
 *
 * Every byte of a record was chosen by somebody else; nothing of it reaches the output unescaped.
 */
#ifndef RUNNER_RECORD_VIEW_H
#define RUNNER_RECORD_VIEW_H

#include "record/record_facts.h"
#include "timeline.h"

#include <stdio.h>

struct record_view_options {
	unsigned width; /* columns, 60 to 200 */
	bool colour;    /* a terminal that wants it */
	bool utf8;
};

/* From the terminal behind standard output, NO_COLOR and the locale's variables. */
struct record_view_options record_view_options(void);
/* record_show.c */
int record_show_timeline(const struct record_facts *facts, const struct record_view_options *opt,
                         FILE *out, struct dd_err *err);
/* record_said.c: what front ends say of steps, as sections of the same picture. */
int record_said_show(const struct record_facts *facts, const struct record_view_options *opt,
                     FILE *out, struct dd_err *err);
/* "src/a.c:3:5", as far as it is known; empty where it names no file. */
enum { RECORD_PLACE_MAX = 600 };
void record_place_text(const struct facts_annotation *a, char ret[RECORD_PLACE_MAX]);
/* record_report.c: -EIO when it could not be written. */
int record_report_html(const struct record_facts *facts, FILE *out, struct dd_err *err);

/* record_group.c: the marks of a whole run that a reader must not overlook, equal ones of a step
 * together. The caller frees. */
/* What the workspace was copied from, as one sentence. */
enum { RECORD_WORKSPACE_MAX = 1000 };
void record_workspace_text(const struct facts_workspace *w, char ret[RECORD_WORKSPACE_MAX]);

struct record_group {
	const struct facts_step *step;
	struct timeline_mark mark; /* of the first; its count is that of all */
};
int record_groups(const struct record_facts *facts, struct record_group **ret, size_t *ret_n,
                  struct dd_err *err);

#endif
