// SPDX-License-Identifier: Apache-2.0
/* job_engine.c - which step runs next, and what came of it, in GitHub's order. Runs in: supervisor.
 *
 * A turn: env of the step, name, condition, timeout, then script, shell and directory; the step
 * runs; what it left counts, also after a failure; continue-on-error decides between outcome and
 * conclusion. An error in env or condition is a failure that continue-on-error does not forgive,
 * and an error in env is one even where the condition would not hold. */
#include "engine_uses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A job that runs out of its time gives what always() asks for this long. */
enum { AFTERWARDS_MS = 300 * 1000 };

/* ---- a turn ---- */

/* The next step of the frame at hand. */
static int step_begin(struct job_engine *e, struct dd_err *err)
{
	struct engine_frame *frame = e->frame;
	const size_t i = frame->next++;
	return engine_turn_begin(e, frame, &frame->steps[i],
	                         frame->outer ? frame->grant : &e->plan->grants[i], err);
}

/* The stage behind the last step whose turn it is. */
static int post_begin(struct job_engine *e, struct dd_err *err)
{
	struct engine_use *use = e->posts;
	e->posts = use->below;
	int r = engine_turn_begin(e, use->frame, use->step, use->grant, err);
	e->now.use = use;
	e->now.stage = STAGE_POST;
	return r < 0 ? r : engine_contexts_turn(e, err); /* it holds no credential */
}

static void fail(struct job_engine *e);

/* The stage of @use before the first step. 1: it has begun; 0: what is around it cannot be
 * evaluated, and that is the job's failure. */
static int pre_begin(struct job_engine *e, struct engine_use *use, struct dd_err *err)
{
	int r = engine_before_frame(e, use, &use->frame, err);
	if (r == -EINVAL) {
		job_voice_note(e->job, use->grant->index, SINK_ERROR,
		               "the stage of %.150s before the first step cannot be set up: %s",
		               use->step->uses->text, e->why);
		fail(e);
		return 0;
	}
	if (r < 0 || (r = engine_turn_begin(e, use->frame, use->step, use->grant, err)) < 0)
		return r;
	e->now.use = use;
	e->now.stage = STAGE_PRE;
	return 1;
}

static bool condition_holds(struct job_engine *e, bool *ret)
{
	struct expr_value v;
	if (engine_value(e, engine_use_condition(e), &e->now.mem, &v) < 0)
		return false;
	*ret = expr_is_true(&v);
	return true;
}

static const char *why_skipped(struct job_engine *e)
{
	if (e->now.stage != STAGE_MAIN || e->now.step->cond_written)
		return arena_printf(e->now.arena, "its condition does not hold: %.300s",
		                    engine_use_condition(e)->text);
	return e->status == ENGINE_CANCELLED ? "the job is cancelled" : "an earlier step failed";
}

/* It cannot be evaluated: that is told, and there is no timeout. */
static void make_timeout(struct job_engine *e)
{
	struct expr_value v;
	double minutes;

	if (!e->now.step->timeout_minutes)
		return;
	if (engine_value(e, e->now.step->timeout_minutes, &e->now.mem, &v) < 0) {
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "timeout-minutes is not known, so there is none: %s", e->why);
		return;
	}
	minutes = expr_to_number(&v);
	if (isnan(minutes) || minutes < 0)
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "timeout-minutes is no number of minutes, so there is none");
	else if (minutes > 0 && minutes < 60.0 * 24 * 365)
		e->now.timeout_sec = (unsigned)ceil(minutes * 60);
	e->now.timeout_minutes = minutes;
}

static void fail(struct job_engine *e)
{
	if (e->status != ENGINE_CANCELLED)
		e->status = ENGINE_FAILURE;
}

/* Of a step inside an action it is the action that fails; of a stage behind the last step, the job:
 * nobody asks the action any more. */
static void fail_around(struct job_engine *e)
{
	struct engine_frame *frame = e->now.frame;
	if (e->now.stage == STAGE_MAIN && frame->outer)
		frame->status = frame->status == ENGINE_CANCELLED ? ENGINE_CANCELLED
		                                                  : ENGINE_FAILURE;
	else
		fail(e);
}

/* NULL: the step at hand is a written one. */
static const char *brought_stage(const struct job_engine *e)
{
	return e->now.stage == STAGE_MAIN && !e->now.frame->outer ? NULL : engine_stage_name(e);
}

/* The step is over: what steps.X says of it, and what it means for the job. */
static int conclude(struct job_engine *e, enum engine_outcome outcome, bool forgivable,
                    struct dd_err *err)
{
	enum engine_outcome conclusion = outcome;

