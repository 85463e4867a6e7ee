// SPDX-License-Identifier: Apache-2.0
/* policy_match.c - which rule a step falls under, and whether a policy is for a job at all. Pure.
 *
 * The texts are the workflow's (hostile), the globs the operator's. `*` and `?` never match a line
 * feed and the whole text must match: otherwise "npm ci*" would also name a script whose second
 * line is somebody else's idea. Who wants the first line alone asks for `first_line`, which says
 * so, and which no rule for push may use; who wants one long script and nothing else, for
 * `run_sha256`. No match means build, where the gate is closed, so a near miss is safe.
 *
 * A text means what its shell, its directory and its variables make of it: `npm ci` under `shell:
 * "./evil {0}"` is evil. A rule that opens the gate for a text therefore matches only where these
 * are as they are by default, unless it says which others may be (G-16). */
#include "policy_model.h"

#include "model/event.h"

#include <assert.h>
#include <string.h>

const char *const rule_field_names[] = {
	[RULE_ID] = "id",
	[RULE_NAME] = "name",
	[RULE_RUN] = "run",
	[RULE_FIRST_LINE] = "first_line",
	[RULE_USES] = "uses",
	[RULE_JOB] = "job",
	[RULE_SHELL] = "shell",
	[RULE_WORKDIR] = "working_directory",
	[RULE_RUN_SHA256] = "run_sha256",
};
static_assert(ARRAY_LEN(rule_field_names) == RULE__COUNT, "a field has no name");

/* What a rule about `shell` and `working-directory` is held against where the step says nothing. */
static const char *const default_text[RULE__COUNT] = {
	[RULE_SHELL] = "bash", [RULE_WORKDIR] = "."
};

/* Does the rule open the gate for a text, so that what else decides what runs must be as it is by
 * default? Not so `first_line`: there any script may follow. */
static bool trusts_the_text(const struct policy_rule *rule)
{
	return (rule->glob[RULE_RUN] || rule->glob[RULE_RUN_SHA256] || rule->glob[RULE_USES]) &&
	       rule->phase != DD_PHASE_BUILD;
}

/* ---- one rule and another ---- */

static bool covers_field(const struct policy_rule *earlier, const struct policy_rule *later,
                         enum rule_field f)
{
	const char *glob = earlier->glob[f], *text = later->glob[f];
	if (!text && f == RULE_FIRST_LINE && later->glob[RULE_RUN] &&
	    !strchr(later->glob[RULE_RUN], '\n'))
		text = later->glob[RULE_RUN]; /* a script of one line is its first line */
	if (!glob && default_text[f] && trusts_the_text(earlier))
		return !text && trusts_the_text(later);
	return !glob || (text && glob_covers(GLOB_LINE, glob, text));
}

static bool covers_name(const char *const *globs, const char *glob)
{
	for (size_t i = 0; globs[i]; i++)
		if (glob_covers(GLOB_LINE, globs[i], glob))
			return true;
	return false;
}

static bool covers_env(const struct policy_rule *earlier, const struct policy_rule *later)
{
	if (!earlier->env && !trusts_the_text(earlier))
		return true;
	if (!later->env && !trusts_the_text(later))
		return false;
	for (size_t i = 0; later->env && later->env[i]; i++)
		if (!earlier->env || !covers_name(earlier->env, later->env[i]))
			return false;
	return true;
}

/* Does every step of @later already fall under @earlier? May say no where the answer is yes, never
 * the other way round. */
bool policy_rule_covers(const struct policy_rule *earlier, const struct policy_rule *later)
{
	for (int f = 0; f < RULE__COUNT; f++)
		if (!covers_field(earlier, later, (enum rule_field)f))
			return false;
	return covers_env(earlier, later);
}

/* ---- a rule and a step ---- */

static bool field_matches(const struct policy_rule *rule, const struct step_facts *step,
                          enum rule_field field)
{
	bool first_line = field == RULE_FIRST_LINE;
	const char *text = step->field[first_line ? RULE_RUN : field];
	text = text ? text : default_text[field];
	if (!rule->glob[field])
		return true;
	return text && glob_match_len(GLOB_LINE, rule->glob[field], text,
	                              first_line ? strcspn(text, "\n") : strlen(text));
}

static bool sets(const struct policy_phase *phase, const char *name)
{
	for (size_t i = 0; i < phase->n_env; i++)
		if (strcmp(phase->env[i].name, name) == 0)
			return true;
	return false;
}

/* The operator's own variable of that name wins over the workflow's, which then decides nothing. */
static bool variable_is_fine(const struct policy *policy, const struct policy_rule *rule,
                             const char *script, const char *name)
{
	if (!policy_variable_decides(name, script) || sets(&policy->phases[rule->phase], name))
		return true;
	for (size_t i = 0; rule->env && rule->env[i]; i++)
		if (glob_match(GLOB_LINE, rule->env[i], name))
			return true;
	return false;
}

/* Names that nobody knows yet may be any: only a rule that takes every name takes them. */
static bool takes_every_name(const struct policy_rule *rule)
{
	for (size_t i = 0; rule->env && rule->env[i]; i++)
		if (strcmp(rule->env[i], "*") == 0)
			return true;
	return false;
}

