// SPDX-License-Identifier: Apache-2.0
/* lo_routes.c - compiles what `lo` needs: up, its address, the routes that bring every packet of
 * the step to the output hook, and the rules by which a refused one finds no route.
 *
 * Runs in: supervisor, once per allowlist; the launcher only sends the bytes. libnl-route builds
 * the messages, so that their layout is the library's business. Local routes make an address
 * deliverable here (and so reachable for TPROXY); the defaults are plain unicast: with `local
 * default` a step could bind any address, and with no default connect(2) fails before any hook and
 * nothing is logged. Observe mode needs no other route: what leaves through lo comes back as local
 * traffic whatever its route says (RTCF_LOCAL, __mkroute_output()), so TPROXY gets it (seen
 * on 6.18), and foreign addresses cannot be bound there either.
 */
#include "plan_model.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

enum {
	/* every network namespace has `lo` first: LOOPBACK_IFINDEX in include/net/flow.h */
	LO_INDEX = 1,
	LOOPBACK_PREFIX = 8,
	LOOPBACK_PEER = INADDR_LOOPBACK + 1,
};

static inline void msg_free_p(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}
static inline void link_put_p(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}
static inline void addr_put_p(struct rtnl_addr **addr)
{
	rtnl_addr_put(*addr);
}
static inline void route_put_p(struct rtnl_route **route)
{
	rtnl_route_put(*route);
}
static inline void nl_addr_put_p(struct nl_addr **addr)
{
	nl_addr_put(*addr);
}
static inline void rule_put_p(struct rtnl_rule **rule)
{
	rtnl_rule_put(*rule);
}
#define auto_rule    __attribute__((cleanup(rule_put_p)))
#define auto_msg     __attribute__((cleanup(msg_free_p)))
#define auto_link    __attribute__((cleanup(link_put_p)))
#define auto_addr    __attribute__((cleanup(addr_put_p)))
#define auto_route   __attribute__((cleanup(route_put_p)))
#define auto_nl_addr __attribute__((cleanup(nl_addr_put_p)))

static int no_memory(struct dd_err *err)
{
	return dd_err_set(err, ENOMEM, "compile routes");
}

static int built(int r, const char *label, struct dd_err *err)
{
	return r < 0 ? dd_err_say(err, EINVAL, "compile %s: %s", label, nl_geterror(r)) : 0;
}

static int lo_add(struct nl_batch *batch, struct nl_msg *msg, const char *label, struct dd_err *err)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	return nl_batch_add(batch, nlh, label, err);
}

static struct nl_addr *address4(uint32_t addr, unsigned prefix)
{
	uint32_t be = htonl(addr);
	struct nl_addr *built_addr = nl_addr_build(AF_INET, &be, sizeof(be));
	if (built_addr)
		nl_addr_set_prefixlen(built_addr, (int)prefix);
	return built_addr;
}

static int add_lo_up(struct nl_batch *batch, struct dd_err *err)
{
	auto_link struct rtnl_link *lo = rtnl_link_alloc();
	auto_link struct rtnl_link *change = rtnl_link_alloc();
	auto_msg struct nl_msg *msg = NULL;
	if (!lo || !change)
		return no_memory(err);
	rtnl_link_set_ifindex(lo, LO_INDEX);
	rtnl_link_set_ifindex(change, LO_INDEX);
	rtnl_link_set_flags(change, IFF_UP);
	int r = built(rtnl_link_build_change_request(lo, change, 0, &msg), "interface lo", err);
	return r < 0 ? r : lo_add(batch, msg, "interface lo up", err);
}

/* getaddrinfo with AI_ADDRCONFIG fails where no interface has an IPv4 address but 127.0.0.1, and
 * what counts for glibc is the far end of a point-to-point address (check_pf.c); a second address
 * would make programs believe in a second interface (Open MPI then uses neither). So the one
 * address of lo gets a far end that is its own. The kernel gives lo 127.0.0.1 when it comes up
 * without an address, and does not let that be changed: this one is there before. */
