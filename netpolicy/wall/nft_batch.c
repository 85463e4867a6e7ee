// SPDX-License-Identifier: Apache-2.0
/* nft_batch.c - encodes the rules of a plan as nftables netlink messages, byte for byte what the
 * kernel will show when asked.
 *
 * Runs in: supervisor, once per allowlist. Pure: no socket. The bytes depend on the plan only.
 * Every attribute that the kernel reports for an expression is sent, defaults included, so that the
 * read-back (rules.c) can demand equality. Registers: 128-bit register 1 for one value; a
 * concatenation goes on in the 32-bit register that follows its first four bytes.
 */
#include "plan_model.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

enum {
	KEY_LEN = 8, /* 4 bytes of address, 2 of port, padded to 32-bit registers */
	/* nft's own numbering: ipv4_addr . inet_service; only for the listing */
	KEY_TYPE = 7 << 6 | 13,
	KEY_LEN_HOST = 4, /* of an observing plan: the address alone */
	KEY_TYPE_HOST = 7,
	OFFSET_SADDR4_END = 16, /* daddr in an IPv4 header */
	OFFSET_DADDR6 = 24,
	OFFSET_DPORT = 2,
	OFFSET_TCP_FLAGS = 13,
	TCP_FLAG_SYN = 2,
	TCP_FLAG_PUSH = 8,
	REG_PORT = NFT_REG32_01,
};

struct nlmsghdr *nft_message(void *buf, unsigned type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .nfgen_family = family, .version = NFNETLINK_V0 };
	return nlh;
}

/* ---- expressions ---- */

struct expr {
	struct nlattr *item, *data;
};

static struct expr expr_begin(struct nlmsghdr *nlh, const char *name)
{
	struct expr e = { .item = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM) };
	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, name);
	e.data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nlmsghdr *nlh, struct expr e)
{
	mnl_attr_nest_end(nlh, e.data);
	mnl_attr_nest_end(nlh, e.item);
}

static void put_be32(struct nlmsghdr *nlh, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(nlh, type, htonl(value));
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const void *bytes, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(nlh, nest);
}

static void put_meta(struct nlmsghdr *nlh, unsigned key)
{
	struct expr e = expr_begin(nlh, "meta");
	put_be32(nlh, NFTA_META_KEY, key);
	put_be32(nlh, NFTA_META_DREG, NFT_REG_1);
	expr_end(nlh, e);
}

