// SPDX-License-Identifier: Apache-2.0
/* net_plan.c - decides the rules and routes of one allowlist, and compiles them to bytes.
 *
 * Runs in: supervisor. Pure. The rules are a table plus a few rows for each cidr entry; encoding,
 * spelling and read-back all follow it.
 *
 * What the rules say, in the order in which an outgoing packet meets them:
 * - output: loopback, multicast (which stays on lo), the step's own address and its resolver pass;
 *   chain gate may accept. Policy drop: should a rule be missing, nothing passes.
 * - gate: what the allowlist opens; flushed when the gate closes, and empty from the start for a
 *   closed one.
 * - output goes on: the rest is refused, the gate's own listener too (only TPROXY may lead there).
 *   It is counted, logged at a bounded rate, and answered at once, so that no tool hangs (N-01):
 *   TCP by a reset, everything else by the errno of a host without a network. No verdict can say
 *   ENETUNREACH: the packet is marked and routed again, and a mark has no route (lo_routes.c).
 *   But for two that the kernel sends by itself, and a step cannot make without CAP_NET_RAW: what
 *   neither opens a connection nor ends a write (resets, bare acknowledgements and ends, for a
 *   process that may be gone, into a gate that has closed meanwhile), and ICMPv6, which on lo is
 *   the report of who joined a group. Told as refusals they would accuse a destination that is
 *   allowed, or nobody.
 * - prerouting: accepted packets come round on lo; what is marked is dropped, should it have found
 *   a route all the same; TPROXY hands the others to the gate's listener.
 *
 * In observe mode `gate` and `prerouting` end with "any TCP over IPv4", behind returns for every
 * special range: so private addresses, metadata services and synthetic addresses that nobody was
 * told are refused by rule there as well. No input chain: there is no interface but lo, so every
 * arriving packet has passed output; forging a source takes CAP_NET_RAW, which a step has not, and
 * would fool only the step's own sockets and the gate, which does not look at sources. IPv6 has one
 * rule, for ::1; everything else is refused (N-19). Every expression of a rule costs each step
 * 1.5 us, every rule and chain 3 more: so no chain of refusals apart, and no rule that another
 * says already.
 */
#include "plan_model.h"

#include "verdict/address.h"
#include "drydock/fd.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

enum { LOOPBACK_NET = 0x7F000000, SYNTHETIC_PREFIX = 15 };
static const uint32_t synthetic_net = 0xC6120000;

static const struct net_rule skeleton[] = {
	{ CHAIN_PREROUTING, MATCH_REFUSED, 0, 0, 0, ACTION_DROP },
	{ CHAIN_OUTPUT, MATCH_ADDR, LOOPBACK_NET, 8, 0, ACTION_ACCEPT },
	{ CHAIN_OUTPUT, MATCH_ADDR, NET_STEP_ADDR, 32, 0, ACTION_ACCEPT },
	{ CHAIN_OUTPUT, MATCH_LOOPBACK6, 0, 0, 0, ACTION_ACCEPT },
	/* It cannot leave lo: whoever joined a group here gets it, and nobody else. */
	{ CHAIN_OUTPUT, MATCH_ADDR, 0xE0000000, 4, 0, ACTION_ACCEPT },
	/* UDP and TCP in one rule. A protocol that a step has no sockets for (its filter) would
	 * reach nobody there either: nothing but the resolver listens, and nothing leaves lo. */
	{ CHAIN_OUTPUT, MATCH_ADDR_PORT, NET_RESOLVER_ADDR, 32, 53, ACTION_ACCEPT },
	{ CHAIN_OUTPUT, MATCH_ALL, 0, 0, 0, ACTION_GATE },
	/* what comes here is refused */
	{ CHAIN_OUTPUT, MATCH_TCP_NO_TRY, 0, 0, 0, ACTION_RESET },
	{ CHAIN_OUTPUT, MATCH_ICMPV6, 0, 0, 0, ACTION_DROP },
	{ CHAIN_OUTPUT, MATCH_ALL, 0, 0, 0, ACTION_TELL },
	{ CHAIN_OUTPUT, MATCH_TCP, 0, 0, 0, ACTION_RESET },
	/* Its route is taken from the sender's address, and does not look at marks. */
	{ CHAIN_OUTPUT, MATCH_ADDR, INADDR_BROADCAST, 32, 0, ACTION_DROP },
	{ CHAIN_OUTPUT, MATCH_ALL, 0, 0, 0, ACTION_UNREACHABLE },
};

static int net_plan_add_rule(struct net_plan *plan, struct net_rule rule, struct dd_err *err)
{
	if (plan->n_rules == plan->cap_rules) {
		size_t cap = plan->cap_rules ? plan->cap_rules * 2 : 32;
		struct net_rule *rules = reallocarray(plan->rules, cap, sizeof(*rules));
		if (!rules)
			return dd_err_set(err, ENOMEM, "compile network rules");
		plan->rules = rules;
		plan->cap_rules = cap;
	}
	plan->rules[plan->n_rules++] = rule;
	return 0;
}