static int add_loopback_address(struct nl_batch *batch, struct dd_err *err)
{
	auto_addr struct rtnl_addr *addr = rtnl_addr_alloc();
	auto_nl_addr struct nl_addr *local = address4(INADDR_LOOPBACK, LOOPBACK_PREFIX);
	auto_nl_addr struct nl_addr *peer = address4(LOOPBACK_PEER, LOOPBACK_PREFIX);
	auto_msg struct nl_msg *msg = NULL;
	if (!addr || !local || !peer)
		return no_memory(err);
	rtnl_addr_set_ifindex(addr, LO_INDEX);
	rtnl_addr_set_scope(addr, RT_SCOPE_HOST);
	int r = built(rtnl_addr_set_local(addr, local), "address of lo", err);
	if (r == 0)
		r = built(rtnl_addr_set_peer(addr, peer), "address of lo", err);
	if (r == 0)
		r = built(rtnl_addr_build_add_request(addr, NLM_F_CREATE | NLM_F_EXCL, &msg),
		          "address of lo", err);
	return r < 0 ? r : lo_add(batch, msg, "address 127.0.0.1 peer 127.0.0.2 on lo", err);
}

struct route_row {
	int family, type, scope;
	uint32_t table;
	struct nl_addr *dst; /* borrowed */
	/* without it a connection to a local route takes the destination for its own source address
	 */
	bool from_step_addr;
	const char *label;
};

static int add_route(struct nl_batch *batch, const struct route_row *row, struct dd_err *err)
{
	auto_route struct rtnl_route *route = rtnl_route_alloc();
	auto_nl_addr struct nl_addr *src = address4(NET_STEP_ADDR, 32);
	auto_msg struct nl_msg *msg = NULL;
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	if (hop)
		rtnl_route_nh_set_ifindex(hop, LO_INDEX);
	if (hop && route)
		rtnl_route_add_nexthop(route, hop); /* the route owns it now */
	if (!route || !hop || !src || !row->dst)
		return no_memory(err);

	(void)rtnl_route_set_family(route, (uint8_t)row->family);
	(void)rtnl_route_set_type(route, (uint8_t)row->type);
	rtnl_route_set_scope(route, (uint8_t)row->scope);
	rtnl_route_set_table(route, row->table);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	int r = built(rtnl_route_set_dst(route, row->dst), row->label, err);
	if (r == 0 && row->from_step_addr)
		r = built(rtnl_route_set_pref_src(route, src), row->label, err);
	if (r == 0)
		r = built(rtnl_route_build_add_request(route, NLM_F_CREATE | NLM_F_EXCL, &msg),
		          row->label, err);
	return r < 0 ? r : lo_add(batch, msg, row->label, err);
}

static int add_local(struct nl_batch *batch, uint32_t net, unsigned prefix, const char *label,
                     struct dd_err *err)
{
	auto_nl_addr struct nl_addr *dst = address4(net, prefix);
	/* the step's address is the first, and cannot be its own source before it is there */
	const struct route_row row = { AF_INET,        RTN_LOCAL, RT_SCOPE_HOST,
		                       RT_TABLE_LOCAL, dst,       net != NET_STEP_ADDR,
		                       label };
	return add_route(batch, &row, err);
}

/* Two entries for the same block with different ports need one route. */
static bool is_repeated(const struct egress_list *list, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct egress_entry *a = &list->entries[k], *b = &list->entries[i];
		if (!a->host && a->prefix == b->prefix && a->cidr.s_addr == b->cidr.s_addr)
			return true;
	}
	return false;
}

