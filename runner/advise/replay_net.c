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

static void judge_wildcards(const struct replay_step *s)
{
	const struct egress_list *list = &s->rules->egress;
	size_t n = 0;
	const char **names = replay_names(s->r->arena, s->step, &n);
	unsigned *used = arena_array(s->r->arena, list->n + 1, sizeof(*used));
	for (size_t i = 0; i < n; i++) {
		struct egress_verdict v = egress_verdict_name(list, names[i], 0);
		if (v.allow && v.entry->wildcard)
			used[v.entry - list->entries]++;
	}
	for (size_t i = 0; i < list->n; i++)
		if (used[i] > list->wildcard_names)
			replay_refuse(
				s, 0, "budget",
				arena_printf(s->r->arena, "*.%s", list->entries[i].host),
				arena_printf(
					s->r->arena,
					"%u names under this wildcard, and wildcard_names is %u",
					used[i], list->wildcard_names),
				replay_phase_key(s, "wildcard_names"));
}

static void judge_upload(const struct replay_step *s)
{
	const struct facts_gate *gate = &s->step->gate;
	const struct egress_list *list = &s->rules->egress;
	for (size_t i = 0; i < gate->n_receipts; i++) {
		const struct facts_receipt *receipt = &gate->receipts[i];
		if (receipt->connections <= 0)
			continue;
		s->r->judged++;
		if (receipt->bytes_out > 0 && (uint64_t)receipt->bytes_out > list->upload_bytes)
			replay_refuse(s, gate->closed.seq, "budget",
			              arena_printf(s->r->arena, "%s:%u", receipt->host,
			                           (unsigned)receipt->port),
			              arena_printf(s->r->arena,
			                           "%lld bytes were sent there, and upload is %llu",
			                           (long long)receipt->bytes_out,
			                           (unsigned long long)list->upload_bytes),
			              replay_phase_key(s, "upload"));
	}
}

static void judge_connections(const struct replay_step *s)
{
	const struct facts_gate *gate = &s->step->gate;
	unsigned allowed = s->rules->egress.connections;
	int64_t total = 0;
	for (size_t i = 0; i < gate->n_receipts; i++)
		if (gate->receipts[i].connections > 0 &&
		    __builtin_add_overflow(total, gate->receipts[i].connections, &total))
			total = INT64_MAX;
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
	judge_wildcards(s);
	judge_upload(s);
	judge_connections(s);
}
