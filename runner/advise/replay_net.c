// SPDX-License-Identifier: Apache-2.0
/* replay_net.c - connections, queries and budgets of a recorded step against the allowlist of a
 * phase.
 *
 * Runs in: command line. Verdicts come from egress_verdict_*() and egress_entry_may_dial(), as in
 * the gate. */
#include "replay_parts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

bool replay_host_is_canonical(const char *host)
{
	char canonical[EGRESS_HOST_MAX + 1];
	return egress_host_canonical(host, strlen(host), canonical) == 0 &&
	       strcmp(host, canonical) == 0;
}

const char *replay_hello_complaint(const struct facts_net *net)
{
	const struct dd_reason_row *would = dd_reason_row(net->would_reason);
	if (net->speaks == FACTS_SPEAKS_RAW)
		return "the client speaks neither TLS nor HTTP, and the entry does not say `tls: "
		       "raw`";
	/* whether that one passes is the entry's to say (judge_hello) */
	if (net->would_reason == REASON_TLS_ENCRYPTED_HELLO)
		return NULL;
	return would->about == ABOUT_HELLO ? would->sentence : NULL;
}

static struct net_judgement judged(enum net_answer answer, const struct egress_entry *entry,
                                   const char *why)
{
	return (struct net_judgement){ .answer = answer, .entry = entry, .why = why };
}

/* The peer's address as the record has it. Pinned entries dial their pins, whatever the record
 * says. */
static struct net_judgement judge_address(const struct egress_entry *entry,
                                          const struct facts_net *net)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const struct sockaddr *addr = NULL;
	const char *why = NULL;
	if (inet_pton(AF_INET, net->address, &v4.sin_addr) == 1)
		addr = (const struct sockaddr *)&v4;
	else if (inet_pton(AF_INET6, net->address, &v6.sin6_addr) == 1)
		addr = (const struct sockaddr *)&v6;
	if (addr && !entry->pins[0] && !egress_entry_may_dial(entry, addr, &why))
		return judged(NET_REFUSED, entry, why);
	return judged(NET_ALLOWED, entry, entry->why);
}

static struct net_judgement judge_hello(const struct egress_entry *entry,
                                        const struct facts_net *net)
{
	const char *complaint = replay_hello_complaint(net);
	if (entry->tls == EGRESS_TLS_RAW)
		return judge_address(entry, net);
	if (complaint)
		return judged(NET_REFUSED, entry, complaint);
	if (net->ech && entry->ech != EGRESS_ECH_PASS)
		return judged(NET_REFUSED, entry,
		              dd_reason_row(REASON_TLS_ENCRYPTED_HELLO)->sentence);
	if (net->speaks == FACTS_SPEAKS_UNKNOWN)
		return judged(NET_UNKNOWN, entry,
		              "the record does not say what the client spoke, and this entry "
		              "demands TLS or HTTP");
	return judge_address(entry, net);
}

static struct net_judgement refused_by(struct egress_verdict v)
{
	return judged(NET_REFUSED, v.entry, *v.why ? v.why : dd_reason_row(v.reason)->sentence);
}

static struct net_judgement judge_raw(const struct egress_list *list, const struct facts_net *net)
{
	struct in_addr addr;
	if (inet_pton(AF_INET, net->address, &addr) != 1)
		return judged(NET_UNKNOWN, NULL,
		              "the record names neither a host nor an IPv4 address");
	struct egress_verdict v = egress_verdict_addr(list, addr, net->port);
	return v.allow ? judged(NET_ALLOWED, v.entry, v.why) : refused_by(v);
}

struct net_judgement replay_judge_net(const struct egress_list *list, const struct facts_net *net)
{
	if (!net->host[0])
		return judge_raw(list, net);
	if (!replay_host_is_canonical(net->host))
		return judged(NET_UNKNOWN, NULL,
		              "the record does not hold the name itself (masked, or no host name)");
	struct egress_verdict v = egress_verdict_name(list, net->host,
	                                              net->kind == FACTS_CONNECTED ? net->port : 0);
	if (!v.allow)
		return refused_by(v);
	return net->kind == FACTS_CONNECTED ? judge_hello(v.entry, net)
	                                    : judged(NET_ALLOWED, v.entry, v.why);
}

