// SPDX-License-Identifier: Apache-2.0
/* net_chains.c - the chains of a step's table, by name and hook. Data. */
#include "plan_model.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

const struct net_chain_row net_chain_rows[CHAIN__COUNT] = {
	[CHAIN_GATE] = { "gate", NULL, 0, 0, NULL, false },
	/* `route`: a packet that got a mark here is routed again */
	[CHAIN_OUTPUT] = { "output", "output", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER, "route", true },
	[CHAIN_PREROUTING] = { "prerouting", "prerouting", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE,
	                       "filter", false },
};
