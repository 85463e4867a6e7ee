// SPDX-License-Identifier: Apache-2.0
/* wf_steps.c - the steps of a job. Runs in: command line and supervisor; reads commit content that
 * the schema has looked at. */
#include "wf_read.h"

#include <string.h>

/* ---- uses ---- */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

enum wf_uses wf_uses_kind(const char *uses)
{
	if (begins(uses, "docker://"))
		return WF_USES_DOCKER;
	if (begins(uses, "./") || begins(uses, ".\\"))
		return WF_USES_LOCAL;
	if (begins(uses, "$/") && uses[2 + strspn(uses + 2, "/")])
		return WF_USES_SELF;
	return WF_USES_REPOSITORY;
}

struct repository_ref {
	const char *owner, *name;
	size_t owner_len, name_len;
};

static size_t segment(const char **at, const char *end)
{
	while (*at < end && strchr("/\\", **at))
		(*at)++;
	size_t n = 0;
	while (*at + n < end && !strchr("/\\", (*at)[n]))
		n++;
	return n;
}

/* owner/repository[/path]@ref, with exactly one @ and something behind it. */
static bool parse_repository(const char *uses, struct repository_ref *ret)
{
	const char *ref = strchr(uses, '@'), *at = uses;

	if (!ref || !ref[1] || strchr(ref + 1, '@'))
		return false;
	ret->owner_len = segment(&at, ref);
	ret->owner = at;
	at += ret->owner_len;
	ret->name_len = segment(&at, ref);
	ret->name = at;
	return ret->owner_len && ret->name_len;
}

static void check_uses(struct wf_reader *r, const struct template_node *uses)
{
	struct repository_ref ref;

	if (wf_uses_kind(uses->text) != WF_USES_REPOSITORY || parse_repository(uses->text, &ref))
		return;
	struct wf_error *e = wf_error_add(r->errors, WF_USES, uses->mark,
	                                  "`uses: %.150s` names no action", uses->text);
	(void)snprintf(e->hint, sizeof(e->hint),
	               "owner/repository[/path]@ref, ./path or docker://image");
}

/* ---- ids ---- */

/* What the internal id of a step without one is made of. */
static const char *id_source(struct plan_arena *arena, const struct wf_step *step)
{
	struct repository_ref ref;

	if (!step->uses)
		return "run";
	switch (wf_uses_kind(step->uses->text)) {
	case WF_USES_DOCKER:
		return step->uses->text + strlen("docker://");
	case WF_USES_LOCAL:
		return "self";
	case WF_USES_SELF:
		return "selfRepository";
	case WF_USES_REPOSITORY:
		break;
	}
	if (!parse_repository(step->uses->text, &ref))
		return "run";
	return arena_printf(arena, "%.*s/%.*s", (int)ref.owner_len, ref.owner, (int)ref.name_len,
	                    ref.name);
}

static void make_ids(struct wf_reader *r, struct wf_ids *ids, struct wf_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].id)
			continue;
		const char *from = id_source(r->arena, &steps[i]);
		steps[i].id = wf_ids_make(r->arena, ids, *from ? from : "run",
		                          strlen(*from ? from : "run"));
		if (steps[i].id)
			continue;
		struct wf_error *e =
			wf_error_add(r->errors, WF_ID_TWICE, steps[i].mark,
		                     "more than 999 steps that look the same to GitHub");
		(void)snprintf(e->hint, sizeof(e->hint), "give this one an `id`");
		steps[i].id = "__run";
	}
}

/* ---- a step ---- */

enum step_key {
	STEP_NAME,
	STEP_RUN,
	STEP_USES,
	STEP_ENV,
	STEP_WITH,
	STEP_SHELL,
	STEP_DIRECTORY,
	STEP_TIMEOUT,
	STEP_CONTINUE,
	STEP_KEYS
};

static const char *const step_keys[STEP_KEYS] = {
	[STEP_NAME] = "name",
	[STEP_RUN] = "run",
	[STEP_USES] = "uses",
	[STEP_ENV] = "env",
	[STEP_WITH] = "with",
	[STEP_SHELL] = "shell",
	[STEP_DIRECTORY] = "working-directory",
	[STEP_TIMEOUT] = "timeout-minutes",
	[STEP_CONTINUE] = "continue-on-error",
};

static void read_step(struct wf_reader *r, const struct template_node *node, struct wf_ids *ids,
                      struct wf_step *step)
{
	const struct expr_rules rules = schema_rules(r->step_if);
	const struct template_node *values[STEP_KEYS] = { NULL }, *cond = NULL;

	step->mark = node->mark;
	for (size_t i = 0; i < node->n; i++) {
		const struct template_pair *pair = &node->pairs[i];
		for (size_t k = 0; k < STEP_KEYS; k++)
			if (template_is(pair->key, step_keys[k]))
				values[k] = pair->value;
		if (template_is(pair->key, "if"))
			cond = pair->value;
		if (template_is(pair->key, "id") && wf_ids_add(r, ids, pair->value, "step"))
			step->id = pair->value->text;
	}
	step->id_written = step->id;
	step->name = values[STEP_NAME];
	step->run = values[STEP_RUN];
	step->uses = values[STEP_USES];
	step->env = values[STEP_ENV];
	step->with = values[STEP_WITH];
	step->shell = values[STEP_SHELL];
	step->working_directory = values[STEP_DIRECTORY];
	step->timeout_minutes = values[STEP_TIMEOUT];
	step->continue_on_error = values[STEP_CONTINUE];
	step->cond_written = cond;
	step->cond = template_condition(&r->walk.split, cond, &rules);
	if (step->uses)
		check_uses(r, step->uses);
}

void wf_read_step_list(struct wf_reader *r, const struct template_node *list,
                       const struct wf_step **ret, size_t *ret_n)
{
	struct wf_step *steps = arena_array(r->arena, list->n, sizeof(*steps));
	struct wf_ids ids;

	wf_ids_open(&ids, r->arena);
	for (size_t i = 0; i < list->n; i++)
		read_step(r, list->items[i], &ids, &steps[i]);
	make_ids(r, &ids, steps, list->n);
	*ret = steps;
	*ret_n = list->n;
}

void wf_read_steps(struct wf_reader *r, const struct template_node *list, struct wf_job *job)
{
	wf_read_step_list(r, list, &job->steps, &job->n_steps);
}
