// SPDX-License-Identifier: Apache-2.0
/* gate_observe.c - observe mode: lets public destinations through and says what the enforcing gate
 * would have said.
 *
 * Runs in: gate, on bytes that hostile code chose. The verdict is the enforcing one, from the same
 * functions; only what follows from a refusal differs, and only here. What stays refused is in
 * egress_entry_may_dial(): an address that is not public is dialled for an entry of the list that
 * says so, never for the entry of this file. A connection is dialled at once and its first bytes
 * are judged in passing, so that a protocol in which the server speaks first waits for nothing.
 * What is reported is then one event: where to, what was said, would it have passed.
 */
#include "gate_internal.h"

/* Stands for the entry that is missing. No private address, no name, no pin: it opens what is
 * public and nothing else. */
const struct egress_entry gate_observed_entry = { .origin = "observe mode",
	                                          .ech = EGRESS_ECH_PASS };

bool gate_observe_may_pass(const struct gate_state *g, const struct gate_flow *f)
{
	const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = f->local };
	const char *why = NULL;

	if (!g->observe)
		return false;
	/* The addresses of a name are judged when they are dialled. */
	return f->name ||
	       egress_entry_may_dial(&gate_observed_entry, (const struct sockaddr *)&local, &why);
}

void gate_observe_would(struct gate_flow *f, enum dd_reason reason)
{
	if (!f->would)
		f->would = reason; /* the first one is what the enforcing gate gives */
}

/* ---- first bytes ---- */

static void judged(struct gate_flow *f, enum gate_speaks speaks)
{
	f->judging = false;
	f->speaks = speaks;
	gate_flow_report_allowed(f);
}

static void tolerate(struct gate_flow *f, enum gate_speaks speaks, enum dd_reason reason)
{
	gate_observe_would(f, reason);
	f->cleared = f->filled;
	judged(f, speaks);
}

/* The client has said a whole, proper first message. */
static void understood(struct gate_flow *f, enum gate_speaks speaks)
{
	if (f->gate->now_ns >= f->hello_ns) {
		tolerate(f, speaks, REASON_HELLO_SILENT);
		return;
	}
	f->speaks = speaks;
	if (speaks == GATE_SPEAKS_HTTP && gate_http_start(f) < 0)
		return; /* no memory; closed */
	judged(f, f->speaks);
}

bool gate_observe_hear(struct gate_flow *f)
{
	enum dd_reason reason = REASON_NONE;
	enum gate_speaks speaks = GATE_SPEAKS_RAW;
	enum parse result = f->filled > 0 ? gate_flow_judge(f, &speaks, &reason) : PARSE_MORE;

	if (result == PARSE_OK)
		understood(f, speaks);
	else if (result ==
	         PARSE_REFUSED) /* a hello for this name is one, whatever is in it besides */
		tolerate(f, reason == REASON_TLS_ENCRYPTED_HELLO ? speaks : GATE_SPEAKS_RAW,
		         reason);
	else if (f->filled == GATE_BUFFER)
		tolerate(f, GATE_SPEAKS_RAW, REASON_HELLO_TOO_LARGE);
	else if (f->filled > 0 && f->gate->now_ns >= f->hello_ns)
		tolerate(f, GATE_SPEAKS_RAW, REASON_HELLO_UNFINISHED);
	else if (f->client_eof) { /* ended before it said anything whole: the enforcing gate has no
		                     word for that either */
		f->cleared = f->filled;
		judged(f, f->filled > 0 ? GATE_SPEAKS_RAW : GATE_SPEAKS_NOTHING);
	}
	return !f->dead && !f->judging;
}

void gate_observe_server_spoke(struct gate_flow *f)
{
	tolerate(f, GATE_SPEAKS_RAW, REASON_HELLO_SILENT);
}

void gate_observe_ended(struct gate_flow *f)
{
	if (f->judging && f->state == FLOW_RELAY)
		judged(f, GATE_SPEAKS_NOTHING);
}

/* A request that the enforcing gate would have stopped, the first or a later one of its connection.
 */
bool gate_observe_tolerates(struct gate_flow *f, enum dd_reason reason)
{
	if (!f->gate->observe)
		return false;
	f->cleared = f->filled;
	f->speaks = GATE_SPEAKS_RAW;
	bool told = !f->judging && f->would;
	gate_observe_would(f, reason);
	if (!f->judging &&
	    !told) /* told as allowed before: told again, with what would have cut it */
		gate_flow_report_allowed(f);
	return true;
}

/* ---- budgets ---- */

void gate_observe_budget(struct gate_flow *f)
{
	struct gate_state *g = f->gate;
	struct gate_dest *dest = f->dest;

	/* A destination without an entry has no budget: that it has no entry is said already. */
	if (g->observe && gate_budget_is_over(g, dest) && gate_budget_exhaust(g, dest))
		gate_flow_report_violation(f);
}
