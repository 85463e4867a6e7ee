// SPDX-License-Identifier: Apache-2.0
/* policy_condition.c - what must be true of a job besides its trust, or a credential that is bound
 * to a step is withheld from it.
 *
 * Pure, before anything is asked of anybody. The forge's own facts decide; the name of the
 * environment is the workflow's word, so it can only take a credential away from a job that the
 * other conditions would give it to. */
#include "policy_model.h"

#include "model/event.h"

#include <string.h>

static bool among(const char *const *names, const char *name)
{
	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *say(struct plan_arena *arena, struct diag_mark mark, const char *wanted,
                       const char *found)
{
	return arena_printf(arena, "it is for %s, and this job's is %s (%s:%u:%u)", wanted,
	                    *found ? found : "not known", mark.file, mark.line, mark.column);
}

const char *policy_condition_unmet(const struct policy_condition *c,
                                   const struct event_facts *event, const char *environment,
                                   struct plan_arena *arena)
{
	const char *in = environment ? environment : "";

	if (c->ref && !glob_match(GLOB_TEXT, c->ref, event->ref))
		return say(arena, c->ref_mark, arena_printf(arena, "ref %s", c->ref), event->ref);
	if (c->protected_given && c->ref_protected != event->ref_protected)
		return say(arena, c->protected_mark,
		           c->ref_protected ? "a protected ref" : "a ref that is not protected",
		           event->ref_protected ? "protected" : "not protected");
	if (c->events && !among(c->events, event->name))
		return say(arena, c->event_mark, "other events", event->name);
	/* an expression is not known yet */
	if (c->environment &&
	    (!*in || strstr(in, "${{") || !glob_match(GLOB_TEXT, c->environment, in)))
		return say(arena, c->environment_mark,
		           arena_printf(arena, "environment %s", c->environment), in);
	return NULL;
}
