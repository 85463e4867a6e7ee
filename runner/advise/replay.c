// SPDX-License-Identifier: Apache-2.0
/* replay.c - walks the steps of a record under a policy and collects what it says about each.
 *
 * Runs in: command line. Records are foreign; their texts are copied here and escaped where they
 * are printed. */
#include "replay_parts.h"

#include "model/event.h"

#include <stdlib.h>
#include <string.h>

struct replay *replay_new(const struct policy *policy)
{
	struct plan_arena *arena = arena_new();
	struct replay *r = arena_alloc(arena, sizeof(*r));
	r->arena = arena;
	r->policy = policy;
	r->used = arena_alloc(arena, sizeof(*r->used));
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		r->used->entries[p] = arena_array(arena, policy->phases[p].egress.n + 1,
		                                  sizeof(bool));
	r->used->credentials = arena_array(arena, policy->n_credentials + 1, sizeof(bool));
	return r;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	replay_calls_free(r->calls);
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		egress_spent_free(r->spent[p]);
	arena_free(r->arena);
}

/* ---- one step ---- */

static const char *rule_place(const struct replay *r, const struct policy_rule *rule)
{
	if (!rule)
		return arena_printf(r->arena, "%s: no rule of `steps` matches: build",
		                    r->policy->path);
	return arena_printf(r->arena, "%s:%u:%u: phase: %s", rule->mark.file, rule->mark.line,
	                    rule->mark.column, phase_names[rule->phase]);
}

/* False: a rule may fit or not, and the phase depends on it. */
static bool find_phase(struct replay_step *s)
{
	const struct policy *policy = s->r->policy;
	const struct policy_rule *found = NULL, *doubtful = NULL;
	for (size_t i = 0; i < policy->n_rules && !found; i++) {
		enum rule_fit fit = replay_rule_fit(policy, &policy->rules[i], s->step,
		                                    s->facts->job);
		if (fit == RULE_FITS)
			found = &policy->rules[i];
		else if (fit == RULE_MAY_FIT && !doubtful)
			doubtful = &policy->rules[i];
	}
	s->phase = found ? found->phase : DD_PHASE_BUILD;
	s->rules = &policy->phases[s->phase];
	s->rule_at = rule_place(s->r, found);
	if (!doubtful)
		return true;
	replay_doubt(s, s->step->start.seq, "step", s->step->ref,
	             "the record lacks the text that this rule asks about",
	             rule_place(s->r, doubtful));
	return false;
}

static void note_phase(const struct replay_step *s)
{
	if (strcmp(s->step->phase, phase_names[s->phase]) == 0 || s->phase == DD_PHASE_BUILD)
		return;
	replay_note(s, s->step->start.seq, "step", s->step->ref,
	            arena_printf(s->r->arena, "the run had it in %s, this policy has it in %s",
	                         s->step->phase, phase_names[s->phase]),
	            s->rule_at);
}

static int replay_one(struct replay *r, const struct record_facts *facts,
                      const struct facts_step *step, struct dd_err *err)
{
	struct replay_step s = { .r = r, .facts = facts, .step = step };
	r->judged++;
	if (!find_phase(&s))
		return 0; /* everything else would be about a phase that is a guess */
	note_phase(&s);
	replay_net(&s);
	replay_leases(&s);
	replay_action(&s);
	replay_view(&s);
	replay_limits(&s);
	return replay_calls(&s, err);
}

/* ---- the run ---- */

static void copy(char *to, size_t room, const char *text)
{
	(void)snprintf(to, room, "%s", text ? text : "");
}

static void judge_for(const struct replay_step *s)
{
	const struct facts_event *from = &s->facts->event;
	struct event_facts event = { .ref_protected = from->is_protected };
	const char *why = NULL;
	if (!from->known)
		return; /* the operator's own run: every policy is for it, as in a run */
	copy(event.name, sizeof(event.name), from->name);
	copy(event.repository, sizeof(event.repository), from->repository);
	copy(event.ref, sizeof(event.ref), from->ref);
	s->r->judged++;
	if (!policy_is_for(s->r->policy, &event, &why))
		replay_refuse(s, s->facts->start.seq, "job", s->facts->job,
		              arena_printf(s->r->arena,
		                           "the policy is not for this job: `%s` differs", why),
		              replay_policy_key(s, "for"));
}

int replay_add(struct replay *r, const struct record_facts *facts, struct dd_err *err)
{
	const struct replay_step run = { .r = r, .facts = facts };
	judge_for(&run);
	if (facts->torn_bytes > 0 || !facts->end.seq)
		replay_doubt(&run, 0, "job", facts->job, "the run did not end in this record",
		             NULL);
	if (facts->n_steps == 0)
		replay_doubt(&run, 0, "job", facts->job, "no step ran in this record", NULL);
	for (size_t i = 0; i < facts->n_steps; i++) {
		int code = replay_one(r, facts, &facts->steps[i], err);
		if (code < 0)
			return code;
	}
	replay_net_of_job(&run);
	return 0;
}

/* ---- what nobody used ---- */

static void note_unused(struct replay *r, const char *what, const char *subject,
                        const char *decided)
{
	const struct replay_finding f = {
		.what = what,
		.subject = subject,
		.why = "no record used it: this policy gives more than the runs did",
		.decided = decided
	};
	replay_put(r->arena, &r->notes, &f);
}

static const char *entry_text(struct plan_arena *arena, const struct egress_entry *e)
{
	uint32_t a = ntohl(e->cidr.s_addr);
	if (e->host)
		return arena_printf(arena, "%s%s:%u", e->wildcard ? "*." : "", e->host,
		                    (unsigned)e->port);
	return arena_printf(arena, "%u.%u.%u.%u/%u:%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
	                    a & 255, e->prefix, (unsigned)e->port);
}

void replay_end(struct replay *r)
{
	const struct policy *policy = r->policy;
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		const struct egress_list *list = &policy->phases[p].egress;
		for (size_t i = 0; i < list->n; i++)
			if (!r->used->entries[p][i])
				note_unused(r, "entry", entry_text(r->arena, &list->entries[i]),
				            list->entries[i].origin);
	}
	for (size_t i = 0; i < policy->n_credentials; i++) {
		const struct diag_mark *mark = &policy->credentials[i].mark;
		if (!r->used->credentials[i])
			note_unused(r, "credential", policy->credentials[i].name,
			            arena_printf(r->arena, "%s:%u:%u", mark->file, mark->line,
			                         mark->column));
	}
}
