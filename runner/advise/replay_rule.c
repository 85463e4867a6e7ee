// SPDX-License-Identifier: Apache-2.0
/* replay_rule.c - which rule of a policy a recorded step falls under.
 *
 * Runs in: command line. The question goes to policy_rule_for(), as in a run, one rule at a time: a
 * record may lack a text that a rule asks about, and then the answer is "may fit", never a guess.
 */
#include "replay_parts.h"

#include "base/digest.h"

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
	if (field == RULE_RUN_SHA256)
		return !step->match.run || step->match.run_sha256;
	return (field != RULE_RUN && field != RULE_FIRST_LINE) || !step->match.run ||
	       step->match.run_exact;
}

/* A text without a pattern names one script. Where the record does not have the script whole, its
 * digest says whether it is that one. */
static bool by_digest(struct policy_rule *rule, const struct facts_step *step,
                      char digest[DIGEST_HEX])
{
	const char *run = rule->glob[RULE_RUN];
	struct digest *d = NULL;
	if (!run || strpbrk(run, "*?") || rule->glob[RULE_RUN_SHA256] || !step->match.run_sha256 ||
	    step->match.run_exact || digest_new(&d, NULL) < 0)
		return false;
	int r = digest_bytes(d, run, strlen(run), digest, NULL);
	digest_free(d);
	if (r == 0)
		rule->glob[RULE_RUN] = NULL;
	return r == 0;
}

/* At most as many as a rule looks at, and one: the last says that there are too many. */
static struct env_layer vars_of(const struct facts_match *match, struct pair *vars)
{
	struct env_layer layer = { .origin = "workflow", .vars = vars };
	while (match->vars && match->vars[layer.n] && layer.n <= STEP_VARIABLES_MAX) {
		vars[layer.n] = (struct pair){ .name = match->vars[layer.n] };
		layer.n++;
	}
	return layer;
}

enum rule_fit replay_rule_fit(const struct policy *policy, const struct policy_rule *rule,
                              const struct facts_step *step, const char *job)
{
	struct pair vars[STEP_VARIABLES_MAX + 1];
	const struct env_layer layer = vars_of(&step->match, vars);
	const struct step_facts facts = { .starts_nothing = step->nothing,
		                          .env = &layer,
		                          .n_env = 1,
		                          .field = {
						  [RULE_ID] = replay_step_id(step),
						  [RULE_JOB] = replay_step_job(step, job),
						  [RULE_NAME] = step->match.name,
						  [RULE_USES] = step->match.uses,
						  [RULE_RUN] = step->match.run,
						  [RULE_RUN_SHA256] = step->match.run_sha256,
						  [RULE_SHELL] = step->match.shell,
						  [RULE_WORKDIR] = step->match.workdir,
					  } };
	struct policy_rule known = *rule;
	char digest[DIGEST_HEX];
	if (by_digest(&known, step, digest))
		known.glob[RULE_RUN_SHA256] = digest;
	bool in_doubt = false;
	for (int f = 0; f < RULE__COUNT; f++)
		if (known.glob[f] && !is_known(step, f)) {
			known.glob[f] = NULL;
			in_doubt = true;
		}
	struct policy one = policy ? *policy : (struct policy){ .arena = NULL };
	one.rules = &known;
	one.n_rules = 1;
	one.narrow = NULL;
	if (!policy_rule_for(&one, &facts))
		return RULE_FITS_NOT;
	return in_doubt ? RULE_MAY_FIT : RULE_FITS;
}
