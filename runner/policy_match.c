// SPDX-License-Identifier: Apache-2.0
/* policy_match.c - which rule a step falls under, and whether a policy is for a job at all. Pure.
 *
 * The texts are the workflow's (hostile), the globs the operator's. `*` and `?` never match a line feed and the whole text must
 * match: otherwise "npm ci*" would also name a script whose second line is somebody else's idea. No match means build, where the
 * gate is closed, so a near miss is safe. */
#include "policy_model.h"

#include "event.h"

#include <assert.h>
#include <string.h>

const char *const rule_field_names[] = {
	[RULE_ID] = "id", [RULE_NAME] = "name", [RULE_RUN] = "run", [RULE_USES] = "uses", [RULE_JOB] = "job",
};
static_assert(ARRAY_LEN(rule_field_names) == RULE__COUNT, "a field has no name");

/* Linear in practice: only the last star is ever retried. @text_is_glob: a star of @text is matched by a star only. */
static bool glob_walk(const char *glob, const char *text, bool text_is_glob)
{
	const char *star = NULL, *retry = NULL;
	while (*text) {
		bool wild = text_is_glob && *text == '*';
		if (*glob == '*') {
			star = glob++;
			retry = text;
		} else if (!wild && *text != '\n' && *glob == '?') {
			glob++;
			text++;
		} else if (!wild && *glob == *text && !(text_is_glob && *text == '?')) {
			glob++;
			text++;
		} else if (star && *retry != '\n') {
			glob = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

bool policy_glob(const char *glob, const char *text)
{
	return glob_walk(glob, text, false);
}

/* Does every step of @later already fall under @earlier? May say no where the answer is yes, never the other way round. */
bool policy_rule_covers(const struct policy_rule *earlier, const struct policy_rule *later)
{
	for (int f = 0; f < RULE__COUNT; f++) {
		if (!earlier->glob[f])
			continue;
		if (!later->glob[f] || !glob_walk(earlier->glob[f], later->glob[f], true))
			return false;
	}
	return true;
}

static bool rule_matches(const struct policy_rule *rule, const struct step_facts *step)
{
	for (int f = 0; f < RULE__COUNT; f++)
		if (rule->glob[f] && (!step->field[f] || !policy_glob(rule->glob[f], step->field[f])))
			return false;
	return true;
}

const struct policy_rule *policy_rule_for(const struct policy *policy, const struct step_facts *step)
{
	for (size_t i = 0; policy && i < policy->n_rules; i++)
		if (rule_matches(&policy->rules[i], step))
			return &policy->rules[i];
	return NULL;
}

static bool among(const char *const *words, const char *word)
{
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

bool policy_is_for(const struct policy *policy, const struct event_facts *event, const char **ret_why)
{
	const struct policy_for *f = &policy->for_;
	const char *why = NULL;
	if (event->local)
		return true;
	if (f->repository && !policy_glob(f->repository, event->repository))
		why = "repository";
	else if (f->ref && !policy_glob(f->ref, event->ref))
		why = "ref";
	else if (f->events && !among(f->events, event->name))
		why = "event";
	else if (f->forges && !among(f->forges, "github")) /* the only shape of event file that there is yet */
		why = "forge";
	else if (f->protected_given && f->ref_protected != event->ref_protected)
		why = "protected";
	if (why && ret_why)
		*ret_why = why;
	return !why;
}
