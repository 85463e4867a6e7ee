// SPDX-License-Identifier: Apache-2.0
/* suggest_dests.c - what the steps of a phase reached, each destination once.
 *
 * Runs in: command line. Host names in a record are what a step asked for. Kept is a name in
 * canonical form, reached at a public address, that proved its name or spoke neither TLS nor HTTP;
 * the rest is said in comments and gets no entry. */
#include "suggest_parts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { DESTS_MAX = 4096 }; /* as many as the gate keeps apart */

static bool special_address(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return egress_addr_special((const struct sockaddr *)&v4) != NULL;
	return inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 &&
	       egress_addr_special((const struct sockaddr *)&v6) != NULL;
}

static bool metadata_address(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return egress_addr_is_metadata((const struct sockaddr *)&v4);
	return inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 &&
	       egress_addr_is_metadata((const struct sockaddr *)&v6);
}

/* Why nothing may be suggested for it; NULL: an entry can be made. */
static const char *obstacle(const struct facts_net *net)
{
	struct in_addr addr;
	const char *complaint = replay_hello_complaint(net);
	if (net->host[0] && !replay_host_is_canonical(net->host))
		return "the record does not hold the name itself";
	if (!net->host[0] && inet_pton(AF_INET, net->address, &addr) != 1)
		return "it is neither a name nor an IPv4 address";
	if (net->kind == FACTS_CONNECTED && net->port == 0)
		return "it has no port";
	if (metadata_address(net->address))
		return "a metadata service is never suggested";
	if (special_address(net->address) && (net->would_deny || !net->host[0]))
		return "a private address is never suggested; `private: allow` would be yours to "
		       "write";
	if (net->speaks != FACTS_SPEAKS_RAW && complaint)
		return complaint;
	return NULL;
}

static const char *shown(struct plan_arena *arena, const struct facts_net *net)
{
	const char *host = suggest_quoted(arena, net->host[0] ? net->host : net->address);
	return net->port ? arena_printf(arena, "%s port %u", host, (unsigned)net->port) : host;
}

static void leave_out(struct suggest *s, struct suggest_phase *phase,
                      const struct suggest_step *step, const struct facts_net *net, const char *why,
                      bool needed)
{
	const char *text = arena_printf(s->arena, "%s, by %s: %s", shown(s->arena, net),
	                                suggest_quoted(s->arena, step->label),
	                                suggest_quoted(s->arena, why));
	size_t before = phase->left_out.n;
	suggest_add_text(s->arena, &phase->left_out, text);
	if (needed && phase->left_out.n > before)
		suggest_warn(s, "no entry for %s", text);
}

static bool same_dest(const struct facts_net *a, const struct facts_net *b)
{
	return a->kind == b->kind && a->port == b->port && strcmp(a->host, b->host) == 0 &&
	       (a->host[0] || strcmp(a->address, b->address) == 0);
}

static void add_dest(struct suggest *s, struct suggest_phase *phase, size_t step,
                     const struct facts_net *net)
{
	const char *why = obstacle(net);
	struct suggest_dest *dest = NULL;
	if (why) {
		leave_out(s, phase, &s->steps[step], net, why, true);
		return;
	}
	for (size_t i = 0; i < phase->n_dests && !dest; i++)
		if (same_dest(&phase->dests[i].net, net))
			dest = &phase->dests[i];
	if (!dest && phase->n_dests == DESTS_MAX) {
		leave_out(s, phase, &s->steps[step], net,
		          "more destinations than a gate keeps apart", true);
		return;
	}
	if (!dest) {
		phase->dests = arena_grow(s->arena, phase->dests, phase->n_dests,
		                          sizeof(*phase->dests));
		dest = &phase->dests[phase->n_dests++];
		*dest = (struct suggest_dest){ .net = *net,
			                       .by = s->steps[step].label,
			                       .last_step = step };
	}
	if (dest->last_step != step &&
	    strcmp(s->steps[dest->last_step].label, s->steps[step].label) != 0)
		dest->by = arena_printf(s->arena, "%s, %s", dest->by, s->steps[step].label);
	dest->last_step = step;
	dest->times++;
	dest->raw = dest->raw || net->speaks == FACTS_SPEAKS_RAW;
	dest->private_ok = dest->private_ok || special_address(net->address);
	/* The strictest of all that was said stays in the merged fact: what is judged later must
	 * hold for each. */
	if (net->speaks == FACTS_SPEAKS_RAW || dest->net.speaks == FACTS_SPEAKS_UNKNOWN)
		dest->net.speaks = net->speaks;
	if (special_address(net->address))
		dest->net.address = net->address;
}