static int lo_add_blocks(struct nl_batch *batch, const struct egress_list *list, struct dd_err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct egress_entry *entry = &list->entries[i];
		char label[NL_LABEL_MAX], text[INET_ADDRSTRLEN];
		if (entry->host || is_repeated(list, i))
			continue;
		(void)snprintf(label, sizeof(label), "route local %s/%u",
		               inet_ntop(AF_INET, &entry->cidr, text, sizeof(text)), entry->prefix);
		int r = add_local(batch, ntohl(entry->cidr.s_addr), entry->prefix, label, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_default(struct nl_batch *batch, int family, const char *label, struct dd_err *err)
{
	static const uint8_t any[16];
	auto_nl_addr struct nl_addr *dst = nl_addr_build(family, any, family == AF_INET ? 4 : 16);
	if (dst)
		nl_addr_set_prefixlen(dst, 0);
	int scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	const struct route_row row = { family, RTN_UNICAST,       scope, RT_TABLE_MAIN,
		                       dst,    family == AF_INET, label };
	return add_route(batch, &row, err);
}

/* ---- rules: what the wall has marked finds no route ---- */

enum { RULES_FIRST = 0, RULES_NEXT = 1 };

static int lo_add_rule(struct nl_batch *batch, int family, bool of_mark, uint32_t prio,
                       uint16_t flags, const char *label, struct dd_err *err)
{
	auto_rule struct rtnl_rule *rule = rtnl_rule_alloc();
	auto_msg struct nl_msg *msg = NULL;
	if (!rule)
		return no_memory(err);
	rtnl_rule_set_family(rule, family);
	rtnl_rule_set_prio(rule, prio);
	rtnl_rule_set_action(rule, of_mark ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL);
	if (of_mark) {
		rtnl_rule_set_mark(rule, NET_MARK_REFUSED);
		rtnl_rule_set_mask(rule, UINT32_MAX);
	} else {
		rtnl_rule_set_table(rule, RT_TABLE_LOCAL);
	}
	int r = built(rtnl_rule_build_add_request(rule, NLM_F_CREATE | NLM_F_EXCL | flags, &msg),
	              label, err);
	return r < 0 ? r : lo_add(batch, msg, label, err);
}

static int remove_local_rule(struct nl_batch *batch, struct dd_err *err)
{
	static const char label[] = "rule for the local table, first";
	auto_rule struct rtnl_rule *rule = rtnl_rule_alloc();
	auto_msg struct nl_msg *msg = NULL;
	if (!rule)
		return no_memory(err);
	rtnl_rule_set_family(rule, AF_INET);
	rtnl_rule_set_prio(rule, RULES_FIRST);
	rtnl_rule_set_table(rule, RT_TABLE_LOCAL);
	rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
	int r = built(rtnl_rule_build_delete_request(rule, 0, &msg), label, err);
	return r < 0 ? r : lo_add(batch, msg, label, err);
}

/* Before the local table for IPv4, because synthetic addresses and cidr entries are local and are
 * refused too; of IPv6 only ::1 is, which is never refused. */
static int lo_add_rules(struct nl_batch *batch, struct dd_err *err)
{
	int r = remove_local_rule(batch, err);
	if (r == 0)
		r = lo_add_rule(batch, AF_INET, true, RULES_FIRST, 0, "rule for refused IPv4", err);
	if (r == 0)
		r = lo_add_rule(batch, AF_INET, false, RULES_NEXT, 0,
		                "rule for the local table, next", err);
	if (r == 0)
		r = lo_add_rule(batch, AF_INET6, true, RULES_NEXT, NLM_F_ACK,
		                "rule for refused IPv6", err);
	return r;
}

int routes_compile(struct net_plan *plan, struct dd_err *err)
{
	struct nl_batch *batch = &plan->routes;

	int r = add_loopback_address(batch, err);
	if (r == 0)
		r = add_lo_up(batch, err);
	if (r == 0)
		r = add_local(batch, NET_STEP_ADDR, 32, "route local 198.18.0.2", err);
	if (r == 0)
		r = add_local(batch, 0xC6120000, 15, "route local 198.18.0.0/15", err);
	if (r == 0)
		r = lo_add_blocks(batch, plan->list, err);
	if (r == 0)
		r = add_default(batch, AF_INET, "IPv4 default route on lo", err);
	if (r == 0)
		r = add_default(batch, AF_INET6, "IPv6 default route on lo", err);
	if (r == 0)
		r = lo_add_rules(batch, err);
	return r;
}