bool replay_from_receipt(const struct facts_step *step, const struct facts_receipt *receipt,
                         struct facts_net *ret)
{
	struct in_addr addr;
	bool raw = inet_pton(AF_INET, receipt->host, &addr) == 1;
	if (receipt->connections <= 0)
		return false;
	for (size_t i = 0; i < step->n_net; i++) {
		const struct facts_net *net = &step->net[i];
		if (net->kind == FACTS_CONNECTED && net->port == receipt->port &&
		    strcmp(raw && !net->host[0] ? net->address : net->host, receipt->host) == 0)
			return false;
	}
	*ret = (struct facts_net){ .at = step->gate.closed,
		                   .kind = FACTS_CONNECTED,
		                   .host = raw ? "" : receipt->host,
		                   .address = raw ? receipt->host : "",
		                   .port = receipt->port };
	return true;
}

/* ---- findings ---- */

static const char *subject_of(const struct replay_step *s, const struct facts_net *net)
{
	const char *host = net->host[0] ? net->host : net->address;
	return net->port ? arena_printf(s->r->arena, "%s:%u", host, (unsigned)net->port) : host;
}

static const char *decided_by(const struct replay_step *s, const struct egress_entry *entry)
{
	if (entry)
		return entry->origin;
	return s->phase == DD_PHASE_BUILD ? s->rule_at : replay_phase_key(s, "egress");
}

static void judge_one(const struct replay_step *s, const struct facts_net *net)
{
	const char *what = net->kind == FACTS_CONNECTED ? "connection" : "query";
	struct net_judgement j = replay_judge_net(&s->rules->egress, net);
	s->r->judged++;
	if (j.answer == NET_ALLOWED)
		replay_use_entry(s, j.entry);
	else if (j.answer == NET_REFUSED)
		replay_refuse(s, net->at.seq, what, subject_of(s, net), j.why,
		              decided_by(s, j.entry));
	else
		replay_doubt(s, net->at.seq, what, subject_of(s, net), j.why,
		             decided_by(s, j.entry));
}

/* What the run was refused stays refused under a policy that only gives what was used; say so where
 * it would not. */
static void note_refused(const struct replay_step *s, const struct facts_net *net)
{
	if (net->proto && strcmp(net->proto, "tcp") != 0 && strcmp(net->proto, "dns") != 0)
		return;
	struct net_judgement j = replay_judge_net(&s->rules->egress, net);
	if (j.answer == NET_ALLOWED && net->host[0] &&
	    (net->kind == FACTS_NAME_REFUSED || net->port))
		replay_note(s, net->at.seq, net->kind == FACTS_REFUSED ? "connection" : "query",
		            subject_of(s, net),
		            "was refused in the run; this policy names the destination",
		            j.entry->origin);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **replay_names(struct plan_arena *arena, const struct facts_step *step, size_t *ret_n)
{
	const char **names = arena_array(arena, step->n_net + step->gate.n_receipts + 1,
	                                 sizeof(*names));
	size_t n = 0, kept = 0;
	for (size_t i = 0; i < step->n_net; i++)
		if ((step->net[i].kind == FACTS_CONNECTED || step->net[i].kind == FACTS_RESOLVED) &&
		    replay_host_is_canonical(step->net[i].host))
			names[n++] = step->net[i].host;
	for (size_t i = 0; i < step->gate.n_receipts; i++)
		if (step->gate.receipts[i].connections > 0 &&
		    replay_host_is_canonical(step->gate.receipts[i].host))
			names[n++] = step->gate.receipts[i].host;
	qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	*ret_n = kept;
	return names;
}

/* ---- budgets: by the account of an entry, over the whole job and in one step ---- */

const struct egress_entry *replay_payer(const struct egress_list *list,
                                        const struct facts_receipt *receipt)
{
	struct in_addr addr;
	struct egress_verdict v;
	if (inet_pton(AF_INET, receipt->host, &addr) == 1)
		v = egress_verdict_addr(list, addr, receipt->port);
	else if (replay_host_is_canonical(receipt->host))
		v = egress_verdict_name(list, receipt->host, receipt->port);
	else
		return NULL;
	return v.allow ? v.entry : NULL;
}

const char *replay_not_listed(struct plan_arena *arena, const struct facts_step *step)
{
	const struct facts_sums *sums = &step->gate.not_listed;
	if (sums->destinations == 0)
		return NULL;
	if (sums->destinations < 0)
		return "this older record lists at most 256 destinations: whether there were more, "
		       "and "
		       "what was sent there, is not known";
	return arena_printf(
		arena,
		"%lld destinations are not listed in the receipt: how much of %lld bytes "
		"was sent to each is not known",
		(long long)sums->destinations, (long long)sums->bytes_out);
}

static const char *entry_text(const struct replay_step *s, const struct egress_entry *e)
{
	char addr[INET_ADDRSTRLEN];
	if (e->host)
		return arena_printf(s->r->arena, "%s%s", e->wildcard ? "*." : "", e->host);
	return arena_printf(s->r->arena, "%s/%u", inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr)),
	                    e->prefix);
}