static void put_payload(struct nlmsghdr *nlh, unsigned base, unsigned offset, unsigned len,
                        unsigned reg)
{
	struct expr e = expr_begin(nlh, "payload");
	put_be32(nlh, NFTA_PAYLOAD_DREG, reg);
	put_be32(nlh, NFTA_PAYLOAD_BASE, base);
	put_be32(nlh, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(nlh, NFTA_PAYLOAD_LEN, len);
	expr_end(nlh, e);
}

static void put_cmp_equal(struct nlmsghdr *nlh, const void *bytes, size_t len)
{
	struct expr e = expr_begin(nlh, "cmp");
	put_be32(nlh, NFTA_CMP_SREG, NFT_REG_1);
	put_be32(nlh, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(nlh, NFTA_CMP_DATA, bytes, len);
	expr_end(nlh, e);
}

static void put_mask(struct nlmsghdr *nlh, const void *mask, size_t len)
{
	static const uint8_t zero[sizeof(uint32_t)];
	struct expr e = expr_begin(nlh, "bitwise");
	put_be32(nlh, NFTA_BITWISE_SREG, NFT_REG_1);
	put_be32(nlh, NFTA_BITWISE_DREG, NFT_REG_1);
	put_be32(nlh, NFTA_BITWISE_LEN, (uint32_t)len);
	put_be32(nlh, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	put_value(nlh, NFTA_BITWISE_MASK, mask, len);
	put_value(nlh, NFTA_BITWISE_XOR, zero, len);
	expr_end(nlh, e);
}

static void put_verdict(struct nlmsghdr *nlh, int code, const char *chain)
{
	struct expr e = expr_begin(nlh, "immediate");
	put_be32(nlh, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	struct nlattr *data = mnl_attr_nest_start(nlh, NFTA_IMMEDIATE_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);
	put_be32(nlh, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(nlh, verdict);
	mnl_attr_nest_end(nlh, data);
	expr_end(nlh, e);
}

static void put_constant(struct nlmsghdr *nlh, unsigned reg, const void *bytes, size_t len)
{
	struct expr e = expr_begin(nlh, "immediate");
	put_be32(nlh, NFTA_IMMEDIATE_DREG, reg);
	put_value(nlh, NFTA_IMMEDIATE_DATA, bytes, len);
	expr_end(nlh, e);
}

static void put_count(struct nlmsghdr *nlh, const char *counter)
{
	struct expr e = expr_begin(nlh, "objref");
	put_be32(nlh, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	mnl_attr_put_strz(nlh, NFTA_OBJREF_IMM_NAME, counter);
	expr_end(nlh, e);
}

/* ---- matches ---- */

/* The table is `inet`: without this a rule about bytes 16..19 of an IPv4 header would read the
 * middle of an IPv6 source address. */
static void put_family(struct nlmsghdr *nlh, uint8_t family)
{
	put_meta(nlh, NFT_META_NFPROTO);
	put_cmp_equal(nlh, &family, sizeof(family));
}

static void put_protocol(struct nlmsghdr *nlh, uint8_t protocol)
{
	put_meta(nlh, NFT_META_L4PROTO);
	put_cmp_equal(nlh, &protocol, sizeof(protocol));
}

static void nft_put_address(struct nlmsghdr *nlh, const struct net_rule *rule)
{
	uint32_t addr = htonl(rule->addr);

	put_family(nlh, NFPROTO_IPV4);
	if (rule->prefix == 0)
		return;
	/* whole bytes are compared as they stand, as nft does it: each expression of a rule set
	 * costs every step 1.5 us */
	const size_t bytes = rule->prefix % 8 == 0 ? rule->prefix / 8 : sizeof(addr);
	put_payload(nlh, NFT_PAYLOAD_NETWORK_HEADER, OFFSET_SADDR4_END, (unsigned)bytes, NFT_REG_1);
	if (rule->prefix % 8 != 0) {
		uint32_t mask = htonl(UINT32_MAX << (32 - rule->prefix));
		put_mask(nlh, &mask, sizeof(mask));
	}
	put_cmp_equal(nlh, &addr, bytes);
}

static void put_port(struct nlmsghdr *nlh, uint16_t port)
{
	uint16_t be_port = htons(port);
	put_payload(nlh, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, sizeof(be_port), NFT_REG_1);
	put_cmp_equal(nlh, &be_port, sizeof(be_port));
}

static void put_no_try(struct nlmsghdr *nlh)
{
	const uint8_t flags = TCP_FLAG_SYN | TCP_FLAG_PUSH, none = 0;
	put_protocol(nlh, IPPROTO_TCP);
	put_payload(nlh, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_TCP_FLAGS, sizeof(flags), NFT_REG_1);
	put_mask(nlh, &flags, sizeof(flags));
	put_cmp_equal(nlh, &none, sizeof(none));
}

static void put_mark_match(struct nlmsghdr *nlh)
{
	const uint32_t mark = NET_MARK_REFUSED;
	put_meta(nlh, NFT_META_MARK);
	put_cmp_equal(nlh, &mark, sizeof(mark));
}

static void put_admitted(struct nlmsghdr *nlh, bool any_port)
{
	put_family(nlh, NFPROTO_IPV4);
	put_protocol(nlh, IPPROTO_TCP);
	put_payload(nlh, NFT_PAYLOAD_NETWORK_HEADER, OFFSET_SADDR4_END, 4, NFT_REG_1);
	if (!any_port)
		put_payload(nlh, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_PORT);
	struct expr e = expr_begin(nlh, "lookup");
	mnl_attr_put_strz(nlh, NFTA_LOOKUP_SET, NET_SET);
	put_be32(nlh, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_be32(nlh, NFTA_LOOKUP_FLAGS, 0);
	expr_end(nlh, e);
}

static void put_loopback6(struct nlmsghdr *nlh)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	put_family(nlh, NFPROTO_IPV6);
	put_payload(nlh, NFT_PAYLOAD_NETWORK_HEADER, OFFSET_DADDR6, 16, NFT_REG_1);
	put_cmp_equal(nlh, loopback, 16);
}

static void put_match(struct nlmsghdr *nlh, const struct net_rule *rule)
{
	switch (rule->match) {
	case MATCH_ALL:
		return;
	case MATCH_ADMITTED:
	case MATCH_ADMITTED_HOST:
		put_admitted(nlh, rule->match == MATCH_ADMITTED_HOST);
		return;
	case MATCH_TCP4:
		put_family(nlh, NFPROTO_IPV4);
		put_protocol(nlh, IPPROTO_TCP);
		return;
	case MATCH_ADDR_TCP:
		nft_put_address(nlh, rule);
		put_protocol(nlh, IPPROTO_TCP);
		put_port(nlh, rule->port);
		return;
	case MATCH_ADDR_PORT:
		nft_put_address(nlh, rule);
		put_port(nlh, rule->port);
		return;
	case MATCH_ADDR:
		nft_put_address(nlh, rule);
		return;
	case MATCH_LOOPBACK6:
		put_loopback6(nlh);
		return;
	case MATCH_TCP:
		put_protocol(nlh, IPPROTO_TCP);
		return;
	case MATCH_TCP_NO_TRY:
		put_no_try(nlh);
		return;
	case MATCH_ICMPV6:
		put_protocol(nlh, IPPROTO_ICMPV6);
		return;
	case MATCH_REFUSED:
		put_mark_match(nlh);
		return;
	}
}

/* ---- actions ---- */

static void put_tproxy(struct nlmsghdr *nlh)
{
	uint32_t addr = htonl(NET_GATE_ADDR);
	uint16_t port = htons(NET_GATE_PORT);
	put_constant(nlh, NFT_REG_1, &addr, sizeof(addr));
	put_constant(nlh, NFT_REG_2, &port, sizeof(port));
	struct expr e = expr_begin(nlh, "tproxy");
	put_be32(nlh, NFTA_TPROXY_FAMILY, NFPROTO_IPV4);
	put_be32(nlh, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
	put_be32(nlh, NFTA_TPROXY_REG_PORT, NFT_REG_2);
	expr_end(nlh, e);
}

static void put_log(struct nlmsghdr *nlh)
{
	struct expr e = expr_begin(nlh, "limit");
	mnl_attr_put_u64(nlh, NFTA_LIMIT_RATE, htobe64(NET_LOG_PER_SECOND));
	mnl_attr_put_u64(nlh, NFTA_LIMIT_UNIT, htobe64(1));
	put_be32(nlh, NFTA_LIMIT_BURST, NET_LOG_BURST);
	put_be32(nlh, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	put_be32(nlh, NFTA_LIMIT_FLAGS, 0);
	expr_end(nlh, e);

	e = expr_begin(nlh, "log");
	mnl_attr_put_u16(nlh, NFTA_LOG_GROUP, htons(NET_LOG_GROUP));
	put_be32(nlh, NFTA_LOG_SNAPLEN, NET_LOG_BYTES);
	mnl_attr_put_u16(nlh, NFTA_LOG_QTHRESHOLD, htons(1));
	expr_end(nlh, e);
}

static void put_reset_answer(struct nlmsghdr *nlh)
{
	struct expr e = expr_begin(nlh, "reject");
	put_be32(nlh, NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST);
	expr_end(nlh, e);
}

static void put_unreachable(struct nlmsghdr *nlh)
{
	const uint32_t mark = NET_MARK_REFUSED;
	put_constant(nlh, NFT_REG_1, &mark, sizeof(mark));
	struct expr e = expr_begin(nlh, "meta");
	put_be32(nlh, NFTA_META_KEY, NFT_META_MARK);
	put_be32(nlh, NFTA_META_SREG, NFT_REG_1);
	expr_end(nlh, e);
	put_verdict(nlh, NF_ACCEPT, NULL);
}

static void put_action(struct nlmsghdr *nlh, enum net_action action)
{
	switch (action) {
	case ACTION_DROP:
		put_verdict(nlh, NF_DROP, NULL);
		return;
	case ACTION_COUNT_ACCEPT:
		put_count(nlh, NET_COUNTER_ACCEPTED);
		put_verdict(nlh, NF_ACCEPT, NULL);
		return;
	case ACTION_ACCEPT:
		put_verdict(nlh, NF_ACCEPT, NULL);
		return;
	case ACTION_TPROXY:
		put_tproxy(nlh);
		return;
	case ACTION_GATE:
		put_verdict(nlh, NFT_JUMP, net_chain_rows[CHAIN_GATE].name);
		return;
	case ACTION_RETURN:
		put_verdict(nlh, NFT_RETURN, NULL);
		return;
	case ACTION_TELL:
		put_count(nlh, NET_COUNTER_DENIED);
		put_log(nlh);
		return;
	case ACTION_RESET:
		put_reset_answer(nlh);
		return;
	case ACTION_UNREACHABLE:
		put_unreachable(nlh);
		return;
	}
}

/* ---- objects ---- */

typedef char message_buf[NL_MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));

static int add_mark(struct nl_batch *batch, uint16_t type, const char *label, struct dd_err *err)
{
	message_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };
	return nl_batch_add(batch, nlh, label, err);
}

static int add_table(struct nl_batch *batch, struct dd_err *err)
{
	message_buf buf;
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
	                                   NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NET_TABLE);
	put_be32(nlh, NFTA_TABLE_FLAGS, 0);
	return nl_batch_add(batch, nlh, "table inet " NET_TABLE, err);
}

static int add_counter(struct nl_batch *batch, const char *name, const char *label,
                       struct dd_err *err)
{
	message_buf buf;
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL,
	                                   NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, name);
	put_be32(nlh, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	mnl_attr_nest_end(nlh, mnl_attr_nest_start(nlh, NFTA_OBJ_DATA));
	return nl_batch_add(batch, nlh, label, err);
}

static void put_field(struct nlmsghdr *nlh, uint32_t len)
{
	struct nlattr *field = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_be32(nlh, NFTA_SET_FIELD_LEN, len);
	mnl_attr_nest_end(nlh, field);
}

/* Without the lengths of the fields a concatenated key is EINVAL (seen on 6.18). No size: a fixed
 * size makes the kernel allocate all buckets at once. */
static int add_set(struct nl_batch *batch, bool any_port, struct dd_err *err)
{
	message_buf buf;
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL,
	                                   NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, NET_SET);
	if (!any_port) /* no flags, no attribute: that is how the kernel lists it */
		put_be32(nlh, NFTA_SET_FLAGS, NFT_SET_CONCAT);
	put_be32(nlh, NFTA_SET_KEY_TYPE, any_port ? KEY_TYPE_HOST : KEY_TYPE);
	put_be32(nlh, NFTA_SET_KEY_LEN, any_port ? KEY_LEN_HOST : KEY_LEN);
	put_be32(nlh, NFTA_SET_ID, 1);
	if (!any_port) {
		struct nlattr *desc = mnl_attr_nest_start(nlh, NFTA_SET_DESC);
		struct nlattr *concat = mnl_attr_nest_start(nlh, NFTA_SET_DESC_CONCAT);
		put_field(nlh, sizeof(struct in_addr));
		put_field(nlh, sizeof(uint16_t));
		mnl_attr_nest_end(nlh, concat);
		mnl_attr_nest_end(nlh, desc);
	}
	return nl_batch_add(batch, nlh, "set " NET_SET, err);
}

static int add_chain(struct nl_batch *batch, const struct net_chain_row *row, struct dd_err *err)
{
	message_buf buf;
	char label[NL_LABEL_MAX];
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL,
	                                   NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, row->name);
	if (row->hook) {
		struct nlattr *hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
		put_be32(nlh, NFTA_HOOK_HOOKNUM, row->hook_num);
		put_be32(nlh, NFTA_HOOK_PRIORITY, (uint32_t)row->priority);
		mnl_attr_nest_end(nlh, hook);
		put_be32(nlh, NFTA_CHAIN_POLICY, row->drop ? NF_DROP : NF_ACCEPT);
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, row->type);
		put_be32(nlh, NFTA_CHAIN_FLAGS, NFT_CHAIN_BASE);
	}
	(void)snprintf(label, sizeof(label), "chain %s", row->name);
	return nl_batch_add(batch, nlh, label, err);
}

static int nft_add_rule(struct net_plan *plan, size_t i, bool last, struct dd_err *err)
{
	const struct net_rule *rule = &plan->rules[i];
	message_buf buf;
	char label[NL_LABEL_MAX];
	unsigned number = 1;

	for (size_t k = 0; k < i; k++)
		number += plan->rules[k].chain == rule->chain;
	(void)snprintf(label, sizeof(label), "rule %u of chain %s%s", number,
	               net_chain_rows[rule->chain].name,
	               rule->action == ACTION_TPROXY ? " (tproxy)"
	               : rule->action == ACTION_TELL ? " (log)"
	                                             : "");

	uint16_t ack = last ? NLM_F_ACK : 0;
	struct nlmsghdr *nlh = nft_message(
		buf, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | NLM_F_APPEND | ack), NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, net_chain_rows[rule->chain].name);
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	put_match(nlh, rule);
	put_action(nlh, rule->action);
	mnl_attr_nest_end(nlh, list);
	return nl_batch_add(&plan->nft, nlh, label, err);
}

static int add_objects(struct net_plan *plan, struct dd_err *err)
{
	int r = add_table(&plan->nft, err);
	if (r == 0)
		r = add_counter(&plan->nft, NET_COUNTER_ACCEPTED, "counter " NET_COUNTER_ACCEPTED,
		                err);
	if (r == 0)
		r = add_counter(&plan->nft, NET_COUNTER_DENIED, "counter " NET_COUNTER_DENIED, err);
	if (r == 0)
		r = add_set(&plan->nft, plan->observe, err);
	for (size_t i = 0; r == 0 && i < CHAIN__COUNT; i++)
		r = add_chain(&plan->nft, &net_chain_rows[i], err);
	for (size_t i = 0; r == 0 && i < plan->n_rules; i++)
		r = nft_add_rule(plan, i, i + 1 == plan->n_rules, err);
	return r;
}

int nft_compile(struct net_plan *plan, struct dd_err *err)
{
	int r = add_mark(&plan->nft, NFNL_MSG_BATCH_BEGIN, "rule set", err);
	if (r == 0)
		r = add_objects(plan, err);
	if (r == 0)
		r = add_mark(&plan->nft, NFNL_MSG_BATCH_END, "end of rule set", err);
	return r;
}

/* ---- the small batches of a running step ---- */

int nft_compile_admit(struct nl_batch *batch, struct in_addr addr, uint16_t port,
                      struct dd_err *err)
{
	message_buf buf;
	uint8_t key[KEY_LEN] = { 0 };
	uint16_t be_port = htons(port);
	memcpy(key, &addr, sizeof(addr));
	memcpy(key + sizeof(addr), &be_port, sizeof(be_port));

	int r = add_mark(batch, NFNL_MSG_BATCH_BEGIN, "admission", err);
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK,
	                                   NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, NET_SET);
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_value(nlh, NFTA_SET_ELEM_KEY, key, port ? KEY_LEN : KEY_LEN_HOST);
	mnl_attr_nest_end(nlh, element);
	mnl_attr_nest_end(nlh, list);
	if (r == 0)
		r = nl_batch_add(batch, nlh, "element of set " NET_SET, err);
	if (r == 0)
		r = add_mark(batch, NFNL_MSG_BATCH_END, "end of admission", err);
	return r;
}

