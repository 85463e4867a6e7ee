// SPDX-License-Identifier: Apache-2.0
/* engine_contexts.c - what the contexts of a job hold while it runs, and how expressions ask for
 * it. Runs in: supervisor.
 *
 * The contexts that came from outside are borrowed and never written: where GitHub changes one from
 * step to step (github.action, github.env), a copy of its first level is. */
#include "engine_uses.h"

#include "forges/actions/runner_facts.h"
#include "forges/actions/taint.h"
#include "model/places.h"
#include "tree/hash_files.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define EVENT_PATH PLACE_SCRIPTS "/event.json"

const char *const engine_outcome_names[] = {
	[OUTCOME_SUCCESS] = "success",
	[OUTCOME_FAILURE] = "failure",
	[OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_SKIPPED] = "skipped",
};

int engine_no_memory(struct dd_err *err)
{
	return dd_err_say(err, E2BIG,
	                  "what the steps of this job left needs more than %d MiB of memory",
	                  EXPR_MEMORY_MAX / 1024 / 1024);
}

static bool set(struct expr_memory *mem, struct expr_value *object, const char *key,
                struct expr_value value)
{
	return expr_object_set(mem, object->object, key, strlen(key), value);
}

/* ---- asked by expressions ---- */

static const struct expr_value *context_named(const struct job_engine *e, const char *name)
{
	const struct engine_frame *frame = e->now.frame ? e->now.frame : e->frame;
	const struct {
		const char *name;
		const struct expr_value *value;
	} rows[] = {
		{ "github", &e->github },
		{ "env", e->now.step ? &e->now.env : &e->views[TRUST_BUILD].global_env },
		{ "vars", &e->world.vars },
		{ "secrets", e->now.step ? &e->now.secrets : &e->secrets },
		{ "inputs", frame->outer ? &frame->inputs : &e->world.inputs },
		{ "matrix", &e->world.matrix },
		{ "needs", &e->world.needs },
		{ "strategy", &e->world.strategy },
		{ "runner", &e->runner },
		{ "job", &e->job_context },
		{ "steps", &frame->results },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	return NULL;
}

static int give_context(void *user, const char *name, struct expr_value *ret,
                        struct expr_error *err)
{
	const struct expr_value *value = context_named(user, name);
	(void)err;
	if (value)
		*ret = *value;
	return 0;
}

static int give_status(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
                       bool *ret, struct expr_error *err)
{
	const struct job_engine *e = user;
	const struct engine_frame *frame = e->now.frame;
	/* inside an action it is asked what its own steps came to */
	bool inside = frame && frame->outer && e->now.stage == STAGE_MAIN &&
	              e->status != ENGINE_CANCELLED;
	enum engine_status now = e->asked_cancelled ? ENGINE_CANCELLED
	                         : inside           ? frame->status
	                                            : e->status;
	(void)ids;
	(void)n;
	(void)err;

	*ret = which == EXPR_ALWAYS || (which == EXPR_SUCCESS && now == ENGINE_SUCCESS) ||
	       (which == EXPR_FAILURE && now == ENGINE_FAILURE) ||
	       (which == EXPR_CANCELLED && now == ENGINE_CANCELLED);
	return 0;
}

static int give_hash(void *user, struct expr_memory *mem, const struct expr_value *patterns,
                     size_t n, struct expr_value *ret, struct expr_error *err)
{
	const struct job_engine *e = user;
	static const char option[] = "--follow-symbolic-links";
	const char *texts[HASH_FILES_PATTERNS_MAX];
	struct dd_err why = { 0 };
	char hex[65];
	bool follow = n > 0 && strcasecmp(patterns[0].text, option) == 0;

	if (!follow && n > 0 && strncmp(patterns[0].text, "--", 2) == 0) {
		(void)snprintf(err->text, sizeof(err->text),
		               "hashFiles knows no option `%.60s`, only `%s`", patterns[0].text,
		               option);
		return -EINVAL;
	}
	patterns += follow;
	n -= follow;

	if (n > ARRAY_LEN(texts)) {
		(void)snprintf(err->text, sizeof(err->text), "too many patterns");
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		texts[i] = patterns[i].text;
	int r = job_voice_hash(e->job, e->now.grant ? e->now.grant->index : 0, texts, n, follow,
	                       hex, &why);
	if (r < 0) {
		(void)snprintf(err->text, sizeof(err->text), "%.250s", why.msg);
		return r;
	}
	return expr_copy_string(mem, hex, strlen(hex), ret) ? 0 : -ENOMEM;
}

/* ---- made once ---- */

static bool make_github(struct job_engine *e)
{
	static const struct {
		const char *name, *value;
	} own[] = {
		{ "workspace", PLACE_WORKSPACE },
		{ "event_path", EVENT_PATH },
		{ "env", PLACE_CHANNEL "/env" },
		{ "path", PLACE_CHANNEL "/path" },
		{ "output", PLACE_CHANNEL "/output" },
		{ "state", PLACE_CHANNEL "/state" },
		{ "step_summary", PLACE_CHANNEL "/step_summary" },
		{ "action_repository", "" },
		{ "action_ref", "" },
	};
	const struct expr_value *from = &e->world.github;

	if (!expr_object_new(&e->mem, false, &e->github))
		return false;
	for (size_t i = 0; from->kind == EXPR_OBJECT && i < from->object->n; i++) {
		const struct expr_member *m = &from->object->members[i];
		if (!expr_object_set(&e->mem, e->github.object, m->key, m->key_len, m->value))
			return false;
	}
	e->github.outsider = from->outsider;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!set(&e->mem, &e->github, own[i].name, expr_text(own[i].value)))
			return false;
	return !e->what.id || set(&e->mem, &e->github, "job", expr_text(e->what.id));
}

static bool make_runner(struct job_engine *e)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "os", "Linux" },      { "arch", runner_arch() },
		{ "name", "drydock" },  { "environment", "self-hosted" },
		{ "temp", PLACE_TEMP }, { "tool_cache", PLACE_TOOLS },
		{ "workspace", "/" }, /* what PLACE_WORKSPACE lies in */
	};
	if (!expr_object_new(&e->mem, false, &e->runner))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!set(&e->mem, &e->runner, rows[i].name, expr_text(rows[i].value)))
			return false;
	return true;
}

