// SPDX-License-Identifier: Apache-2.0
/* plan_phase.c - which rule chooses the phase of a step, and how that is said. Pure.
 *
 * Runs in: command line and supervisor. The step is hostile: it is held against the policy's rules
 * as it is written (G-05). */
#include "plan_build.h"

#include "base/digest.h"

#include <ctype.h>
#include <string.h>

/* What a `run:` glob is held against: the script without white space at its ends. */
static const char *trimmed(struct plan_arena *arena, const char *script)
{
	while (isspace((unsigned char)*script))
		script++;
	size_t len = strlen(script);
	while (len > 0 && isspace((unsigned char)script[len - 1]))
		len--;
	return script[len] ? arena_strndup(arena, script, len) : script;
}

static const char *rule_text(struct plan_arena *arena, const struct policy_rule *rule)
{
	const char *text = arena_printf(arena, "%s:%u:%u:", rule->mark.file, rule->mark.line,
	                                rule->mark.column);
	for (int f = 0; f < RULE__COUNT; f++)
		if (rule->glob[f])
			text = arena_printf(arena, "%s %s: \"%s\"", text, rule_field_names[f],
			                    rule->glob[f]);
	for (size_t i = 0; rule->env && rule->env[i]; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? ", " : " env: ", rule->env[i]);
	return text;
}

/* A rule decides about many steps: its text is made once. */
const char *plan_rule_text(struct plan_build *b, const struct policy_rule *rule)
{
	const struct policy *from[] = { b->policy, b->policy->narrow };
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		if (!from[i] || rule < from[i]->rules || rule >= from[i]->rules + from[i]->n_rules)
			continue;
		if (!b->rule_texts[i])
			b->rule_texts[i] = arena_array(b->scratch, from[i]->n_rules,
			                               sizeof(*b->rule_texts[i]));
		const char **text = &b->rule_texts[i][rule - from[i]->rules];
		if (!*text)
			*text = rule_text(b->plan->arena, rule);
		return *text;
	}
	return rule_text(b->plan->arena, rule);
}

/* NULL: there is no script; or no digest, and then no rule that asks for one matches. */
const char *plan_run_sha256(struct plan_build *b, struct plan_arena *arena, const char *script)
{
	struct digest *digest = NULL;
	if (!script || digest_new(&digest, NULL) < 0)
		return NULL;
	const char *text = trimmed(b->scratch, script);
	char *hex = arena_alloc(arena, DIGEST_HEX);
	int r = digest_bytes(digest, text, strlen(text), hex, NULL);
	digest_free(digest);
	return r == 0 ? hex : NULL;
}

static bool asks_for_digest(const struct policy *policy)
{
	for (size_t i = 0; policy && i < policy->n_rules; i++)
		if (policy->rules[i].glob[RULE_RUN_SHA256])
			return true;
	return policy && asks_for_digest(policy->narrow);
}

struct step_facts plan_step_facts(struct plan_build *b, const struct spec_facts *f,
                                  const struct spec_step *written)
{
	struct step_facts facts = { .field = {
					    [RULE_ID] = f->id,
					    [RULE_NAME] = f->name,
					    [RULE_JOB] = f->job,
					    [RULE_USES] = f->uses,
					    [RULE_RUN] = f->run ? trimmed(b->scratch, f->run)
		                                                : NULL,
				    } };
	if (written) {
		facts.starts_nothing = written->recipe.nothing;
		facts.env = written->recipe.env;
		facts.n_env = written->recipe.n_env;
	}
	if (written && f->run) {
		facts.field[RULE_SHELL] = written->shell;
		facts.field[RULE_WORKDIR] = job_spec_workdir(written);
	}
	return facts;
}

struct phase_choice plan_choose_phase(struct plan_build *b, const struct spec_facts *f,
                                      const struct spec_step *written)
{
	struct step_facts facts = plan_step_facts(b, f, written);
	if (asks_for_digest(b->policy))
		facts.field[RULE_RUN_SHA256] = plan_run_sha256(b, b->scratch, f->run);
	return policy_choose_phase(b->policy, &facts);
}