/* A deletion that names no rule empties the chain, one that names no element empties the set. */
int nft_compile_close(struct nl_batch *batch, struct dd_err *err)
{
	message_buf buf;
	int r = add_mark(batch, NFNL_MSG_BATCH_BEGIN, "closing", err);

	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_DELRULE, 0, NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, net_chain_rows[CHAIN_GATE].name);
	if (r == 0)
		r = nl_batch_add(batch, nlh, "flush of chain gate", err);

	nlh = nft_message(buf, NFT_MSG_DELSETELEM, NLM_F_ACK, NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, NET_SET);
	if (r == 0)
		r = nl_batch_add(batch, nlh, "flush of set " NET_SET, err);
	if (r == 0)
		r = add_mark(batch, NFNL_MSG_BATCH_END, "end of closing", err);
	return r;
}

/* One message binds the group and sets both modes. Without QTHRESH 1 the kernel holds messages back
 * for up to a second, and a short step would end before its only refusal was ever seen. */
int nft_compile_nflog(struct nl_batch *batch, struct dd_err *err)
{
	message_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .version = NFNETLINK_V0, .res_id = htons(NET_LOG_GROUP) };

	const struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(NET_LOG_BYTES),
		                                     .copy_mode = NFULNL_COPY_PACKET };
	mnl_attr_put(nlh, NFULA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(nlh, NFULA_CFG_MODE, sizeof(mode), &mode);
	put_be32(nlh, NFULA_CFG_QTHRESH, 1);
	return nl_batch_add(batch, nlh, "log group", err);
}
