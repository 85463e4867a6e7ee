// SPDX-License-Identifier: Apache-2.0
/* policy_edit.h - from "this should stand under phases.fetch.egress" to the bytes to put at a place
 * of the operator's file, whatever its style.
 *
 * Nothing is written: an edit is shown, and the operator decides. Several edits of one text are
 * applied from the last offset to the first.
 */
#ifndef RUNNER_POLICY_EDIT_H
#define RUNNER_POLICY_EDIT_H

#include "policy/advice.h"
#include "policy/policy_text.h"

struct policy_edit {
	size_t offset, remove; /* bytes of the text; 0: insert only */
	const char *insert;    /* in the arena of the text */
	const char *removed;   /* what stood there, for people; NULL: nothing */
	unsigned line, column; /* of the offset, 1-based; column in bytes */
	bool whole_lines;      /* @insert is lines that go before line @line */
};

/* -ENOENT: the entry that the change is about is not in this text. */
int policy_edit_make(const struct policy_text *text, const struct advice_change *change,
                     struct policy_edit *ret, struct dd_err *err);

/* The text of a new policy with these changes, for who has none. In @arena. */
const char *policy_edit_new_file(struct plan_arena *arena, const struct advice_change *changes,
                                 size_t n);

#endif
