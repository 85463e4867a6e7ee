// SPDX-License-Identifier: Apache-2.0
/* rules.c - opens single destinations in the running wall, closes it, and reads its counters.
 *
 * Runs in: supervisor, through the rules socket that was opened inside the step's netns. Never sees
 * bytes of the step: names and ports have been checked against the allowlist before they come here.
 * Invariant: every change is one batch, so a crash leaves either the old wall or the new one, and
 * the call returns after the kernel's acknowledgement.
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

#define auto_batch __attribute__((cleanup(nl_batch_done)))

static int admit(int rules_fd, struct in_addr synthetic, uint16_t port, bool any_port,
                 struct dd_err *err)
{
	auto_batch struct nl_batch batch = { 0 };
	uint32_t addr = ntohl(synthetic.s_addr);
	char text[INET_ADDRSTRLEN];
	(void)inet_ntop(AF_INET, &synthetic, text, sizeof(text));

	if (addr < NET_SYNTHETIC_FIRST || addr > NET_SYNTHETIC_LAST || (port == 0) != any_port)
		return dd_err_say(err, EINVAL,
		                  "admit %s port %u: not a synthetic address and a port", text,
		                  port);
	int r = nft_compile_admit(&batch, synthetic, port, err);
	if (r == 0)
		r = nl_batch_send(rules_fd, &batch, nft_last_object(&batch), err);
	return r < 0 ? dd_err_ctx(err, r, "admit %s port %u", text, port) : 0;
}

int net_rules_admit(int rules_fd, struct in_addr synthetic, uint16_t port, struct dd_err *err)
{
	return admit(rules_fd, synthetic, port, false, err);
}

int net_rules_admit_host(int rules_fd, struct in_addr synthetic, struct dd_err *err)
{
	return admit(rules_fd, synthetic, 0, true, err);
}

/* ---- closing ---- */

static int refuse_element(void *arg, struct net_element element, struct dd_err *err)
{
	char text[INET_ADDRSTRLEN];
	(void)arg;
	return dd_err_say(err, EPROTO, "%s port %u is left in set " NET_SET,
	                  inet_ntop(AF_INET, &element.addr, text, sizeof(text)), element.port);
}

int net_rules_close(int rules_fd, struct dd_err *err)
{
	auto_batch struct nl_batch batch = { 0 };
	const struct net_element_sink none = { .element = refuse_element };

	int r = nft_compile_close(&batch, err);
	if (r == 0 && !dd_fault("rules_close")) /* lost, as if the kernel had only said that it did
	                                           it: the read-back must not believe it */
		r = nl_batch_send(rules_fd, &batch, nft_last_object(&batch), err);
	if (r == 0)
		r = read_back_gate_is_empty(rules_fd, err);
	if (r == 0)
		r = read_back_elements(rules_fd, &none, err);
	return r < 0 ? dd_err_ctx(err, r, "close the gate") : 0;
}

/* ---- admitted elements ---- */

struct admitted {
	const struct net_element *items;
	size_t n;
	bool *seen;
};

static void forget_admitted(void *arg)
{
	const struct admitted *a = arg;
	memset(a->seen, 0, a->n * sizeof(*a->seen));
}

static int tick_admitted(void *arg, struct net_element element, struct dd_err *err)
{
	const struct admitted *a = arg;
	char text[INET_ADDRSTRLEN];

	for (size_t i = 0; i < a->n; i++) {
		if (a->items[i].addr.s_addr == element.addr.s_addr &&
		    a->items[i].port == element.port) {
			a->seen[i] = true;
			return 0;
		}
	}
	return dd_err_say(err, EPROTO, "%s port %u is in set " NET_SET ", but nobody admitted it",
	                  inet_ntop(AF_INET, &element.addr, text, sizeof(text)), element.port);
}

int net_rules_verify_admitted(int rules_fd, const struct net_element *admitted, size_t n,
                              struct dd_err *err)
{
	dd_auto_free bool *seen = calloc(n + 1, sizeof(*seen));
	struct admitted a = { admitted, n, seen };
	const struct net_element_sink sink = { .restart = forget_admitted,
		                               .element = tick_admitted,
		                               .arg = &a };

	if (!seen)
		return dd_err_set(err, ENOMEM, "compare admissions");
	int r = read_back_elements(rules_fd, &sink, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!seen[i])
			r = dd_err_say(err, EPROTO, "admission %zu of %zu is not in set " NET_SET,
			               i + 1, n);
	}
	return r < 0 ? dd_err_ctx(err, r, "network rules differ from what was admitted") : 0;
}

/* ---- counters ---- */

struct counter_walk {
	struct net_counters counters;
	bool accepted, denied; /* found */
};

/* 0 when it is there; the kernel has both, so anything else is an error. */
static int get_u64(const struct nlattr *data, unsigned type, uint64_t *ret)
{
	const struct nlattr *attr = data ? find_attr(nested_attrs(data), type, 0) : NULL;
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(uint64_t))
		return -EPROTO;
	*ret = be64toh(mnl_attr_get_u64(attr));
	return 0;
}

static int take_counter(void *arg, const struct nlmsghdr *nlh, struct dd_err *err)
{
	struct counter_walk *walk = arg;
	struct net_counters *c = &walk->counters;
	const struct nlattr *attr = find_attr(message_attrs(nlh), NFTA_OBJ_NAME, 0);
	const struct nlattr *data = find_attr(message_attrs(nlh), NFTA_OBJ_DATA, 0);
	const char *name = attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0
	                           ? mnl_attr_get_str(attr)
	                           : "";
	bool accepted = strcmp(name, NET_COUNTER_ACCEPTED) == 0,
	     denied = strcmp(name, NET_COUNTER_DENIED) == 0;

	if (!(accepted || denied) ||
	    get_u64(data, NFTA_COUNTER_PACKETS,
	            accepted ? &c->accepted_packets : &c->denied_packets) < 0 ||
	    get_u64(data, NFTA_COUNTER_BYTES, accepted ? &c->accepted_bytes : &c->denied_bytes) < 0)
		return dd_err_say(err, EPROTO, "counter `%.40s` is unknown or has no value", name);
	walk->accepted |= accepted;
	walk->denied |= denied;
	return 0;
}

int net_rules_counters(int rules_fd, struct net_counters *ret, struct dd_err *err)
{
	char buf[NL_MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
	struct counter_walk walk = { 0 };
	const struct nl_sink sink = { .object = take_counter, .arg = &walk };

	int r = nl_read_back(rules_fd, nft_message(buf, NFT_MSG_GETOBJ, 0, NFPROTO_UNSPEC), &sink,
	                     err);
	if (r == 0 && !(walk.accepted && walk.denied))
		r = dd_err_say(err, EPROTO, "a counter is missing");
	if (r < 0)
		return dd_err_ctx(err, r, "read the counters of the gate");
	*ret = walk.counters;
	return 0;
}
