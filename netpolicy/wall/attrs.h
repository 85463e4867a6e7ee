// SPDX-License-Identifier: Apache-2.0
/* attrs.h - inside netpolicy/: walking the attributes of one nftables message, bounds checked, by
 * type and place. */
#ifndef NETPOLICY_ATTRS_H
#define NETPOLICY_ATTRS_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

struct attrs {
	const char *at;
	size_t len;
};

static inline struct attrs message_attrs(const struct nlmsghdr *nlh)
{
	size_t head = NLMSG_SPACE(sizeof(struct nfgenmsg));
	return (struct attrs){ (const char *)nlh + head,
		               nlh->nlmsg_len > head ? nlh->nlmsg_len - head : 0 };
}

static inline struct attrs nested_attrs(const struct nlattr *attr)
{
	return (struct attrs){ mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr) };
}

static inline const struct nlattr *next_attr(struct attrs *left)
{
	const struct nlattr *attr = (const struct nlattr *)(const void *)left->at;
	if (left->len < sizeof(*attr) || !mnl_attr_ok(attr, (int)left->len))
		return NULL;
	size_t step = NLMSG_ALIGN((size_t)attr->nla_len);
	left->at += step <= left->len ? step : left->len;
	left->len -= step <= left->len ? step : left->len;
	return attr;
}

/* The @nth (from 0) attribute of @type. Types repeat in lists, where the place counts. */
static inline const struct nlattr *find_attr(struct attrs in, unsigned type, unsigned nth)
{
	const struct nlattr *attr;
	while ((attr = next_attr(&in))) {
		if (mnl_attr_get_type(attr) == type && nth-- == 0)
			return attr;
	}
	return NULL;
}

#endif
