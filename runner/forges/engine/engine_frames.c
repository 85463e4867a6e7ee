// SPDX-License-Identifier: Apache-2.0
/* engine_frames.c - the steps of a composite action: their own `steps` and `inputs`, their own
 * status, and what the action gives when they are over. Runs in: supervisor.
 *
 * A frame lives as long as the job: a stage behind the last step is evaluated in the one where its
 * step is written. What the turn of the step that uses it needs in memory goes with the frame's
 * end, unless such a stage is still to come. */
#include "engine_uses.h"

#include "drydock/clock.h"

#include <string.h>

enum { DEPTH_MAX = 9 };

/* Of the outer step's own time, which its steps share. */
static int64_t deadline_of(const struct job_engine *e)
{
	int64_t outer = e->now.frame->deadline_ms, own = 0;
	if (e->now.timeout_sec)
		own = dd_now_ms() + (int64_t)e->now.timeout_sec * 1000;
	return !own || (outer && outer < own) ? outer : own;
}

int engine_frame_open(struct job_engine *e, struct engine_use *use)
{
	struct engine_frame *frame = arena_alloc(e->arena, sizeof(*frame));

	if (use->frame->depth == DEPTH_MAX) {
		(void)snprintf(e->why, sizeof(e->why),
		               "composite actions use one another more than %d deep", DEPTH_MAX);
		return -EINVAL;
	}
	*frame = (struct engine_frame){ .outer = use->frame,
		                        .steps = use->action->manifest->steps,
		                        .n_steps = use->action->manifest->n_steps,
		                        .inputs = use->inputs,
		                        .status = ENGINE_SUCCESS,
		                        .grant = use->grant,
		                        .depth = use->frame->depth + 1,
		                        .deadline_ms = deadline_of(e),
		                        .older = e->frames };
	if (!engine_contexts_frame(e, frame)) {
		(void)snprintf(e->why, sizeof(e->why),
		               "its steps need more memory than they may use");
		return -EINVAL;
	}
	e->frames = frame;
	e->frame = frame;
	return 0;
}

bool engine_frame_is_over(const struct job_engine *e)
{
	const struct engine_frame *frame = e->frame;
	return frame->next == frame->n_steps ||
	       (frame->deadline_ms && dd_now_ms() >= frame->deadline_ms);
}

static int give_output(struct job_engine *e, const struct action_manifest_output *output,
                       struct expr_value *into)
{
	struct expr_value value = expr_text(""), kept;

	if (output->value && engine_text(e, output->value, &e->now.mem, &value) < 0)
		return -EINVAL;
	const char *name = expr_strndup(&e->mem, output->name, strlen(output->name));
	if (!name || !expr_copy_string(&e->mem, value.text, value.len, &kept)) {
		(void)snprintf(e->why, sizeof(e->why), "they need more memory than they may use");
		return -EINVAL;
	}
	kept.outsider = value.outsider;
	return expr_object_set(&e->mem, into->object, name, strlen(name), kept) ? 0 : -EINVAL;
}

/* Evaluated among the steps of the action, for the step that uses it. */
static int give_outputs(struct job_engine *e, struct engine_frame *frame, struct dd_err *err)
{
	const struct action_manifest *m = frame->turn.use->action->manifest;
	struct expr_value outputs;
	int r = 0;

	if (!frame->turn.step->id_written || m->n_outputs == 0)
		return 0;
	e->now.frame = frame->outer;
	if (engine_outputs_of(e, frame->turn.step, &outputs, err) < 0)
		return -E2BIG;
	e->now.frame = frame;
	for (size_t i = 0; r == 0 && i < m->n_outputs; i++)
		r = give_output(e, &m->outputs[i], &outputs);
	if (r == 0)
		return 0;
	job_voice_note(e->job, frame->grant->index, SINK_ERROR,
	               "the outputs of %.150s cannot be made: %s", frame->turn.step->uses->text,
	               e->why);
	frame->status = frame->status == ENGINE_CANCELLED ? ENGINE_CANCELLED : ENGINE_FAILURE;
	return 0;
}

static void tell_time(struct job_engine *e, const struct engine_frame *frame)
{
	if (frame->next < frame->n_steps)
		job_voice_note(
			e->job, frame->grant->index, SINK_ERROR,
			"%.150s ran longer than the step may; %zu of its steps do not follow",
			frame->turn.step->uses->text, frame->n_steps - frame->next);
}

int engine_frame_end(struct job_engine *e, enum engine_outcome *ret, struct dd_err *err)
{
	static const enum engine_outcome outcomes[] = {
		[ENGINE_SUCCESS] = OUTCOME_SUCCESS,
		[ENGINE_FAILURE] = OUTCOME_FAILURE,
		[ENGINE_CANCELLED] = OUTCOME_CANCELLED,
	};
	struct engine_frame *frame = e->frame;
	int r;

	tell_time(e, frame);
	if (frame->next < frame->n_steps && frame->status == ENGINE_SUCCESS)
		frame->status = ENGINE_FAILURE;
	frame->next = frame->n_steps;
	e->now = frame->turn;
	e->now.frame = frame;
	if ((r = engine_contexts_turn(e, err)) < 0)
		return r;
	r = give_outputs(e, frame, err);
	e->now.frame = frame->outer;
	e->frame = frame->outer;
	if (r == 0)
		r = engine_contexts_turn(e, err);
	*ret = outcomes[e->status == ENGINE_CANCELLED ? ENGINE_CANCELLED : frame->status];
	frame->outer->keep |= frame->keep;
	e->now.arena_is_kept = frame->keep;
	if (!frame->keep)
		frame->turn = (struct engine_turn){ .step = frame->turn.step };
	return r;
}

void engine_frames_free(struct job_engine *e)
{
	for (struct engine_frame *f = e->frames; f; f = f->older)
		arena_free(f->turn.arena);
	e->frames = NULL;
	for (size_t i = 0; i < e->n_manifests; i++)
		action_manifest_free(e->manifests[i]);
}
