// SPDX-License-Identifier: Apache-2.0
/* replay_tell.c - what every part of a replay says: findings, the lines of the policy that they
 * come from, and which entries were of use.
 *
 * Runs in: command line. Texts of records are copied here and escaped where they are printed. */
#include "replay_parts.h"

void replay_use_entry(const struct replay_step *s, const struct egress_entry *entry)
{
	s->r->used->entries[s->phase][entry - s->rules->egress.entries] = true;
}

void replay_use_credential(const struct replay_step *s, const struct policy_credential *cred)
{
	s->r->used->credentials[cred - s->r->policy->credentials] = true;
}

/* ---- findings ---- */

void replay_put(struct plan_arena *arena, struct replay_list *list, const struct replay_finding *f)
{
	list->items = arena_grow(arena, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] =
		(struct replay_finding){ .record = arena_strdup(arena, f->record),
		                         .step = arena_strdup(arena, f->step),
		                         .seq = f->seq,
		                         .what = f->what,
		                         .subject = arena_strdup(arena, f->subject),
		                         .why = arena_strdup(arena, f->why),
		                         .decided = arena_strdup(arena, f->decided) };
}

static struct replay_finding finding(const struct replay_step *s, uint64_t seq, const char *what,
                                     const char *subject, const char *why, const char *decided)
{
	return (struct replay_finding){ .record = s->facts->path,
		                        .step = s->step ? s->step->ref : NULL,
		                        .seq = seq,
		                        .what = what,
		                        .subject = subject,
		                        .why = why,
		                        .decided = decided };
}

void replay_refuse(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                   const char *why, const char *decided)
{
	struct replay_finding f = finding(s, seq, what, subject, why, decided);
	replay_put(s->r->arena, &s->r->refused, &f);
}

void replay_doubt(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                  const char *why, const char *decided)
{
	struct replay_finding f = finding(s, seq, what, subject, why, decided);
	replay_put(s->r->arena, &s->r->unknown, &f);
}

void replay_note(const struct replay_step *s, uint64_t seq, const char *what, const char *subject,
                 const char *why, const char *decided)
{
	struct replay_finding f = finding(s, seq, what, subject, why, decided);
	replay_put(s->r->arena, &s->r->notes, &f);
}

const char *replay_phase_key(const struct replay_step *s, const char *key)
{
	const struct diag_mark *mark = &s->rules->mark;
	if (mark->line == 0)
		return arena_printf(s->r->arena, "%s: phases.%s.%s is not set", s->r->policy->path,
		                    phase_names[s->phase], key);
	return arena_printf(s->r->arena, "%s:%u:%u: phases.%s.%s", mark->file, mark->line,
	                    mark->column, phase_names[s->phase], key);
}

const char *replay_policy_key(const struct replay_step *s, const char *key)
{
	return arena_printf(s->r->arena, "%s: %s", s->r->policy->path, key);
}
