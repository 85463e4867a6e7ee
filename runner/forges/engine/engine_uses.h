// SPDX-License-Identifier: Apache-2.0
/* engine_uses.h - what the files of the engine know of actions: a step that uses one, from its
 * first stage to its last.
 *
 * Order of use, for each step with `uses`: engine_use_begin() when its condition holds; where that
 * was a composite action engine_frame_end() when its steps are over; engine_use_stage() for the
 * stages before the first and behind the last step. Everything that an action brings is hostile:
 * its manifest, its files, what its inputs say. What it may is the grant of the written step.
 */
#ifndef RUNNER_ENGINE_USES_H
#define RUNNER_ENGINE_USES_H

#include "engine_parts.h"

#include "forges/actions/action_manifest.h"

struct engine_use;

/* An action that drydock itself is: by its name a function that makes the recipe of a stage, from
 * the inputs as they are evaluated (engine_use.inputs) and the step (e->now). It sets e->now.recipe
 * (a command and engine_recipe_rest(), or `nothing`). -EINVAL with e->why: the step fails
 * before it begins. */
struct engine_builtin {
	const char *name; /* "actions/checkout": of any ref, in any case */
	const struct action_manifest_input *inputs; /* that it knows, with their defaults */
	size_t n_inputs;
	int (*main)(struct job_engine *e, struct engine_use *use);
	/* behind the last step of the job; NULL: there is none */
	int (*post)(struct job_engine *e, struct engine_use *use);
};
extern const struct engine_builtin engine_builtins[];
extern const size_t engine_n_builtins;

struct engine_action {
	const struct action_manifest *manifest; /* NULL: a built-in one */
	const struct engine_builtin *builtin;   /* NULL: it is not */
	const char *path;                  /* its directory in the sandbox: github.action_path */
	const char *root;                  /* what none of its files lies outside of */
	const struct actions_found *found; /* NULL: from the workspace */
	const char *repository, *ref; /* of one that came from elsewhere; "": from the workspace */
	/* where its files are on this host; .source NULL: in the workspace */
	struct recipe_shown shown;
};

struct engine_use {
	const struct wf_step *step;
	struct engine_frame *frame; /* where it is written */
	const struct grant *grant;  /* of the written step that brought it */
	const struct engine_action *action;
	struct expr_value state;   /* what its stages left for one another */
	struct expr_value inputs;  /* as the stage at hand has them */
	const char *name;          /* of the step, for people */
	bool is_known;             /* since before the first step */
	struct engine_use *around; /* the composite action that it is a part of; NULL: none */
	/* of a composite one, by step: those with a stage before the job's first step, and those
	 * that have one in them; NULL: there is none */
	struct engine_use **inner;
	struct engine_frame *before; /* where these are evaluated, once one was; NULL */
	bool is_stacked;             /* its last stage is among those to come */
	struct engine_use *below;    /* the one that comes after it */
};

/* The action of the step at hand, its post stage, its inputs, and the recipe of its main stage.
 * -EINVAL with e->why: it fails by that. */
int engine_use_begin(struct job_engine *e);
/* Its file for the stage before the first step; NULL: it has none. */
const char *engine_pre_of(const struct engine_action *action);
/* The recipe of the stage at hand, which is not the main one. -EINVAL with e->why. */
int engine_use_stage(struct job_engine *e);
struct engine_use *engine_use_new(struct job_engine *e, const struct wf_step *step,
                                  struct engine_frame *frame, const struct grant *grant,
                                  const char *name);
/* What @step uses. -EINVAL with e->why. */
int engine_action_find(struct job_engine *e, const struct wf_step *step,
                       const struct engine_action **ret);
/* A script of an action: it is shown the files of the actions that it is in. */
void engine_use_inside(struct job_engine *e);
/* "pre", "main", "post" of an action, "inside" for a step of a composite one; NULL: of none. */
const char *engine_stage_name(const struct job_engine *e);
/* Its condition. */
const struct template_node *engine_use_condition(const struct job_engine *e);
/* Does its failure not count? A composite action's word covers all in it. */
bool engine_use_is_forgiven(struct job_engine *e);

#define ENGINE_NO_CONTAINER "an action in a container is not supported yet"

/* ---- engine_before.c ---- */

/* Before the first step: those of the job's steps whose actions are known by now, and what these
 * use in turn. */
int engine_uses_know(struct job_engine *e, struct dd_err *err);
/* The next of them with a stage before the first step; NULL: there is none. */
struct engine_use *engine_use_next_pre(struct job_engine *e);
/* Where it is evaluated: among the inputs of the actions around it. -EINVAL with e->why. */
int engine_before_frame(struct job_engine *e, struct engine_use *use, struct engine_frame **ret,
                        struct dd_err *err);
/* ---- engine_node.c ---- */

/* The program for `using: node20` and its kin, by its path in the sandbox; @ret: what the step must
 * be shown for it, .source NULL: nothing. NULL with e->why. */
const char *engine_node(struct job_engine *e, const char *using, struct recipe_shown *ret);

/* ---- engine_contexts.c ---- */

/* github.action_repository and action_ref are of the action that is used. */
bool engine_contexts_use(struct job_engine *e, const struct engine_use *use);

/* ---- engine_inputs.c ---- */

/* use->inputs: what the step gives over what the action falls back to. -EINVAL with e->why. */
int engine_inputs_make(struct job_engine *e, struct engine_use *use);
/* INPUT_* and STATE_*: e->now.given. */
void engine_inputs_layers(struct job_engine *e, const struct engine_use *use);

/* ---- engine_frames.c ---- */

/* The steps of @use's action come next. -EINVAL with e->why. */
int engine_frame_open(struct job_engine *e, struct engine_use *use);
/* They are over: what the step that uses it gives, and its turn is the one at hand again. */
int engine_frame_end(struct job_engine *e, enum engine_outcome *ret, struct dd_err *err);
/* No further step of it may begin. */
bool engine_frame_is_over(const struct job_engine *e);
void engine_frames_free(struct job_engine *e);

#endif
