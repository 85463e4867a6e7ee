// SPDX-License-Identifier: Apache-2.0
/* gate_budget.c - how much may still go out, and how many names and addresses may still be asked
 * for, by the account of the operator's entry: over the whole job, and in this step.
 *
 * Runs in: gate. What earlier steps of the job used came with the fork; what this one uses is told
 * to the supervisor (receipts, GATE_COUNTED), which hands it to the next gate. In observe mode
 * nothing is held back, only said.
 */
#include "gate_internal.h"

#include <string.h>

int gate_budget_init(struct gate_state *g, struct egress_spent *spent, struct dd_err *err)
{
	g->spent = spent ? spent : egress_spent_new(g->egress);
	g->spent_now = egress_spent_new(g->egress);
	g->n_accounts = egress_accounts(g->egress);
	g->exhausted = calloc(g->n_accounts + 1, sizeof(*g->exhausted));
	return g->spent && g->spent_now && g->exhausted ? 0
	                                                : dd_err_set(err, ENOMEM, "gate: budgets");
}

/* A destination that only observe mode lets through has no entry, and so no budget. */
static bool has_account(const struct gate_state *g, const struct egress_entry *entry)
{
	return entry != &gate_observed_entry && entry->account < g->n_accounts;
}

/* ---- bytes ---- */

static uint64_t left_of(uint64_t budget, const struct egress_spent *spent, unsigned account)
{
	uint64_t used = egress_spent_bytes(spent, account);
	return used >= budget ? 0 : budget - used;
}

/* The two budgets of an account, and which of them has less left. */
static bool step_is_tighter(const struct gate_state *g, unsigned account, uint64_t *ret_left)
{
	uint64_t job = left_of(g->egress->job.upload_bytes, g->spent, account);
	uint64_t step = left_of(g->egress->step.upload_bytes, g->spent_now, account);
	*ret_left = step < job ? step : job;
	return step < job;
}

uint64_t gate_budget_left(const struct gate_state *g, const struct gate_dest *dest)
{
	uint64_t left = 0;
	if (g->observe)
		return UINT64_MAX; /* gate_observe_budget() says when it would have been cut */
	if (has_account(g, dest->entry))
		(void)step_is_tighter(g, dest->entry->account, &left);
	return left;
}

void gate_budget_sent(struct gate_state *g, struct gate_dest *dest, uint64_t bytes)
{
	dest->bytes_out += bytes;
	if (!has_account(g, dest->entry))
		return;
	egress_spent_add(g->spent, dest->entry->account, bytes);
	egress_spent_add(g->spent_now, dest->entry->account, bytes);
}

bool gate_budget_is_over(const struct gate_state *g, const struct gate_dest *dest)
{
	unsigned account = dest->entry->account;
	return has_account(g, dest->entry) &&
	       (egress_spent_bytes(g->spent, account) > g->egress->job.upload_bytes ||
	        egress_spent_bytes(g->spent_now, account) > g->egress->step.upload_bytes);
}

bool gate_budget_is_used_up(const struct gate_state *g, const struct gate_dest *dest)
{
	uint64_t left = 0;
	if (!has_account(g, dest->entry))
		return false;
	if (g->exhausted[dest->entry->account])
		return true;
	/* A budget of nothing from the start is one for connections on which only the server
	 * speaks. */
	(void)step_is_tighter(g, dest->entry->account, &left);
	return left == 0 && g->egress->job.upload_bytes > 0 && g->egress->step.upload_bytes > 0;
}

bool gate_budget_exhaust(struct gate_state *g, const struct gate_dest *dest)
{
	if (!has_account(g, dest->entry) || g->exhausted[dest->entry->account])
		return false;
	g->exhausted[dest->entry->account] = true;
	return true;
}

void gate_budget_msg(const struct gate_state *g, const struct gate_dest *dest, bool used_up,
                     struct gate_msg *msg)
{
	uint64_t left = 0;
	bool step = step_is_tighter(g, dest->entry->account, &left);

	if (used_up)
		msg->reason = step ? REASON_STEP_UPLOAD_USED_UP : REASON_UPLOAD_USED_UP;
	else
		msg->reason = step ? REASON_STEP_UPLOAD : REASON_UPLOAD;
	msg->bytes_out = egress_spent_bytes(step ? g->spent_now : g->spent, dest->entry->account);
	(void)snprintf(msg->why, sizeof(msg->why), "%llu bytes for %s",
	               (unsigned long long)(step ? g->egress->step : g->egress->job).upload_bytes,
	               step ? "one step" : "the whole job");
}

/* ---- names and addresses ---- */

static const struct cap_row {
	enum dd_reason job, step;
} cap_rows[] = {
	[false] = { REASON_WILDCARD_NAMES, REASON_STEP_WILDCARD_NAMES },
	[true] = { REASON_CIDR_ADDRESSES, REASON_STEP_CIDR_ADDRESSES },
};

static unsigned cap_of(const struct egress_caps *caps, bool block)
{
	return block ? caps->cidr_addresses : caps->wildcard_names;
}

enum dd_reason gate_budget_count(struct gate_state *g, const struct egress_entry *entry,
                                 const char *name)
{
	bool block = !entry->host;
	unsigned account = entry->account;
	enum dd_reason over = REASON_NONE;
	struct gate_msg msg = { .type = GATE_COUNTED,
		                .id = (uint32_t)(entry - g->egress->entries) };

	if (!has_account(g, entry) || (!block && !entry->wildcard && !entry->account_wildcard) ||
	    egress_spent_has(g->spent_now, account, name))
		return REASON_NONE;
	if (egress_spent_names(g->spent_now, account) >= cap_of(&g->egress->step, block))
		over = cap_rows[block].step;
	if (!egress_spent_has(g->spent, account, name) &&
	    egress_spent_names(g->spent, account) >= cap_of(&g->egress->job, block))
		over = cap_rows[block].job;
	if (over && !g->observe)
		return over;
	if (egress_spent_count(g->spent, account, name) < 0 ||
	    egress_spent_count(g->spent_now, account, name) < 0)
		return REASON_JOB_NAMES;
	gate_text(msg.host, sizeof(msg.host), name);
	gate_report_always(g, &msg);
	return over;
}