	if (outcome == OUTCOME_FAILURE && forgivable && engine_use_is_forgiven(e)) {
		conclusion = OUTCOME_SUCCESS;
		if (brought_stage(e))
			job_voice_note(e->job, e->now.grant->index, SINK_NOTE,
			               "%s failed, and continue-on-error lets it pass",
			               e->now.name);
		else
			job_voice_forgiven(e->job, e->now.grant->index);
	}
	if (conclusion == OUTCOME_FAILURE)
		fail_around(e);
	if (e->now.stage != STAGE_MAIN)
		return 0;
	return engine_contexts_ended(e, e->now.step, outcome, conclusion, err);
}

static int not_run(struct job_engine *e, bool failed, bool forgivable, const char *why,
                   struct dd_err *err)
{
	int r = job_voice_not_run(e->job, e->now.grant->index, e->now.name, brought_stage(e),
	                          failed, why, err);
	if (r < 0)
		return r;
	return conclude(e, failed ? OUTCOME_FAILURE : OUTCOME_SKIPPED, forgivable, err);
}

/* 1: it is to be run; 0: its turn is over. */
static int judge(struct job_engine *e, struct dd_err *err)
{
	bool holds = false;
	char why[ENGINE_TEXT_MAX];
	int r;

	if (engine_env_step(e) < 0) {
		(void)snprintf(why, sizeof(why), "%s", e->why);
		engine_name_make(e);
		return not_run(e, true, false, why, err);
	}
	engine_name_make(e);
	if (!condition_holds(e, &holds)) {
		if (e->now.frame->outer) /* GitHub looks at none of the others then */
			e->now.frame->next = e->now.frame->n_steps;
		return not_run(e, true, false, e->why, err);
	}
	if (!holds)
		return not_run(e, false, false, why_skipped(e), err);
	make_timeout(e);
	engine_secrets_tell(e);
	if ((r = engine_withheld_tell(e, err)) < 0)
		return r;
	if (engine_recipe_make(e) < 0)
		return not_run(e, true, true, e->why, err);
	return 1;
}

/* What is left of the job's own time, or less. */
static void limit_time(struct job_engine *e)
{
	const int64_t around = e->now.stage == STAGE_MAIN ? e->now.frame->deadline_ms : 0;
	const int64_t until = around && (!e->deadline_ms || around < e->deadline_ms)
	                              ? around
	                              : e->deadline_ms;
	if (!until)
		return;
	int64_t left = until - dd_now_ms();
	unsigned sec = left <= 0 ? 1 : (unsigned)((left + 999) / 1000);
	if (e->now.recipe.time_sec && e->now.recipe.time_sec <= sec)
		return;
	e->now.recipe.time_sec = sec;
	e->now.time_is_jobs = until == e->deadline_ms && sec < e->now.grant->time_sec;
}

static bool outlives_cancel(struct job_engine *e)
{
	bool holds = false;
	e->asked_cancelled = true;
	if (!condition_holds(e, &holds))
		holds = false;
	e->asked_cancelled = false;
	return holds;
}

/* ---- the end ---- */

static int job_output(struct job_engine *e, const struct template_pair *pair,
                      struct expr_value *outputs)
{
	struct expr_value name, value;

	if (engine_text(e, pair->key, &e->mem, &name) < 0 ||
	    engine_text(e, pair->value, &e->mem, &value) < 0)
		return -EINVAL;
	if (value.len == 0)
		return 0;
	if (job_voice_is_masked(e->job, value.text, value.len)) {
		job_voice_note(e->job, 0, SINK_WARN,
		               "output `%.100s` of the job may hold a secret and is left out",
		               name.text);
		return 0;
	}
	return expr_object_set(&e->mem, outputs->object, name.text, name.len, value) ? 0 : -EINVAL;
}

static void make_outputs(struct job_engine *e, struct expr_value *outputs)
{
	struct wf_errors errors = { .n = 0 };
	const struct template_node *node = e->what.job->outputs;
	struct template_node *map = NULL;
	int r = 0;

	if (!node)
		return;
	if (template_resolve(node, &e->scope, &e->mem, &map, &errors) < 0) {
		engine_why(e, &errors);
		r = -EINVAL;
	}
	for (size_t i = 0; r == 0 && map->kind == TEMPLATE_MAP && i < map->n; i++)
		r = job_output(e, &map->pairs[i], outputs);
	if (r == 0)
		return;
	job_voice_note(e->job, 0, SINK_ERROR, "the outputs of the job cannot be made: %s", e->why);
	fail(e);
}

