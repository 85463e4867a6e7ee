// SPDX-License-Identifier: Apache-2.0
/* wf_world.h - what expressions of a workflow see of the world before any job has run: the contexts
 * github, inputs and vars.
 *
 * From a forge's event file, or invented for the operator's own run: a workflow_dispatch where the
 * workflow knows it or inputs are given, a push otherwise. Nothing in it decides about trust. */
#ifndef RUNNER_WF_WORLD_H
#define RUNNER_WF_WORLD_H

#include "wf_flat.h"

struct wf_world_asked {
	const struct wf_flat *flat;
	const struct event_facts *event;
	const char *event_text; /* the event file; NULL: the operator's own run */
	size_t event_len;
	/* NAME=VALUE */
	const char *const *inputs, *const *vars;
	size_t n_inputs, n_vars;
	bool only_look; /* nothing will run: an input that is missing is empty */
};

struct wf_world {
	struct expr_value github, inputs, vars;
};

/* The name of the event that a run without an event file is. */
const char *wf_world_event_name(const struct wf_flat *flat, bool inputs_given);

/* All of it lives in @mem; texts of outsiders are marked (taint.h). 0, or -EINVAL with complaints:
 * an input that the workflow does not have, that is missing, or that is not of its type. */
int wf_world_make(const struct wf_world_asked *asked, struct expr_memory *mem, struct wf_world *ret,
                  struct diag_list *diags);

/* The github context of one job. False when over the limit. */
bool wf_world_github(const struct wf_world *world, const char *job, struct expr_memory *mem,
                     struct expr_value *ret);

#endif
