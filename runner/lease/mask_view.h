// SPDX-License-Identifier: Apache-2.0
/* mask_view.h - a stream read as somebody would who undoes an encoding: hex without regard to case
 * and to what stands between the digits, base64 without the ends of its lines.
 *
 * A view has a reading of its own of the bytes in a stream's buffer, and knows of each character of
 * it where it came from. Forms of a kind are looked for in the reading of that kind. Two characters
 * are neighbours there also when between them stands
 *
 * - hex: one or two of colon, blank, hyphen;
 * - both: the end of a line that has at least so many characters of the kind at its end as a tool
 *   writes to one (in hex, those three may stand between them), with the blanks that begin the
 *   next: at most VIEW_GAP_MAX bytes.
 *
 * All of that is decided by the bytes around it alone, never by how they were split over writes.
 */
#ifndef RUNNER_MASK_VIEW_H
#define RUNNER_MASK_VIEW_H

#include "drydock/err.h"
#include "mask_automaton.h"
#include "mask_forms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_HEX_LINE_MIN = 16, VIEW_BASE64_LINE_MIN = 40, VIEW_GAP_MAX = 16, VIEW_TIERS = 2 };

/* How many bytes of a stream a form of @len characters may cover. */
size_t mask_view_span(enum mask_form_kind kind, size_t len);

struct mask_view {
	enum mask_form_kind kind;
	unsigned line_min;
	char *text;   /* the reading, in secret memory; as long as the buffer at most */
	uint32_t *at; /* of each of its characters, the place in the buffer */
	size_t len;
	size_t next; /* of the buffer: the first byte that was not read yet */
	bool active; /* in a run of characters of the kind */
	struct view_lead {
		unsigned chars, gap; /* of the line so far, at most line_min; separators */
	} front, here;               /* in front of the buffer; in front of next, when active */
	size_t line_end;             /* bytes of the end of a line in front of next; 0: none */
	bool half_end;               /* of it only a carriage return */
	struct automaton_cursor cursors[VIEW_TIERS];
};

void mask_view_init(struct mask_view *v, enum mask_form_kind kind); /* @v is zero */
/* Read on to the end of @buf. *@ret_hold: from here on its bytes must be there again. @automata:
 * one for each tier; NULL where there is none. */
int mask_view_scan(struct mask_view *v, const struct automaton *const automata[VIEW_TIERS],
                   const char *buf, size_t len, automaton_match_fn fn, void *arg, size_t *ret_hold);
/* The first @n bytes of @buf go away: called before they do. */
void mask_view_drop(struct mask_view *v, const char *buf, size_t n);
/* What is in the buffer is read again, for forms that are new. */
void mask_view_again(struct mask_view *v);
/* The end of the text: what comes next has nothing in front of it. */
void mask_view_end(struct mask_view *v);

#endif
