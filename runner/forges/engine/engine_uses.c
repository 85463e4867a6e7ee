// SPDX-License-Identifier: Apache-2.0
/* engine_uses.c - a step that uses an action: what it is, what its stages run. Runs in: supervisor.
 *
 * The manifest of an action in the workspace is read the moment before its step, from the tree that
 * the step will see: for a push step that is not what a build step may have written. Its files then
 * run in the sandbox of the step, and in the same place for each stage. */
#include "engine_uses.h"

#include "checkout.h"

#include "forges/actions/wf_notes.h"
#include "forges/actions/wf_spec.h"
#include "model/places.h"

#include <stdlib.h>
#include <string.h>

enum { MANIFEST_MAX = 1024 * 1024 };

/* ---- actions that drydock itself is ---- */

const struct engine_builtin engine_builtins[] = {
	{ .name = "actions/checkout",
	  .inputs = checkout_inputs,
	  .n_inputs = CHECKOUT_INPUTS,
	  .main = checkout_main },
};
const size_t engine_n_builtins = ARRAY_LEN(engine_builtins);

static const struct engine_builtin *builtin_of(const char *uses)
{
	size_t len = strcspn(uses, "@");
	for (size_t i = 0; i < engine_n_builtins; i++)
		if (strncasecmp(engine_builtins[i].name, uses, len) == 0 &&
		    engine_builtins[i].name[len] == '\0')
			return &engine_builtins[i];
	return NULL;
}

/* ---- finding it ---- */

/* @path without `.` and `..`, which count by name; NULL: it is not below @root. */
static const char *place_below(struct job_engine *e, const char *root, const char *path)
{
	const char *place = wf_place(e->now.arena, path);
	size_t len = strlen(root);
	return strncmp(place, root, len) == 0 && (place[len] == '/' || place[len] == '\0') ? place
	                                                                                   : NULL;
}

static int parse_manifest(struct job_engine *e, const char *name, const char *text, size_t len,
                          const struct action_manifest **ret)
{
	struct wf_errors errors = { .n = 0 };
	struct action_manifest *made = NULL;

	if (action_manifest_parse(name, text, len, &made, &errors) < 0) {
		engine_why(e, &errors);
		wf_errors_done(&errors);
		return -EINVAL;
	}
	e->manifests = arena_grow(e->arena, e->manifests, e->n_manifests,
	                          sizeof(struct action_manifest *));
	e->manifests[e->n_manifests++] = made;
	*ret = made;
	return 0;
}

/* action.yml, else action.yaml, in @dir below the workspace ("" or "/a/b"). */
static int read_manifest(struct job_engine *e, const char *dir, const struct action_manifest **ret)
{
	static const char *const names[] = { "action.yml", "action.yaml" };
	struct dd_err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *text = NULL;
		size_t len = 0;
		const char *path = arena_printf(e->now.arena, "%s%s%s", dir[0] ? dir + 1 : "",
		                                dir[0] ? "/" : "", names[i]);
		int r = job_voice_read(e->job, e->now.grant->index, path, MANIFEST_MAX, &text, &len,
		                       &err);
		if (r == -ENOENT)
			continue;
		if (r < 0) {
			(void)snprintf(e->why, sizeof(e->why), "%s", err.msg);
			return -EINVAL;
		}
		r = parse_manifest(e, path, text, len, ret);
		free(text);
		return r;
	}
	(void)snprintf(e->why, sizeof(e->why),
	               "%s/action.yml is not there as this step sees the workspace (nor "
	               "action.yaml)",
	               dir[0] ? dir + 1 : ".");
	return -EINVAL;
}

static int find_local(struct job_engine *e, const char *uses, struct engine_action *ret)
{
	/* "./a", "$/a", ".\a" */
	const char *place = place_below(
		e, PLACE_WORKSPACE, arena_printf(e->now.arena, PLACE_WORKSPACE "/%s", uses + 2));

	if (!place) {
		(void)snprintf(e->why, sizeof(e->why), "`%.150s` leaves the workspace", uses);
		return -EINVAL;
	}
	ret->path = arena_strdup(e->arena, place);
	ret->root = PLACE_WORKSPACE;
	return read_manifest(e, place + strlen(PLACE_WORKSPACE), &ret->manifest);
}

