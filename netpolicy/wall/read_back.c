// SPDX-License-Identifier: Apache-2.0
/* read_back.c - holds what the kernel says about the step's netns against what was sent to it
 * (G-08).
 *
 * Runs in: supervisor, through the rules socket, before the first byte of the step.
 * The expectation is not modelled a second time: it is the plan's own batch. Each dumped object
 * must be the next one of its kind and name that was sent, attribute by attribute; each sent object
 * must turn up. An attribute that was not sent may only be there if it is a serial number or use
 * count, or if all its bytes are zero: a default that the kernel spells out. So an inverted lookup,
 * another policy, one more rule or table are all differences.
 */
#include "attrs.h"
#include "plan_model.h"
#include "read_back.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define BIT(n) (UINT64_C(1) << (n))

struct kind {
	const char *what;
	uint8_t sent, get; /* NFT_MSG_* */
	uint16_t name;     /* attribute that says which one (for rules: of which chain) */
	/* last attribute that our header knows: younger ones are newer kernels describing what was
	 * sent */
	uint16_t newest;
	uint64_t not_dumped; /* sent, but the kernel keeps it to itself */
	uint64_t free;       /* in the dump with a value of its own */
};

static const struct kind kinds[] = {
	{ "table", NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFTA_TABLE_NAME, NFTA_TABLE_MAX, 0,
	  BIT(NFTA_TABLE_USE) | BIT(NFTA_TABLE_HANDLE) },
	{ "counter", NFT_MSG_NEWOBJ, NFT_MSG_GETOBJ, NFTA_OBJ_NAME, NFTA_OBJ_MAX,
	  BIT(NFTA_OBJ_DATA), BIT(NFTA_OBJ_DATA) | BIT(NFTA_OBJ_USE) | BIT(NFTA_OBJ_HANDLE) },
	{ "set", NFT_MSG_NEWSET, NFT_MSG_GETSET, NFTA_SET_NAME, NFTA_SET_MAX, BIT(NFTA_SET_ID),
	  BIT(NFTA_SET_HANDLE) },
	{ "chain", NFT_MSG_NEWCHAIN, NFT_MSG_GETCHAIN, NFTA_CHAIN_NAME, NFTA_CHAIN_MAX, 0,
	  BIT(NFTA_CHAIN_USE) | BIT(NFTA_CHAIN_HANDLE) },
	{ "rule", NFT_MSG_NEWRULE, NFT_MSG_GETRULE, NFTA_RULE_CHAIN, NFTA_RULE_MAX, 0,
	  BIT(NFTA_RULE_HANDLE) | BIT(NFTA_RULE_POSITION) },
	/* none is ever sent */
	{ "flow table", NFT_MSG_NEWFLOWTABLE, NFT_MSG_GETFLOWTABLE, NFTA_FLOWTABLE_NAME,
	  NFTA_FLOWTABLE_MAX, 0, 0 },
};

/* ---- attributes ---- */