static bool layer_deviates(const struct policy *policy, const struct policy_rule *rule,
                           const char *script, const struct env_layer *layer, size_t *seen,
                           struct step_deviation *ret)
{
	if (layer->unknown && !takes_every_name(rule)) {
		*ret = (struct step_deviation){ .kind = DEVIATES_ENV,
			                        .what = layer->unknown,
			                        .of = layer->origin };
		return true;
	}
	for (size_t i = 0; i < layer->n; i++) {
		const char *name = layer->vars[i].name;
		bool many = ++*seen > STEP_VARIABLES_MAX;
		if (!many && variable_is_fine(policy, rule, script, name))
			continue;
		*ret = (struct step_deviation){ .kind = many ? DEVIATES_MANY : DEVIATES_ENV,
			                        .what = name,
			                        .of = layer->origin };
		return true;
	}
	return false;
}

/* Last layer first: what the step says itself is what people look at. */
static bool env_deviates(const struct policy *policy, const struct policy_rule *rule,
                         const struct step_facts *step, struct step_deviation *ret)
{
	size_t seen = 0;
	for (size_t i = step->n_env; i-- > 0;)
		if (!step->env[i].fixed &&
		    layer_deviates(policy, rule, step->field[RULE_RUN], &step->env[i], &seen, ret))
			return true;
	return false;
}

/* The shells that read a script as it is written, without a command of the workflow's own. */
static bool is_plain_shell(const char *shell)
{
	return !shell || strcmp(shell, "bash") == 0 || strcmp(shell, "sh") == 0;
}

static bool deviates(const struct policy *policy, const struct policy_rule *rule,
                     const struct step_facts *step, struct step_deviation *ret)
{
	const char *shell = step->field[RULE_SHELL], *workdir = step->field[RULE_WORKDIR];
	bool strict = trusts_the_text(rule) && !step->starts_nothing;
	if (strict && !rule->glob[RULE_SHELL] && !is_plain_shell(shell))
		*ret = (struct step_deviation){ .kind = DEVIATES_SHELL, .what = shell };
	else if (strict && !rule->glob[RULE_WORKDIR] && workdir)
		*ret = (struct step_deviation){ .kind = DEVIATES_WORKDIR, .what = workdir };
	else
		return (strict || rule->env) && env_deviates(policy, rule, step, ret);
	return true;
}

static bool rule_matches(const struct policy_rule *rule, const struct step_facts *step)
{
	for (int f = 0; f < RULE__COUNT; f++)
		if (!field_matches(rule, step, (enum rule_field)f))
			return false;
	return true;
}

/* @miss: gains the first rule for an open phase that only deviates; may be NULL. */
static const struct policy_rule *find_rule(const struct policy *policy,
                                           const struct step_facts *step, struct phase_choice *miss)
{
	for (size_t i = 0; policy && i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		struct step_deviation deviation = { .kind = DEVIATES_NOT };
		if (!rule_matches(rule, step))
			continue;
		if (!deviates(policy, rule, step, &deviation))
			return rule;
		if (miss && !miss->missed && rule->phase != DD_PHASE_BUILD) {
			miss->missed = rule;
			miss->deviation = deviation;
		}
	}
	return NULL;
}

/* ---- what it costs ---- */

struct policy_match_costs policy_match_costs(const struct policy *policy)
{
	struct policy_match_costs c = { .env = 0 };
	for (size_t i = 0; policy && i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		for (int f = 0; f < RULE__COUNT; f++)
			c.field[f] += rule->glob[f] ? glob_work(GLOB_LINE, rule->glob[f]) : 0;
		for (size_t k = 0; rule->env && rule->env[k]; k++)
			c.env += 1 + glob_work(GLOB_LINE, rule->env[k]);
		c.variables += rule->env || trusts_the_text(rule);
	}
	return c;
}

uint64_t policy_match_work(const struct policy_match_costs *costs, const struct step_facts *step)
{
	enum { SEARCHED_AT_ONCE = 16 }; /* bytes of a script that is searched for a name */
	const char *script = step->field[RULE_RUN];
	const size_t script_len = script ? strlen(script) : 0;
	uint64_t work = 0;
	size_t seen = 0;
	for (int f = 0; f < RULE__COUNT; f++) {
		const char *text = step->field[f == RULE_FIRST_LINE ? RULE_RUN : f];
		work += text ? costs->field[f] * strlen(text) : 0;
	}
	for (size_t i = 0; i < step->n_env; i++)
		for (size_t k = 0; !step->env[i].fixed && k < step->env[i].n; k++)
			if (seen++ < STEP_VARIABLES_MAX)
				work += costs->env * strlen(step->env[i].vars[k].name) +
				        costs->variables * (16 + script_len / SEARCHED_AT_ONCE);
	return work;
}

const struct policy_rule *policy_rule_for(const struct policy *policy,
                                          const struct step_facts *step)
{
	return find_rule(policy, step, NULL);
}

struct phase_choice policy_choose_phase(const struct policy *policy, const struct step_facts *step)
{
	struct phase_choice choice = { .phase = DD_PHASE_BUILD };
	choice.rule = find_rule(policy, step, &choice);
	if (choice.rule)
		choice.phase = choice.rule->phase;
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
	else if (f->forges && !among(f->forges, event->forge[0] ? event->forge : "github"))
		why = "forge";
	else if (f->protected_given && f->ref_protected != event->ref_protected)
		why = "protected";
	if (why && ret_why)
		*ret_why = why;
	return !why;
}
