// SPDX-License-Identifier: Apache-2.0
/* policy_match.c - which rule a step falls under, and whether a policy is for a job at all. Pure.
 *
 * The texts are the workflow's (hostile), the globs the operator's. `*` and `?` never match a line
 * feed and the whole text must match: otherwise "npm ci*" would also name a script whose second
 * line is somebody else's idea. Who wants the first line alone asks for `first_line`, which says
 * so, and which no rule for push may use. No match means build, where the gate is closed, so a near
 * miss is safe. */
#include "policy_model.h"

#include "model/event.h"

#include <assert.h>
#include <string.h>

const char *const rule_field_names[] = {
	[RULE_ID] = "id",     [RULE_NAME] = "name",
	[RULE_RUN] = "run",   [RULE_FIRST_LINE] = "first_line",
	[RULE_USES] = "uses", [RULE_JOB] = "job",
};
static_assert(ARRAY_LEN(rule_field_names) == RULE__COUNT, "a field has no name");

/* Does every step of @later already fall under @earlier? May say no where the answer is yes, never
 * the other way round. */
bool policy_rule_covers(const struct policy_rule *earlier, const struct policy_rule *later)
{
	for (int f = 0; f < RULE__COUNT; f++) {
		const char *text = later->glob[f];
		if (!text && f == RULE_FIRST_LINE && later->glob[RULE_RUN] &&
		    !strchr(later->glob[RULE_RUN], '\n'))
			text = later->glob[RULE_RUN]; /* a script of one line is its first line */
		if (earlier->glob[f] && (!text || !glob_covers(GLOB_LINE, earlier->glob[f], text)))
			return false;
	}
	return true;
}

static bool field_matches(const struct policy_rule *rule, const struct step_facts *step,
                          enum rule_field field)
{
	bool first_line = field == RULE_FIRST_LINE;
	const char *text = step->field[first_line ? RULE_RUN : field];
	if (!rule->glob[field])
		return true;
	return text && glob_match_len(GLOB_LINE, rule->glob[field], text,
	                              first_line ? strcspn(text, "\n") : strlen(text));
}

static bool rule_matches(const struct policy_rule *rule, const struct step_facts *step)
{
	for (int f = 0; f < RULE__COUNT; f++)
		if (!field_matches(rule, step, (enum rule_field)f))
			return false;
	return true;
}

const struct policy_rule *policy_rule_for(const struct policy *policy,
                                          const struct step_facts *step)
{
	for (size_t i = 0; policy && i < policy->n_rules; i++)
		if (rule_matches(&policy->rules[i], step))
			return &policy->rules[i];
	return NULL;
}

struct phase_choice policy_choose_phase(const struct policy *policy, const struct step_facts *step)
{
	const struct policy_rule *rule = policy_rule_for(policy, step);
	struct phase_choice choice = { .phase = rule ? rule->phase : DD_PHASE_BUILD, .rule = rule };
	const struct policy_rule *own = policy ? policy_rule_for(policy->narrow, step) : NULL;
	if (!own || own->phase == choice.phase)
		return choice;
	if (own->phase == DD_PHASE_BUILD)
		choice = (struct phase_choice){ .phase = DD_PHASE_BUILD,
			                        .rule = own,
			                        .moved = true };
	else
		/* fetch and push are not less than each other, and both are more than build */
		choice.refused = own;
	return choice;
}

static bool among(const char *const *words, const char *word)
{
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

bool policy_is_for(const struct policy *policy, const struct event_facts *event,
                   const char **ret_why)
{
	const struct policy_for *f = &policy->for_;
	const char *why = NULL;
	if (event->local)
		return true;
	if (f->repository && !glob_match(GLOB_TEXT, f->repository, event->repository))
		why = "repository";
	else if (f->ref && !glob_match(GLOB_TEXT, f->ref, event->ref))
		why = "ref";
	else if (f->events && !among(f->events, event->name))
		why = "event";
	else if (f->forges &&
	         !among(f->forges, "github")) /* the only shape of event file that there is yet */
		why = "forge";
	else if (f->protected_given && f->ref_protected != event->ref_protected)
		why = "protected";
	if (why && ret_why)
		*ret_why = why;
	return !why;
}