/* Only what was there before the first step: nothing that runs brings further code in. */
static int find_remote(struct job_engine *e, const char *uses, struct engine_action *ret)
{
	for (size_t i = 0; i < e->world.n_found; i++) {
		const struct actions_found *f = &e->world.found[i];
		if (strcmp(f->uses, uses) != 0)
			continue;
		ret->manifest = f->manifest;
		ret->found = f;
		ret->repository = f->repository;
		ret->ref = f->ref;
		ret->root = arena_printf(e->arena, PLACE_ACTIONS "/%s/%s", f->repository, f->ref);
		ret->path = arena_printf(e->arena, "%s%s%s", ret->root, f->path[0] ? "/" : "",
		                         f->path);
		ret->shown = (struct recipe_shown){ .source = f->tree,
			                            .target = ret->root,
			                            .digest = f->sha256 };
		return 0;
	}
	(void)snprintf(e->why, sizeof(e->why),
	               "`uses: %.150s` was not known before the job began: an action of the "
	               "workspace must name its own where the workspace comes from, or name none",
	               uses);
	return -EINVAL;
}

int engine_action_find(struct job_engine *e, const struct wf_step *step,
                       const struct engine_action **ret)
{
	struct engine_action *made = arena_alloc(e->arena, sizeof(*made));
	const char *uses = step->uses->text;
	int r = 0;

	*made = (struct engine_action){ .repository = "", .ref = "", .builtin = builtin_of(uses) };
	switch (wf_uses_kind(uses)) {
	case WF_USES_LOCAL:
	case WF_USES_SELF:
		made->builtin = NULL;
		r = find_local(e, uses, made);
		break;
	case WF_USES_REPOSITORY:
		if (!made->builtin)
			r = find_remote(e, uses, made);
		break;
	case WF_USES_DOCKER:
		(void)snprintf(e->why, sizeof(e->why), "`uses: %.150s`: " ENGINE_NO_CONTAINER,
		               uses);
		r = -EINVAL;
		break;
	}
	if (r == 0)
		*ret = made;
	return r;
}

struct engine_use *engine_use_new(struct job_engine *e, const struct wf_step *step,
                                  struct engine_frame *frame, const struct grant *grant,
                                  const char *name)
{
	struct engine_use *use = arena_alloc(e->arena, sizeof(*use));

	*use = (struct engine_use){
		.step = step, .frame = frame, .grant = grant, .name = arena_strdup(e->arena, name)
	};
	return expr_object_new(&e->mem, true, &use->state) ? use : NULL;
}

/* ---- what it is shown, and called ---- */

const char *engine_stage_name(const struct job_engine *e)
{
	static const char *const names[] = {
		[STAGE_MAIN] = "main", [STAGE_PRE] = "pre", [STAGE_POST] = "post"
	};
	return e->now.use ? names[e->now.stage] : e->now.frame->outer ? "inside" : NULL;
}

/* The files of the actions that the step at hand is in, and of @action. @node: a runtime besides,
 * or NULL. */
static void engine_use_shown(struct job_engine *e, const struct engine_action *action,
                             const struct recipe_shown *node)
{
	struct recipe_shown *all = arena_array(e->now.arena, RECIPE_SHOWN_MAX, sizeof(*all));
	const struct engine_frame *frame = e->now.frame;
	size_t n = 0;

	if (node && node->source)
		all[n++] = *node;
	while (action || frame->outer) {
		if (!action) {
			action = frame->turn.use->action;
			frame = frame->outer;
		}
		bool twice = !action->shown.source;
		for (size_t i = 0; i < n && !twice; i++)
			twice = strcmp(all[i].target, action->shown.target) == 0;
		if (!twice && n < RECIPE_SHOWN_MAX)
			all[n++] = action->shown;
		action = NULL;
	}
	e->now.recipe.shown = all;
	e->now.recipe.n_shown = n;
}

