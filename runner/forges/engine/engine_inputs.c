// SPDX-License-Identifier: Apache-2.0
/* engine_inputs.c - what an action is given: the values of the step over the defaults of the
 * action, and what its own stages left for one another. Runs in: supervisor.
 *
 * As at GitHub: every input that the action declares is there, empty where nobody says anything;
 * one that it does not declare is told and handed over; `required` is held against nobody. */
#include "engine_uses.h"

#include <ctype.h>
#include <string.h>

static void names_of(const struct engine_action *action, const struct action_manifest_input **ret,
                     size_t *ret_n)
{
	*ret = action->builtin ? action->builtin->inputs : action->manifest->inputs;
	*ret_n = action->builtin ? action->builtin->n_inputs : action->manifest->n_inputs;
}

/* The step's own values, by name without case. */
static int read_given(struct job_engine *e, const struct template_node *with,
                      struct expr_value *ret)
{
	struct engine_turn *now = &e->now;
	struct wf_errors errors = { .n = 0 };
	struct template_node *map = NULL;

	if (!expr_object_new(&now->mem, false, ret))
		return -ENOMEM;
	if (!with)
		return 0;
	if (template_resolve(with, &e->scope, &now->mem, &map, &errors) < 0) {
		engine_why(e, &errors);
		return -EINVAL;
	}
	for (size_t i = 0; map->kind == TEMPLATE_MAP && i < map->n; i++) {
		struct expr_value name, value;
		if (engine_text(e, map->pairs[i].key, &now->mem, &name) < 0 ||
		    engine_text(e, map->pairs[i].value, &now->mem, &value) < 0)
			return -EINVAL;
		if (!expr_object_set(&now->mem, ret->object, name.text, name.len, value))
			return -ENOMEM;
	}
	return 0;
}

static bool is_declared(const struct engine_action *action, const char *name)
{
	const struct action_manifest_input *inputs;
	size_t n;
	names_of(action, &inputs, &n);
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(inputs[i].name, name) == 0)
			return true;
	return false;
}

static void tell_unknown(struct job_engine *e, const struct engine_use *use,
                         const struct expr_value *given)
{
	for (size_t i = 0; i < given->object->n; i++)
		if (e->now.stage == STAGE_MAIN &&
		    !is_declared(use->action, given->object->members[i].key))
			job_voice_note(e->job, use->grant->index, SINK_WARN,
			               "`%.100s` is no input of %.150s",
			               given->object->members[i].key, use->step->uses->text);
}

static int fill(struct job_engine *e, const struct engine_use *use,
                const struct action_manifest_input *input, const struct expr_value *given,
                struct expr_value *into)
{
	const struct expr_value *own = expr_object_get(given->object, input->name,
	                                               strlen(input->name));
	struct expr_value value = expr_text("");

	if (own) {
		value = *own;
		if (input->deprecated && e->now.stage == STAGE_MAIN)
			job_voice_note(e->job, use->grant->index, SINK_WARN,
			               "input `%.100s` of %.150s is deprecated: %.300s",
			               input->name, use->step->uses->text, input->deprecated);
	} else if (input->fallback && engine_text(e, input->fallback, &e->now.mem, &value) < 0) {
		return -EINVAL;
	}
	return expr_object_set(&e->now.mem, into->object, input->name, strlen(input->name), value)
	               ? 0
	               : -ENOMEM;
}

int engine_inputs_make(struct job_engine *e, struct engine_use *use)
{
	const struct action_manifest_input *inputs;
	struct expr_value given = expr_null(), all = expr_null();
	size_t n;
	int r = read_given(e, use->step->with, &given);

	if (r == 0 && !expr_object_new(&e->now.mem, false, &all))
		r = -ENOMEM;
	if (r == 0)
		tell_unknown(e, use, &given);
	names_of(use->action, &inputs, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = fill(e, use, &inputs[i], &given, &all);
	for (size_t i = 0; r == 0 && given.kind == EXPR_OBJECT && i < given.object->n; i++) {
		const struct expr_member *m = &given.object->members[i];
		if (!expr_object_set(&e->now.mem, all.object, m->key, m->key_len, m->value))
			r = -ENOMEM;
	}
	if (r == -ENOMEM)
		(void)snprintf(e->why, sizeof(e->why),
		               "its inputs need more memory than they may use");
	if (r < 0)
		return -EINVAL;
	for (size_t i = 0; i < all.object->n; i++) {
		const struct expr_value *v = &all.object->members[i].value;
		if (memchr(v->text, '\0', v->len)) {
			(void)snprintf(e->why, sizeof(e->why), "input `%.80s` holds a NUL",
			               all.object->members[i].key);
			return -EINVAL;
		}
		if (!e->now.saw_outsider)
			e->now.saw_outsider = v->outsider;
	}
	use->inputs = all;
	return 0;
}

/* INPUT_WHO_TO_GREET, INPUT_FETCH-DEPTH: upper case, blanks made _, nothing else. */
static const char *input_variable(struct plan_arena *arena, const char *name)
{
	char *out = arena_printf(arena, "INPUT_%s", name);
	for (char *at = out; *at; at++)
		*at = (char)(*at == ' ' ? '_' : toupper((unsigned char)*at));
	return out;
}

static struct env_layer renamed(struct plan_arena *arena, struct env_layer layer, bool input)
{
	struct pair *vars = arena_array(arena, layer.n, sizeof(*vars));
	size_t n = 0;
	for (size_t i = 0; i < layer.n; i++) {
		const char *name = input ? input_variable(arena, layer.vars[i].name)
		                         : arena_printf(arena, "STATE_%s", layer.vars[i].name);
		if (engine_is_env_name(name, strlen(name)))
			vars[n++] = (struct pair){ .name = name, .value = layer.vars[i].value };
	}
	return (struct env_layer){ .origin = layer.origin, .vars = vars, .n = n };
}

void engine_inputs_layers(struct job_engine *e, const struct engine_use *use)
{
	struct plan_arena *arena = e->now.arena;
	e->now.given[0] = renamed(arena, engine_env_layer_of(arena, &use->inputs, "with"), true);
	e->now.given[1] = renamed(arena, engine_env_layer_of(arena, &use->state, "GITHUB_STATE"),
	                          false);
}