static bool all_zero(const struct nlattr *attr)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);
	for (size_t i = 0; i < mnl_attr_get_payload_len(attr); i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

static bool attrs_equal(struct attrs sent, struct attrs dumped);

static bool attr_equal(const struct nlattr *sent, const struct nlattr *dumped)
{
	if (sent->nla_type & NLA_F_NESTED) /* nftables does not set the flag in dumps */
		return attrs_equal(nested_attrs(sent), nested_attrs(dumped));
	size_t len = mnl_attr_get_payload_len(sent);
	return len == mnl_attr_get_payload_len(dumped) &&
	       memcmp(mnl_attr_get_payload(sent), mnl_attr_get_payload(dumped), len) == 0;
}

static bool all_sent_are_dumped(struct attrs sent, struct attrs dumped, uint64_t except)
{
	unsigned seen[64] = { 0 };
	const struct nlattr *attr;

	while ((attr = next_attr(&sent))) {
		unsigned type = mnl_attr_get_type(attr);
		if (type >= ARRAY_LEN(seen))
			return false;
		if (except & BIT(type))
			continue;
		const struct nlattr *other = find_attr(dumped, type, seen[type]++);
		if (!other || !attr_equal(attr, other))
			return false;
	}
	return true;
}

static bool all_dumped_were_sent(struct attrs sent, struct attrs dumped, uint64_t except,
                                 unsigned newest)
{
	unsigned seen[64] = { 0 };
	const struct nlattr *attr;

	while ((attr = next_attr(&dumped))) {
		unsigned type = mnl_attr_get_type(attr);
		if (type > newest)
			continue;
		if (type >= ARRAY_LEN(seen))
			return false;
		if ((except & BIT(type)) || find_attr(sent, type, seen[type]++) || all_zero(attr))
			continue;
		return false;
	}
	return true;
}

static bool attrs_equal(struct attrs sent, struct attrs dumped)
{
	return all_sent_are_dumped(sent, dumped, 0) &&
	       all_dumped_were_sent(sent, dumped, 0, UINT16_MAX);
}

/* ---- objects ---- */

struct comparison {
	const struct net_plan *plan;
	const struct kind *kind;
	bool open;
	bool *seen; /* of each message of the batch */
};

static bool is_type(const struct nlmsghdr *nlh, uint8_t type)
{
	return nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

static bool is_gate_rule(const struct nlmsghdr *nlh)
{
	const struct nlattr *chain = find_attr(message_attrs(nlh), NFTA_RULE_CHAIN, 0);
	return is_type(nlh, NFT_MSG_NEWRULE) && chain &&
	       strcmp(mnl_attr_get_str(chain), net_chain_rows[CHAIN_GATE].name) == 0;
}

/* Walk the messages of the batch that are of the present kind and expected in the present state. */
static const struct nlmsghdr *next_sent(const struct comparison *c, size_t *at, uint32_t *index)
{
	while (*at < c->plan->nft.len) {
		const struct nlmsghdr *nlh =
			(const struct nlmsghdr *)(const void *)(c->plan->nft.bytes + *at);
		*at += NLMSG_ALIGN(nlh->nlmsg_len);
		*index = nlh->nlmsg_seq - 1;
		if (is_type(nlh, c->kind->sent) && (c->open || !is_gate_rule(nlh)))
			return nlh;
	}
	return NULL;
}

static void forget_kind(void *arg)
{
	const struct comparison *c = arg;
	size_t at = 0;
	uint32_t i;
	while (next_sent(c, &at, &i))
		c->seen[i] = false;
}

static const char *text_of(const struct nlattr *attr)
{
	bool sound = attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0;
	return sound ? mnl_attr_get_str(attr) : "?";
}

static int compare_object(void *arg, const struct nlmsghdr *dumped, struct dd_err *err)
{
	const struct comparison *c = arg;
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(dumped);
	const struct nlmsghdr *sent;
	size_t at = 0;
	uint32_t i;

	if (!is_type(dumped, c->kind->sent) || mnl_nlmsg_get_payload_len(dumped) < sizeof(*nfg))
		return dd_err_say(err, EPROTO, "the kernel listed something else than a %s",
		                  c->kind->what);
	const struct nlattr *name = find_attr(message_attrs(dumped), c->kind->name, 0);
	while (nfg->nfgen_family == NFPROTO_INET && name && (sent = next_sent(c, &at, &i))) {
		const struct nlattr *want = find_attr(message_attrs(sent), c->kind->name, 0);
		if (c->seen[i] || !attr_equal(want, name))
			continue;
		c->seen[i] = true;
		if (all_sent_are_dumped(message_attrs(sent), message_attrs(dumped),
		                        c->kind->not_dumped) &&
		    all_dumped_were_sent(message_attrs(sent), message_attrs(dumped), c->kind->free,
		                         c->kind->newest))
			return 0;
		return dd_err_say(err, EPROTO, "%s is not what was sent", c->plan->nft.labels[i]);
	}
	return dd_err_say(err, EPROTO, "a %s that was not sent is there (%.60s)", c->kind->what,
	                  text_of(name));
}

static int compare_kind(int fd, struct comparison *c, struct dd_err *err)
{
	char buf[NL_MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
	const struct nl_sink sink = { .restart = forget_kind, .object = compare_object, .arg = c };
	size_t at = 0;
	uint32_t i;

	/* all families: a table of `ip` or `netdev` beside ours would decide as well */
	int r = nl_read_back(fd, nft_message(buf, c->kind->get, 0, NFPROTO_UNSPEC), &sink, err);
	while (r == 0 && next_sent(c, &at, &i)) {
		if (!c->seen[i])
			return dd_err_say(err, EPROTO, "%s is missing", c->plan->nft.labels[i]);
	}
	return r;
}

/* ---- elements ---- */

static int get_element(const struct nlattr *attr, struct net_element *ret)
{
	const struct nlattr *key = find_attr(nested_attrs(attr), NFTA_SET_ELEM_KEY, 0);
	const struct nlattr *value = key ? find_attr(nested_attrs(key), NFTA_DATA_VALUE, 0) : NULL;
	uint16_t port;

	size_t len = value ? mnl_attr_get_payload_len(value) : 0;
	if (len != 8 && len != sizeof(ret->addr))
		return -EPROTO;
	const uint8_t *bytes = mnl_attr_get_payload(value);
	memcpy(&ret->addr, bytes, sizeof(ret->addr));
	ret->port = 0;
	if (len == sizeof(ret->addr))
		return 0; /* of an observing plan: any port */
	memcpy(&port, bytes + sizeof(ret->addr), sizeof(port));
	ret->port = ntohs(port);
	return 0;
}

static int take_elements(void *arg, const struct nlmsghdr *nlh, struct dd_err *err)
{
	const struct net_element_sink *sink = arg;
	struct attrs attrs = message_attrs(nlh);
	const struct nlattr *list = find_attr(attrs, NFTA_SET_ELEM_LIST_ELEMENTS, 0), *attr;

	if (!is_type(nlh, NFT_MSG_NEWSETELEM))
		return dd_err_say(err, EPROTO,
		                  "the kernel listed something else than set elements");
	struct attrs left = list ? nested_attrs(list) : (struct attrs){ 0 };
	while ((attr = next_attr(&left))) {
		struct net_element element;
		if (get_element(attr, &element) < 0)
			return dd_err_say(err, EPROTO,
			                  "an element of set " NET_SET " has no address and port");
		int r = sink->element(sink->arg, element, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void forget_elements(void *arg)
{
	const struct net_element_sink *sink = arg;
	if (sink->restart)
		sink->restart(sink->arg);
}

int read_back_elements(int fd, const struct net_element_sink *elements, struct dd_err *err)
{
	char buf[NL_MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
	struct net_element_sink copy = *elements;
	const struct nl_sink sink = { .restart = forget_elements,
		                      .object = take_elements,
		                      .arg = &copy };
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_GETSETELEM, 0, NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, NET_SET);
	return nl_read_back(fd, nlh, &sink, err);
}

static int refuse_gate_rule(void *arg, const struct nlmsghdr *nlh, struct dd_err *err)
{
	(void)arg;
	return is_gate_rule(nlh) ? dd_err_say(err, EPROTO, "a rule is left in chain gate") : 0;
}

int read_back_gate_is_empty(int fd, struct dd_err *err)
{
	char buf[NL_MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
	const struct nl_sink sink = { .object = refuse_gate_rule };
	struct nlmsghdr *nlh = nft_message(buf, NFT_MSG_GETRULE, 0, NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NET_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, net_chain_rows[CHAIN_GATE].name);
	return nl_read_back(fd, nlh, &sink, err);
}

/* ---- the whole ---- */

static bool list_has_port(const struct egress_list *list, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->entries[i].host && list->entries[i].port == port)
			return true;
	}
	return false;
}

static int check_element(void *arg, struct net_element element, struct dd_err *err)
{
	const struct comparison *c = arg;
	uint32_t addr = ntohl(element.addr.s_addr);
	char text[INET_ADDRSTRLEN];

	bool port_is_right = c->plan->observe ? element.port == 0
	                                      : list_has_port(c->plan->list, element.port);
	if (c->open && addr >= NET_SYNTHETIC_FIRST && addr <= NET_SYNTHETIC_LAST && port_is_right)
		return 0;
	return dd_err_say(err, EPROTO,
	                  "set " NET_SET
	                  " has an element that cannot have been admitted: %s port %u",
	                  inet_ntop(AF_INET, &element.addr, text, sizeof(text)), element.port);
}

int net_rules_verify(int rules_fd, const struct net_plan *plan, bool open, struct dd_err *err)
{
	struct comparison c = { .plan = plan, .open = open };
	const struct net_element_sink elements = { .element = check_element, .arg = &c };

	if (dd_fault("rules_readback"))
		return dd_err_set(err, ENOSYS, "network rules: read back");
	dd_auto_free bool *seen = calloc(plan->nft.n, sizeof(*seen));
	int r = seen ? 0 : dd_err_set(err, ENOMEM, "compare the rules");
	c.seen = seen;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++) {
		c.kind = &kinds[i];
		r = compare_kind(rules_fd, &c, err);
	}
	if (r == 0)
		r = read_back_elements(rules_fd, &elements, err);
	return r < 0 ? dd_err_ctx(err, r, "network rules differ from the plan") : 0;
}