/* ---- the allowlist, checked once more: the wall does not trust its caller to have canonical entries ---- */

static const char *name_fault(const struct egress_entry *entry)
{
	char host[EGRESS_HOST_MAX + 1];
	if (egress_host_canonical(entry->host, strlen(entry->host), host) < 0 ||
	    strcmp(host, entry->host) != 0)
		return "the host name is not canonical";
	return NULL;
}

static bool lies_in(uint32_t net, unsigned prefix, uint32_t outer, unsigned outer_prefix)
{
	return prefix >= outer_prefix && ((net ^ outer) >> (32 - outer_prefix)) == 0;
}

static const char *block_fault(const struct egress_entry *entry)
{
	static const struct {
		uint32_t net;
		unsigned prefix;
		const char *why;
	} impossible[] = {
		{ 0x00000000, 8, "0.0.0.0/8 is no destination" },
		{ LOOPBACK_NET, 8,
		  "loopback is the step's own inside the sandbox; a service of the host needs a "
		  "name with `address:`" },
		{ 0xC6120000, SYNTHETIC_PREFIX,
		  "198.18.0.0/15 is used inside the sandbox; reach such a host by name" },
		{ 0xE0000000, 3, "multicast and reserved addresses are no destinations" },
	};
	uint32_t net = ntohl(entry->cidr.s_addr);

	if (entry->prefix > 32)
		return "the prefix is longer than 32";
	if (entry->prefix < 32 && (net & (UINT32_MAX >> entry->prefix)) != 0)
		return "the address has bits set after the prefix";
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		/* /0 holds everything else too, and the rules before it keep these out */
		if (entry->prefix > 0 &&
		    lies_in(net, entry->prefix, impossible[i].net, impossible[i].prefix))
			return impossible[i].why;
	}
	return NULL;
}

const char *net_entry_fault(const struct egress_entry *entry)
{
	return entry->port == 0 ? "the port is 0"
	       : entry->host    ? name_fault(entry)
	                        : block_fault(entry);
}

static int check_list(const struct egress_list *list, struct dd_err *err)
{
	size_t blocks = 0;

	if (list->n > EGRESS_ENTRIES_MAX)
		return dd_err_say(err, EINVAL, "%zu egress entries, at most %d are possible",
		                  list->n, EGRESS_ENTRIES_MAX);
	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *entry = &list->entries[i];
		const char *fault = net_entry_fault(entry);
		if (!fault && !entry->host && ++blocks > NET_BLOCKS_MAX)
			fault = "more than 128 cidr entries in one allowlist; join blocks, or use "
				"names";
		if (fault)
			return dd_err_say(err, EINVAL,
			                  "%s: egress entry %zu cannot be enforced: %s",
			                  entry->origin, i + 1, fault);
	}
	return 0;
}

/* ---- rules for raw blocks ---- */

struct metadata_walk {
	struct net_plan *plan;
	enum net_chain chain;
	enum net_action action;
	struct dd_err *err;
};

/* For one metadata address: what names exactly it passes, then nobody else gets there, whatever
 * block covers it (N-12). */
static int add_metadata(void *arg, struct in_addr addr)
{
	const struct metadata_walk *walk = arg;
	const struct egress_list *list = walk->plan->list;

	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *entry = &list->entries[i];
		if (!address_entry_names(entry, addr))
			continue;
		int r = net_plan_add_rule(walk->plan,
		                          (struct net_rule){ walk->chain, MATCH_ADDR_TCP,
		                                             ntohl(addr.s_addr), 32, entry->port,
		                                             walk->action },
		                          walk->err);
		if (r < 0)
			return r;
	}
	return net_plan_add_rule(walk->plan,
	                         (struct net_rule){ walk->chain, MATCH_ADDR, ntohl(addr.s_addr), 32,
	                                            0, ACTION_RETURN },
	                         walk->err);
}

static bool names_metadata(const struct egress_entry *entry)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = entry->cidr };
	return entry->prefix == 32 && egress_addr_is_metadata((const struct sockaddr *)&sin);
}

/* Synthetic addresses only pass by admission, however wide a block is (N-26). */
static int net_plan_add_blocks(struct net_plan *plan, enum net_chain chain, enum net_action action,
                               struct dd_err *err)
{
	struct metadata_walk walk = { plan, chain, action, err };

	int r = address_each_metadata_v4(add_metadata, &walk);
	if (r == 0)
		r = net_plan_add_rule(plan,
		                      (struct net_rule){ chain, MATCH_ADDR, synthetic_net,
		                                         SYNTHETIC_PREFIX, 0, ACTION_RETURN },
		                      err);
	for (size_t i = 0; r == 0 && i < plan->list->n; i++) {
		const struct egress_entry *entry = &plan->list->entries[i];
		if (!entry->host && !names_metadata(entry)) /* those have their rules above */
			r = net_plan_add_rule(
				plan,
				(struct net_rule){ chain, MATCH_ADDR_TCP, ntohl(entry->cidr.s_addr),
			                           entry->prefix, entry->port, action },
				err);
	}
	return r;
}