/* Observing reaches nothing inside the network, so a name that leads there was refused, and the run
 * needed it all the same: an entry with `private: allow`, said aloud. As a connection, because a
 * query alone would need no port. */
bool suggest_is_inside(const struct suggest_seen *seen, const struct facts_net *net)
{
	return seen->facts->mode == FACTS_OBSERVED && net->kind == FACTS_REFUSED &&
	       net->reason == REASON_ANSWER_PRIVATE && net->wants.private_ok &&
	       !metadata_address(net->address);
}

static struct facts_net as_connection(const struct facts_net *net)
{
	struct facts_net wanted = *net;
	wanted.kind = FACTS_CONNECTED;
	wanted.port = net->port ? net->port : net->wants.port ? net->wants.port : PORT_OF_A_QUERY;
	wanted.speaks = net->wants.raw ? FACTS_SPEAKS_RAW : FACTS_SPEAKS_UNKNOWN;
	return wanted;
}

static void add_inside(struct suggest *s, struct suggest_phase *phase, size_t step,
                       const struct facts_net *refused)
{
	const struct facts_net wanted = as_connection(refused), *net = &wanted;
	size_t before = phase->n_dests;
	add_dest(s, phase, step, net);
	for (size_t i = 0; i < phase->n_dests; i++)
		if (same_dest(&phase->dests[i].net, net))
			phase->dests[i].inside = true;
	if (phase->n_dests > before)
		suggest_warn(
			s,
			"%s leads to %s, inside your network: its entry says `private: allow`; "
			"take it out unless the job should go there",
			shown(s->arena, net), suggest_quoted(s->arena, net->address));
}

static void collect_step(struct suggest *s, size_t index)
{
	const struct suggest_step *step = &s->steps[index];
	struct suggest_phase *phase = &s->phases[suggest_effective(step)];
	struct facts_net from_receipt;
	for (size_t i = 0; i < step->n_seen; i++) {
		const struct facts_step *seen = step->seen[i].step;
		for (size_t k = 0; k < seen->n_net; k++) {
			const struct facts_net *net = &seen->net[k];
			if (net->kind == FACTS_CONNECTED || net->kind == FACTS_RESOLVED)
				add_dest(s, phase, index, net);
			else if (suggest_is_inside(&step->seen[i], net))
				add_inside(s, phase, index, net);
			else
				leave_out(s, phase, step, net,
				          net->why ? net->why : "refused in the run", false);
		}
		for (size_t k = 0; k < seen->gate.n_receipts; k++)
			if (replay_from_receipt(seen, &seen->gate.receipts[k], &from_receipt))
				add_dest(s, phase, index, &from_receipt);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct facts_net *x = &((const struct suggest_dest *)a)->net,
			       *y = &((const struct suggest_dest *)b)->net;
	int order = !x->host[0] - !y->host[0];
	if (order == 0)
		order = strcmp(x->host, y->host);
	if (order == 0 && !x->host[0])
		order = strcmp(x->address, y->address);
	if (order == 0)
		/* what was reached, then what was only looked up */
		order = (int)x->kind - (int)y->kind;
	return order ? order : (int)x->port - (int)y->port;
}

/* A name that was reached was looked up as well; only a name that was not needs an entry for the
 * query. */
static void drop_plain_queries(struct suggest_phase *phase)
{
	size_t kept = 0;
	for (size_t i = 0; i < phase->n_dests; i++) {
		const struct facts_net *net = &phase->dests[i].net;
		bool reached = net->kind == FACTS_RESOLVED && kept > 0 &&
		               strcmp(phase->dests[kept - 1].net.host, net->host) == 0;
		if (!reached)
			phase->dests[kept++] = phase->dests[i];
	}
	phase->n_dests = kept;
}

void suggest_dests(struct suggest *s)
{
	for (size_t i = 0; i < s->n_steps; i++)
		collect_step(s, i);
	for (int p = 0; p < DD_PHASE__COUNT; p++) {
		struct suggest_phase *phase = &s->phases[p];
		if (phase->n_dests)
			qsort(phase->dests, phase->n_dests, sizeof(*phase->dests), by_name);
		suggest_sort_texts(&phase->left_out);
		drop_plain_queries(phase);
	}
}