/* For people and the record: which action it is that runs. */
static void call_it(struct job_engine *e, const struct engine_use *use)
{
	e->now.recipe.action = use->step->uses->text;
	e->now.recipe.action_sha256 = use->action->shown.digest;
	if (use->action->found) {
		e->now.recipe.action_commit = use->action->found->commit;
		e->now.recipe.action_named = use->action->found->named;
		e->now.recipe.action_from = use->action->found->from;
	}
	e->now.recipe.stage = engine_stage_name(e);
}

void engine_use_inside(struct job_engine *e)
{
	if (!e->now.frame->outer)
		return;
	engine_use_shown(e, NULL, NULL);
	call_it(e, e->now.frame->turn.use);
}

/* ---- JavaScript ---- */

/* @file of the action, where it lies in the sandbox. */
static const char *file_of(struct job_engine *e, const struct engine_action *action,
                           const char *file)
{
	const char *path = place_below(e, action->root,
	                               arena_printf(e->now.arena, "%s/%s", action->path, file));
	if (!path)
		(void)snprintf(e->why, sizeof(e->why), "`%.150s` is not a file of the action",
		               file);
	return path;
}

/* Started without a shell, by a path that no step can put another program in. */
static int run_node(struct job_engine *e, const struct engine_use *use, const char *file)
{
	struct engine_turn *now = &e->now;
	const char **argv = arena_array(now->arena, 3, sizeof(*argv));
	struct recipe_shown runtime;
	const char *node = engine_node(e, use->action->manifest->using, &runtime);
	const char *script = file_of(e, use->action, file);

	if (!node || !script)
		return -EINVAL;
	argv[0] = node;
	argv[1] = script;
	now->recipe.argv = argv;
	now->recipe.hatch = true;
	now->recipe.workdir = PLACE_WORKSPACE;
	engine_use_shown(e, use->action, &runtime);
	engine_recipe_rest(e);
	return 0;
}

/* ---- the stages ---- */

static const char *post_of(const struct engine_action *action)
{
	const struct action_manifest *m = action->manifest;
	return m && m->kind == ACTION_NODE ? m->post : NULL;
}

/* Whatever becomes of its main stage from here on, the one behind the last step follows. */
static void stack_post(struct job_engine *e, struct engine_use *use)
{
	const struct engine_action *a = use->action;
	if (use->is_stacked || !(a->builtin ? a->builtin->post != NULL : post_of(a) != NULL))
		return;
	use->is_stacked = true;
	use->below = e->posts;
	e->posts = use;
	use->frame->keep = true;
}

static int begin_kind(struct job_engine *e, struct engine_use *use)
{
	const struct action_manifest *m = use->action->manifest;

	switch (m->kind) {
	case ACTION_NODE:
		return run_node(e, use, m->main);
	case ACTION_COMPOSITE:
		e->now.recipe.nothing = arena_printf(
			e->now.arena, "a composite action: its %zu steps follow", m->n_steps);
		return engine_frame_open(e, use);
	case ACTION_DOCKER:
		(void)snprintf(e->why, sizeof(e->why), "`uses: %.150s`: " ENGINE_NO_CONTAINER,
		               use->step->uses->text);
		return -EINVAL;
	case ACTION_NONE:
	case ACTION_PLUGIN:
		break;
	}
	(void)snprintf(e->why, sizeof(e->why), "`uses: %.150s` is a part of GitHub's own runner",
	               use->step->uses->text);
	return -EINVAL;
}

static void tell_no_pre(struct job_engine *e, const struct engine_use *use)
{
	if (use->action->manifest && use->action->manifest->kind == ACTION_NODE &&
	    use->action->manifest->pre && !use->is_known)
		job_voice_note(e->job, use->grant->index, SINK_WARN,
		               "`pre` of %.150s is not run: an action of the workspace, and what "
		               "it uses, is known only when its step begins, at GitHub as well",
		               use->step->uses->text);
}