/* ACTIONS_STEP_DEBUG, as a variable or a secret. */
static bool asks_for_debug(const struct job_engine *e)
{
	static const char name[] = "ACTIONS_STEP_DEBUG";
	const struct expr_value *contexts[] = { &e->world.vars, &e->secrets };
	for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
		const struct expr_value *v = contexts[i]->kind == EXPR_OBJECT
		                                     ? expr_object_get(contexts[i]->object, name,
		                                                       sizeof(name) - 1)
		                                     : NULL;
		if (v && v->kind == EXPR_STRING && strcasecmp(v->text, "true") == 0)
			return true;
	}
	return false;
}

static bool make_debug(struct job_engine *e)
{
	e->debug = asks_for_debug(e);
	return !e->debug || set(&e->mem, &e->runner, "debug", expr_text("1"));
}

/* Programs look for themselves in /proc by it. */
static int make_tracking(struct job_engine *e, struct dd_err *err)
{
	uint16_t r[8];
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return dd_err_set(err, errno ? errno : EIO, "give the job an id of its own");
	(void)snprintf(e->tracking, sizeof(e->tracking),
	               "github_%04x%04x-%04x-4%03x-%04x-%04x%04x%04x", r[0], r[1], r[2],
	               r[3] & 0xfffu, 0x8000u | (r[4] & 0x3fffu), r[5], r[6], r[7]);
	return 0;
}

static bool make_event(struct job_engine *e)
{
	const struct expr_value *event = expr_object_get(e->github.object, "event",
	                                                 strlen("event"));
	struct expr_value text;

	e->event_file = (struct recipe_file){ .path = EVENT_PATH, .bytes = "{}", .len = 2 };
	if (e->world.event_text) {
		e->event_file.bytes = e->world.event_text;
		e->event_file.len = e->world.event_len;
		return true;
	}
	if (!event || event->kind != EXPR_OBJECT)
		return true;
	if (!expr_json_write(&e->mem, event, NULL, NULL, &text))
		return false;
	e->event_file.bytes = text.text;
	e->event_file.len = text.len;
	return true;
}

static bool make_views(struct job_engine *e)
{
	for (size_t i = 0; i < ENGINE_TRUSTS; i++)
		if (!expr_object_new(&e->mem, true, &e->views[i].written) ||
		    !expr_object_new(&e->mem, true, &e->views[i].global_env))
			return false;
	return true;
}

int engine_contexts_make(struct job_engine *e, struct dd_err *err)
{
	e->scope = (struct expr_scope){
		.context = give_context, .status = give_status, .hash_files = give_hash, .user = e
	};
	int r = make_tracking(e, err);
	if (r == 0)
		r = engine_secrets_make(e, err);
	if (r < 0)
		return r;
	return make_github(e) && make_runner(e) &&
	                       engine_secrets_context(e, false, &e->mem, &e->secrets) &&
	                       engine_secrets_token(e, &e->secrets) && make_debug(e) &&
	                       make_event(e) && engine_contexts_frame(e, &e->root) &&
	                       make_views(e) && expr_object_new(&e->mem, false, &e->job_context) &&
	                       set(&e->mem, &e->job_context, "status", expr_text("success"))
	               ? 0
	               : engine_no_memory(err);
}

/* ---- from step to step ---- */

bool engine_contexts_frame(struct job_engine *e, struct engine_frame *frame)
{
	return expr_object_new(&e->mem, false, &frame->results);
}

/* Which action it is that a step of it asks about, and what of it stands in its environment: of the
 * innermost one. GitHub leaves there what the step before had; nobody can mean that. */
