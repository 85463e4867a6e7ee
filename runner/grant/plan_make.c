// SPDX-License-Identifier: Apache-2.0
/* plan_make.c - what a forge says of a job + policy -> what every step may. Pure: no file is
 * opened, nothing is started.
 *
 * Runs in: command line and supervisor. The job is hostile: phase, trust and credentials come from
 * the policy and the event only (G-05). */
#include "plan_build.h"

#include "base/digest.h"

#include <ctype.h>
#include <string.h>

static struct plan_arena *arena_of(const struct plan_build *b)
{
	return b->plan->arena;
}

/* ---- phase ---- */

enum { DEVIATION_SHOWN = 60 };

/* Rules times texts, before the first is matched. */
static bool matching_is_bounded(struct plan_build *b)
{
	const struct policy *from[] = { b->policy, b->policy ? b->policy->narrow : NULL };
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		const struct policy_match_costs costs = policy_match_costs(from[i]);
		uint64_t work = 0;
		for (size_t k = 0; from[i] && from[i]->n_rules && k < b->spec->n_steps; k++) {
			const struct spec_step *step = &b->spec->steps[k];
			const struct step_facts facts = plan_step_facts(b, &step->facts, step);
			work += policy_match_work(&costs, &facts);
		}
		if (work <= POLICY_MATCH_WORK_MAX)
			continue;
		diag_add(b->diags, from[i]->rules[0].mark,
		         "fewer rules, shorter patterns or shorter scripts; a pattern without `*` "
		         "and "
		         "`?` costs nothing",
		         "these %zu rules and the texts of this job's %zu steps are too much to "
		         "compare: %llu Mi bytes of text, each with a pattern, and %d Mi are "
		         "possible",
		         from[i]->n_rules, b->spec->n_steps, (unsigned long long)(work >> 20),
		         POLICY_MATCH_WORK_MAX >> 20);
		return false;
	}
	return true;
}

/* Why a rule that names the step does not decide about it, and what would make it. @what is commit
 * content. */
static const char *missed_text(struct plan_build *b, const struct phase_choice *choice)
{
	static const char *const keys[] = { [DEVIATES_SHELL] = "shell",
		                            [DEVIATES_WORKDIR] = "working_directory",
		                            [DEVIATES_ENV] = "env" };
	struct plan_arena *arena = arena_of(b);
	const char *rule = plan_rule_text(b, choice->missed);
	const struct step_deviation *d = &choice->deviation;
	char what[4 * DEVIATION_SHOWN + 1];
	if (d->kind == DEVIATES_MANY)
		return arena_printf(
			arena, "%s would match, but more than %d variables are set for the step",
			rule, STEP_VARIABLES_MAX);
	diag_escape(what, sizeof(what), d->what, strnlen(d->what, DEVIATION_SHOWN));
	const char *but =
		d->kind == DEVIATES_ENV
			? arena_printf(arena, "the %s sets %s, which may decide what runs", d->of,
	                               what)
			: arena_printf(arena, "%s `%s`",
	                               d->kind == DEVIATES_SHELL ? "its shell is" : "it runs in",
	                               what);
	return arena_printf(arena, "%s would match, but %s (its `%s:` can accept that)", rule, but,
	                    keys[d->kind]);
}

static void choose_phase(struct plan_build *b, struct grant *grant)
{
	const struct spec_step *written = grant->written;
	struct phase_choice choice = plan_choose_phase(b, &written->facts, written);
	grant->phase = choice.phase;
	grant->moved = choice.moved;
	plan_narrowed_step(b, choice.refused, grant->phase, grant->ref);
	if (choice.rule)
		grant->phase_why = plan_rule_text(b, choice.rule);
	else
		grant->phase_why = b->policy ? "no rule matches: build" : "no policy: build";
	if (choice.missed && choice.phase == DD_PHASE_BUILD && !choice.moved)
		grant->phase_why = arena_printf(arena_of(b), "%s; %s", grant->phase_why,
		                                missed_text(b, &choice));
}

/* ---- what the policy gives ---- */

static struct grant_terms *make_terms(struct plan_build *b, const struct policy *policy,
                                      enum dd_phase p, bool closed)
{
	const struct policy_phase *phase = &policy->phases[p];
	struct grant_terms *terms = arena_alloc(arena_of(b), sizeof(*terms));
	*terms = (struct grant_terms){ .phase = p,
		                       .egress = phase->egress,
		                       .view = p == DD_PHASE_PUSH ? phase->view
		                                                  : WORKSPACE_PRISTINE,
		                       .artifacts = policy->phases[DD_PHASE_PUSH].artifacts,
		                       .carry_env = phase->carry_env,
		                       .carry_path = phase->carry_path,
		                       .env = phase->env,
		                       .n_env = phase->n_env,
		                       .store = policy->store,
		                       .limits = policy->limits,
		                       .seccomp = policy->seccomp,
		                       .syscalls = policy->syscalls,
		                       .read = policy->read };
	/* the loader refuses entries for build; its gate stays closed even so */
	if (p == DD_PHASE_BUILD || closed)
		terms->egress.n = 0;
	terms->egress.index =
		egress_index_make(arena_alloc(arena_of(b), egress_index_size(terms->egress.n)),
	                          terms->egress.entries, terms->egress.n);
	return terms;
}