const char *engine_pre_of(const struct engine_action *action)
{
	const struct action_manifest *m = action->manifest;
	return m && m->kind == ACTION_NODE && action->repository[0] ? m->pre : NULL;
}

/* It may have had its stage before the first step. */
static struct engine_use *known_use(const struct job_engine *e)
{
	const struct engine_frame *frame = e->now.frame;
	struct engine_use *const *known = frame->outer ? frame->turn.use->inner : e->uses;
	struct engine_use *use = known ? known[e->now.step - frame->steps] : NULL;

	if (use) {
		use->frame = e->now.frame; /* it had another one before the first step */
		use->frame->keep |= use->is_stacked;
	}
	return use;
}

int engine_use_begin(struct job_engine *e)
{
	struct engine_use *use = known_use(e);
	int r;

	if (!use)
		use = engine_use_new(e, e->now.step, e->now.frame, e->now.grant, e->now.name);
	if (!use) {
		(void)snprintf(e->why, sizeof(e->why), "it needs more memory than it may use");
		return -EINVAL;
	}
	if (!use->action && (engine_action_find(e, e->now.step, &use->action) < 0 || !use->action))
		return -EINVAL;
	use->name = arena_strdup(e->arena, e->now.name);
	e->now.use = use;
	stack_post(e, use);
	tell_no_pre(e, use);
	if (!engine_contexts_use(e, use)) {
		(void)snprintf(e->why, sizeof(e->why), "it needs more memory than it may use");
		return -EINVAL;
	}
	if ((r = engine_inputs_make(e, use)) < 0)
		return r;
	engine_inputs_layers(e, use);
	call_it(e, use);
	return use->action->builtin ? use->action->builtin->main(e, use) : begin_kind(e, use);
}

int engine_use_stage(struct job_engine *e)
{
	struct engine_use *use = e->now.use;
	const bool post = e->now.stage == STAGE_POST;

	if (!post)
		stack_post(e, use);
	if (!engine_contexts_use(e, use) || engine_inputs_make(e, use) < 0)
		return -EINVAL;
	engine_inputs_layers(e, use);
	call_it(e, use);
	if (use->action->builtin)
		return use->action->builtin->post(e, use);
	return run_node(e, use, post ? post_of(use->action) : engine_pre_of(use->action));
}

const struct template_node *engine_use_condition(const struct job_engine *e)
{
	static const struct template_node always = { .kind = TEMPLATE_BOOL,
		                                     .truth = true,
		                                     .text = "always()" };
	if (e->now.stage == STAGE_MAIN)
		return e->now.step->cond;
	const struct action_manifest *m = e->now.use->action->manifest;
	const struct template_node *cond = !m                           ? NULL
	                                   : e->now.stage == STAGE_POST ? m->post_if
	                                                                : m->pre_if;
	return cond ? cond : &always;
}

static bool forgives(struct job_engine *e, const struct wf_step *step)
{
	const struct template_node *node = step->continue_on_error;
	struct expr_value v;

	if (!node)
		return false;
	if (engine_value(e, node, &e->now.mem, &v) == 0)
		return expr_is_true(&v);
	job_voice_note(e->job, e->now.grant->index, SINK_ERROR,
	               "continue-on-error cannot be evaluated, so it does not count: %s", e->why);
	return false;
}

bool engine_use_is_forgiven(struct job_engine *e)
{
	struct engine_frame *const own = e->now.frame;
	bool forgiven = forgives(e, e->now.step);

	if (e->now.stage == STAGE_MAIN)
		return forgiven;
	for (struct engine_frame *f = own; !forgiven && f->outer; f = f->outer) {
		e->now.frame = f->outer;
		forgiven = forgives(e, f->turn.step);
	}
	e->now.frame = own;
	return forgiven;
}