/* Say once that @after, and not @before, is over the @budget. */
static void judge_bytes(const struct replay_step *s, const struct facts_receipt *receipt,
                        uint64_t before, uint64_t after, uint64_t budget, const char *key)
{
	if (after <= budget || before > budget)
		return;
	replay_refuse(s, s->step->gate.closed.seq, "budget",
	              arena_printf(s->r->arena, "%s:%u", receipt->host, (unsigned)receipt->port),
	              arena_printf(s->r->arena,
	                           "%llu bytes were sent over this entry, and %s is %llu",
	                           (unsigned long long)after, key, (unsigned long long)budget),
	              replay_phase_key(s, key));
}

static void judge_upload(const struct replay_step *s, struct egress_spent *in_step)
{
	const struct facts_gate *gate = &s->step->gate;
	const struct egress_list *list = &s->rules->egress;
	struct egress_spent *in_job = s->r->spent[s->phase];
	for (size_t i = 0; i < gate->n_receipts; i++) {
		const struct facts_receipt *receipt = &gate->receipts[i];
		const struct egress_entry *payer = replay_payer(list, receipt);
		if (receipt->connections <= 0)
			continue;
		s->r->judged++;
		if (!payer ||
		    receipt->bytes_out <= 0) /* what no entry lets through is refused already */
			continue;
		uint64_t bytes = (uint64_t)receipt->bytes_out;
		uint64_t job = egress_spent_bytes(in_job, payer->account),
			 step = egress_spent_bytes(in_step, payer->account);
		egress_spent_add(in_job, payer->account, bytes);
		egress_spent_add(in_step, payer->account, bytes);
		judge_bytes(s, receipt, job, egress_spent_bytes(in_job, payer->account),
		            list->job.upload_bytes, "upload");
		judge_bytes(s, receipt, step, egress_spent_bytes(in_step, payer->account),
		            list->step.upload_bytes, "step_upload");
	}
	const char *cut = replay_not_listed(s->r->arena, s->step);
	if (cut)
		replay_doubt(s, gate->closed.seq, "budget", "", cut, NULL);
}

/* The names and addresses of a step, each under the entry that has it. */
static void count_names(const struct replay_step *s, struct egress_spent *in_step)
{
	const struct egress_list *list = &s->rules->egress;
	struct egress_spent *in_job = s->r->spent[s->phase];
	size_t n = 0;
	const char **names = replay_names(s->r->arena, s->step, &n);
	for (size_t i = 0; i < n; i++) {
		struct egress_verdict v = egress_verdict_name(list, names[i], 0);
		if (!v.allow || !(v.entry->wildcard || v.entry->account_wildcard))
			continue;
		(void)egress_spent_count(in_job, v.entry->account, names[i]);
		(void)egress_spent_count(in_step, v.entry->account, names[i]);
	}
	for (size_t i = 0; i < s->step->gate.n_receipts; i++) {
		const struct facts_receipt *receipt = &s->step->gate.receipts[i];
		const struct egress_entry *payer = replay_payer(list, receipt);
		if (receipt->connections <= 0 || !payer || payer->host)
			continue;
		(void)egress_spent_count(in_job, payer->account, receipt->host);
		(void)egress_spent_count(in_step, payer->account, receipt->host);
	}
}

