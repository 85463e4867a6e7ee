// SPDX-License-Identifier: Apache-2.0
/* suggest_actions.c - `actions:` of the suggested policy: which actions of other repositories ran,
 * how firmly they were named, and where they came from.
 *
 * Runs in: command line. Names come from a record and are foreign: one that is no name of a
 * repository gets no line. What an action may reach is its step's, like anything else. */
#include "suggest_parts.h"

#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";

/* "owner/repo/path" of "owner/repo/path@ref"; NULL: it is none. */
static const char *name_of(struct plan_arena *arena, const char *action)
{
	size_t len = strcspn(action, "@");
	if (!action[len] || strspn(action, letters) != len || !memchr(action, '/', len) ||
	    action[0] == '.' || action[0] == '/' || len > 300)
		return NULL;
	return arena_strndup(arena, action, len);
}

static bool is_commit(const char *ref)
{
	size_t len = strlen(ref);
	return (len == 40 || len == 64) && strspn(ref, "0123456789abcdef") == len;
}

/* What the policy must allow so that it may be named like this. */
static enum actions_pin pin_of(const struct facts_step *step)
{
	if (is_commit(strchr(step->action, '@') + 1))
		return ACTIONS_PIN_SHA;
	return step->action_named && strcmp(step->action_named, "branch") == 0 ? ACTIONS_PIN_ANY
	                                                                       : ACTIONS_PIN_TAG;
}

static void see_place(struct suggest *s, const struct facts_step *step)
{
	const char *from = step->action_from;
	const char **place = !from                               ? NULL
	                     : from[0] == '/'                    ? &s->actions.mirror
	                     : strncmp(from, "https://", 8) == 0 ? &s->actions.from
	                                                         : NULL;
	if (!place)
		return;
	if (*place && strcmp(*place, from) != 0)
		suggest_warn(s, "actions came from %s and from %s; the policy can name only one",
		             suggest_quoted(s->arena, *place), suggest_quoted(s->arena, from));
	else
		*place = from;
}

static void see(struct suggest *s, const struct facts_step *step)
{
	if (!step->action || !step->action_sha256)
		return; /* none, or one of the workspace */
	const char *name = name_of(s->arena, step->action);
	if (!name) {
		suggest_warn(s, "action %s: that is no name of one",
		             suggest_quoted(s->arena, step->action));
		return;
	}
	enum actions_pin pin = pin_of(step);
	if (pin > s->actions.pin) {
		s->actions.pin = pin;
		s->actions.pin_of = step->action;
	}
	suggest_add_text(s->arena, &s->actions.allow, name);
	if (!step->action_commit || pin != ACTIONS_PIN_SHA)
		suggest_add_text(s->arena, &s->actions.loose,
		                 step->action_commit
		                         ? arena_printf(s->arena, "%s was commit %.64s",
		                                        suggest_quoted(s->arena, step->action),
		                                        step->action_commit)
		                         : arena_printf(s->arena, "%s was sha256 %.64s, as files",
		                                        suggest_quoted(s->arena, step->action),
		                                        step->action_sha256));
	see_place(s, step);
}

void suggest_actions(struct suggest *s)
{
	for (size_t i = 0; i < s->n_records; i++)
		for (size_t k = 0; k < s->records[i]->n_steps; k++)
			see(s, &s->records[i]->steps[k]);
	suggest_sort_texts(&s->actions.allow);
	suggest_sort_texts(&s->actions.loose);
}
