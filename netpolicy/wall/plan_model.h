// SPDX-License-Identifier: Apache-2.0
/* plan_model.h - inside netpolicy/: what a compiled network plan holds. net_plan.c decides the
 * rules, nft_batch.c encodes them, nft_text.c spells them. */
#ifndef NETPOLICY_PLAN_MODEL_H
#define NETPOLICY_PLAN_MODEL_H

#include "drydock/netns.h"
#include "netlink.h"

#define NET_TABLE            "drydock"
#define NET_SET              "allow"
#define NET_COUNTER_ACCEPTED "accepted"
#define NET_COUNTER_DENIED   "denied"

enum {
	NET_LOG_GROUP = 1,
	NET_LOG_BYTES = 128, /* enough of a packet to name destination, port and a DNS question */
	/* a flood of refusals must not cost the gate its CPU: the counter still sees each */
	NET_LOG_PER_SECOND = 100,
	NET_LOG_BURST = 200,
	NET_MARK_REFUSED = 1, /* a step cannot set a mark: it takes CAP_NET_ADMIN or CAP_NET_RAW */
	/* cidr entries: two rules and a route each, and the batch must fit one netlink message
	   buffer */
};

enum net_chain { CHAIN_GATE = 0, CHAIN_OUTPUT, CHAIN_PREROUTING, CHAIN__COUNT };

struct net_chain_row {
	const char *name;
	const char *hook;  /* NULL: a chain that others jump to */
	unsigned hook_num; /* NF_INET_* */
	int priority;
	const char *type;
	bool drop; /* policy */
};
extern const struct net_chain_row net_chain_rows[CHAIN__COUNT];

enum net_match {
	MATCH_ALL = 0,
	MATCH_ADMITTED,  /* ip daddr . tcp dport @allow */
	MATCH_ADDR,      /* ip daddr ADDR/PREFIX */
	MATCH_ADDR_TCP,  /* ... tcp dport PORT */
	MATCH_ADDR_PORT, /* ... th dport PORT, of whatever protocol has ports */
	MATCH_LOOPBACK6, /* ip6 daddr ::1 */
	MATCH_TCP,
	MATCH_TCP_NO_TRY, /* neither SYN nor PSH: opens nothing and ends no write */
	/* meta l4proto tcp ip daddr @allow: the set of an observing plan holds addresses alone */
	MATCH_ADMITTED_HOST,
	MATCH_TCP4,    /* TCP to any IPv4 address */
	MATCH_ICMPV6,  /* from the kernel alone: who listens to which group */
	MATCH_REFUSED, /* what ACTION_UNREACHABLE marked */
};

enum net_action {
	ACTION_DROP = 0,
	ACTION_ACCEPT,
	ACTION_COUNT_ACCEPT,
	ACTION_TPROXY,
	ACTION_GATE, /* jump chain gate */
	ACTION_RETURN,
	ACTION_TELL,  /* count it, and log it at a bounded rate: the counter sees what the log does
	                 not */
	ACTION_RESET, /* reject with tcp reset */
	/* Mark it and let it be routed again, which by the mark ends in ENETUNREACH (lo_routes.c);
	   a marked packet that arrived all the same would be dropped. */
	ACTION_UNREACHABLE,
};

struct net_rule {
	enum net_chain chain;
	enum net_match match;
	uint32_t addr; /* host byte order */
	unsigned prefix;
	uint16_t port;
	enum net_action action;
};

struct net_plan {
	const struct egress_list *list; /* borrowed */
	bool closed;
	bool observe; /* every public destination goes to the gate, which reports */
	struct net_rule *rules;
	size_t n_rules, cap_rules;
	struct nl_batch nft;    /* BEGIN, table, counters, set, chains, rules, END */
	struct nl_batch routes; /* lo up, address, routes */
	struct nl_batch nflog;  /* bind the log group */
};

/* nft_batch.c */
int nft_compile(struct net_plan *plan, struct dd_err *err);
int nft_compile_nflog(struct nl_batch *batch, struct dd_err *err);
/* @port 0: the address at any port, for the set of an observing plan. */
int nft_compile_admit(struct nl_batch *batch, struct in_addr addr, uint16_t port,
                      struct dd_err *err);
int nft_compile_close(struct nl_batch *batch, struct dd_err *err);
/* An empty message of nftables type @type (NFT_MSG_*) in @buf of NL_MESSAGE_MAX bytes, for @family.
 */
struct nlmsghdr *nft_message(void *buf, unsigned type, uint16_t flags, uint8_t family);
/* All nftables batches end with the closing message, so the last object is the one before it. */
static inline uint32_t nft_last_object(const struct nl_batch *batch)
{
	return batch->n - 1;
}

/* lo_routes.c */
int routes_compile(struct net_plan *plan, struct dd_err *err);

/* What to do when the kernel lacks a piece of netfilter; completes a sentence in @err when @code
 * says so. */
int net_add_remedy(struct dd_err *err, int r);

#endif
