// SPDX-License-Identifier: Apache-2.0
/* workflow_call.c - what a called workflow is given, and what it gives back.
 *
 * Runs in: the process that the user started. Values are made of commit content, of the event, and
 * of what steps of other jobs wrote. */
#include "forges/actions/wf_notes.h"
#include "workflow_state.h"

#include <string.h>

struct calling {
	struct workflow_run *run;
	struct run_turn *turn;
	const struct wf_call *call;
	struct wf_job_scope scope; /* of the caller */
	struct wf_errors *errors;
};

/* ---- inputs ---- */

static struct expr_value empty_of(const struct template_node *type)
{
	return template_is(type, "boolean")  ? expr_bool(false)
	       : template_is(type, "number") ? expr_number(0)
	                                     : expr_text("");
}

/* The value, held against the type that the called workflow says. */
static bool typed(struct calling *c, const struct template_node *type,
                  const struct template_node *node, struct wf_job_scope *scope,
                  struct expr_value *ret)
{
	struct template_node *value = NULL;
	struct schema_walk walk = {
		.split = { .arena = c->run->mem.arena, .errors = c->errors },
		.account = { .bytes_max = EXPR_MEMORY_MAX, .events_max = 1000000, .depth_max = 50 },
		.computed = true,
	};
	size_t before = c->errors->n;

	if (template_resolve(node, &scope->scope, &c->run->mem, &value, c->errors) < 0)
		return false;
	value = schema_apply_input(&walk, value, type);
	if (c->errors->n > before || !value)
		return false;
	struct expr_value origin;
	if (template_value(value, &scope->scope, &c->run->mem, ret, c->errors) < 0)
		return false;
	/* an outsider's word stays one on its way into another file */
	if (template_value(node, &scope->scope, &c->run->mem, &origin, c->errors) < 0)
		return false;
	if (ret->kind == EXPR_STRING && origin.outsider)
		ret->outsider = origin.outsider;
	return true;
}

static const struct template_node *given(const struct template_node *map,
                                         const struct template_node *key)
{
	const struct expr_value k = expr_string(key->text, key->len);
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct expr_value have = expr_string(map->pairs[i].key->text,
		                                           map->pairs[i].key->len);
		if (map->pairs[i].key->kind == TEMPLATE_STRING && expr_equal(&k, &have))
			return map->pairs[i].value;
	}
	return NULL;
}

static bool read_inputs(struct calling *c, struct expr_value *ret)
{
	const struct template_node *map = c->call->input_definitions;

	if (!expr_object_new(&c->run->mem, false, ret))
		return false;
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct template_pair *pair = &map->pairs[i];
		const struct template_node *type = template_get(pair->value, "type"),
					   *fallback = template_get(pair->value, "default"),
					   *value = given(c->call->with, pair->key);
		struct expr_value v = empty_of(type);
		if ((value || fallback) && !typed(c, type, value ? value : fallback, &c->scope, &v))
			return false;
		if (!expr_object_set(&c->run->mem, ret->object, pair->key->text, pair->key->len, v))
			return false;
	}
	return true;
}

/* ---- secrets ---- */

/* What `secrets.NAME` means in the file that calls, behind what @ret may stand for already. True: a
 * text, and nothing behind it counts. */
static bool add_meaning(struct calling *c, const struct run_file *file, const char *name,
                        struct actions_secret *ret)
{
	const struct expr_value wanted = expr_text(name);
	const struct actions_secret *found = NULL;
	const char *const own[] = { name };
	const struct actions_secret all = { .name = name, .credentials = own, .n_credentials = 1 };

	for (size_t i = 0; i < file->n_secrets && !found; i++) {
		const struct expr_value have = expr_text(file->secrets[i].name);
		if (expr_equal(&have, &wanted))
			found = &file->secrets[i];
	}
	if (!found && file->secrets_all)
		found = &all;
	if (!found)
		return false;
	const char **list = arena_array(c->run->mem.arena,
	                                ret->n_credentials + found->n_credentials, sizeof(*list));
	for (size_t i = 0; i < ret->n_credentials; i++)
		list[i] = ret->credentials[i];
	for (size_t i = 0; i < found->n_credentials; i++)
		list[ret->n_credentials + i] = found->credentials[i];
	ret->credentials = list;
	ret->n_credentials += found->n_credentials;
	ret->literal = found->literal;
	return found->literal && found->literal[0];
}