static int finish(struct job_engine *e, enum job_conclusion *ret, struct dd_err *err)
{
	static const enum job_result_is results[] = {
		[ENGINE_SUCCESS] = JOB_RESULT_SUCCESS,
		[ENGINE_FAILURE] = JOB_RESULT_FAILURE,
		[ENGINE_CANCELLED] = JOB_RESULT_CANCELLED,
	};
	struct job_result result = { .is = JOB_RESULT_FAILURE };

	engine_turn_done(e);
	if (!expr_object_new(&e->mem, false, &result.outputs))
		return engine_no_memory(err);
	make_outputs(e, &result.outputs);
	result.is = results[e->status];
	*ret = e->status == ENGINE_SUCCESS ? JOB_SUCCEEDED : JOB_FAILED;
	return e->what.result_fd < 0 ? 0 : job_result_write(e->what.result_fd, &result, err);
}

/* ---- the seam ---- */

static int engine_begins(void *arg, struct job *job, struct dd_err *err)
{
	struct job_engine *e = arg;
	struct dd_err why = { 0 };

	e->job = job;
	for (size_t i = 0; i < e->world.n_secrets; i++) {
		const struct actions_secret *s = &e->world.secrets[i];
		if (s->literal && s->literal[0] &&
		    job_voice_mask(job, s->literal, strlen(s->literal), &why) < 0)
			job_voice_note(job, 0, SINK_WARN, "secret %.100s cannot be masked: %s",
			               s->name, why.msg);
	}
	/* whoever sees a blank sees that something is not shown */
	for (size_t i = 0; i < e->n_blanks; i++)
		(void)job_voice_mask(job, e->blanks[i].text, strlen(e->blanks[i].text), NULL);
	if (e->what.timeout_sec)
		e->deadline_ms = dd_now_ms() + (int64_t)e->what.timeout_sec * 1000;
	if (engine_env_begin(e) == 0)
		return engine_uses_know(e, err);
	job_voice_note(job, 0, SINK_ERROR, "the job cannot be set up: %s", e->why);
	fail(e);
	e->root.next = e->root.n_steps;
	return 0;
}

/* False: the job's time and what cleaning up may take are over. */
static bool look_at_time(struct job_engine *e, const struct job_so_far *so_far)
{
	if (so_far->cancelled)
		e->status = ENGINE_CANCELLED;
	if (!e->deadline_ms || dd_now_ms() < e->deadline_ms)
		return true;
	if (e->status == ENGINE_CANCELLED && e->out_of_time)
		return false;
	job_voice_note(e->job, 0, SINK_ERROR,
	               "the job ran longer than its timeout-minutes (%u s); only what always() and "
	               "cancelled() ask for follows",
	               e->what.timeout_sec);
	e->out_of_time = true;
	e->status = ENGINE_CANCELLED;
	e->deadline_ms = dd_now_ms() + AFTERWARDS_MS;
	return true;
}

/* The steps of an action are over, so the step that uses it is. */
static int action_ended(struct job_engine *e, struct dd_err *err)
{
	enum engine_outcome outcome = OUTCOME_FAILURE;

	engine_turn_done(e);
	int r = engine_frame_end(e, &outcome, err);
	return r < 0 ? r : conclude(e, outcome, true, err);
}

/* 1: the turn of a step has begun; 0: none is left. */
static int next_turn(struct job_engine *e, struct dd_err *err)
{
	struct engine_use *pre;
	int r = 0;

	while ((pre = engine_use_next_pre(e)))
		if ((r = pre_begin(e, pre, err)) != 0)
			return r;
	while (r == 0 && e->frame->outer && engine_frame_is_over(e))
		r = action_ended(e, err);
	if (r < 0)
		return r;
	if (e->frame->next < e->frame->n_steps)
		r = step_begin(e, err);
	else if (e->posts)
		r = post_begin(e, err);
	else
		return 0;
	return r < 0 ? r : 1;
}

/* Nothing may follow any more: what is open is closed from within, and what it gives is given. */
static int close_frames(struct job_engine *e, struct dd_err *err)
{
	int r = 0;
	while (r == 0 && e->frame->outer)
		r = action_ended(e, err);
	return r;
}

