// SPDX-License-Identifier: Apache-2.0
/* engine_turn.c - what is known of the step whose turn it is: begun, and forgotten. Runs in:
 * supervisor. */
#include "engine_parts.h"

void engine_turn_done(struct job_engine *e)
{
	if (!e->now.arena_is_kept)
		arena_free(e->now.arena);
	e->now = (struct engine_turn){ .step = NULL };
	matcher_set_restart(e->matchers);
}

int engine_turn_begin(struct job_engine *e, struct engine_frame *frame, const struct wf_step *step,
                      const struct grant *grant, struct dd_err *err)
{
	engine_turn_done(e);
	e->now.frame = frame;
	e->now.grant = grant;
	e->now.step = step;
	e->now.arena = arena_new();
	e->now.mem.arena = e->now.arena;
	e->now.name = e->now.grant->name;
	return engine_contexts_turn(e, err);
}
