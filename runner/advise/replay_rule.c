// SPDX-License-Identifier: Apache-2.0
/* replay_rule.c - which rule of a policy a recorded step falls under.
 *
 * Runs in: command line. The question goes to policy_rule_for(), as in a run, one rule at a time: a
 * record may lack a text that a rule asks about, and then the answer is "may fit", never a guess.
 */
#include "replay_parts.h"

#include <string.h>

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

const char *replay_step_id(const struct facts_step *step)
{
	return or_null(step->match.known ? step->match.id : step->id);
}

const char *replay_step_job(const struct facts_step *step, const char *job)
{
	return step->match.known && step->match.job ? step->match.job : job;
}

/* An older record shows the id and a name that may be made up from the script; the rest is not in
 * it. */
static bool is_known(const struct facts_step *step, int field)
{
	if (field == RULE_ID || field == RULE_JOB)
		return true;
	if (!step->match.known)
		return false;
	return field == RULE_NAME || field == RULE_USES || !step->match.run ||
	       step->match.run_exact;
}

enum rule_fit replay_rule_fit(const struct policy_rule *rule, const struct facts_step *step,
                              const char *job)
{
	const struct step_facts facts = { .field = {
						  [RULE_ID] = replay_step_id(step),
						  [RULE_JOB] = replay_step_job(step, job),
						  [RULE_NAME] = step->match.name,
						  [RULE_USES] = step->match.uses,
						  [RULE_RUN] = step->match.run,
					  } };
	struct policy_rule known = *rule;
	bool in_doubt = false;
	for (int f = 0; f < RULE__COUNT; f++)
		if (known.glob[f] && !is_known(step, f)) {
			known.glob[f] = NULL;
			in_doubt = true;
		}
	const struct policy one = { .rules = &known, .n_rules = 1 };
	if (!policy_rule_for(&one, &facts))
		return RULE_FITS_NOT;
	return in_doubt ? RULE_MAY_FIT : RULE_FITS;
}