static bool set_action(struct job_engine *e, const struct engine_action *action)
{
	return set(&e->mem, &e->github, "action_repository",
	           expr_text(action ? action->repository : "")) &&
	       set(&e->mem, &e->github, "action_ref", expr_text(action ? action->ref : ""));
}

bool engine_contexts_use(struct job_engine *e, const struct engine_use *use)
{
	return set_action(e, use->action);
}

static const char *const engine_statuses[] = {
	[ENGINE_SUCCESS] = "success",
	[ENGINE_FAILURE] = "failure",
	[ENGINE_CANCELLED] = "cancelled",
};

int engine_contexts_turn(struct job_engine *e, struct dd_err *err)
{
	const struct engine_frame *frame = e->now.frame;
	const struct engine_action *around = frame->outer ? frame->turn.use->action : NULL;
	const char *status = frame->outer ? engine_statuses[frame->status] : NULL;

	return engine_secrets_context(e, true, &e->now.mem, &e->now.secrets) &&
	                       engine_secrets_token(e, &e->now.secrets) &&
	                       set(&e->mem, &e->github, "action", expr_text(e->now.step->id)) &&
	                       set_action(e, around) &&
	                       set(&e->mem, &e->github, "action_path",
	                           expr_text(around ? around->path : NULL)) &&
	                       set(&e->mem, &e->github, "action_status", expr_text(status)) &&
	                       set(&e->mem, &e->job_context, "status",
	                           expr_text(engine_statuses[e->status]))
	               ? 0
	               : engine_no_memory(err);
}

/* The object of a step with an id, made when it is first needed. */
static bool step_object(struct job_engine *e, const struct wf_step *step, struct expr_value *ret)
{
	struct expr_value *steps = &e->now.frame->results;
	const struct expr_value *there = expr_object_get(steps->object, step->id, strlen(step->id));
	struct expr_value outputs;

	if (there) {
		*ret = *there;
		return true;
	}
	return expr_object_new(&e->mem, false, ret) && expr_object_new(&e->mem, false, &outputs) &&
	       set(&e->mem, ret, "outputs", outputs) && set(&e->mem, steps, step->id, *ret);
}

int engine_outputs_of(struct job_engine *e, const struct wf_step *step, struct expr_value *ret,
                      struct dd_err *err)
{
	struct expr_value object;
	if (!step_object(e, step, &object))
		return engine_no_memory(err);
	*ret = *expr_object_get(object.object, "outputs", strlen("outputs"));
	return 0;
}

int engine_contexts_ended(struct job_engine *e, const struct wf_step *step,
                          enum engine_outcome outcome, enum engine_outcome conclusion,
                          struct dd_err *err)
{
	struct expr_value object;

	if (!step->id_written)
		return 0;
	return step_object(e, step, &object) &&
	                       set(&e->mem, &object, "conclusion",
	                           expr_text(engine_outcome_names[conclusion])) &&
	                       set(&e->mem, &object, "outcome",
	                           expr_text(engine_outcome_names[outcome]))
	               ? 0
	               : engine_no_memory(err);
}

/* What a step leaves may be made of all that it could read: the event lies there for every step. So
 * it may be an outsider's, for certain is only what comes out of the event itself. */
const char *engine_origin(struct job_engine *e, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return e->now.saw_outsider && !strchr(text, '(')
	               ? arena_printf(e->arena, "%s (%.200s)", text, e->now.saw_outsider)
	               : arena_strdup(e->arena, text);
}

/* ---- evaluation ---- */

void engine_why(struct job_engine *e, const struct wf_errors *errors)
{
	const struct wf_error *first = &errors->items[0];
	if (errors->n == 0)
		(void)snprintf(e->why, sizeof(e->why), "it cannot be evaluated");
	else
		(void)snprintf(e->why, sizeof(e->why), "%s:%u:%u: %s",
		               first->at.file ? first->at.file : "", first->at.line,
		               first->at.column, first->text);
}

void engine_complain(struct job_engine *e, const char *fmt, ...)
{
	char text[ENGINE_TEXT_MAX];
	struct voice_annotation a = { .level = "error", .message = text };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	job_voice_note(e->job, e->now.grant->index, SINK_ERROR, "%s", text);
	(void)job_voice_annotation(e->job, e->now.grant->index, &a, NULL);
}

int engine_text(struct job_engine *e, const struct template_node *node, struct expr_memory *mem,
                struct expr_value *ret)
{
	struct wf_errors errors = { .n = 0 };
	if (template_string(node, &e->scope, mem, ret, &errors) == 0)
		return 0;
	engine_why(e, &errors);
	return -EINVAL;
}

int engine_value(struct job_engine *e, const struct template_node *node, struct expr_memory *mem,
                 struct expr_value *ret)
{
	struct wf_errors errors = { .n = 0 };
	if (template_value(node, &e->scope, mem, ret, &errors) == 0)
		return 0;
	engine_why(e, &errors);
	return -EINVAL;
}