/* Over its cap, whatever was counted there. A policy that nobody narrowed has one entry for each
 * account. */
static void judge_caps(const struct replay_step *s, const struct egress_spent *spent,
                       const struct egress_caps *caps, const char *scope)
{
	const struct egress_list *list = &s->rules->egress;
	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *e = &list->entries[i];
		unsigned used = egress_spent_names(spent, e->account);
		unsigned cap = e->host ? caps->wildcard_names : caps->cidr_addresses;
		const char *key = arena_printf(s->r->arena, "%s%s", scope,
		                               e->host ? "wildcard_names" : "cidr_addresses");
		if (used <= cap)
			continue;
		replay_refuse(s, 0, "budget", entry_text(s, e),
		              arena_printf(s->r->arena, "%u %s, and %s is %u", used,
		                           e->host ? "names under this wildcard"
		                                   : "addresses in this block",
		                           key, cap),
		              replay_phase_key(s, key));
	}
}

/* The budgets of a phase begin anew with each record: a record is one job. */
static bool begin_budgets(const struct replay_step *s, struct egress_spent **ret_step)
{
	struct egress_spent **job = &s->r->spent[s->phase];
	if (!*job)
		*job = egress_spent_new(&s->rules->egress);
	*ret_step = egress_spent_new(&s->rules->egress);
	return *job && *ret_step;
}

static void judge_budgets(const struct replay_step *s)
{
	struct egress_spent *in_step = NULL;
	if (begin_budgets(s, &in_step)) {
		judge_upload(s, in_step);
		count_names(s, in_step);
		judge_caps(s, in_step, &s->rules->egress.step, "step_");
	} else {
		replay_doubt(s, 0, "budget", "", "no memory to add up what was used", NULL);
	}
	egress_spent_free(in_step);
}

void replay_net_of_job(const struct replay_step *run)
{
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		struct replay_step s = *run;
		s.phase = (enum dd_phase)p;
		s.rules = &s.r->policy->phases[p];
		if (s.r->spent[p])
			judge_caps(&s, s.r->spent[p], &s.rules->egress.job, "");
		egress_spent_free(s.r->spent[p]);
		s.r->spent[p] = NULL;
	}
}

static void judge_connections(const struct replay_step *s)
{
	const struct facts_gate *gate = &s->step->gate;
	unsigned allowed = s->rules->egress.connections;
	int64_t total = gate->total.connections;
	if (gate->peak_connections > (int64_t)allowed)
		replay_refuse(s, gate->closed.seq, "budget", "connections",
		              arena_printf(s->r->arena,
		                           "%lld were open at one time, and connections is %u",
		                           (long long)gate->peak_connections, allowed),
		              replay_phase_key(s, "connections"));
	else if (gate->peak_connections == FACTS_ABSENT && total > (int64_t)allowed)
		replay_doubt(s, gate->closed.seq, "budget", "connections",
		             "the record does not say how many were open at one time",
		             replay_phase_key(s, "connections"));
}

void replay_net(const struct replay_step *s)
{
	const struct facts_step *step = s->step;
	struct facts_net from_receipt;
	for (size_t i = 0; i < step->n_net; i++)
		if (step->net[i].kind == FACTS_CONNECTED || step->net[i].kind == FACTS_RESOLVED)
			judge_one(s, &step->net[i]);
		else
			note_refused(s, &step->net[i]);
	for (size_t i = 0; i < step->gate.n_receipts; i++)
		if (replay_from_receipt(step, &step->gate.receipts[i], &from_receipt))
			judge_one(s, &from_receipt);
	if (step->gate.unreported > 0)
		replay_doubt(s, step->gate.closed.seq, "connection", "",
		             arena_printf(s->r->arena,
		                          "%lld events were more than the gate reports and are not "
		                          "in the record",
		                          (long long)step->gate.unreported),
		             NULL);
	if (step->gate.opened.seq && !step->gate.closed.seq)
		replay_doubt(s, step->gate.opened.seq, "budget", "",
		             "the record has no receipt of this gate", NULL);
	if (s->phase ==
	    DD_PHASE_BUILD) /* every connection is refused already; its budgets say nothing more */
		return;
	judge_budgets(s);
	judge_connections(s);
}