static bool read_secrets(struct calling *c, struct run_file *called)
{
	const struct run_file *file = c->turn->job->file;
	const struct template_node *map = c->call->secrets;

	if (c->call->inherit_secrets) {
		called->secrets = file->secrets;
		called->n_secrets = file->n_secrets;
		called->secrets_all = file->secrets_all;
		return true;
	}
	if (!map || map->kind != TEMPLATE_MAP)
		return true;
	struct actions_secret *list = arena_array(c->run->mem.arena, map->n, sizeof(*list));
	for (size_t i = 0; i < map->n; i++) {
		const struct template_pair *pair = &map->pairs[i];
		struct wf_secret_chain chain;
		struct actions_secret *secret = &list[called->n_secrets];
		struct expr_value text;
		bool done = false;
		*secret = (struct actions_secret){ .name = pair->key->text };
		bool known = wf_secret_chain(c->run->mem.arena, pair->value, &chain);
		for (size_t k = 0; known && !done && k < chain.n; k++)
			done = add_meaning(c, file, chain.names[k], secret);
		if (known && !done && chain.last)
			secret->literal = chain.last;
		if (known && !secret->n_credentials && !secret->literal)
			continue; /* the caller has none of that name */
		if (!known) {
			if (template_string(pair->value, &c->scope.scope, &c->run->mem, &text,
			                    c->errors) < 0)
				return false;
			secret->literal = text.text;
		}
		called->n_secrets++;
	}
	called->secrets = list;
	return true;
}

/* ---- there and back ---- */

bool workflow_call(struct workflow_run *run, struct run_turn *turn, struct wf_errors *errors)
{
	struct calling c = {
		.run = run, .turn = turn, .call = turn->job->flat->job->call, .errors = errors
	};
	struct run_file *called = arena_alloc(run->mem.arena, sizeof(*called));
	const struct wf_flat *flat = &run->source->jobs;
	size_t first = 0;

	if (!workflow_scope(run, turn->job, &c.scope))
		return false;
	c.scope.matrix = turn->one.matrix;
	c.scope.strategy = turn->one.strategy;
	if (!read_inputs(&c, &called->inputs) || !read_secrets(&c, called))
		return false;
	while (first < flat->n && flat->jobs[first].caller != turn->job->flat)
		first++;
	workflow_open_file(run, called, first, c.call->n_jobs, turn);
	turn->called = called;
	turn->state = TURN_RUNNING;
	return true;
}

static bool make_jobs(struct workflow_run *run, const struct run_file *file, struct expr_value *ret)
{
	if (!expr_object_new(&run->mem, false, ret))
		return false;
	for (size_t i = 0; i < file->n; i++) {
		const struct run_job *job = &file->jobs[i];
		const char *id = job->flat->job->id->text;
		struct expr_value one, outputs = job->outputs;
		if (!expr_object_new(&run->mem, false, &one) ||
		    (outputs.kind != EXPR_OBJECT && !expr_object_new(&run->mem, false, &outputs)) ||
		    !expr_object_set(&run->mem, one.object, "result", 6,
		                     expr_text(job_result_name(job->result))) ||
		    !expr_object_set(&run->mem, one.object, "outputs", 7, outputs) ||
		    !expr_object_set(&run->mem, ret->object, id, strlen(id), one))
			return false;
	}
	return true;
}

bool workflow_call_outputs(struct workflow_run *run, struct run_turn *turn,
                           struct wf_errors *errors)
{
	const struct template_node *map = turn->job->flat->job->call->outputs;
	struct wf_job_scope scope;

	if (!workflow_scope(run, turn->job, &scope) ||
	    !expr_object_new(&run->mem, false, &turn->outputs))
		return false;
	scope.inputs = turn->called->inputs;
	if (!make_jobs(run, turn->called, &scope.jobs))
		return false;
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++) {
		const struct template_node *value = template_get(map->pairs[i].value, "value");
		struct expr_value text;
		if (!value)
			continue;
		if (template_string(value, &scope.scope, &run->mem, &text, errors) < 0 ||
		    !expr_object_set(&run->mem, turn->outputs.object, map->pairs[i].key->text,
		                     map->pairs[i].key->len, text))
			return false;
	}
	return true;
}
