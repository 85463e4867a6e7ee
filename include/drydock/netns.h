// SPDX-License-Identifier: Apache-2.0
/* netns.h - the network of one step: a namespace with only `lo`, the wall (nftables) around it, and
 * the sockets that the gate will own.
 *
 * Enforcement rests on topology (no interface but lo: no packet of a step is ever forwarded); the
 * rules are the second lock and the witness. No conntrack expression anywhere: its table is one for
 * the whole kernel (a step could fill it).
 *
 * Order of use:
 *   supervisor  net_plan_new()                       once per allowlist: compiles batch bytes,
 * route and address messages launcher    net_inside_setup()                   in the new netns,
 * with CAP_NET_ADMIN over it; makes the sockets supervisor  net_rules_verify() read-back through
 * the rules socket; a difference ends the step (G-08) supervisor  net_rules_admit() ...
 * net_rules_close() net_rules_counters()
 *
 * Why the supervisor can use a socket made inside: the kernel checks that the opener and the sender
 * both have power over the netns; the supervisor's euid is the creator of the step's user namespace
 * (measured on 6.1 and 6.18). The gate's is not.
 *
 * Addresses inside (all IPv4, on lo):
 *   127.0.0.1        the one address that lo has, as on a host without a network
 *   198.18.0.1       the step's resolver, UDP and TCP port 53, and the gate's listener
 *   198.18.0.2       where connections to synthetic addresses come from: local by its route
 *   198.18.1.0 ...   one synthetic address per allowlisted name, assigned by the gate
 * Routes: local 198.18.0.0/15 and each cidr entry; unicast defaults v4 and v6 via lo, so that
 * everything else reaches the output hook and is refused and logged at once.
 */
#ifndef DRYDOCK_NETNS_H
#define DRYDOCK_NETNS_H

#include "egress.h"

#include <sys/types.h>

#define NET_RESOLVER_ADDR   0xC6120001u /* 198.18.0.1, host byte order */
#define NET_STEP_ADDR       0xC6120002u /* 198.18.0.2 */
#define NET_SYNTHETIC_FIRST 0xC6120100u /* 198.18.1.0 */
#define NET_SYNTHETIC_LAST  0xC613FFFEu /* 198.19.255.254 */
/* The TPROXY listener. Not on a loopback address, whose ports are the step's own; and a low port,
 * so that no step can sit on it. */
#define NET_GATE_ADDR NET_RESOLVER_ADDR
#define NET_GATE_PORT 1
/* The hatch, on 127.0.0.1: likewise low. Not one of the ports that a
 * browser, and so node, refuses to speak to. */
#define NET_HATCH_PORT 3

/* Sockets made inside the step's netns, in the order in which they cross to the supervisor. All
 * CLOEXEC. */
enum net_fd {
	NET_FD_RULES = 0, /* netlink netfilter; stays with the supervisor */
	/* netlink netfilter bound to the log group, QTHRESH 1; to the gate, which only reads */
	NET_FD_NFLOG,
	NET_FD_LISTENER, /* IP_TRANSPARENT listener, non-blocking; to the gate */
	NET_FD_DNS_UDP,  /* bound to 198.18.0.1:53; to the gate */
	NET_FD_DNS_TCP,  /* listening on 198.18.0.1:53; to the gate */
	NET_FD_HATCH, /* bound on 127.0.0.1; to the hatch of a step that has one, which listens */
	NET_FD__COUNT
};

/* Each block of a list is a rule and a route, so there are not many in one list. */
enum { NET_BLOCKS_MAX = 128 };
/* Why no wall can be built for @entry, as a sentence; NULL: it can. Pure. */
const char *net_entry_fault(const struct egress_entry *entry);

struct net_plan; /* immutable after net_plan_new(); may be shared by any number of steps with the
                    same allowlist */

/* Compile @list (borrowed, must outlive the plan). An empty list makes a closed gate: no TPROXY
 * rule, no accept in chain gate. -EINVAL names the entry that cannot be expressed. */
int net_plan_new(const struct egress_list *list, struct net_plan **ret_plan, struct dd_err *err);
/* With @observe the wall of observe mode: the gate is open whatever @list says. TCP to every public
 * IPv4 address, and to an admitted synthetic address at any port, goes to the gate; special ranges
 * (private, loopback, link-local, metadata, ...) stay as @list has them; UDP and IPv6 stay refused.
 */
int net_plan_new_with(const struct egress_list *list, bool observe, struct net_plan **ret_plan,
                      struct dd_err *err);
void net_plan_free(struct net_plan *plan);

/* The rules in `nft` syntax, for `plan` and docs; heap, caller frees; NULL without memory. */
char *net_plan_text(const struct net_plan *plan);

/* What net_inside_setup() reads of @plan, and nothing else of it, in the @size bytes at @room
 * (aligned as malloc(3) would): for a process that is sent bytes and inherits none. Returns how
 * many were used; -E2BIG. *@ret lies in them, holds no other pointer, and is never freed. */
ssize_t net_plan_pack(const struct net_plan *plan, void *room, size_t size,
                      const struct net_plan **ret);

/* Launcher only, inside the new netns, before capabilities go: lo up, addresses, routes, the whole
 * rule set in one batch with every ack checked, the sockets. On failure nothing is kept open. */
int net_inside_setup(const struct net_plan *plan, int ret_fds[NET_FD__COUNT], struct dd_err *err);

/* Supervisor only. Dump tables, sets, chains and rules and hold them against the plan: every
 * attribute that was sent must be there with the same value, nothing may be there that was not
 * sent. @open says which state is expected of chain gate. -EPROTO names the first difference; the
 * caller must kill the step. */
int net_rules_verify(int rules_fd, const struct net_plan *plan, bool open, struct dd_err *err);

/* Supervisor only. Let TCP to @synthetic:@port through to the gate; returns after the kernel's ack
 * (N-28). Idempotent. */
int net_rules_admit(int rules_fd, struct in_addr synthetic, uint16_t port, struct dd_err *err);

/* The same for a plan made with observe: any port. (Either call on a plan of the other kind is
 * refused by the kernel: their keys differ in length.) */
int net_rules_admit_host(int rules_fd, struct in_addr synthetic, struct dd_err *err);

/* Supervisor only. Close the gate: one batch flushes chain gate and the set; then the read-back
 * must show both empty. Idempotent. Any error: the state is unknown and the caller must kill the
 * step at once. */
int net_rules_close(int rules_fd, struct dd_err *err);

/* Supervisor only. The elements of the set must be exactly the @n that were admitted (any order, no
 * repetition). -EPROTO names the first difference; the caller must kill the step.
 * net_rules_verify() by itself only demands that each lies in the synthetic range at a port of the
 * list. */
struct net_element {
	struct in_addr addr;
	uint16_t port;
};
int net_rules_verify_admitted(int rules_fd, const struct net_element *admitted, size_t n,
                              struct dd_err *err);

struct net_counters {
	/* step -> gate, rule "gate"; all destinations */
	uint64_t accepted_packets, accepted_bytes;
	uint64_t denied_packets, denied_bytes; /* refused by the default rule */
};

/* Supervisor only, any time before the rules socket is closed; still correct after
 * net_rules_close(). */
int net_rules_counters(int rules_fd, struct net_counters *ret, struct dd_err *err);

#endif
