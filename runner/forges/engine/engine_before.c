// SPDX-License-Identifier: Apache-2.0
/* engine_before.c - the stages of actions before the job's first step: of actions of other
 * repositories, which are known by then, and of those that they use. Runs in: supervisor.
 *
 * In the order of their use, what is inside an action where that is used. One inside is evaluated
 * with the inputs of the actions around it, as these are before anything ran: for that they have a
 * frame of their own, which is not that of their main stage. */
#include "engine_uses.h"

#include "forges/actions/wf_notes.h"

#include <string.h>

enum { KNOWN_MAX = 5000, DEPTH_MAX = 9 };

static bool is_asked(const struct wf_step *step)
{
	return step->uses && wf_uses_kind(step->uses->text) == WF_USES_REPOSITORY;
}

static int know_inner(struct job_engine *e, struct engine_use *use, unsigned depth, bool *ret_any,
                      struct dd_err *err);

/* *@ret: NULL where there is nothing before the first step in it. */
static int know_one(struct job_engine *e, const struct wf_step *step, struct engine_use *around,
                    unsigned depth, struct engine_use **ret, struct dd_err *err)
{
	const struct engine_action *action = NULL;
	bool any = false;

	if (!is_asked(step) || engine_action_find(e, step, &action) < 0 || action->builtin)
		return 0; /* it is said when its turn comes */
	if (++e->n_known > KNOWN_MAX)
		return dd_err_say(err, E2BIG,
		                  "the actions of this job use one another more than %d times",
		                  KNOWN_MAX);
	struct engine_use *use = engine_use_new(e, step, NULL, around->grant, step->uses->text);
	if (!use)
		return engine_no_memory(err);
	use->action = action;
	use->around = around;
	use->is_known = true;
	if (engine_pre_of(action)) {
		any = true;
		e->pres = arena_grow(e->arena, e->pres, e->n_pres, sizeof(struct engine_use *));
		e->pres[e->n_pres++] = use;
	}
	int r = know_inner(e, use, depth, &any, err);
	if (any)
		*ret = use;
	return r;
}

static int know_inner(struct job_engine *e, struct engine_use *use, unsigned depth, bool *ret_any,
                      struct dd_err *err)
{
	const struct action_manifest *m = use->action->manifest;
	int r = 0;

	if (!m || m->kind != ACTION_COMPOSITE || depth >= DEPTH_MAX)
		return 0;
	struct engine_use **inner = arena_array(e->arena, m->n_steps, sizeof(struct engine_use *));
	for (size_t i = 0; r == 0 && i < m->n_steps; i++) {
		r = know_one(e, &m->steps[i], use, depth + 1, &inner[i], err);
		if (inner[i]) {
			use->inner = inner;
			*ret_any = true;
		}
	}
	return r;
}

int engine_uses_know(struct job_engine *e, struct dd_err *err)
{
	int r = 0;

	e->uses = arena_array(e->arena, e->root.n_steps, sizeof(struct engine_use *));
	for (size_t i = 0; r == 0 && i < e->root.n_steps; i++) {
		const struct wf_step *step = &e->root.steps[i];
		const struct grant *grant = &e->plan->grants[i];
		const struct engine_action *action = NULL;
		bool any = false;
		if (!is_asked(step) || grant->written->recipe.nothing ||
		    engine_action_find(e, step, &action) < 0)
			continue; /* it is said when its turn comes */
		struct engine_use *use = engine_use_new(e, step, &e->root, grant, grant->name);
		if (!use)
			return engine_no_memory(err);
		use->action = action;
		use->is_known = true;
		e->uses[i] = use;
		if (engine_pre_of(action)) {
			e->pres = arena_grow(e->arena, e->pres, e->n_pres,
			                     sizeof(struct engine_use *));
			e->pres[e->n_pres++] = use;
		}
		r = know_inner(e, use, 0, &any, err);
	}
	return r;
}

struct engine_use *engine_use_next_pre(struct job_engine *e)
{
	return e->next_pre < e->n_pres ? e->pres[e->next_pre++] : NULL;
}

/* The frame of the steps of @around, with its inputs as they are now. */
static int open_before(struct job_engine *e, struct engine_use *around, struct dd_err *err)
{
	struct engine_frame *outer = NULL;
	int r = engine_before_frame(e, around, &outer, err);

	if (r < 0 || (r = engine_turn_begin(e, outer, around->step, around->grant, err)) < 0)
		return r;
	around->frame = outer;
	e->now.use = around;
	e->now.stage = STAGE_PRE;
	if (!engine_contexts_use(e, around) || engine_env_step(e) < 0 ||
	    engine_inputs_make(e, around) < 0 || engine_frame_open(e, around) < 0)
		return -EINVAL;
	around->before = e->frame;
	around->before->keep = true; /* the memory of this turn stays with it */
	around->before->turn = e->now;
	e->now = (struct engine_turn){ .step = NULL };
	e->frame = &e->root;
	return 0;
}

int engine_before_frame(struct job_engine *e, struct engine_use *use, struct engine_frame **ret,
                        struct dd_err *err)
{
	struct engine_use *around = use->around;
	int r = 0;

	if (!around) {
		*ret = &e->root;
		return 0;
	}
	if (!around->before)
		r = open_before(e, around, err);
	if (r == 0)
		*ret = around->before;
	return r;
}
