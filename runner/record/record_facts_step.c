// SPDX-License-Identifier: Apache-2.0
/* record_facts_step.c - where the events of one step are put in struct facts_step.
 *
 * Runs in: command line. The lines are foreign; their chain holds, their content may be anything.
 */
#include "event_read.h"

#include <string.h>

static const void *empty_of(enum event event)
{
	return event_rows[event].shape.empty;
}

/* ---- from start to end ---- */

static int check_phase(const struct facts_reading *r, const char *phase)
{
	for (enum dd_phase p = 0; phase && p < DD_PHASE__COUNT; p++)
		if (strcmp(phase, dd_phase_name(p)) == 0)
			return 0;
	return dd_err_say(r->err, EBADMSG, "the field phase is none of build, fetch and push");
}

void *facts_place_step_start(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	struct record_facts *f = r->facts;
	(void)none;
	if (f->n_steps == FACTS_STEPS_MAX) {
		(void)dd_err_say(r->err, E2BIG, "more than %d steps", FACTS_STEPS_MAX);
		return NULL;
	}
	f->steps = arena_grow(r->arena, f->steps, f->n_steps, sizeof(*f->steps));
	struct facts_step *s = &f->steps[f->n_steps++];
	memcpy(s, empty_of(EVENT_STEP_START), sizeof(*s));
	s->start = event_at(line);
	s->index = (int64_t)f->n_steps;
	if (event_read_text(r, line, "step", &s->ref) < 0 ||
	    event_read_text(r, line, "phase", &s->phase) < 0)
		return NULL;
	if (!s->ref) {
		(void)dd_err_say(r->err, EBADMSG, "a step starts without a name");
		return NULL;
	}
	return check_phase(r, s->phase) < 0 ? NULL : s;
}

void *facts_place_step_end(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	if (step->end.seq) {
		(void)dd_err_say(r->err, EBADMSG, "the step ends a second time");
		return NULL;
	}
	step->end = event_at(line);
	return step;
}

/* ---- what it did ---- */

static const enum facts_net_kind net_kinds[EVENT__COUNT] = {
	[EVENT_NET_ALLOW] = FACTS_CONNECTED,
	[EVENT_NET_DENY] = FACTS_REFUSED,
	[EVENT_DNS_ALLOW] = FACTS_RESOLVED,
	[EVENT_DNS_DENY] = FACTS_NAME_REFUSED,
};

void *facts_place_net(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	step->net = arena_grow(r->arena, step->net, step->n_net, sizeof(*step->net));
	struct facts_net *one = &step->net[step->n_net++];
	memcpy(one, empty_of(EVENT_NET_ALLOW), sizeof(*one));
	one->at = event_at(line);
	one->kind = net_kinds[event_named(json_string_value(json_object_get(line, "event")))];
	return one;
}

void *facts_place_sys_deny(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	step->calls = arena_grow(r->arena, step->calls, step->n_calls, sizeof(*step->calls));
	struct facts_syscall *one = &step->calls[step->n_calls++];
	memcpy(one, empty_of(EVENT_SYS_DENY), sizeof(*one));
	one->at = event_at(line);
	return one;
}

void *facts_place_cred_grant(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	step->leases = arena_grow(r->arena, step->leases, step->n_leases, sizeof(*step->leases));
	struct facts_lease *one = &step->leases[step->n_leases++];
	memcpy(one, empty_of(EVENT_CRED_GRANT), sizeof(*one));
	one->at = event_at(line);
	return one;
}

void *facts_place_violation(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	step->violations = arena_grow(r->arena, step->violations, step->n_violations,
	                              sizeof(*step->violations));
	struct facts_violation *one = &step->violations[step->n_violations++];
	memcpy(one, empty_of(EVENT_VIOLATION), sizeof(*one));
	one->at = event_at(line);
	return one;
}

void *facts_place_fs_delta(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	(void)r;
	(void)line;
	memcpy(&step->delta, empty_of(EVENT_FS_DELTA), sizeof(step->delta));
	return &step->delta;
}

/* ---- the gate ---- */

/* A second event of the kind may have no list: what the first one had is not its. */
void *facts_place_gate_open(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	(void)r;
	step->gate.opened = event_at(line);
	step->gate.entries = NULL;
	step->gate.n_entries = 0;
	step->gate.entries_in = FACTS_ABSENT;
	return &step->gate;
}

void *facts_place_gate_close(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	(void)r;
	step->gate.closed = event_at(line);
	step->gate.receipts = NULL;
	step->gate.wildcards = NULL;
	step->gate.blocks = NULL;
	step->gate.n_receipts = step->gate.n_wildcards = step->gate.n_blocks = 0;
	step->gate.total = step->gate.not_listed = (struct facts_sums){ .known = false };
	return &step->gate;
}