static int engine_next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                       enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct job_engine *e = arg;
	int r = 0;

	while (look_at_time(e, so_far) && (r = next_turn(e, err)) > 0) {
		if ((r = judge(e, err)) < 0)
			return r;
		if (r == 0)
			continue;
		limit_time(e);
		*ret = (struct step_order){
			.grant = e->now.grant->index,
			.written = e->now.stage == STAGE_MAIN && !e->now.frame->outer,
			.part = e->now.stage == STAGE_MAIN && e->now.frame->outer,
			.recipe = &e->now.recipe,
			.brings_sources = e->now.brings_sources && so_far->n_steps == 0,
			.outlives_cancel = outlives_cancel(e)
		};
		return 1;
	}
	if (r == 0)
		r = close_frames(e, err);
	return r < 0 ? r : finish(e, ret_conclusion, err);
}

static enum engine_outcome outcome_of(const struct step_result *result)
{
	switch (result->outcome) {
	case STEP_SUCCEEDED:
		return OUTCOME_SUCCESS;
	case STEP_CANCELLED:
		return OUTCOME_CANCELLED;
	case STEP_NOT_RUN:
	case STEP_FAILED:
	case STEP_TIMED_OUT:
	case STEP_OVER_LIMIT:
	case STEP_REFUSED:
	case STEP_BROKEN:
	case STEP__OUTCOMES:
		break;
	}
	return OUTCOME_FAILURE;
}

/* What the workflow itself could foresee: not what a policy's limit or drydock ended. */
static bool is_foreseen(const struct job_engine *e, const struct step_result *result)
{
	if (result->outcome == STEP_TIMED_OUT)
		return (e->now.timeout_sec &&
		        e->now.timeout_sec <= e->now.grant->terms->limits.time_sec) ||
		       e->now.frame->deadline_ms;
	return result->outcome == STEP_FAILED || result->outcome == STEP_SUCCEEDED;
}

static int engine_ended(void *arg, const struct step_order *order, const struct step_result *result,
                        const struct step_left *left, struct dd_err *err)
{
	struct job_engine *e = arg;
	enum engine_outcome outcome = outcome_of(result);

	if (e->frame != e->now.frame && e->now.stage == STAGE_MAIN) {
		/* of a composite action: its turn is over when those of its steps are */
		e->frame->turn = e->now;
		e->now = (struct engine_turn){ .step = NULL };
		return 0;
	}
	if (result->outcome == STEP_TIMED_OUT && e->now.time_is_jobs)
		outcome = OUTCOME_CANCELLED;
	else if (result->outcome == STEP_TIMED_OUT && is_foreseen(e, result))
		engine_complain(e, "The action '%.200s' has timed out after %.15g minutes.",
		                e->now.name, e->now.timeout_minutes);
	const bool left_badly = !order->recipe->nothing && engine_left_read(e, left, err) < 0;
	if ((left_badly || e->now.command_failed) && outcome == OUTCOME_SUCCESS) {
		outcome = OUTCOME_FAILURE;
		/* its processes did well, and that is what everybody was told of it */
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "it ended well and counts as failed: for the error above, in %s",
		               left_badly ? "a file that it left for the runner"
		                          : "a command in its log");
	}
	return conclude(e, outcome, is_foreseen(e, result), err);
}

int job_engine_new(const struct actions_job *what, const struct actions_world *world,
                   const struct plan *plan, struct job_engine **ret, struct dd_err *err)
{
	if (plan->n_grants != what->job->n_steps)
		return dd_err_say(err, EINVAL, "a plan of %zu steps for a job of %zu",
		                  plan->n_grants, what->job->n_steps);
	struct job_engine *e = calloc(1, sizeof(*e));
	if (!e)
		return dd_err_set(err, ENOMEM, "prepare a job");
	*e = (struct job_engine){
		.what = *what, .world = *world, .plan = plan, .arena = arena_new()
	};
	e->mem.arena = e->arena;
	e->root.steps = what->job->steps;
	e->root.n_steps = what->job->n_steps;
	e->frame = &e->root;
	e->script = (struct job_script){
		.arg = e,
		.has_channel = true,
		.begins = engine_begins,
		.next = engine_next,
		.said = engine_said,
		.ended = engine_ended,
	};
	int r = engine_contexts_make(e, err);
	if (r < 0)
		job_engine_free(e);
	else
		*ret = e;
	return r;
}

const struct job_script *job_engine_script(const struct job_engine *engine)
{
	return &engine->script;
}

void job_engine_free(struct job_engine *engine)
{
	if (!engine)
		return;
	engine_turn_done(engine);
	engine_frames_free(engine);
	arena_free(engine->line);
	matcher_set_free(engine->matchers);
	arena_free(engine->arena);
	free(engine);
}