static void apply_policy(struct plan_build *b, const struct policy *policy, struct grant *grant)
{
	const struct spec_step *written = grant->written;
	bool closed = written->recipe.nothing;
	struct grant_terms **terms = closed ? &b->closed[grant->phase] : &b->terms[grant->phase];
	if (!*terms)
		*terms = make_terms(b, policy, grant->phase, closed);
	grant->terms = *terms;
	grant->time_sec = policy->limits.time_sec;
	if (written->time_sec && written->time_sec < grant->time_sec)
		grant->time_sec = written->time_sec;
}

/* A push step of an untrusted job stops the job before its first step: half a pipeline helps
 * nobody, and a push step that is left out silently looks like a success. */
static void check_trust(struct plan_build *b, const struct grant *grant)
{
	if (grant->phase != DD_PHASE_PUSH || b->plan->trusted ||
	    b->policy->phases[DD_PHASE_PUSH].trust == POLICY_TRUST_ANY)
		return;
	diag_add(b->diags, grant->written->mark, grant->phase_why,
	         "step `%s` is in push, but this job is not trusted: %s", grant->name,
	         b->plan->trust_why);
	b->refused = true;
}

static void make_grant(struct plan_build *b, const struct policy *policy, unsigned index,
                       struct grant *grant)
{
	const struct spec_step *written = &b->spec->steps[index - 1];
	grant->index = index;
	grant->written = written;
	grant->id = written->facts.id ? written->facts.id : "";
	grant->name = written->recipe.name;
	grant->is_named = written->facts.name != NULL;
	grant->label = written->label;
	grant->ref = grant->id[0] ? grant->id : grant->label;
	grant->run_sha256 = plan_run_sha256(b, arena_of(b), written->facts.run);
	if (written->forge) {
		plan_forge_grant(b, policy, grant);
		return;
	}
	if (written->own) {
		plan_own_grant(b, policy, grant);
		return;
	}
	choose_phase(b, grant);
	apply_policy(b, policy, grant);
	plan_make_leases(b, grant);
	check_trust(b, grant);
}

static bool policy_fits(struct plan_build *b)
{
	const struct event_facts *event = &b->spec->event;
	const char *why = NULL;
	if (!b->policy || policy_is_for(b->policy, event, &why))
		return true;
	diag_add(b->diags, b->policy->for_.mark, "choose another policy",
	         "this policy is not for the job: `%s` differs (repository `%s`, ref `%s`, event "
	         "`%s`)",
	         why, event->repository, event->ref, event->name);
	b->refused = true;
	return false;
}

static void describe(struct plan_build *b)
{
	struct plan *plan = b->plan;
	plan->spec = b->spec;
	if (b->policy) {
		plan->policy_path = b->policy->path;
		plan->artifacts = b->policy->phases[DD_PHASE_PUSH].artifacts;
		memcpy(plan->policy_sha256, b->policy->sha256, sizeof(plan->policy_sha256));
	}
	plan->trusted = event_is_trusted_with(
		&b->spec->event, b->policy ? b->policy->trusted_events : NULL, &plan->trust_why);
}

static void make_grants(struct plan_build *b)
{
	struct policy none = { .arena = arena_of(b) };
	policy_defaults(&none);
	plan_narrowed_begin(b);
	b->plan->tools = policy_actions_of(b->policy)->tools;
	b->plan->record_bytes = (b->policy ? b->policy : &none)->limits.record_bytes;
	b->plan->injection = (b->policy ? b->policy : &none)->injection;
	b->plan->grants = arena_array(arena_of(b), b->spec->n_steps, sizeof(*b->plan->grants));
	b->plan->n_grants = b->spec->n_steps;
	for (size_t i = 0; i < b->spec->n_steps; i++)
		make_grant(b, b->policy ? b->policy : &none, (unsigned)i + 1, &b->plan->grants[i]);
	plan_check_leases(b);
	plan_note_unused(b);
}

size_t grant_deciding_vars(const struct grant *grant, const char *ret[STEP_VARIABLES_MAX + 2])
{
	const struct recipe *recipe = &grant->written->recipe;
	size_t n = 0;
	for (size_t i = recipe->n_env; i-- > 0;)
		for (size_t k = 0; !recipe->env[i].fixed && k < recipe->env[i].n; k++)
			if (n <= STEP_VARIABLES_MAX &&
			    policy_variable_decides(recipe->env[i].vars[k].name,
			                            grant->written->facts.run))
				ret[n++] = recipe->env[i].vars[k].name;
	ret[n] = NULL;
	return n;
}

int plan_make(const struct job_spec *spec, const struct policy *policy, struct plan **ret,
              struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct plan_build b = { .plan = arena_alloc(arena, sizeof(struct plan)),
		                .spec = spec,
		                .policy = policy,
		                .scratch = arena_new(),
		                .diags = diags };
	size_t before = diags->n;
	b.plan->arena = arena;
	if (job_spec_check(spec, diags) == 0 && policy_fits(&b) && matching_is_bounded(&b)) {
		describe(&b);
		make_grants(&b);
	}
	arena_free(b.scratch);
	if (diags->n > before || diags->truncated) {
		plan_free(b.plan);
		return b.refused ? -EACCES : -EINVAL;
	}
	*ret = b.plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	if (plan)
		arena_free(plan->arena);
}
