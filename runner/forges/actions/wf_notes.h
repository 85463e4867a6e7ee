// SPDX-License-Identifier: Apache-2.0
/* wf_notes.h - what of a job this build cannot run: each where it stands, by its own name. */
#ifndef RUNNER_WF_NOTES_H
#define RUNNER_WF_NOTES_H

#include "wf_flat.h"

void wf_note_job(const struct wf_flat_job *job, struct plan_arena *arena, struct diag_list *notes);

/* `run` works on a copy of the caller's tree, so a plain checkout of this repository has nothing
 * left to do. */
bool wf_is_local_checkout(const struct wf_step *step);

/* `${{ secrets.A || secrets.B || 'text' }}`: the first that is there. */
struct wf_secret_chain {
	const char **names;
	size_t n;
	const char *last; /* the text behind them, or NULL */
};
/* False: it is something else. */
bool wf_secret_chain(struct plan_arena *arena, const struct template_node *node,
                     struct wf_secret_chain *ret);

#endif
