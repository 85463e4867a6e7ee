// SPDX-License-Identifier: Apache-2.0
/* suggest_rules.c - how a policy names the steps that need more than build.
 *
 * Runs in: command line. A rule is made of the fewest texts that name no recorded step of another
 * phase; whether it names one is asked of policy_rule_for() through replay_rule_fit(). So the order
 * of the rules never matters, and a rule that nothing depends on is left out. */
#include "suggest_parts.h"

#include "base/digest.h"

#include <string.h>

#define F(field) (1u << (field))
/* Best first: what the workflow's author chose as a name, then what the step runs. */
static const unsigned combinations[] = {
	F(RULE_ID),
	F(RULE_ID) | F(RULE_JOB),
	F(RULE_USES),
	F(RULE_NAME),
	F(RULE_RUN),
	F(RULE_FIRST_LINE),
	F(RULE_USES) | F(RULE_NAME),
	F(RULE_USES) | F(RULE_JOB),
	F(RULE_NAME) | F(RULE_JOB),
	F(RULE_RUN) | F(RULE_JOB),
	F(RULE_FIRST_LINE) | F(RULE_JOB),
	F(RULE_NAME) | F(RULE_RUN),
	F(RULE_NAME) | F(RULE_FIRST_LINE),
	F(RULE_USES) | F(RULE_NAME) | F(RULE_JOB),
	F(RULE_NAME) | F(RULE_RUN) | F(RULE_JOB),
	/* one script and no other: the last resort, because nobody can read it */
	F(RULE_RUN_SHA256),
	F(RULE_RUN_SHA256) | F(RULE_JOB),
	F(RULE_NAME) | F(RULE_RUN_SHA256),
	F(RULE_NAME) | F(RULE_RUN_SHA256) | F(RULE_JOB),
};

/* A glob has no escape: `?` is the narrowest that still matches a star or a question mark of the
 * text. */
static const char *as_glob(struct plan_arena *arena, const char *text)
{
	char *glob = arena_strdup(arena, text);
	for (char *c = glob; *c; c++)
		if (*c == '*')
			*c = '?';
	return glob;
}

/* A record's word for it; a policy takes nothing else. */
static const char *digest_or_null(const char *text)
{
	return text && strlen(text) == DIGEST_HEX - 1 &&
	                       strspn(text, "0123456789abcdef") == DIGEST_HEX - 1
	               ? text
	               : NULL;
}

/* NULL: the step has no such text, or the record does not have it whole. */
static const char *text_of(struct suggest *s, const struct suggest_seen *seen, int field)
{
	const struct facts_match *m = &seen->step->match;
	const char *run = m->run_exact && m->run && !strchr(m->run, '\n') ? m->run : NULL;
	const char *first = m->run_exact && m->run && !run
	                            ? arena_strndup(s->arena, m->run, strcspn(m->run, "\n"))
	                            : NULL;
	const char *const texts[RULE__COUNT] = {
		[RULE_ID] = replay_step_id(seen->step),
		[RULE_JOB] = replay_step_job(seen->step, seen->facts->job),
		[RULE_NAME] = m->name,
		[RULE_USES] = m->uses,
		[RULE_RUN] = run,
		[RULE_FIRST_LINE] = first,
		[RULE_RUN_SHA256] = digest_or_null(m->run_sha256),
	};
	return texts[field] && *texts[field] ? texts[field] : NULL;
}

/* A rule that opens the gate for a text says what else may decide what runs. */
static void accept_the_rest(struct suggest *s, const struct facts_match *match,
                            struct policy_rule *rule)
{
	if (match->shell)
		rule->glob[RULE_SHELL] = as_glob(s->arena, match->shell);
	if (match->workdir)
		rule->glob[RULE_WORKDIR] = as_glob(s->arena, match->workdir);
	rule->env = match->vars;
}

static bool make_rule(struct suggest *s, const struct suggest_step *step, unsigned fields,
                      struct policy_rule *ret)
{
	*ret = (struct policy_rule){ .phase = step->phase };
	if (fields & F(RULE_FIRST_LINE) &&
	    step->phase ==
	            DD_PHASE_PUSH) /* the loader refuses it: the lines behind it may say anything */
		return false;
	for (int f = 0; f < RULE__COUNT; f++) {
		const char *text = fields & F(f) ? text_of(s, &step->seen[0], f) : NULL;
		if (fields & F(f) && !text)
			return false;
		ret->glob[f] = text ? as_glob(s->arena, text) : NULL;
	}
	if (fields & (F(RULE_RUN) | F(RULE_RUN_SHA256) | F(RULE_USES)))
		accept_the_rest(s, &step->seen[0].step->match, ret);
	return true;
}

static enum rule_fit fit(const struct policy_rule *rule, const struct suggest_seen *seen)
{
	return replay_rule_fit(NULL, rule, seen->step, seen->facts->job);
}

static bool fits_all(const struct policy_rule *rule, const struct suggest_step *step)
{
	for (size_t i = 0; i < step->n_seen; i++)
		if (fit(rule, &step->seen[i]) != RULE_FITS)
			return false;
	return true;
}

static bool fits_a_stranger(const struct suggest *s, const struct policy_rule *rule)
{
	for (size_t i = 0; i < s->n_steps; i++)
		for (size_t k = 0; s->steps[i].phase != rule->phase && k < s->steps[i].n_seen; k++)
			if (fit(rule, &s->steps[i].seen[k]) != RULE_FITS_NOT)
				return true;
	return false;
}

static void name_step(struct suggest *s, size_t index)
{
	struct suggest_step *step = &s->steps[index];
	struct policy_rule rule;
	for (size_t i = 0; i < s->n_rules; i++)
		if (fits_all(&s->rules[i].rule, step))
			return;
	for (size_t i = 0; i < ARRAY_LEN(combinations); i++) {
		if (!make_rule(s, step, combinations[i], &rule) || !fits_all(&rule, step) ||
		    fits_a_stranger(s, &rule))
			continue;
		s->rules[s->n_rules++] = (struct suggest_rule){ .rule = rule, .step = index };
		return;
	}
	step->unnamed = true;
	suggest_warn(s,
	             "step %s should be in %s, but no rule can name it alone: give it an id, and "
	             "record again",
	             suggest_quoted(s->arena, step->label), phase_names[step->phase]);
}

/* A later, wider rule can take over all steps of an earlier one. */
static bool is_needed(const struct suggest *s, size_t which)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		bool by_other = false;
		if (s->steps[i].phase == DD_PHASE_BUILD ||
		    !fits_all(&s->rules[which].rule, &s->steps[i]))
			continue;
		for (size_t k = 0; k < s->n_rules; k++)
			by_other = by_other || (k != which && !s->rules[k].dropped &&
			                        fits_all(&s->rules[k].rule, &s->steps[i]));
		if (!by_other)
			return true;
	}
	return false;
}

void suggest_rules(struct suggest *s)
{
	s->rules = arena_array(s->arena, s->n_steps + 1, sizeof(*s->rules));
	for (size_t i = 0; i < s->n_steps; i++)
		if (s->steps[i].phase != DD_PHASE_BUILD)
			name_step(s, i);
	for (size_t i = 0; i < s->n_rules; i++)
		s->rules[i].dropped = !is_needed(s, i);
}

enum dd_phase suggest_effective(const struct suggest_step *step)
{
	return step->unnamed ? DD_PHASE_BUILD : step->phase;
}