static bool has_blocks(const struct egress_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!list->entries[i].host)
			return true;
	}
	return false;
}

static int add_special(void *arg, struct in_addr net, unsigned prefix)
{
	const struct metadata_walk *walk = arg;
	return net_plan_add_rule(walk->plan,
	                         (struct net_rule){ walk->chain, MATCH_ADDR, ntohl(net.s_addr),
	                                            prefix, 0, ACTION_RETURN },
	                         walk->err);
}

/* Observe mode, behind what the list itself opens: every special range goes back to be refused,
 * what is left is public. */
static int add_public(struct net_plan *plan, enum net_chain chain, enum net_action action,
                      struct dd_err *err)
{
	struct metadata_walk walk = { plan, chain, ACTION_RETURN, err };
	int r = address_each_special_v4(add_special, &walk);
	return r < 0 ? r
	             : net_plan_add_rule(
			       plan, (struct net_rule){ chain, MATCH_TCP4, 0, 0, 0, action }, err);
}

/* The same tests in both chains, so that nothing is accepted that is not also led to the gate. */
static int add_open(struct net_plan *plan, enum net_chain chain, enum net_action action,
                    struct dd_err *err)
{
	enum net_match admitted = plan->observe ? MATCH_ADMITTED_HOST : MATCH_ADMITTED;
	int r = net_plan_add_rule(plan, (struct net_rule){ chain, admitted, 0, 0, 0, action }, err);
	if (r == 0 && (plan->observe || has_blocks(plan->list)))
		r = net_plan_add_blocks(plan, chain, action, err);
	if (r == 0 && plan->observe)
		r = add_public(plan, chain, action, err);
	return r;
}

static int net_plan_add_rules(struct net_plan *plan, struct dd_err *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(skeleton); i++)
		r = net_plan_add_rule(plan, skeleton[i], err);
	if (r == 0 && !plan->closed)
		r = add_open(plan, CHAIN_PREROUTING, ACTION_TPROXY, err);
	if (r == 0 && !plan->closed)
		r = add_open(plan, CHAIN_GATE, ACTION_COUNT_ACCEPT, err);
	return r;
}

static void plan_free_p(struct net_plan **plan)
{
	net_plan_free(*plan);
}

int net_plan_new(const struct egress_list *list, struct net_plan **ret_plan, struct dd_err *err)
{
	return net_plan_new_with(list, false, ret_plan, err);
}

int net_plan_new_with(const struct egress_list *list, bool observe, struct net_plan **ret_plan,
                      struct dd_err *err)
{
	int r = check_list(list, err);
	if (r < 0)
		return r;
	__attribute__((cleanup(plan_free_p))) struct net_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return dd_err_set(err, ENOMEM, "compile network rules");
	plan->list = list;
	plan->observe = observe;
	plan->closed = list->n == 0 && !observe;

	r = net_plan_add_rules(plan, err);
	if (r == 0)
		r = nft_compile(plan, err);
	if (r == 0)
		r = nft_compile_nflog(&plan->nflog, err);
	if (r == 0)
		r = routes_compile(plan, err);
	if (r < 0)
		return r;
	*ret_plan = plan;
	plan = NULL;
	return 0;
}

/* @used of @room are taken. */
static int pack_batch(const struct nl_batch *batch, char *room, size_t size, size_t *used,
                      struct nl_batch *ret)
{
	const size_t bytes = NLMSG_ALIGN(batch->len), labels = (size_t)batch->n * NL_LABEL_MAX;

	if (bytes + labels > size - *used)
		return -E2BIG;
	*ret = (struct nl_batch){ .len = batch->len, .n = batch->n };
	ret->bytes = (uint8_t *)memcpy(room + *used, batch->bytes, batch->len);
	ret->labels = memcpy(room + *used + bytes, batch->labels, labels);
	*used += bytes + labels;
	return 0;
}

ssize_t net_plan_pack(const struct net_plan *plan, void *room, size_t size,
                      const struct net_plan **ret)
{
	struct net_plan *copy = room;
	size_t used = sizeof(*copy);

	if (size < used)
		return -E2BIG;
	*copy = (struct net_plan){ .closed = plan->closed, .observe = plan->observe };
	if (pack_batch(&plan->nft, room, size, &used, &copy->nft) < 0 ||
	    pack_batch(&plan->nflog, room, size, &used, &copy->nflog) < 0 ||
	    pack_batch(&plan->routes, room, size, &used, &copy->routes) < 0)
		return -E2BIG;
	*ret = copy;
	return (ssize_t)used;
}

void net_plan_free(struct net_plan *plan)
{
	if (!plan)
		return;
	nl_batch_done(&plan->nft);
	nl_batch_done(&plan->routes);
	nl_batch_done(&plan->nflog);
	free(plan->rules);
	free(plan);
}
